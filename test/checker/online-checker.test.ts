/** The on-line checker: histories by hand that it must accept or reject, each rule with its bad inputs; what a finding says; and that it forgets. (At random: fuzz.test.ts.) */
import {describe, expect, test} from 'vitest'
import {OnlineChecker} from '../../src/checker/online-checker.ts'
import {CHECKER_FINDINGS_MAX, CHECKER_SWEEP_STAMPS, CHECKER_TRAIL_MAX} from '../../src/constants.ts'
import {MadeUpClients} from '../bench/checker/clients.ts'
import type {CheckerTotals, Finding, Operation, Rule} from '../../src/checker/history.ts'

type Line = readonly [
  kind: Operation['kind'],
  value: Operation['value'],
  start: number,
  end: number,
  more?: Partial<Operation>,
]

function make(rule: Rule, ...lines: readonly Line[]): Operation[] {
  return lines.map(([kind, value, start, end, more]) => ({
    rule,
    key: 'k',
    kind,
    value,
    start,
    end,
    hasFailed: false,
    ...more,
  }))
}

function check(history: readonly Operation[], waysMax?: number): {findings: readonly Finding[]; totals: CheckerTotals} {
  const checker = new OnlineChecker(waysMax)
  for (const operation of history) checker.take(operation)
  checker.finish()
  return {findings: checker.findings, totals: checker.totals}
}

/** The reason why one history is wrong; '' if it is right. */
function faultOf(rule: Rule, ...lines: readonly Line[]): string {
  return check(make(rule, ...lines))
    .findings.map(({reason}) => reason)
    .join()
}

const failed = {hasFailed: true}
const found = (expected: string | null): Partial<Operation> => ({expected})

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
