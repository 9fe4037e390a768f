/**
 * The long commands on a map of a million fields: no single call does more than a few thousand things. Work is counted, not timed;
 * `node test/core/stalls.ts` measures.
 */
import {expect, test} from 'vitest'
import {WAITING} from '../../src/core/command/context.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {ReplyWriter} from '../../src/resp/reply-writer.ts'
import {parseReply} from '../support/resp-split.ts'
import {checkKeyspace} from './keyspace-check.ts'
import {TestEngine, bucketOf, plain} from './support.ts'
import type {Argument, Client, Plain} from './support.ts'

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
