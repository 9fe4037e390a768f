/** Counters on line: what must be accepted and rejected. (At random: fuzz.test.ts.) */
import {describe, expect, test} from 'vitest'
import {OnlineChecker} from '../../src/checker/online-checker.ts'
import {failed, faultOf, make} from './online.ts'
import type {Line} from './online.ts'

describe('counters', () => {
  test('increments one after the other, side by side, and unknown ones', () => {
    expect(faultOf('counter', ['increment', 1, 1, 2], ['increment', 2, 3, 4], ['read', 2, 5, 6])).toBe('')
    expect(faultOf('counter', ['increment', 2, 1, 4], ['increment', 1, 2, 3])).toBe('')
    expect(
      faultOf(
        'counter',
        ['increment', null, 3, Infinity],
        ['increment', 1, 1, 2],
        ['read', 1, 5, 6],
        ['read', 2, 7, 8],
      ),
    ).toBe('')
    expect(faultOf('counter', ['read', null, 1, 2], ['increment', 1, 3, 4])).toBe('')
  })

  test('a lost increment, one that was done twice, and one that failed and was done', () => {
    expect(faultOf('counter', ['increment', 1, 1, 2], ['increment', 1, 3, 4])).toContain('increment answered 1')
    expect(faultOf('counter', ['increment', 1, 1, 4], ['increment', 1, 2, 3])).toBe(
      'increment answered 1, as another increment had',
    )
    expect(faultOf('counter', ['increment', 1, 1, 2], ['read', 2, 3, 4])).toBe(
      '2 was answered, but no more than 1 increments can have happened',
    )
    expect(faultOf('counter', ['increment', null, 1, 2, failed], ['read', 1, 3, 4])).toContain('no more than 0')
  })

  test('an answer below one that was given before, now or long ago', () => {
    expect(faultOf('counter', ['increment', 1, 1, 2], ['increment', 2, 3, 4], ['read', 1, 5, 6])).toBe(
      'read answered 1, though 2 had been answered before it began',
    )
    const checker = new OnlineChecker()
    let stamp = 0
    for (let i = 1; i <= 3_000; i++) {
      for (const operation of make('counter', ['increment', i, ++stamp, ++stamp])) checker.take(operation)
      checker.advance(stamp)
    }
    expect(checker.held).toBeLessThan(3_000)
    for (const operation of make('counter', ['read', 7, stamp + 1, stamp + 2])) checker.take(operation)
    expect(checker.findings[0]!.reason).toMatch(/^read answered 7, long after \d+ had been answered$/)
  })

  test('an unknown increment that had not begun explains nothing', () => {
    const later: Line[] = [
      ['increment', 2, 0, 10],
      ['increment', null, 5, Infinity],
      ['read', 1, 1, 2],
    ]
    expect(faultOf('counter', ...later)).toContain('1 was answered, but no more than 0 increments can have happened')
    expect(faultOf('counter', ['increment', 2, 0, 10], ['increment', null, 1, Infinity], ['read', 1, 2, 3])).toBe('')
  })

  test('what is no count', () => {
    for (const value of [-1, 1.5, 'x']) expect(faultOf('counter', ['read', value, 1, 2])).toContain('which is no count')
    expect(faultOf('counter', ['read', 2 ** 40, 1, 2])).toContain('no more than 0')
  })
})
