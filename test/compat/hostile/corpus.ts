/**
 * What an enemy sends. Every case is a pure function of (seed, index), so that a crash can be replayed alone:
 *
 *   garbage     random bytes, or random bytes of the protocol's own alphabet
 *   mutant      a valid request with bytes flipped, cut, doubled, removed, or its numbers made wild
 *   stranger    a well-framed request with a known name and arguments that nobody would send
 */
import {encodeCommand} from '../../support/raw-connection.ts'
import {seededRandom, type Random} from '../../support/random.ts'

/** Commands that neither end the server or the connection, nor make it wait or fall silent, nor hand out open-ended work. */
const NAMES = (
  'SET GET GETEX GETDEL GETSET SETNX SETEX PSETEX MSET MSETNX MGET APPEND STRLEN GETRANGE SETRANGE SUBSTR INCR DECR ' +
  'INCRBY DECRBY INCRBYFLOAT LCS HSET HMSET HSETNX HGET HMGET HGETALL HDEL HLEN HSTRLEN HKEYS HVALS HEXISTS HINCRBY ' +
  'HINCRBYFLOAT HSCAN HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT HTTL HPTTL HEXPIRETIME HPEXPIRETIME HPERSIST HGETEX HSETEX ' +
  'HGETDEL DEL UNLINK EXISTS EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST TYPE RENAME ' +
  'RENAMENX COPY KEYS SCAN RANDOMKEY TOUCH DUMP RESTORE OBJECT DBSIZE FLUSHALL FLUSHDB MULTI EXEC DISCARD WATCH UNWATCH ' +
  'PING ECHO SELECT AUTH HELLO INFO TIME ROLE COMMAND READONLY READWRITE ASKING MEMORY LATENCY SLOWLOG'
).split(' ')

const WORDS = (
  'k h n {t}a {t}b field EX PX EXAT PXAT KEEPTTL PERSIST NX XX GT LT GET IFEQ FIELDS FNX FXX WITHVALUES MATCH COUNT TYPE ' +
  'IDX LEN MINMATCHLEN WITHMATCHLEN REPLACE DB ABSTTL IDLETIME FREQ ENCODING USAGE GETKEYS INFO DOCS HELP SETNAME'
).split(' ')

const NUMBERS = (
  '0 -0 1 -1 2 +1 01 0x10 1.5 -1.5 1e3 1e400 inf -inf nan 127 128 255 256 32767 65535 65536 2147483647 2147483648 ' +
  '4294967295 4294967296 9007199254740992 9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808 ' +
  '-9223372036854775809 18446744073709551615 18446744073709551616 99999999999999999999999999'
).split(' ')

const ALPHABET = Buffer.from('*$:+-_,#!=(%~>|\r\n\r\n0123456789-x "\'\\\x00\xff', 'latin1')

/** SETRANGE with a wild offset may rightly make half a gigabyte: that is not the attack that we look for. */
const OFFSET_TAKERS = new Set(['SETRANGE'])

function argument(random: Random): Buffer {
  const draw = random.below(10)
  if (draw < 4) return Buffer.from(random.pick(WORDS))
  if (draw < 7) return Buffer.from(random.pick(NUMBERS))
  if (draw === 7) return Buffer.alloc(0)
  if (draw === 8) return random.bytes(random.below(40))
  return Buffer.alloc(random.below(2_000), random.bytes(1)[0])
}

/** Name and arguments. HRANDFIELD is not among the names: a count of 2^62 rightly gives an endless reply. */
export function strangerArgs(random: Random): Buffer[] {
  const name = random.pick(NAMES)
  const args = Array.from({length: random.below(8)}, () => argument(random))
  if (OFFSET_TAKERS.has(name) && args.length > 1) args[1] = Buffer.from(String(random.below(5_000) - 100))
  return [Buffer.from(random.chance(0.2) ? name.toLowerCase() : name), ...args]
}

function garbage(random: Random): Buffer {
  const length = 1 + random.below(random.chance(0.1) ? 5_000 : 60)
  if (random.chance(0.3)) return random.bytes(length)
  return Buffer.from(Array.from({length}, () => ALPHABET[random.below(ALPHABET.length)]!))
}

/** Replaces one run of digits after `*` or `$` by a wild number. */
function wildNumber(random: Random, bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  const headers = [...text.matchAll(/[*$]-?\d+\r\n/g)]
  if (headers.length === 0) return bytes
  const chosen = random.pick(headers)
  const number = random.pick([...NUMBERS, '', ' 1', '-', '3\x00', '1'.repeat(200)])
  const from = chosen.index + 1
  return Buffer.from(text.slice(0, from) + number + text.slice(from + chosen[0].length - 3), 'latin1')
}

function mutateOnce(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length)
  const to = Math.min(bytes.length, at + 1 + random.below(12))
  switch (random.below(6)) {
    case 0: {
      const flipped = Buffer.from(bytes)
      flipped[at] = flipped[at]! ^ (1 << random.below(8))
      return flipped
    }
    case 1:
      return bytes.subarray(0, at)
    case 2:
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
    case 4:
      return Buffer.concat([bytes.subarray(0, at), garbage(random).subarray(0, 8), bytes.subarray(at)])
    default:
      return wildNumber(random, bytes)
  }
}

function mutant(random: Random): Buffer {
  let bytes: Buffer = Buffer.concat(
    Array.from({length: 1 + random.below(4)}, () => encodeCommand(strangerArgs(random))),
  )
  for (let i = 1 + random.below(4); i > 0 && bytes.length > 0; i--) bytes = mutateOnce(random, bytes)
  return bytes
}

/** The bytes of case `index` of this seed. */
export function hostileCase(seed: number, index: number): Buffer {
  const random = seededRandom(seed ^ Math.imul(index + 1, 0x9e3779b1))
  return random.chance(0.3) ? garbage(random) : mutant(random)
}

/** The well-framed requests of batch `index` of this seed. */
export function strangers(seed: number, index: number, count: number): Buffer[][] {
  const random = seededRandom(seed ^ Math.imul(index + 1, 0x85ebca6b))
  return Array.from({length: count}, () => strangerArgs(random))
}
