/**
 * Random commands whose replies are the same on every right server: few keys, so that types and values meet in every
 * way; no random picks; times only absolute and far away.
 */
import type {Random} from '../../support/random.ts'

const KEYS = ['{r}1', '{r}2', '{r}3', '{r}4', '{r}', '{r}\xff\x00']
const FIELDS = ['a', 'b', 'c', '', 'n', '\xff']
const FAR_S = 33_177_117_420

const INTEGERS = (
  '0 1 -1 2 -5 10 100 -0 +1 01 1.5 abc 9223372036854775807 -9223372036854775808 9223372036854775808 4611686018427387904 ' +
  '2147483648 9007199254740993'
).split(' ')
const FLOATS = '0 1 -1 0.1 0.5 -2.25 1e3 1e-5 3.0 5e-1 100000.000001 1e17 0x10 inf nan abc 1.000000000000000005'.split(
  ' ',
)
const VALUES = [
  '',
  'v',
  'hello world',
  '10',
  '-7',
  '3.5',
  '9223372036854775807',
  '\x00\xff\r\n',
  'x'.repeat(60),
  'y'.repeat(200),
]
const PATTERNS = ['*', '{r}?', '*[1-3]', 'none', '{r}[^1]', '\\{r}1', '**1', '{r}[1']

type Make = (random: Random) => string[]

const key = (random: Random): string => random.pick(KEYS)
const field = (random: Random): string => random.pick(FIELDS)
const value = (random: Random): string => random.pick(VALUES)
const integer = (random: Random): string => random.pick(INTEGERS)
const float = (random: Random): string => random.pick(FLOATS)
const offset = (random: Random): string => String(random.below(40) - 20)
const maybe = (random: Random, ...words: string[]): string[] => (random.chance(0.3) ? words : [])
const some = <T>(random: Random, make: () => T[]): T[] => Array.from({length: 1 + random.below(3)}, make).flat()
const farS = (random: Random): string => String(FAR_S + random.below(1_000))
const farMs = (random: Random): string => String(FAR_S * 1_000 + random.below(1_000_000))

/** Absolute expiry, in seconds or milliseconds, and now and then in the past. */
function expiry(random: Random): string[] {
  return random.pick([
    ['EXAT', farS(random)],
    ['PXAT', farMs(random)],
    ['EXAT', '1'],
    ['EXAT', '0'],
    ['KEEPTTL'],
    ['PERSIST'],
  ])
}

/** An entry stands as often as it should be drawn. */
const MAKERS: readonly Make[] = [
  (r) => ['SET', key(r), value(r), ...maybe(r, r.pick(['NX', 'XX', 'GET', 'BAD'])), ...maybe(r, ...expiry(r))],
  (r) => ['SET', key(r), value(r), ...maybe(r, 'GET'), ...maybe(r, r.pick(['NX', 'XX']))],
  (r) => ['SET', key(r), value(r)],
  (r) => ['GET', key(r)],
  (r) => ['GETEX', key(r), ...maybe(r, ...expiry(r))],
  (r) => ['GETDEL', key(r)],
  (r) => ['GETSET', key(r), value(r)],
  (r) => ['SETNX', key(r), value(r)],
  (r) => ['MSET', ...some(r, () => [key(r), value(r)])],
  (r) => ['MSETNX', ...some(r, () => [key(r), value(r)])],
  (r) => ['MGET', ...some(r, () => [key(r)])],
  (r) => ['APPEND', key(r), value(r)],
  (r) => ['STRLEN', key(r)],
  (r) => ['GETRANGE', key(r), offset(r), offset(r)],
  (r) => ['SETRANGE', key(r), offset(r), value(r)],
  (r) => ['INCR', key(r)],
  (r) => ['DECR', key(r)],
  (r) => ['INCRBY', key(r), integer(r)],
  (r) => ['DECRBY', key(r), integer(r)],
  (r) => ['INCRBYFLOAT', key(r), float(r)],
  (r) => [
    'LCS',
    key(r),
    key(r),
    ...maybe(r, 'IDX', ...maybe(r, 'WITHMATCHLEN'), ...maybe(r, 'MINMATCHLEN', integer(r))),
  ],
  (r) => ['LCS', key(r), key(r), 'LEN'],
  (r) => ['HSET', key(r), ...some(r, () => [field(r), value(r)])],
  (r) => ['HSET', key(r), field(r), integer(r)],
  (r) => ['HSETNX', key(r), field(r), value(r)],
  (r) => ['HGET', key(r), field(r)],
  (r) => ['HMGET', key(r), ...some(r, () => [field(r)])],
  (r) => ['HGETALL', key(r)],
  (r) => ['HKEYS', key(r)],
  (r) => ['HVALS', key(r)],
  (r) => ['HDEL', key(r), ...some(r, () => [field(r)])],
  (r) => ['HLEN', key(r)],
  (r) => ['HSTRLEN', key(r), field(r)],
  (r) => ['HEXISTS', key(r), field(r)],
  (r) => ['HINCRBY', key(r), field(r), integer(r)],
  (r) => ['HINCRBYFLOAT', key(r), field(r), float(r)],
  (r) => ['DEL', ...some(r, () => [key(r)])],
  (r) => ['UNLINK', ...some(r, () => [key(r)])],
  (r) => ['EXISTS', ...some(r, () => [key(r)])],
  (r) => ['TYPE', key(r)],
  (r) => ['RENAME', key(r), key(r)],
  (r) => ['RENAMENX', key(r), key(r)],
  (r) => ['COPY', key(r), key(r), ...maybe(r, 'REPLACE')],
  (r) => ['KEYS', r.pick(PATTERNS)],
  () => ['DBSIZE'],
  (r) => ['EXPIREAT', key(r), farS(r), ...maybe(r, r.pick(['NX', 'XX', 'GT', 'LT', 'BAD']))],
  (r) => ['PEXPIREAT', key(r), farMs(r), ...maybe(r, r.pick(['NX', 'XX', 'GT', 'LT']))],
  (r) => ['EXPIREAT', key(r), r.pick(['1', '0', '-1', 'abc', '9223372036854775807'])],
  (r) => ['EXPIRETIME', key(r)],
  (r) => ['PEXPIRETIME', key(r)],
  (r) => ['PERSIST', key(r)],
  (r) => [r.pick(['MULTI', 'EXEC', 'EXEC', 'DISCARD'])],
  (r) => ['WATCH', key(r)],
  (r) => [r.pick(['GET', 'SET', 'HSET', 'HGET', 'EXPIREAT', 'INCRBY']), key(r)],
]

export const RANDOM_KEYS: readonly string[] = KEYS

/** Name and arguments, as latin1 text. */
export function randomCommand(random: Random): string[] {
  return random.pick(MAKERS)(random)
}

/** How the replies of a command are made comparable, if their order is free. */
export function normaliserOf(name: string): string | undefined {
  if (name === 'HGETALL') return 'pairs'
  if (name === 'EXEC') return 'sorted-inside'
  return name === 'KEYS' || name === 'HKEYS' || name === 'HVALS' ? 'sorted' : undefined
}
