/** Making room: who goes, that memory stays below its limit, and that nothing is applied when nobody can go. */
import {expect, test} from 'vitest'
import {seededRandom} from '../support/random.ts'
import {checkKeyspace} from './keyspace-check.ts'
import {TestEngine, bucketOf, error} from './support.ts'
import type {MaxMemoryPolicy} from '../../src/core/eviction.ts'

const OOM = error("OOM command not allowed when used memory > 'maxmemory'.")
const VALUE = 'v'.repeat(100)
/** The largest block that a command of these tests takes, and a table that doubles. */
const SLACK_BYTES = 64 * 1024

/** An engine that may use so much more than nothing. */
function makeEngine(policy: MaxMemoryPolicy, roomBytes: number): TestEngine {
  const subject = new TestEngine()
  const {engine} = subject
  engine.eviction.policy = policy
  engine.eviction.maxBytes = engine.keyspace.memory.usedBytes + roomBytes
  return subject
}

function usedOver(subject: TestEngine): number {
  return subject.engine.keyspace.memory.usedBytes - subject.engine.eviction.maxBytes
}

function exists(subject: TestEngine, prefix: string, count: number): number {
  let found = 0
  for (let i = 0; i < count; i++) if (subject.run('exists', `${prefix}${i}`) === 1) found++
  return found
}

test('noeviction: a write over the limit is refused before anything is applied; reads and deletes go on', () => {
  const subject = makeEngine('noeviction', 300_000)
  const {engine} = subject
  let count = 0
  while (subject.run('set', `k${count}`, VALUE) === 'OK') count++
  expect(count).toBeGreaterThan(1000)
  const changes = engine.effects.changes
  for (const words of [
    ['set', 'k0', 'x'],
    ['hset', 'm', 'f', 'v'],
    ['append', 'k0', 'x'],
    ['copy', '{t}a', '{t}b'],
    ['incr', 'n'],
    ['mset', 'k0', 'x'],
    ['restore', 'r', '0', 'x'],
  ]) {
    expect(subject.run(...words)).toEqual(OOM)
  }
  expect(engine.effects.changes).toBe(changes)
  expect(subject.run('get', 'k0')).toBe(VALUE)
  expect(subject.run('pexpire', 'k0', 100_000)).toBe(1)
  expect(subject.run('del', 'k0', 'k0')).toBe(1)
  expect(subject.run('set', 'k0', VALUE)).toBe('OK')
})

test('noeviction: a transaction that needs room is refused whole', () => {
  const subject = makeEngine('noeviction', 100_000)
  subject.run('multi')
  subject.run('incr', '{t}n')
  subject.run('set', '{t}k', VALUE)
  const other = subject.connect()
  for (let i = 0; other.run('set', `k${i}`, VALUE) === 'OK'; i++);
  expect(subject.run('exec')).toEqual(
    error("EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'."),
  )
  expect(subject.run('exists', '{t}n')).toBe(0)
  subject.run('multi')
  expect(subject.run('set', '{t}k', VALUE)).toEqual(OOM)
  expect(subject.run('exec')).toEqual(error('EXECABORT Transaction discarded because of previous errors.'))
})

test.each(['allkeys-lru', 'volatile-lru', 'volatile-ttl'] as const)(
  '%s: memory stays below its limit whatever is written',
  (policy) => {
    const subject = makeEngine(policy, 1_000_000)
    const random = seededRandom(5)
    for (let i = 0; i < 30_000; i++) {
      const key = `k${random.below(20_000)}`
      const size = random.pick([1, 10, 100, 1000, 5000])
      if (random.chance(0.2)) {
        subject.run('hset', `m${random.below(100)}`, `f${random.below(100)}`, 'v'.repeat(size % 70))
        subject.run('pexpire', `m${random.below(100)}`, 10_000_000)
      } else subject.run('set', key, 'v'.repeat(size), 'PX', random.below(10_000_000) + 100_000)
      if (i % 1000 === 0) subject.advance(10)
      expect(usedOver(subject)).toBeLessThan(SLACK_BYTES)
    }
    expect(subject.engine.effects.evictedKeys).toBeGreaterThan(5000)
    subject.collect()
    checkKeyspace(subject.engine)
  },
)

test('allkeys-lru: keys that are used stay, keys that are not go', () => {
  const subject = makeEngine('allkeys-lru', 600_000)
  for (let i = 0; i < 1000; i++) subject.run('set', `hot${i}`, VALUE)
  for (let i = 0; i < 8000; i++) {
    if (i % 100 === 0) {
      subject.advance(2000)
      for (let j = 0; j < 1000; j++) subject.run('get', `hot${j}`)
    }
    subject.run('set', `cold${i}`, VALUE)
  }
  expect(exists(subject, 'hot', 1000)).toBeGreaterThan(980)
  expect(exists(subject, 'cold', 1000)).toBeLessThan(50)
})

test('volatile policies: only keys with an expiry go; without any the write is refused', () => {
  for (const policy of ['volatile-lru', 'volatile-ttl'] as const) {
    const subject = makeEngine(policy, 600_000)
    for (let i = 0; i < 1500; i++) subject.run('set', `keep${i}`, VALUE)
    for (let i = 0; i < 10_000; i++) subject.run('set', `go${i}`, VALUE, 'PX', 1_000_000 + i)
    expect(exists(subject, 'keep', 1500)).toBe(1500)
    expect(subject.engine.effects.evictedKeys).toBeGreaterThan(5000)
    let refused = 0
    for (let i = 0; i < 10_000; i++) if (subject.run('set', `more${i}`, VALUE) !== 'OK') refused++
    expect(refused).toBeGreaterThan(5000)
    expect(subject.engine.keyspace.expiringCount).toBe(0)
    expect(exists(subject, 'keep', 1500)).toBe(1500)
  }
})

test('volatile-ttl: those that would expire first go first', () => {
  const subject = makeEngine('volatile-ttl', 600_000)
  for (let i = 0; i < 3000; i++) subject.run('set', `k${i}`, VALUE, 'PX', (i + 1) * 2000)
  const before = exists(subject, 'k', 3000)
  expect(before).toBe(3000)
  for (let i = 0; i < 2000; i++) subject.run('set', `n${i}`, VALUE)
  const gone = 3000 - exists(subject, 'k', 3000)
  expect(gone).toBeGreaterThan(500)
  let early = 0
  for (let i = 0; i < gone; i++) if (subject.run('exists', `k${i}`) === 0) early++
  expect(early).toBeGreaterThan(gone * 0.95)
})

test('volatile policies: many expiring fields do not hide the keys that can go', () => {
  const subject = makeEngine('volatile-lru', 3_000_000)
  for (let i = 0; i < 3000; i++) {
    subject.run('hset', 'map', `f${i}`, VALUE)
    subject.run('hpexpire', 'map', 5_000_000 + i, 'FIELDS', 1, `f${i}`)
  }
  for (let i = 0; i < 30_000; i++) expect(subject.run('set', `k${i}`, VALUE, 'PX', 6_000_000)).toBe('OK')
  expect(subject.run('hlen', 'map')).toBe(3000)
})

test('eviction: a large map that goes, and a limit that is lowered, do not hold up a command', () => {
  const subject = makeEngine('allkeys-lru', 100_000_000)
  const {engine} = subject
  for (let i = 0; i < 50_000; i += 1000) {
    const pairs = Array.from({length: 1000}, (_, j) => [`f${i + j}`, VALUE]).flat()
    subject.run('hset', 'map', ...pairs)
  }
  subject.advance(5000)
  for (let i = 0; i < 20_000; i++) subject.run('set', `k${i}`, VALUE)
  const nodes = engine.keyspace.keyCount
  engine.eviction.maxBytes = engine.keyspace.memory.usedBytes - 9_000_000
  expect(subject.run('set', 'one', 'more')).toBe('OK')
  expect(nodes - engine.keyspace.keyCount).toBeLessThan(400)
  expect(usedOver(subject)).toBeGreaterThan(0)
  subject.settle()
  expect(usedOver(subject)).toBeLessThanOrEqual(0)
})

test('without a limit: writes are refused before page numbers run out, and go on when some are free again', () => {
  const subject = new TestEngine()
  const {memory} = subject.engine.keyspace
  // As if there were room for 4 pages beyond the reserve.
  memory.pagesMax = 4096 + 8
  const huge = 'v'.repeat(600_000)
  let count = 0
  while (subject.run('set', `k${count}`, huge) === 'OK') count++
  expect(count).toBeGreaterThan(1)
  expect(subject.run('set', 'k0', huge)).toEqual(OOM)
  expect(subject.run('get', 'k0')).toBe(huge)
  for (let i = 0; i < 3; i++) subject.run('del', `k${i}`)
  expect(subject.run('set', 'again', huge)).toBe('OK')
})

test('eviction: keys of a parked bucket stay', () => {
  const subject = makeEngine('allkeys-lru', 400_000)
  const {engine} = subject
  for (let i = 0; i < 100; i++) subject.run('set', `{parked}${i}`, VALUE)
  engine.parking.park(bucketOf(subject, '{parked}'))
  for (let i = 0; i < 5000; i++) subject.run('set', `k${i}`, VALUE)
  expect(engine.keyspace.bucketCount(bucketOf(subject, '{parked}'))).toBe(100)
  engine.parking.unpark(bucketOf(subject, '{parked}'))
})
