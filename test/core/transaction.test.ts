/** MULTI, EXEC, WATCH: what is applied, what is not, and whom a change overtakes. */
import {expect, test} from 'vitest'
import {RecordWriter} from '../../src/record/codec.ts'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {groupSizes} from './records.ts'
import {TestEngine, error} from './support.ts'
import type {Argument, Client} from './support.ts'

/** True if a transaction of `client`, which watches `{t}k`, goes through after `change` by another. */
function survives(prepare: Argument[][], change: (other: Client, subject: TestEngine) => void): boolean {
  const subject = new TestEngine()
  const other = subject.connect()
  for (const words of prepare) other.run(...words)
  subject.run('watch', '{t}k')
  change(other, subject)
  subject.run('multi')
  subject.run('set', '{t}done', '1')
  const reply = subject.run('exec')
  expect(subject.run('exists', '{t}done')).toBe(reply === null ? 0 : 1)
  return reply !== null
}

test('exec: commands run in order, and an error of one does not stop the next', () => {
  const subject = new TestEngine()
  expect(subject.run('multi')).toBe('OK')
  expect(subject.run('set', '{t}k', 'text')).toBe('QUEUED')
  expect(subject.run('incr', '{t}k')).toBe('QUEUED')
  expect(subject.run('hset', '{t}m', 'f', 'v')).toBe('QUEUED')
  expect(subject.run('get', '{t}k')).toBe('QUEUED')
  expect(subject.connect().run('get', '{t}k')).toBe(null)
  expect(subject.run('exec')).toEqual(['OK', error('ERR value is not an integer or out of range'), 1, 'text'])
  expect(subject.run('exec')).toEqual(error('ERR EXEC without MULTI'))
})

test('exec: refused after a command that could not be queued', () => {
  const subject = new TestEngine()
  const bad: Argument[][] = [['get'], ['nosuchcommand'], ['set', 'a']]
  for (const words of bad) {
    subject.run('multi')
    subject.run('set', 'k', 'v')
    expect(subject.run(...words)).toHaveProperty('error')
    expect(subject.run('exec')).toEqual(error('EXECABORT Transaction discarded because of previous errors.'))
    expect(subject.run('exists', 'k')).toBe(0)
  }
})

test('exec: keys of two buckets are refused whole', () => {
  const subject = new TestEngine()
  subject.run('multi')
  subject.run('set', 'a', '1')
  subject.run('set', 'b', '1')
  expect(subject.run('exec')).toEqual(error("CROSSSLOT Keys in request don't hash to the same slot"))
  expect(subject.run('dbsize')).toBe(0)
})

test('discard: forgets the queue and the watches', () => {
  const subject = new TestEngine()
  subject.run('watch', 'k')
  subject.run('multi')
  subject.run('set', 'k', '1')
  expect(subject.run('discard')).toBe('OK')
  subject.connect().run('set', 'k', '2')
  subject.run('multi')
  subject.run('get', 'k')
  expect(subject.run('exec')).toEqual(['2'])
  expect(subject.run('discard')).toEqual(error('ERR DISCARD without MULTI'))
})

const changes: [string, Argument[][], Argument[]][] = [
  ['set', [], ['set', '{t}k', '1']],
  ['set to the same', [['set', '{t}k', '1']], ['set', '{t}k', '1']],
  ['append', [['set', '{t}k', '1']], ['append', '{t}k', '1']],
  ['del', [['set', '{t}k', '1']], ['del', '{t}k']],
  ['pexpire', [['set', '{t}k', '1']], ['pexpire', '{t}k', '1000']],
  ['persist', [['set', '{t}k', '1', 'PX', '1000']], ['persist', '{t}k']],
  ['hset', [], ['hset', '{t}k', 'f', 'v']],
  ['hdel', [['hset', '{t}k', 'f', 'v', 'g', 'w']], ['hdel', '{t}k', 'f']],
  ['hpexpire', [['hset', '{t}k', 'f', 'v']], ['hpexpire', '{t}k', '1000', 'FIELDS', '1', 'f']],
  ['rename from', [['set', '{t}k', '1']], ['rename', '{t}k', '{t}other']],
  ['rename to', [['set', '{t}other', '1']], ['rename', '{t}other', '{t}k']],
  ['rename of a map to', [['hset', '{t}other', 'f', 'v']], ['rename', '{t}other', '{t}k']],
  ['copy to', [['set', '{t}other', '1']], ['copy', '{t}other', '{t}k']],
  ['copy of a map to', [['hset', '{t}other', 'f', 'v']], ['copy', '{t}other', '{t}k']],
  ['flushall', [['set', '{t}k', '1']], ['flushall']],
]

test.each(changes)('watch: %s overtakes the transaction', (_name, prepare, change) => {
  expect(survives(prepare, (other) => other.run(...change))).toBe(false)
})

const harmless: [string, Argument[][], Argument[]][] = [
  ['get', [['set', '{t}k', '1']], ['get', '{t}k']],
  ['another key', [], ['set', '{t}other', '1']],
  ['del of nothing', [], ['del', '{t}k']],
  ['a command that fails', [['set', '{t}k', 'x']], ['incr', '{t}k']],
  ['a condition that is not met', [['set', '{t}k', '1']], ['set', '{t}k', '2', 'NX']],
  ['flushall without the key', [['set', '{t}other', '1']], ['flushall']],
  ['hdel of nothing', [['hset', '{t}k', 'f', 'v']], ['hdel', '{t}k', 'g']],
  ['copy from', [['set', '{t}k', '1']], ['copy', '{t}k', '{t}other']],
]

test.each(harmless)('watch: %s does not', (_name, prepare, change) => {
  expect(survives(prepare, (other) => other.run(...change))).toBe(true)
})

test('watch: a key that expires meanwhile overtakes, seen or not; one that had expired before does not', () => {
  const expiring: Argument[][] = [['set', '{t}k', '1', 'PX', '100']]
  expect(survives(expiring, (_, subject) => subject.sleep(200))).toBe(false)
  expect(survives(expiring, (_, subject) => subject.advance(200))).toBe(false)
  expect(survives(expiring, (_, subject) => subject.sleep(50))).toBe(true)
  const subject = new TestEngine()
  subject.run('set', '{t}k', '1', 'PX', '100')
  subject.sleep(200)
  subject.run('watch', '{t}k')
  subject.advance(200)
  subject.run('multi')
  subject.run('ping')
  expect(subject.run('exec')).toEqual(['PONG'])
})

test('watch: eviction overtakes', () => {
  expect(
    survives([['set', '{t}k', 'v'.repeat(1000)]], (_, subject) => {
      const {eviction, keyspace} = subject.engine
      eviction.policy = 'allkeys-lru'
      eviction.maxBytes = keyspace.memory.usedBytes - 1000
      eviction.makeRoom()
      eviction.maxBytes = 0
    }),
  ).toBe(false)
})

test('watch: not inside MULTI, and unwatch forgets', () => {
  const subject = new TestEngine()
  subject.run('multi')
  expect(subject.run('watch', 'k')).toEqual(error('ERR WATCH inside MULTI is not allowed'))
  subject.run('discard')
  subject.run('watch', 'k')
  subject.run('unwatch')
  subject.connect().run('set', 'k', '1')
  subject.run('multi')
  subject.run('ping')
  expect(subject.run('exec')).toEqual(['PONG'])
  expect(subject.engine.effects.watches.isActive).toBe(false)
})

test('exec: its records form one group, those of other commands their own', () => {
  const subject = new TestEngine()
  const writer = new RecordWriter()
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) subject.engine.effects.listen(bucket, writer)
  subject.run('set', 'before', '1')
  subject.run('multi')
  subject.run('set', '{t}a', '1')
  subject.run('hset', '{t}m', 'f', '1', 'g', '2')
  subject.run('del', '{t}a')
  subject.run('exec')
  subject.run('mset', '{u}a', '1', '{u}b', '2')
  subject.run('rename', '{u}a', '{u}c')
  expect(groupSizes(Buffer.from(writer.frame()))).toEqual([1, 4, 2, 2])
})
