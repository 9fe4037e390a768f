/** Keys that are deleted and expire, on line: what must be accepted and rejected, and when it gives up. (At random: fuzz.test.ts.) */
import {describe, expect, test} from 'vitest'
import {check, failed, faultOf, make} from './online.ts'
import type {Line} from './online.ts'

describe('cells', () => {
  const mortal: Line[] = [
    ['write', 'a', 1, 2],
    ['expire', 'a', 10, 20],
  ]

  test('deletions and expiries within their time', () => {
    expect(faultOf('cell', ['write', 'a', 1, 2], ['delete', null, 3, 4], ['read', null, 5, 6])).toBe('')
    expect(faultOf('cell', ...mortal, ['read', null, 12, 13])).toBe('')
    expect(faultOf('cell', ...mortal, ['read', 'a', 12, 13])).toBe('')
    expect(
      faultOf('cell', ['write', 'a', 1, 2], ['delete', null, 3, Infinity], ['read', 'a', 5, 6], ['read', null, 7, 8]),
    ).toBe('')
  })

  test('what vanishes by itself, comes back, or outlives its time', () => {
    expect(faultOf('cell', ['write', 'a', 1, 2], ['read', null, 5, 6])).toBe(
      'read of nothing does not fit: only a can have been there',
    )
    expect(faultOf('cell', ['write', 'a', 1, 2], ['delete', null, 3, 4], ['read', 'a', 5, 6])).toContain(
      'read of a does not fit',
    )
    expect(faultOf('cell', ...mortal, ['read', null, 5, 6])).toContain('only a can')
    expect(faultOf('cell', ...mortal, ['read', 'a', 22, 23])).toContain('only nothing can')
    expect(faultOf('cell', ['write', 'a', 1, 2, failed], ['read', 'a', 3, 4])).toContain('only nothing can')
  })

  test('one unknown deletion explains one disappearance, not two', () => {
    const once: Line[] = [
      ['write', 'a', 1, 2],
      ['delete', null, 3, Infinity],
      ['read', null, 5, 6],
      ['write', 'b', 7, 8],
    ]
    expect(faultOf('cell', ...once, ['read', 'b', 9, 10])).toBe('')
    expect(faultOf('cell', ...once, ['read', null, 9, 10])).toContain('only b can')
  })

  test('an unknown write that expired unseen explains a disappearance, unless it is seen after all', () => {
    const start: Line[] = [
      ['write', 'a', 1, 2],
      ['write', 'u', 3, Infinity],
      ['expire', 'u', 3, Infinity],
      ['read', null, 5, 6],
    ]
    expect(faultOf('cell', ...start)).toBe('')
    expect(faultOf('cell', ...start, ['read', 'u', 7, 8])).toContain('does not fit')
    expect(faultOf('cell', ['write', 'a', 1, 2], ['write', 'u', 3, Infinity], ['read', null, 5, 6])).toContain(
      'only a can',
    )
  })

  test('a search that is too long is counted as undecided, and goes on when all is quiet', () => {
    const crowd = Array.from({length: 12}, (_, i): Line => ['write', `v${i}`, i, 100 + i])
    const {totals, findings} = check(make('cell', ...crowd, ['read', 'v3', 200, 201]), 50)
    expect([totals.undecided, findings.length]).toEqual([1, 0])
    expect(check(make('cell', ...crowd, ['read', 'v3', 200, 201])).totals.undecided).toBe(0)
    const later: Line[] = [
      ['write', 'x', 300, 301],
      ['read', 'v3', 302, 303],
    ]
    expect(check(make('cell', ...crowd, ...later), 50).findings[0]!.reason).toContain('only x can')
  })

  test('more operations at once than can be followed are undecided too', () => {
    const crowd = Array.from({length: 40}, (_, i): Line => ['write', `v${i}`, i, 100 + i])
    expect(check(make('cell', ...crowd)).totals.undecided).toBe(1)
  })
})
