/**
 * Commands that take many turns of the loop: their result is that of one turn, nobody sees a half of it, and no step does more
 * than its budget. Work is counted, not timed; `node test/core/stalls.ts` measures.
 */
import {expect, test} from 'vitest'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {DONE, PARKED, WAITING} from '../../src/core/command/context.ts'
import {BucketImage} from '../../src/core/keyspace/image.ts'
import {canonicalImage} from '../../src/core/keyspace/canonical.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {ReplyWriter} from '../../src/resp/reply-writer.ts'
import {parseReply} from '../support/resp-split.ts'
import {checkKeyspace, contents} from './keyspace-check.ts'
import {groupSizes, replay} from './records.ts'
import {TestEngine, bucketOf, error, plain} from './support.ts'
import type {Argument, Client, Plain} from './support.ts'

const FIELDS = 3000

/** An engine whose jobs go on in the background after their first step, with a large map `{t}map`; a third of it expires. */
function makeEngine(fields = FIELDS): TestEngine {
  const subject = new TestEngine()
  fill(subject, '{t}map', fields)
  subject.engine.firstStepBudget = 50
  subject.workBudget = 100
  return subject
}

function fill(subject: TestEngine, key: string, fields: number): void {
  for (let from = 0; from < fields; from += 1000) {
    const pairs: string[] = []
    const names: string[] = []
    for (let i = from; i < Math.min(from + 1000, fields); i++) {
      pairs.push(`f${i}`, i % 100 === 0 ? 'w'.repeat(2000) : `v${i}`)
      if (i % 3 === 0) names.push(`f${i}`)
    }
    subject.run('hset', key, ...pairs)
    subject.run('hpexpire', key, 60_000, 'FIELDS', names.length, ...names)
  }
}

/** The answer that the host was given for a session that waited. */
function answer(subject: TestEngine, client: Client): Plain | undefined {
  const write = subject.host.answers.get(client.session)
  if (!write) return undefined
  const out = new ReplyWriter()
  out.proto = client.session.proto
  write(out)
  return plain(parseReply(out.take()))
}

/** Does background work until the client is answered. */
function finish(subject: TestEngine, client: Client): Plain {
  for (let i = 0; i < 10_000; i++) {
    const reply = answer(subject, client)
    if (reply !== undefined) {
      subject.host.answers.delete(client.session)
      return reply
    }
    subject.engine.work(subject.workBudget)
  }
  throw new Error('no answer')
}

const jobs: [string, (payload: string) => Argument[]][] = [
  ['copy', () => ['copy', '{t}map', '{t}other']],
  ['copy onto a string', () => ['copy', '{t}map', '{t}string', 'REPLACE']],
  ['rename', () => ['rename', '{t}map', '{t}other']],
  ['rename onto a map', () => ['rename', '{t}map', '{t}small']],
  ['renamenx', () => ['renamenx', '{t}map', '{t}other']],
  ['restore', (payload) => ['restore', '{t}other', 0, payload]],
  ['restore over itself', (payload) => ['restore', '{t}map', 5000, payload, 'REPLACE', 'IDLETIME', 100]],
  ['hgetall', () => ['hgetall', '{t}map']],
  ['hkeys', () => ['hkeys', '{t}map']],
  ['hvals', () => ['hvals', '{t}map']],
  ['dump', () => ['dump', '{t}map']],
  ['hrandfield of most', () => ['hrandfield', '{t}map', FIELDS - 10, 'WITHVALUES']],
  ['hrandfield again and again', () => ['hrandfield', '{t}map', -5000]],
  ['keys', () => ['keys', '*']],
]

test.each(jobs)('%s: in many steps it ends as in one', (_name, wordsOf) => {
  const outcomes = [true, false].map((isAtOnce) => {
    const subject = makeEngine()
    subject.run('set', '{t}string', 'v', 'PX', 5000)
    subject.run('hset', '{t}small', 'f', 'v')
    for (let i = 0; i < 2000; i++) subject.run('set', `key${i}`, 'v')
    subject.run('pexpire', '{t}map', 100_000)
    const words = wordsOf(subject.run('dump', '{t}map') as string)
    const writer = new RecordWriter()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) subject.engine.effects.listen(bucket, writer)
    subject.sleep(1)
    let reply: Plain
    if (isAtOnce) {
      subject.run('multi')
      subject.run(...words)
      reply = (subject.run('exec') as Plain[])[0]!
    } else {
      const {verdict} = subject.client.send(...words)
      expect(verdict).toBe(WAITING)
      reply = finish(subject, subject.client)
    }
    subject.collect()
    checkKeyspace(subject.engine)
    const frames = Buffer.concat(writer.frames())
    return {reply, frames, seq: subject.engine.effects.seq, state: contents(subject.engine)}
  })
  const [atOnce, inSteps] = outcomes
  expect(inSteps!.reply).toEqual(atOnce!.reply)
  expect(inSteps!.state).toEqual(atOnce!.state)
  expect(inSteps!.seq.every((seq, bucket) => seq === atOnce!.seq[bucket])).toBe(true)
  expect(groupSizes(inSteps!.frames)).toEqual(groupSizes(atOnce!.frames))
})

test('jobs: the records of one are one group that rebuilds the bucket, between those of others', () => {
  const subject = makeEngine()
  const bucket = bucketOf(subject, '{t}')
  const writer = new RecordWriter()
  const image = new BucketImage(subject.engine.effects, bucket, writer)
  while (image.step(1000) <= 0);
  for (let i = 0; i < BUCKET_COUNT; i++) subject.engine.effects.listen(i, writer)
  const other = subject.connect()
  subject.client.send('copy', '{t}map', '{t}other')
  for (let i = 0; answer(subject, subject.client) === undefined; i++) {
    other.run('set', `k${i}`, 'v')
    subject.engine.work(100)
    expect(() => writer.beginGroup()).not.toThrow()
    writer.endGroup()
  }
  other.run('set', 'last', 'v')
  const frames = Buffer.concat(writer.frames())
  const sizes = groupSizes(frames)
  expect(sizes.filter((size) => size > 1)).toEqual([FIELDS])
  const copy = new TestEngine(2)
  replay(copy, frames)
  expect(canonicalImage(copy.engine.keyspace, copy.engine.maps, bucket)).toEqual(
    canonicalImage(subject.engine.keyspace, subject.engine.maps, bucket),
  )
})

test('jobs: frames that are taken over become links of a chain', () => {
  const subject = makeEngine()
  const writer = new RecordWriter()
  writer.chain(1234)
  subject.engine.effects.listen(bucketOf(subject, '{t}'), writer)
  subject.run('set', '{t}before', 'v')
  subject.run('copy', '{t}map', '{t}other')
  subject.run('set', '{t}after', 'v')
  expect(groupSizes(Buffer.concat(writer.frames()), 1234)).toEqual([1, FIELDS, 1])
  expect(writer.previous).not.toBe(1234)
  subject.run('set', '{t}more', 'v')
  expect(writer.pendingBytes).toBeGreaterThan(0)
})

test('jobs: the bucket is parked meanwhile, others are served, and nobody sees a half-done change', () => {
  const subject = makeEngine()
  const other = subject.connect()
  const third = subject.connect()
  subject.client.send('rename', '{t}map', '{t}other')
  subject.engine.effects.listen(bucketOf(subject, '{t}'), new RecordWriter())
  expect(other.run('exists', '{t}map')).toBe(0)
  expect(other.run('rename', '{t}other', '{t}map')).toBe('OK')
  subject.client.send('copy', '{t}map', '{t}copy')
  expect(other.send('hget', '{t}map', 'f1').verdict).toBe(PARKED)
  expect(third.send('set', '{t}x', '1').verdict).toBe(PARKED)
  expect(third.send('set', 'elsewhere', '1')).toEqual({verdict: DONE, reply: 'OK'})
  for (let i = 0; i < 5; i++) {
    subject.engine.work(100)
    expect(third.run('keys', '{t}*')).toEqual(['{t}map'])
    expect(third.run('dbsize')).toBe(2)
  }
  expect(subject.host.woken).toEqual([])
  expect(finish(subject, subject.client)).toBe(1)
  expect(subject.host.woken).toEqual([other.session, third.session])
  expect(other.run('hget', '{t}copy', 'f1')).toBe('v1')
})

test('jobs: FLUSHALL and transactions wait for them', () => {
  const subject = makeEngine()
  const other = subject.connect()
  other.run('multi')
  other.run('set', '{t}x', '1')
  const flusher = subject.connect()
  flusher.run('multi')
  flusher.run('flushall')
  const third = subject.connect()
  subject.client.send('copy', '{t}map', '{t}copy')
  expect(other.send('exec').verdict).toBe(PARKED)
  expect(flusher.send('exec').verdict).toBe(PARKED)
  expect(third.send('flushall').verdict).toBe(PARKED)
  expect(third.send('flushdb').verdict).toBe(PARKED)
  expect(finish(subject, subject.client)).toBe(1)
  expect(other.run('exec')).toEqual(['OK'])
  expect(third.run('dbsize')).toBe(3)
  expect(flusher.run('exec')).toEqual(['OK'])
  expect(third.run('dbsize')).toBe(0)
  subject.collect()
  checkKeyspace(subject.engine)
})

test('jobs: what expires meanwhile stays until the end, then goes', () => {
  const subject = makeEngine()
  subject.run('pexpire', '{t}map', 1000)
  subject.client.send('copy', '{t}map', '{t}copy')
  subject.engine.work(100)
  subject.now += 70_000
  for (let i = 0; i < 3; i++) {
    subject.engine.tick(subject.now)
    subject.engine.work(100)
  }
  expect(answer(subject, subject.client)).toBeUndefined()
  expect(subject.engine.effects.expiredFields).toBe(0)
  expect(finish(subject, subject.client)).toBe(1)
  subject.settle()
  expect(subject.run('dbsize')).toBe(0)
  subject.collect()
  checkKeyspace(subject.engine)
})

test('jobs: fields of a copy expire in their time, though they were linked while it was built', () => {
  const subject = makeEngine()
  subject.run('copy', '{t}map', '{t}copy')
  subject.advance(61_000)
  expect(subject.run('hlen', '{t}copy')).toBe(FIELDS - FIELDS / 3)
  expect(subject.run('hlen', '{t}map')).toBe(FIELDS - FIELDS / 3)
  expect(subject.engine.keyspace.wheel.size).toBe(0)
})

test('jobs: defragmentation in between changes nothing', () => {
  const subject = makeEngine(20_000)
  for (let i = 0; i < 200_000; i++) subject.run('set', `k${i}`, 'v'.repeat(90))
  for (let i = 0; i < 200_000; i++) if (i % 7 !== 0) subject.run('del', `k${i}`)
  subject.engine.defrag.plan()
  expect(subject.engine.defrag.isBusy).toBe(true)
  const before = contents(subject.engine)['{t}map']
  subject.client.send('copy', '{t}map', '{t}copy')
  while (answer(subject, subject.client) === undefined) {
    subject.engine.defrag.work(500)
    subject.engine.work(100)
  }
  expect(subject.engine.defrag.movedNodes).toBeGreaterThan(1000)
  expect(contents(subject.engine)['{t}copy']).toEqual(before)
  expect(contents(subject.engine)['{t}map']).toEqual(before)
  checkKeyspace(subject.engine)
})

test('jobs: a client that leaves ends what only reads, not what writes', () => {
  const subject = makeEngine()
  const bucket = bucketOf(subject, '{t}')
  const reader = subject.connect()
  expect(reader.send('hgetall', '{t}map').verdict).toBe(WAITING)
  expect(subject.engine.parking.isParked(bucket)).toBe(true)
  subject.engine.disconnect(reader.session)
  expect(subject.engine.parking.isParked(bucket)).toBe(false)
  expect(subject.engine.parking.hasJobs).toBe(false)
  const writer = subject.connect()
  writer.send('copy', '{t}map', '{t}copy')
  subject.engine.disconnect(writer.session)
  subject.settle()
  expect(subject.run('hlen', '{t}copy')).toBe(FIELDS)
  expect(subject.host.answers.size).toBe(0)
})

test('jobs: several wait for their turn, and expiry goes on beside them', () => {
  const subject = makeEngine()
  for (let i = 0; i < 5; i++) {
    fill(subject, `map${i}`, 2000)
    subject.run('set', `soon${i}`, 'v', 'PX', 10)
  }
  const clients = Array.from({length: 5}, () => subject.connect(3))
  clients.forEach((client, i) => expect(client.send('hgetall', `map${i}`).verdict).toBe(WAITING))
  subject.now += 1000
  subject.engine.tick(subject.now)
  subject.engine.work(100)
  subject.engine.work(100)
  expect(subject.engine.effects.expiredKeys).toBe(5)
  for (const client of clients) expect((finish(subject, client) as Map<Plain, Plain>).size).toBe(2000)
})

test('jobs: no reply is sent to a client that wants none', () => {
  const subject = makeEngine()
  const silent = subject.connect()
  silent.send('client', 'reply', 'off')
  expect(silent.send('hgetall', '{t}map')).toEqual({verdict: WAITING, reply: undefined})
  // The host asks for this when it is given the answer.
  expect(silent.session.isAnswerMuted).toBe(true)
})

test('restore: whole or not at all, wherever the payload is damaged', () => {
  const subject = makeEngine(1000)
  const payload = Buffer.from(subject.run('dump', '{t}map') as string, 'latin1')
  const changes = subject.engine.effects.changes
  const bad = error('ERR DUMP payload version or checksum are wrong')
  for (let at = 0; at < payload.length; at += 997) {
    const damaged = Buffer.from(payload)
    damaged[at]! ^= 0x10
    expect(subject.run('restore', '{t}new', 0, damaged)).toEqual(bad)
  }
  for (const length of [0, 1, 5, 6, 100, payload.length - 1]) {
    expect(subject.run('restore', '{t}new', 0, payload.subarray(0, length))).toEqual(bad)
  }
  expect(subject.run('restore', '{t}map', 0, payload)).toEqual(error('BUSYKEY Target key name already exists.'))
  expect(subject.engine.effects.changes).toBe(changes)
  expect(subject.run('dbsize')).toBe(1)
  expect(subject.run('restore', '{t}new', 0, payload)).toBe('OK')
  expect(contents(subject.engine)['{t}new']).toEqual(contents(subject.engine)['{t}map'])
})

test('images: one of a bucket in which a job is at work waits for it', () => {
  const subject = makeEngine()
  const bucket = bucketOf(subject, '{t}')
  const writer = new RecordWriter()
  subject.client.send('copy', '{t}map', '{t}copy')
  const image = new BucketImage(subject.engine.effects, bucket, writer)
  expect(image.step(1000)).toBe(0)
  expect(writer.pendingBytes).toBe(0)
  finish(subject, subject.client)
  // Half an image, then another job.
  expect(image.step(1000)).toBe(0)
  subject.client.send('rename', '{t}copy', '{t}renamed')
  expect(image.step(1000)).toBe(0)
  finish(subject, subject.client)
  while (image.step(1000) <= 0);
  const copy = new TestEngine(2)
  replay(copy, Buffer.concat(writer.frames()))
  expect(canonicalImage(copy.engine.keyspace, copy.engine.maps, bucket)).toEqual(
    canonicalImage(subject.engine.keyspace, subject.engine.maps, bucket),
  )
})

/** Counts what is done in one call: fields visited and records written. */
function countWork(subject: TestEngine, call: () => void): number {
  const {maps, effects} = subject.engine
  let count = 0
  const visitField = maps.visitField.bind(maps)
  maps.visitField = (...args) => {
    count++
    visitField(...args)
  }
  const changes = effects.changes
  const freed = subject.engine.keyspace.memory.usedBytes
  call()
  delete (maps as Partial<typeof maps>).visitField
  const gone = Math.max(0, freed - subject.engine.keyspace.memory.usedBytes)
  // The smallest field of this map takes 32 bytes.
  return count + (effects.changes - changes) + gone / 32
}

test('jobs: with a million fields no command and no step of 2,000 does more than a few thousand things', () => {
  const subject = new TestEngine()
  const fields = 1_000_000
  for (let from = 0; from < fields; from += 5000) {
    const pairs: string[] = []
    for (let i = from; i < from + 5000; i++) pairs.push(`f${i}`, `v${i}`)
    subject.run('hset', '{t}map', ...pairs)
  }
  const {engine} = subject
  engine.effects.listen(bucketOf(subject, '{t}'), new RecordWriter())
  const client = subject.client
  let most = 0
  const act = (...words: Argument[]): Plain => {
    let sent: ReturnType<Client['send']> | undefined
    most = Math.max(
      most,
      countWork(subject, () => (sent = client.send(...words))),
    )
    while (sent!.verdict === WAITING && !subject.host.answers.has(client.session)) {
      most = Math.max(
        most,
        countWork(subject, () => engine.work(2000)),
      )
    }
    const write = subject.host.answers.get(client.session)
    if (!write) return sent!.reply!
    subject.host.answers.delete(client.session)
    const out = new ReplyWriter()
    write(out)
    return out.pos > 1000 ? Buffer.from(out.take()).toString('latin1') : plain(parseReply(out.take()))
  }
  expect(act('copy', '{t}map', '{t}copy')).toBe(1)
  expect(act('rename', '{t}copy', '{t}other')).toBe('OK')
  const dump = act('dump', '{t}other') as string
  expect(act('del', '{t}other')).toBe(1)
  while (engine.keyspace.hasGarbage)
    most = Math.max(
      most,
      countWork(subject, () => engine.work(2000)),
    )
  expect(act('restore', '{t}other', 0, Buffer.from(dump.slice(dump.indexOf('\n') + 1, -2), 'latin1'))).toBe('OK')
  expect(act('hlen', '{t}other')).toBe(fields)
  expect((act('hgetall', '{t}other') as string).startsWith(`*${fields * 2}\r\n`)).toBe(true)
  expect((act('hkeys', '{t}other') as string).startsWith(`*${fields}\r\n`)).toBe(true)
  act('hrandfield', '{t}other', fields / 2)
  act('pexpire', '{t}other', 1)
  subject.sleep(10)
  expect(act('exists', '{t}other')).toBe(0)
  act('flushall')
  while (engine.keyspace.hasGarbage)
    most = Math.max(
      most,
      countWork(subject, () => engine.work(2000)),
    )
  expect(most).toBeLessThan(5000)
  expect(most).toBeGreaterThan(1000)
  checkKeyspace(engine)
}, 120_000)
