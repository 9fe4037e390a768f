/** The rule of counters: what it must accept and reject. */
import {expect, test} from 'vitest'
import {checkCounters} from '../../src/checker/counters.ts'
import type {CounterOperation} from '../../src/checker/counters.ts'

const increment = (result: number | null, start: number, end: number, hasFailed = false): CounterOperation => {
  return {key: 'c', kind: 'increment', result, start, end, hasFailed}
}
const read = (result: number, start: number, end: number): CounterOperation => {
  return {key: 'c', kind: 'read', result, start, end, hasFailed: false}
}

test('increments one after the other, side by side, and unknown ones are in order', () => {
  expect(checkCounters([increment(1, 1, 2), increment(2, 3, 4), read(2, 5, 6)])).toEqual([])
  expect(checkCounters([increment(2, 1, 4), increment(1, 2, 3)])).toEqual([])
  expect(checkCounters([increment(1, 1, 2), increment(null, 3, Infinity), read(1, 5, 6), read(2, 7, 8)])).toEqual([])
  expect(checkCounters([increment(1, 1, 2), increment(null, 3, Infinity), increment(3, 5, 6)])).toEqual([])
})

test('the same result twice is an increment that was lost', () => {
  expect(checkCounters([increment(1, 1, 2), increment(1, 3, 4)])).toHaveLength(1)
})

test('a result that is not above what was answered before is refused', () => {
  expect(checkCounters([increment(2, 1, 2), increment(null, 0, Infinity), increment(1, 3, 4)])).toHaveLength(1)
  expect(checkCounters([increment(1, 1, 2), increment(2, 3, 4), read(1, 5, 6)])).toHaveLength(1)
})

test('an increment that was done twice is found', () => {
  expect(checkCounters([increment(1, 1, 2), read(2, 3, 4)])).toHaveLength(1)
  expect(checkCounters([increment(1, 1, 2), increment(3, 3, 4)])).toHaveLength(1)
})

test('a failed increment did not happen', () => {
  expect(checkCounters([increment(null, 1, 2, true), read(1, 3, 4)])).toHaveLength(1)
})

test('a number before its increment had begun is refused', () => {
  expect(checkCounters([read(1, 1, 2), increment(1, 3, 4)])).toHaveLength(1)
})
