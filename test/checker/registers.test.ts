/** The zone checker: histories that it must accept and reject, and a comparison with trying every order. */
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {checkRegisters} from '../../src/checker/registers.ts'
import {isLinearizableByForce, makeRegister} from './histories.ts'
import type {RegisterOperation} from '../../src/checker/registers.ts'

const isGood = (history: readonly RegisterOperation[]): boolean => checkRegisters(history).length === 0

describe('good histories', () => {
  test('a read while a write is under way may see either value', () => {
    expect(
      isGood(makeRegister(['write', 'a', 1, 2], ['write', 'b', 3, 8], ['read', 'b', 4, 5], ['read', 'b', 6, 7])),
    ).toBe(true)
    expect(isGood(makeRegister(['write', 'a', 1, 2], ['write', 'b', 3, 8], ['read', 'a', 4, 5]))).toBe(true)
  })

  test('an unknown write may happen long after it was given up, or never', () => {
    expect(isGood(makeRegister(['write', 'a', 1, Infinity], ['read', null, 2, 3], ['read', 'a', 90, 91]))).toBe(true)
    expect(isGood(makeRegister(['write', 'a', 1, Infinity], ['read', null, 90, 91]))).toBe(true)
  })

  test('writes side by side may happen in either order', () => {
    expect(isGood(makeRegister(['write', 'a', 1, 4], ['write', 'b', 2, 3], ['read', 'a', 5, 6]))).toBe(true)
  })
})

describe('bad histories', () => {
  test('a read that is older than an acknowledged write', () => {
    expect(isGood(makeRegister(['write', 'a', 1, 2], ['write', 'b', 3, 4], ['read', 'a', 5, 6]))).toBe(false)
  })

  test('two reads that go back in time, though the write is still under way', () => {
    const history = makeRegister(['write', 'a', 1, 2], ['write', 'b', 3, 9], ['read', 'b', 4, 5], ['read', 'a', 6, 7])
    expect(isGood(history)).toBe(false)
  })

  test('an acknowledged write that is lost', () => {
    expect(isGood(makeRegister(['write', 'a', 1, 2], ['read', null, 3, 4]))).toBe(false)
  })

  test('a value that nobody wrote, whose write failed, or that is read before it was written', () => {
    expect(isGood(makeRegister(['read', 'x', 1, 2]))).toBe(false)
    expect(isGood(makeRegister(['write', 'a', 1, 2, 'failed'], ['read', 'a', 3, 4]))).toBe(false)
    expect(isGood(makeRegister(['read', 'a', 1, 2], ['write', 'a', 3, 4]))).toBe(false)
  })

  test('another key does not excuse it', () => {
    const other = makeRegister(['write', 'c', 1, 2], ['read', 'c', 3, 4]).map((line) => ({...line, key: 'other'}))
    expect(checkRegisters([...other, ...makeRegister(['write', 'a', 1, 2], ['read', null, 3, 4])])).toHaveLength(1)
  })
})

/** A few operations of one register, with distinct stamps, unique values, and reads that may lie. */
const histories = fc
  .array(
    fc.record({
      isWrite: fc.boolean(),
      length: fc.integer({min: 1, max: 6}),
      at: fc.integer({min: 0, max: 12}),
      value: fc.nat(4),
      fate: fc.nat(9),
    }),
    {minLength: 2, maxLength: 7},
  )
  .map((drafts) => {
    const stamps = drafts
      .flatMap(({at, length}, i) => [at + i / 100, at + length + i / 100 + 0.001])
      .sort((a, b) => a - b)
    const stampOf = (time: number): number => stamps.indexOf(time)
    return drafts.map(({isWrite, length, at, value, fate}, i): RegisterOperation => {
      const end = fate === 0 ? Infinity : stampOf(at + length + i / 100 + 0.001)
      const kind = isWrite ? 'write' : 'read'
      const seen = value === 4 ? null : `v${value}`
      return {key: 'k', kind, value: isWrite ? `v${i}` : seen, start: stampOf(at + i / 100), end, hasFailed: fate === 1}
    })
  })

test('it agrees with trying every order, for thousands of small histories', () => {
  const seen = {good: 0, bad: 0}
  fc.assert(
    fc.property(histories, (history) => {
      const expected = isLinearizableByForce(history)
      seen[expected ? 'good' : 'bad']++
      expect(isGood(history)).toBe(expected)
    }),
    {numRuns: 20_000, seed: 1},
  )
  expect(Math.min(seen.good, seen.bad)).toBeGreaterThan(1_000)
})
