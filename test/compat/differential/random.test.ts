/**
 * Random commands on both servers: the same replies, and the same data in the end. Each round starts empty, so a
 * failure shows all that led to it. `KV_TEST_SEED=n` repeats a run.
 */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {encodeCommand, rawConnection} from '../../support/raw-connection.ts'
import {runSeed, seededRandom} from '../../support/random.ts'
import {startRedis} from '../../support/redis.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubject, SUBJECT} from '../../support/subject.ts'
import {normalise} from './normalise.ts'
import {normaliserOf, randomCommand, RANDOM_KEYS} from './random-commands.ts'
import {startLyingProxy} from './lying-proxy.ts'

const SEED = runSeed()
const ROUNDS = 600
const COMMANDS_PER_ROUND = 60

let reference: TestServer
let subject: TestServer
beforeAll(async () => {
  ;[reference, subject] = await Promise.all([startRedis(), startSubject()])
})
afterAll(async () => {
  await Promise.all([reference?.stop(), subject?.stop()])
})

type Request = readonly string[]

/** What is asked of each key in the end. */
function inventory(): Request[] {
  const questions = RANDOM_KEYS.flatMap((key) => [
    ['GET', key],
    ['HGETALL', key],
    ['PEXPIRETIME', key],
  ])
  return [['DISCARD'], ['UNWATCH'], ...questions, ['DBSIZE']]
}

async function repliesOf(server: TestServer, requests: readonly Request[], hello: boolean): Promise<string[]> {
  const connection = await rawConnection(server.port)
  const setup: Request[] = hello ? [['HELLO', '3'], ['FLUSHALL']] : [['FLUSHALL']]
  const all = [...setup, ...requests].map((args) => encodeCommand(args.map((arg) => Buffer.from(arg, 'latin1'))))
  connection.write(Buffer.concat(all))
  const replies = await connection.replies(all.length)
  connection.close()
  return replies.slice(setup.length).map((raw, i) => normalise(raw, normaliserOf(requests[i]![0]!), [], 0))
}

const shown = (args: Request): string => args.map((arg) => JSON.stringify(arg)).join(' ')

/** One round on both servers; text of the first difference, with all that led to it. */
async function firstDifference(a: TestServer, b: TestServer, round: number): Promise<string> {
  const random = seededRandom(SEED ^ Math.imul(round + 1, 0x9e3779b1))
  const requests = [...Array.from({length: COMMANDS_PER_ROUND}, () => randomCommand(random)), ...inventory()]
  const hello = round % 2 === 1
  const [want, got] = await Promise.all([repliesOf(a, requests, hello), repliesOf(b, requests, hello)])
  const at = got.findIndex((text, i) => text !== want[i])
  if (at === -1) return ''
  const history = requests
    .slice(0, at + 1)
    .map(shown)
    .join('\n')
  return `seed ${SEED}, round ${round}, RESP${hello ? 3 : 2}:\n${history}\nwant ${JSON.stringify(want[at])}\ngot  ${JSON.stringify(got[at])}`
}

describe(`random commands (seed ${SEED})`, () => {
  it(`${ROUNDS * COMMANDS_PER_ROUND} of them get the same replies from ${SUBJECT} as from redis-server`, async () => {
    for (let round = 0; round < ROUNDS; round++) expect(await firstDifference(reference, subject, round)).toBe('')
  })

  it('would notice one wrong word', async () => {
    const liar = await startLyingProxy(subject, '+hash', '+mash')
    let seen = ''
    for (let round = 0; round < 50 && seen === ''; round++) seen = await firstDifference(reference, liar, round)
    await liar.stop()
    expect(seen).toContain('+mash')
  })
})
