/** The on-line checker as a whole: pairs, what a finding says, totals, and that it forgets. */
import {describe, expect, test} from 'vitest'
import {OnlineChecker} from '../../src/checker/online-checker.ts'
import {CHECKER_FINDINGS_MAX, CHECKER_TRAIL_MAX} from '../../src/constants.ts'
import {MadeUpClients} from '../bench/checker/clients.ts'
import {check, failed, faultOf, make} from './online.ts'
import type {Operation} from '../../src/checker/history.ts'

describe('pairs', () => {
  test('the sum of both is 0', () => {
    expect(faultOf('pair', ['read', [5, -5], 1, 2], ['read', [0, 0], 3, 4])).toBe('')
    expect(faultOf('pair', ['read', [5, -4], 1, 2])).toBe('a transaction saw 5 and -4, which is half of another')
    expect(faultOf('pair', ['read', [5, -4], 1, Infinity])).toBe('')
  })
})

describe('findings and totals', () => {
  test('a finding has what contradicts each other, marked, among the last operations of the key', () => {
    const history: Operation[] = []
    for (let i = 0; i < 100; i++)
      history.push(...make('register', ['write', `v${i}`, 4 * i, 4 * i + 1], ['read', `v${i}`, 4 * i + 2, 4 * i + 3]))
    history.push(...make('register', ['read', 'v98', 500, 501, {client: 7, node: 'n2'}]))
    const [finding] = check(history).findings
    expect(finding!.reason).toBe('v98 was seen (client 7 at n2) after v99 had taken its place')
    expect(finding!.operations).toHaveLength(CHECKER_TRAIL_MAX)
    expect(finding!.operations.map(({start}) => start)).toEqual(
      finding!.operations.map(({start}) => start).sort((a, b) => a - b),
    )
    const culprits = finding!.culprits!.map((i) => finding!.operations[i]!)
    expect(culprits.map(({kind, value}) => `${kind} ${String(value)}`)).toEqual([
      'write v98',
      'write v99',
      'read v99',
      'read v98',
    ])
  })

  test('a key is reported once, and findings beyond the limit are counted', () => {
    const keys = CHECKER_FINDINGS_MAX + 5
    const history = Array.from({length: keys}, (_, i) =>
      make('pair', ['read', [1, 1], 2 * i, 2 * i + 1, {key: `k${i}`}]),
    )
    const {findings, totals} = check([...history, ...history].flat())
    expect([findings.length, totals.findings]).toEqual([CHECKER_FINDINGS_MAX, keys])
  })

  test('operations are counted by rule and by fate; the end of a time to live is none', () => {
    const {totals} = check([
      ...make(
        'register',
        ['write', 'a', 1, 2],
        ['read', 'a', 3, 4],
        ['write', 'b', 5, 6, failed],
        ['read', null, 7, Infinity],
      ),
      ...make('cell', ['write', 'a', 10, 11], ['expire', 'a', 12, 13]),
    ])
    expect(totals).toEqual({
      operations: {register: 4, ledger: 0, cell: 1, counter: 0, pair: 0},
      ok: 3,
      failed: 1,
      unknown: 1,
      reads: 1,
      undecided: 0,
      findings: 0,
    })
  })
})

test('an operation that starts before the floor is a bug of ours', () => {
  const checker = new OnlineChecker()
  checker.advance(5)
  const [late, last] = make('register', ['write', 'a', 4, 9], ['write', 'b', 5, 8])
  expect(() => checker.take(late!)).toThrow('write of k starts before the floor')
  checker.take(last!)
  checker.finish()
  expect(checker.totals.ok).toBe(1)
})

describe('a long run', () => {
  /** Feeds what made-up clients do; `spoil` may change an operation. */
  function run(
    count: number,
    spoil: (operation: Operation, i: number) => Operation = (operation) => operation,
  ): OnlineChecker {
    const clients = new MadeUpClients(10, 200, 3)
    const checker = new OnlineChecker()
    for (let i = 0; i < count; i++) {
      checker.take(spoil(clients.next(), i))
      checker.advance(clients.floor)
    }
    return checker
  }

  test('is right, and what is held of it does not grow', () => {
    const [short, long] = [run(20_000), run(100_000)]
    expect(long.totals).toMatchObject({findings: 0, undecided: 0})
    expect(long.held).toBeLessThan(short.held * 1.2 + 100)
    long.finish()
    expect(long.totals.findings).toBe(0)
  })

  test.each(['register', 'ledger', 'cell', 'counter'] as const)(
    'one wrong answer about a %s in 20,000 is found',
    (rule) => {
      let isSpoilt = false
      const checker = run(20_000, (operation, i) => {
        const {kind, value} = operation
        if (isSpoilt || i < 10_000 || operation.rule !== rule || kind !== 'read' || value === null) return operation
        isSpoilt = true
        return {...operation, value: rule === 'counter' ? Number(value) + 1_000 : null}
      })
      checker.finish()
      expect(isSpoilt).toBe(true)
      expect(checker.findings.map((finding) => finding.rule)).toEqual([rule])
    },
  )
})
