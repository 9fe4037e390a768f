/** Registers, compare and set, and the ledger on line: what must be accepted and rejected. (At random: fuzz.test.ts.) */
import {describe, expect, test} from 'vitest'
import {OnlineChecker} from '../../src/checker/online-checker.ts'
import {CHECKER_SWEEP_STAMPS} from '../../src/constants.ts'
import {failed, faultOf, found, make} from './online.ts'
import type {Line} from './online.ts'

describe('registers', () => {
  test('values seen in an order that is possible', () => {
    expect(
      faultOf('register', ['write', 'a', 1, 2], ['write', 'b', 3, 8], ['read', 'b', 4, 5], ['read', 'b', 6, 7]),
    ).toBe('')
    expect(faultOf('register', ['write', 'a', 1, 2], ['write', 'b', 3, 8], ['read', 'a', 4, 5])).toBe('')
    expect(faultOf('register', ['write', 'a', 1, Infinity], ['read', null, 2, 3], ['read', 'a', 90, 91])).toBe('')
    expect(faultOf('register', ['write', 'a', 1, 4], ['write', 'b', 2, 3], ['read', 'a', 5, 6])).toBe('')
    expect(faultOf('register', ['read', 'a', 2, 3], ['write', 'a', 1, 4])).toBe('')
  })

  test('a stale read, a lost write, and reads that go back', () => {
    const stale = 'a was seen after b had taken its place'
    expect(faultOf('register', ['write', 'a', 1, 2], ['write', 'b', 3, 4], ['read', 'a', 5, 6])).toBe(stale)
    expect(faultOf('register', ['write', 'a', 1, 2], ['read', null, 3, 4])).toBe(
      'nothing was seen after a had taken its place',
    )
    const history: Line[] = [
      ['write', 'a', 1, 2],
      ['read', 'b', 4, 5],
      ['read', 'a', 6, 7],
      ['write', 'b', 3, 9],
    ]
    expect(faultOf('register', ...history)).toBe(stale)
  })

  test('a value that nobody wrote, whose write failed, or that is read too early', () => {
    expect(faultOf('register', ['read', 'x', 1, 2])).toContain('saw x, which nobody wrote')
    expect(faultOf('register', ['write', 'a', 1, 2, failed], ['read', 'a', 3, 4])).toBe('saw a, whose write had failed')
    expect(faultOf('register', ['read', 'a', 2, 3], ['write', 'a', 1, 4, failed])).toBe('saw a, whose write failed')
    expect(faultOf('register', ['read', 'a', 1, 2], ['write', 'a', 3, 4])).toBe('saw a before its write began')
    expect(faultOf('register', ['write', 'a', 3, 4], ['read', 'a', 1, 2])).toBe('saw a before its write began')
  })

  test('a value that was replaced long ago is still found when it is read', () => {
    const checker = new OnlineChecker()
    let stamp = 0
    for (let i = 0; i < 5_000; i++) {
      for (const operation of make('register', ['write', `v${i}`, ++stamp, ++stamp])) checker.take(operation)
      checker.advance(stamp)
    }
    expect(checker.held).toBeLessThan(5_000)
    for (const operation of make('register', ['read', 'v3', stamp + 1, stamp + 2])) checker.take(operation)
    checker.finish()
    expect(checker.findings.map(({reason}) => reason)).toEqual([
      'saw v3, which nobody wrote, or which had been replaced long before',
    ])
  })

  test('a wrong value is told when the floor has passed it, without another word on its key', () => {
    const checker = new OnlineChecker()
    for (const operation of make('register', ['read', 'x', 1, 2])) checker.take(operation)
    expect(checker.findings).toEqual([])
    checker.advance(CHECKER_SWEEP_STAMPS + 1)
    expect(checker.findings).toHaveLength(1)
  })

  test('an unknown write stays possible for ever', () => {
    const checker = new OnlineChecker()
    for (const operation of make('register', ['write', 'late', 1, Infinity])) checker.take(operation)
    let stamp = 1
    for (let i = 0; i < 3_000; i++) {
      for (const operation of make('register', ['write', `v${i}`, ++stamp, ++stamp])) checker.take(operation)
      checker.advance(stamp)
    }
    for (const operation of make('register', ['read', 'late', stamp + 1, stamp + 2])) checker.take(operation)
    checker.finish()
    expect(checker.findings).toEqual([])
  })

  test('values are unique: a workload that repeats one is a bug of ours', () => {
    expect(() => faultOf('register', ['write', 'a', 1, 2], ['write', 'a', 3, 4])).toThrow('values are unique')
  })
})

describe('compare and set', () => {
  test('a chain of swaps, one of which nobody heard of', () => {
    const chain: Line[] = [
      ['write', 'a', 1, 2],
      ['swap', 'b', 3, 4, found('a')],
      ['swap', 'c', 5, Infinity, found('b')],
    ]
    expect(faultOf('register', ...chain, ['read', 'b', 7, 8])).toBe('')
    expect(faultOf('register', ...chain, ['swap', 'd', 7, 8, found('c')], ['read', 'd', 9, 10])).toBe('')
    expect(faultOf('register', ...chain, ['swap', 'd', 7, 8, found('c')], ['read', 'b', 9, 10])).toContain(
      'b was seen after',
    )
  })

  test('a value that two swaps found', () => {
    const both: Line[] = [
      ['write', 'a', 1, 2],
      ['swap', 'b', 3, 9, found('a')],
      ['swap', 'c', 4, 8, found('a')],
    ]
    expect(faultOf('register', ...both)).toBe('a was replaced twice, by b and by c')
    const unknown: Line[] = [
      ['write', 'a', 1, 2],
      ['swap', 'b', 3, Infinity, found('a')],
      ['swap', 'c', 4, 8, found('a')],
    ]
    expect(faultOf('register', ...unknown)).toBe('')
    expect(faultOf('register', ...unknown, ['read', 'b', 10, 11])).toContain('replaced twice')
    expect(
      faultOf('register', ['write', 'a', 1, 2], ['swap', 'b', 3, 9, failed], ['swap', 'c', 4, 8, found('a')]),
    ).toBe('')
  })

  test('nothing comes between what a swap found and what it made', () => {
    // As mere reads and writes these would do: b first, then a.
    const history: Line[] = [
      ['write', 'a', 0, 100],
      ['swap', 'b', 1, 50, found('a')],
      ['read', 'a', 80, 90],
    ]
    expect(faultOf('register', ...history)).toBe('a was seen after b had taken its place')
  })

  test('a swap that found what nobody wrote, or what had gone', () => {
    expect(faultOf('register', ['write', 'a', 1, 2], ['swap', 'b', 3, 4, found('x')])).toContain(
      'saw x, which nobody wrote',
    )
    const gone: Line[] = [
      ['write', 'a', 1, 2],
      ['write', 'b', 3, 4],
      ['swap', 'c', 5, 6, found('a')],
    ]
    expect(faultOf('register', ...gone)).toContain('after b had taken its place')
  })
})

describe('ledger', () => {
  test('what was written once stays', () => {
    expect(faultOf('ledger', ['write', 'a', 1, 2], ['read', 'a', 3, 4], ['read', 'a', 500, 501])).toBe('')
    expect(faultOf('ledger', ['write', 'a', 1, 2], ['read', 'a', 3, 4], ['read', null, 500, 501])).toContain(
      'nothing was seen',
    )
    expect(faultOf('ledger', ['write', 'a', 1, Infinity], ['read', 'a', 3, 4], ['read', null, 5, 6])).toContain(
      'nothing was seen',
    )
    expect(faultOf('ledger', ['write', 'a', 1, Infinity], ['read', null, 5, 6])).toBe('')
  })
})
