/** Faults are written down with their times, end by themselves, and all at once when they are to. */
import {expect, test} from 'vitest'
import {FaultBook, type FaultPlan} from '../../../src/chaos/drivers/fault-book.ts'
import {within} from '../../support/wait.ts'

const FOREVER_MS = 1_000_000

function planFor(steps: string[], change: Partial<FaultPlan> = {}): FaultPlan {
  return {
    places: ['n1'],
    note: 'for a test',
    begin: () => void steps.push('on'),
    finish: async (wait) => {
      await wait(FOREVER_MS)
      steps.push('off')
    },
    ...change,
  }
}

test('a fault is on until it is healed, and then over', async () => {
  let now = 5
  const book = new FaultBook(() => now)
  const steps: string[] = []
  const record = await book.begin('pause', planFor(steps))
  expect(record).toEqual({kind: 'pause', places: ['n1'], note: 'for a test', beganMs: 5, endedMs: null, error: ''})
  now = 9
  await within(book.heal(), 5_000, 'all waits are cut short')
  expect(steps).toEqual(['on', 'off'])
  expect(record.endedMs).toBe(9)
  expect(book.records).toEqual([record])
})

test('another may begin after a heal, and lasts again', async () => {
  const book = new FaultBook(() => 0)
  await book.heal()
  const steps: string[] = []
  const record = await book.begin('late', planFor(steps))
  expect(record.endedMs).toBeNull()
  await within(book.heal(), 5_000, 'it ends')
  expect(steps).toEqual(['on', 'off'])
})

test('what went wrong at the beginning or at the end is written down, and nobody else suffers', async () => {
  const book = new FaultBook(() => 1)
  const fail = (): never => {
    throw new Error('no such process')
  }
  const early = await book.begin('kill', planFor([], {begin: fail}))
  expect(early).toMatchObject({endedMs: 1, error: 'no such process'})
  const late = await book.begin('kill', planFor([], {finish: async () => fail()}))
  await within(book.heal(), 5_000, 'it ends')
  expect(late).toMatchObject({endedMs: 1, error: 'no such process'})
})

test('a fault ends by itself after its time', async () => {
  const book = new FaultBook(() => 2)
  const record = await book.begin('pause', planFor([], {finish: (wait) => wait(1)}))
  while (record.endedMs === null) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(record.error).toBe('')
})
