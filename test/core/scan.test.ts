/** SCAN, HSCAN, KEYS, RANDOMKEY, HRANDFIELD: nothing that stays is missed, and chance is fair. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {TestEngine, error} from './support.ts'
import type {Plain} from './support.ts'

/** One call: [next cursor, what was found]. */
function call(subject: TestEngine, ...words: (string | number)[]): [string, string[]] {
  return subject.run(...words) as [string, string[]]
}

/** Calls until the cursor is 0; `between` is called between two calls. */
function scanAll(subject: TestEngine, words: (string | number)[], between: () => void = () => undefined): string[] {
  const [name, ...rest] = words
  const at = name === 'hscan' ? 1 : 0
  const found: string[] = []
  let cursor = '0'
  for (let calls = 0; ; calls++) {
    const [next, part] = call(subject, name!, ...rest.slice(0, at), cursor, ...rest.slice(at))
    found.push(...part)
    if (next === '0') return found
    cursor = next
    if (calls > 100_000) throw new Error('the scan does not end')
    between()
  }
}

test('scan: every key that stays is found, whatever comes and goes between the calls', () => {
  const plans = fc.record({
    stable: fc.integer({min: 0, max: 800}),
    isOneBucket: fc.boolean(),
    changes: fc.array(fc.integer({min: -200, max: 200}), {minLength: 1, maxLength: 10}),
    count: fc.constantFrom(1, 10, 100),
  })
  fc.assert(
    fc.property(plans, ({stable, isOneBucket, changes, count}) => {
      const subject = new TestEngine()
      const tag = isOneBucket ? '{t}' : ''
      for (let i = 0; i < stable; i++) subject.run('set', `${tag}s${i}`, 'v')
      let extra = 0
      let step = 0
      const found = scanAll(subject, ['scan', 'COUNT', count], () => {
        for (let change = changes[step++ % changes.length]!; change !== 0; change -= Math.sign(change)) {
          if (change > 0 && extra < 3000) subject.run('set', `${tag}x${extra++}`, 'v')
          else if (change < 0 && extra > 0) subject.run('del', `${tag}x${--extra}`)
        }
      })
      const seen = new Set(found)
      for (let i = 0; i < stable; i++) if (!seen.has(`${tag}s${i}`)) throw new Error(`s${i} was missed`)
    }),
    {numRuns: 60},
  )
})

test('hscan: every field that stays is found, and values come with their fields', () => {
  const subject = new TestEngine()
  for (let i = 0; i < 2000; i++) subject.run('hset', 'm', `s${i}`, `v${i}`)
  let next = 0
  const found = scanAll(subject, ['hscan', 'm', 'COUNT', 20], () => {
    for (let i = 0; i < 40; i++) subject.run('hset', 'm', `x${next++}`, 'v')
    if (next > 3000) subject.run('hdel', 'm', ...Array.from({length: 3000}, (_, i) => `x${next - 3000 + i}`))
  })
  const values = new Map<string, string>()
  for (let i = 0; i < found.length; i += 2) values.set(found[i]!, found[i + 1]!)
  for (let i = 0; i < 2000; i++) expect(values.get(`s${i}`)).toBe(`v${i}`)
  const names = scanAll(subject, ['hscan', 'm', 'NOVALUES', 'MATCH', 's1*'])
  expect(new Set(names).size).toBe(1111)
})

test('scan: empty buckets cost no calls, and the last bucket ends it', () => {
  const subject = new TestEngine()
  expect(call(subject, 'scan', 0)).toEqual(['0', []])
  // A key of bucket 16,383.
  subject.run('set', 'apX', '1')
  for (let i = 0; i < 5; i++) subject.run('set', `k${i}`, '1')
  let calls = 1
  expect(new Set(scanAll(subject, ['scan'], () => calls++)).size).toBe(6)
  expect(calls).toBeLessThanOrEqual(3)
})

test('scan: MATCH, TYPE, expired keys and cursors that we never gave', () => {
  const subject = new TestEngine()
  for (let i = 0; i < 100; i++) subject.run('set', `string${i}`, '1')
  for (let i = 0; i < 50; i++) subject.run('hset', `map${i}`, 'f', 'v')
  for (let i = 0; i < 20; i++) subject.run('set', `gone${i}`, '1', 'PX', '10')
  subject.sleep(100)
  expect(new Set(scanAll(subject, ['scan', 'TYPE', 'hash'])).size).toBe(50)
  expect(new Set(scanAll(subject, ['scan', 'TYPE', 'STRING'])).size).toBe(100)
  expect(scanAll(subject, ['scan', 'TYPE', 'zset'])).toEqual([])
  expect(new Set(scanAll(subject, ['scan', 'MATCH', 'map1?'])).size).toBe(10)
  expect((subject.run('keys', 'gone*') as Plain[]).length).toBe(0)
  expect((subject.run('keys', '[ms]*[0-4]') as Plain[]).length).toBe(75)
  for (const cursor of ['1', '16383', '16384', '99999999999', '9007199254740991', '18446744073709551615', '-1', '']) {
    const [next, found] = call(subject, 'scan', cursor)
    expect(Number(next)).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER)
    expect(Array.isArray(found)).toBe(true)
  }
  for (const cursor of ['x', '1.5', '18446744073709551616', ' 1'])
    expect(subject.run('scan', cursor)).toEqual(error('ERR invalid cursor'))
})

/** How far counts are from what chance would give: chi-square over its degrees of freedom, 1 is what one expects. */
function unfairness(counts: ReadonlyMap<string, number>, kinds: number): number {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const expected = total / kinds
  let sum = (kinds - counts.size) * expected
  for (const count of counts.values()) sum += (count - expected) ** 2 / expected
  return sum / (kinds - 1)
}

function tally(draws: number, draw: () => string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i < draws; i++) for (const name of draw()) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

test('randomkey and hrandfield: every one comes up, none far more often than the others', () => {
  const subject = new TestEngine()
  for (let i = 0; i < 200; i++) subject.run('set', `k${i}`, 'v')
  for (let i = 0; i < 100; i++) subject.run('hset', '{a}packed', `f${i}`, 'v')
  for (let i = 0; i < 1000; i++) subject.run('hset', '{a}large', `f${i}`, 'v')
  const keys = tally(20_000, () => [subject.run('randomkey') as string])
  expect(keys.size).toBe(202)
  const one = (map: string) => (): string[] => [subject.run('hrandfield', map) as string]
  const some = (map: string, count: number) => (): string[] => subject.run('hrandfield', map, count) as string[]
  expect(unfairness(tally(10_000, one('{a}packed')), 100)).toBeLessThan(1.5)
  expect(unfairness(tally(1000, some('{a}packed', 10)), 100)).toBeLessThan(1.5)
  expect(unfairness(tally(1000, some('{a}packed', -10)), 100)).toBeLessThan(1.5)
  expect(unfairness(keys, 202)).toBeLessThan(1.5)
  expect(unfairness(tally(20_000, one('{a}large')), 1000)).toBeLessThan(1.5)
  expect(unfairness(tally(200, some('{a}large', 600)), 1000)).toBeLessThan(1.5)
})

test('hrandfield: different fields are different, and no more than there are', () => {
  const subject = new TestEngine()
  for (let i = 0; i < 1000; i++) subject.run('hset', 'm', `f${i}`, `v${i}`)
  subject.run('hpexpire', 'm', 10, 'FIELDS', 100, ...Array.from({length: 100}, (_, i) => `f${i}`))
  subject.sleep(100)
  for (const count of [1, 5, 200, 299, 301, 899, 900, 5000]) {
    const names = subject.run('hrandfield', 'm', count) as string[]
    expect(new Set(names).size).toBe(Math.min(count, 900))
    for (const name of names) expect(Number(name.slice(1))).toBeGreaterThanOrEqual(100)
  }
  const pairs = subject.connect(3).run('hrandfield', 'm', -50, 'WITHVALUES') as string[][]
  expect(pairs).toHaveLength(50)
  for (const [name, value] of pairs) expect(value).toBe(name!.replace('f', 'v'))
})
