/**
 * How long does the loop stand still? `node test/core/stalls.ts [fields] [budget]` runs the long commands on a large map and prints the
 * longest single call of `execute` and of `work`, in ms of CPU of this thread (so that a busy machine does not
 * count). Not a test: it depends on the machine.
 */
import {RecordWriter} from '../../src/record/codec.ts'
import {WAITING} from '../../src/core/command/context.ts'
import {ReplyWriter} from '../../src/resp/reply-writer.ts'
import {TestEngine, bucketOf, request} from './support.ts'
import type {Argument} from './support.ts'

const fields = Number(process.argv[2] ?? 1_000_000)
const budget = Number(process.argv[3] ?? 1000)

const subject = new TestEngine()
const {engine, client, host} = subject
subject.now = Date.now()

function measure(call: () => void): number {
  const start = process.threadCpuUsage()
  call()
  const {user, system} = process.threadCpuUsage(start)
  return (user + system) / 1000
}

/** Runs the command and all background work it leaves behind. */
function act(...words: Argument[]): Buffer {
  let steps = 0
  let longest = 0
  let total = 0
  let verdict = 0
  // The map expires, if it was told to.
  subject.sleep(10)
  const prepared = request(...words)
  subject.out.clear()
  const executed = measure(() => (verdict = engine.execute(client.session, prepared, subject.out)))
  let isBusy = true
  while (isBusy || (verdict === WAITING && !host.answers.has(client.session)) || engine.keyspace.hasGarbage) {
    const took = measure(() => (isBusy = engine.work(budget)))
    longest = Math.max(longest, took)
    total += took
    steps++
  }
  const name = words.slice(0, 2).join(' ')
  const figures = [executed, longest, total].map((ms) => ms.toFixed(1).padStart(9)).join('')
  console.log(`${name.padEnd(24)}${figures}${String(steps).padStart(9)}`)
  const out = new ReplyWriter()
  host.answers.get(client.session)?.(out)
  host.answers.delete(client.session)
  return out.take()
}

function fill(key: string): void {
  for (let from = 0; from < fields; from += 1000) {
    const pairs: string[] = []
    for (let i = from; i < Math.min(from + 1000, fields); i++) pairs.push(`field:${i}`, `value:${i}`.padEnd(32, 'x'))
    subject.run('hset', key, ...pairs)
  }
}

fill('{t}map')
for (let i = 0; i < fields; i++) subject.run('set', `{b}${i}`, 'value')
for (let i = 0; i < fields; i++) subject.run('set', `key:${i}`, 'value')
console.log(`${fields} fields, a bucket of ${fields} keys, ${fields} keys elsewhere; budget ${budget}`)
console.log(`${'ms'.padEnd(24)}  execute     work    total    steps`)
act('hgetall', '{t}map')
act('hkeys', '{t}map')
act('hrandfield', '{t}map', fields / 2)
act('hrandfield', '{t}map', -100_000)
act('copy', '{t}map', '{t}copy')
act('rename', '{t}copy', '{t}other')
engine.effects.listen(bucketOf(subject, '{t}'), new RecordWriter())
console.log('with a listener')
act('copy', '{t}map', '{t}copy')
act('rename', '{t}copy', '{t}other2')
engine.effects.listen(bucketOf(subject, '{t}'), null)
const dump = act('dump', '{t}map')
act('restore', '{t}restored', 0, dump.subarray(dump.indexOf('\n') + 1, -2))
act('del', '{t}restored')
act('pexpire', '{t}other2', 1)
act('ping', 'after the expiry')
act('keys', '*')
act('keys', 'key:1*')
act('scan', 0, 'COUNT', 100_000)
engine.effects.clear(bucketOf(subject, '{b}'))
act('dbsize')
act('flushall')
