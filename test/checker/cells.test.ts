/** The search checker for registers that are deleted and expire: by hand, against trying every order, and its budget. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {checkCells} from '../../src/checker/cells.ts'
import {isLinearizableByForce} from './histories.ts'
import type {CellOperation} from '../../src/checker/cells.ts'

const line = (kind: CellOperation['kind'], value: string | null, start: number, end: number): CellOperation => {
  return {key: 'k', kind, value, start, end, hasFailed: false}
}

test('a deleted key may be read as nothing, an acknowledged one may not', () => {
  const written = line('write', 'a', 1, 2)
  expect(checkCells([written, line('delete', null, 3, 4), line('read', null, 5, 6)])).toEqual([])
  expect(checkCells([written, line('read', null, 5, 6)])).toEqual([{key: 'k', verdict: 'not linearizable'}])
})

test('a deleted key does not come back', () => {
  const history = [line('write', 'a', 1, 2), line('delete', null, 3, 4), line('read', 'a', 5, 6)]
  expect(checkCells(history)).toHaveLength(1)
})

test('a value vanishes within the window of its time to live, neither before nor after', () => {
  const mortal = [line('write', 'a', 1, 2), line('expire', 'a', 10, 20)]
  expect(checkCells([...mortal, line('read', null, 12, 13)])).toEqual([])
  expect(checkCells([...mortal, line('read', 'a', 12, 13)])).toEqual([])
  expect(checkCells([...mortal, line('read', null, 5, 6)])).toHaveLength(1)
  expect(checkCells([...mortal, line('read', 'a', 22, 23)])).toHaveLength(1)
})

test('the time to live of a value that was overwritten means nothing', () => {
  const history = [line('write', 'a', 1, 2), line('write', 'b', 3, 4), line('expire', 'a', 10, 20)]
  expect(checkCells([...history, line('read', 'b', 30, 31)])).toEqual([])
  expect(checkCells([...history, line('read', null, 30, 31)])).toHaveLength(1)
})

test('an unknown delete may happen late or never', () => {
  const history = [line('write', 'a', 1, 2), line('delete', null, 3, Infinity), line('read', 'a', 5, 6)]
  expect(checkCells([...history, line('read', null, 7, 8)])).toEqual([])
  expect(checkCells([...history, line('read', 'a', 7, 8)])).toEqual([])
})

test('a search that is too long is told as undecided', () => {
  const history = Array.from({length: 30}, (_, i) => line('write', `v${i}`, i, 100 + i))
  expect(checkCells([...history, line('read', 'nobody', 200, 201)], 1_000)).toEqual([{key: 'k', verdict: 'undecided'}])
})

const kinds = ['read', 'write', 'delete', 'expire'] as const
const histories = fc
  .array(fc.tuple(fc.nat(3), fc.nat(10), fc.integer({min: 1, max: 6}), fc.nat(4), fc.nat(8)), {
    minLength: 2,
    maxLength: 7,
  })
  .map((drafts) =>
    drafts.map(([kind, at, length, value, fate], i): CellOperation => {
      const values = {read: value === 4 ? null : `v${value}`, write: `v${i}`, delete: null, expire: `v${value}`}
      const start = at + i / 100
      const end = fate === 0 ? Infinity : at + length + i / 100 + 0.001
      return {...line(kinds[kind]!, values[kinds[kind]!], start, end), hasFailed: fate === 1}
    }),
  )

test('it agrees with trying every order, for thousands of small histories', () => {
  const seen = {good: 0, bad: 0}
  fc.assert(
    fc.property(histories, (history) => {
      const expected = isLinearizableByForce(history)
      seen[expected ? 'good' : 'bad']++
      expect(checkCells(history).length === 0).toBe(expected)
    }),
    {numRuns: 20_000, seed: 2},
  )
  expect(Math.min(seen.good, seen.bad)).toBeGreaterThan(1_000)
})
