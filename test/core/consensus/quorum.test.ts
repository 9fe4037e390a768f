import fc from 'fast-check'
import {expect, test} from 'vitest'
import {majorityOf, outcomeOf, reachedByMajority} from '../../../src/core/consensus/quorum.ts'

test.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
])('of %i voters %i are a majority', (count, majority) => {
  expect(majorityOf(count)).toBe(majority)
})

test('nobody has no majority', () => {
  expect(() => majorityOf(0)).toThrow()
  expect(() => reachedByMajority([])).toThrow()
})

test('what a majority reached is the largest value that enough voters have', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({min: 0, max: 9}), {minLength: 1, maxLength: 7}), (values) => {
      const isReached = (value: number): boolean => values.filter((other) => other >= value).length * 2 > values.length
      expect(reachedByMajority(values)).toBe(Math.max(...values.filter(isReached)))
    }),
  )
  expect(reachedByMajority([-Infinity, 5, -Infinity])).toBe(-Infinity)
})

test('a ballot is won, lost or open as the voters, and only they, have answered', () => {
  const ballot = (granted: string[], refused: string[]): string =>
    outcomeOf(['a', 'b', 'c', 'd'], {granted: new Set(granted), refused: new Set(refused)})
  expect(ballot(['a', 'b', 'c'], [])).toBe('won')
  expect(ballot(['a', 'b', 'x', 'y'], [])).toBe('open')
  expect(ballot(['a', 'b'], ['c'])).toBe('open')
  expect(ballot(['a', 'b'], ['c', 'd'])).toBe('lost')
  expect(ballot([], ['x', 'y', 'z'])).toBe('open')
})
