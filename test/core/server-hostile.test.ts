/**
 * Requests that nobody would send, to every command of the table, on a made-up driver: 40,000 in plain loops over a seeded generator.
 * Each gets exactly one whole reply (or waits), none throws, and another client is still served. `KV_FUZZ_SEED` repeats a run.
 */
import {expect, it} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {ALL_COMMANDS} from '../../src/core/command/all.ts'
import {DONE, Stage, type Client, type Plain} from './server-support.ts'
import type {CommandSpec} from '../../src/core/command/command.ts'

const SEED = Number(process.env['KV_FUZZ_SEED'] ?? 20_261_122)
const CASES = 40_000
/** A reply of so many elements is rightly given to who asks for a count of 2^62. */
const ENDLESS = new Set(['hrandfield'])
const CLIENTS = 4
/** These confirm each name in a frame of its own, within a transaction as well. */
const CONFIRMING = new Set('subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe exec'.split(' '))
/** What comes to a client unasked begins with one of these. */
const UNASKED = new Set(['message', 'pmessage', 'smessage', 'invalidate', 'tracking-redir-broken'])

const WORDS = (
  'k {t}a {t}b {t}m field value EX PX NX XX GT LT KEEPTTL GET PERSIST FIELDS FNX FXX WITHVALUES WITHSCORES MATCH COUNT TYPE hash string ' +
  'IDX LEN MINMATCHLEN REPLACE DB ABSTTL IDLETIME FREQ ID ADDR LADDR SKIPME USER TYPE normal pubsub ON OFF SKIP YES NO AUTH SETNAME ' +
  'SAMPLES FILTERBY PATTERN ACLCAT MODULE SLOTSRANGE ORDERBY KEY-COUNT LIMIT ASC DESC FORCE ALL WRITE maxmemory requirepass timeout ' +
  'BCAST PREFIX OPTIN OPTOUT NOLOOP REDIRECT notify-keyspace-events KEA ' +
  'slowlog-max-len * ? [a-z] default constructor __proto__ hasOwnProperty LIB-NAME lib-ver ASYNC SYNC IFEQ ENCODING'
).split(' ')
const NUMBERS = (
  '0 -0 1 -1 2 01 +1 1.5 -1.5 1e3 inf -inf nan 127 128 16383 16384 65535 65536 2147483647 4294967296 9007199254740993 ' +
  '9223372036854775807 9223372036854775808 -9223372036854775808 18446744073709551616 99999999999999999999'
).split(' ')

function argument(prng: Prng): Buffer {
  switch (prng.below(8)) {
    case 0:
    case 1:
    case 2:
      return Buffer.from(WORDS[prng.below(WORDS.length)]!)
    case 3:
    case 4:
      return Buffer.from(NUMBERS[prng.below(NUMBERS.length)]!)
    case 5:
      return Buffer.alloc(0)
    case 6:
      return Buffer.alloc(prng.below(3000), prng.below(256))
    default:
      return Buffer.from(Array.from({length: prng.below(20)}, () => prng.below(256)))
  }
}

/** A command's words with arguments about as many as it takes. */
function request(prng: Prng): Buffer[] {
  const spec = ALL_COMMANDS[prng.below(ALL_COMMANDS.length)]!
  const subs: readonly CommandSpec[] = spec.subcommands ?? []
  const sub = subs.length > 0 && prng.below(10) > 0 ? subs[prng.below(subs.length)]! : undefined
  const words = [spec.name, ...(sub ? [sub.name] : [])]
  const least = Math.abs((sub ?? spec).arity) - words.length
  const count = Math.max(0, least + prng.below(5) - (prng.below(8) === 0 ? 1 : 0))
  return [...words.map((word) => Buffer.from(word)), ...Array.from({length: count}, () => argument(prng))]
}

/** One request; returns its replies. What may rightly be silent or wait is put back. */
function send(stage: Stage, client: Client, args: readonly Buffer[]): Plain[] {
  client.replies()
  const verdict = client.send(...args)
  const {session} = client
  const isSilent = session.replyMode !== 0 || String(args[1]).toLowerCase() === 'reply'
  const isUnasked = (reply: Plain): boolean =>
    String(reply).includes('[0 10.0.0.') || (Array.isArray(reply) && UNASKED.has(String(reply[0])))
  const replies = client.replies().filter((reply) => !isUnasked(reply))
  if (verdict === DONE && !isSilent) {
    if (CONFIRMING.has(String(args[0]))) expect(replies.length, String(args[0])).toBeGreaterThan(0)
    else expect(replies, String(args[0])).toHaveLength(1)
  }
  session.replyMode = 0
  session.isAnswerMuted = false
  if (verdict !== DONE) {
    stage.engine.unpause()
    while (stage.engine.work(100_000));
    stage.settle()
    client.replies()
    client.parked = null
  }
  return replies
}

it(`takes ${CASES} requests that make no sense`, () => {
  const prng = new Prng(SEED)
  let stage = new Stage()
  let clients = Array.from({length: CLIENTS}, () => stage.connect())
  let errors = 0
  for (let i = 0; i < CASES; i++) {
    if (i % 5000 === 0) {
      stage = new Stage()
      clients = Array.from({length: CLIENTS}, () => stage.connect())
    }
    const args = request(prng)
    if (ENDLESS.has(String(args[0]))) continue
    const client = clients[prng.below(CLIENTS)]!
    try {
      // SETRANGE may rightly make half a gigabyte.
      if (String(args[0]) === 'setrange' && Number(args[2]) > 1e6) continue
      const replies = send(stage, client, args)
      if (String(replies[0]).startsWith('-')) errors++
      client.session.closesAfterReply = false
      stage.engine.eviction.maxBytes = 0
      stage.engine.password = ''
      client.session.isAuthenticated = true
      if (i % 50 === 0) {
        stage.pass(1000)
        stage.engine.unpause()
        stage.settle()
        for (const one of clients) one.replies()
      }
      // A subscriber of RESP2 may say little.
      if (i % 8 === 0) for (const {session} of clients) stage.engine.pubsub.forget(session)
    } catch (error) {
      const words = args.map((arg) => JSON.stringify(arg.toString('latin1', 0, 60))).join(' ')
      throw new Error(`seed ${SEED}, case ${i}: ${words}`, {cause: error})
    }
  }
  // Both kinds were there.
  expect(errors).toBeGreaterThan(CASES / 10)
  expect(errors).toBeLessThan((CASES * 9) / 10)
  expect(stage.connect().call('PING')).toBe('PONG')
})
