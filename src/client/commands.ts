/** The commands behind the library's methods: arguments in, typed answer out. Pure; who sends them is the caller's affair. */
import {usage, type Command} from './command.ts'
import {bucketOf, type Key} from './key-bucket.ts'
import {
  toBoolean,
  toBuffer,
  toInteger,
  toIsDone,
  toList,
  toMap,
  toText,
  toTexts,
  toTtlMs,
  unexpected,
} from './plain-reply.ts'
import type {Argument} from './encoder.ts'
import type {Reply} from './reply.ts'

/** A value to be stored: text (UTF-8), a number (in decimal) or bytes. */
export type Value = string | number | bigint | Uint8Array

export interface SetOptions {
  /** Seconds after which the key expires. */
  readonly ex?: number
  /** Milliseconds after which the key expires. */
  readonly px?: number
  /** Keeps the expiry that the key has; without any of the three the key does not expire any more. */
  readonly keepTtl?: boolean
  /** Only if the key is not there. */
  readonly nx?: boolean
  /** Only if the key is there. */
  readonly xx?: boolean
}

/** Pairs of fields and values: an object, a Map, or any iterable of pairs. */
export type Entries = Readonly<Record<string, Value>> | Iterable<readonly [Key, Value]>

type Convert<T> = (reply: Reply) => T

function read<T>(args: readonly Argument[], convert: Convert<T>, isText = true): Command<T> {
  return {args, bucket: bucketOf(args[1] as Key), isRead: true, isText, convert}
}

function write<T>(args: readonly Argument[], convert: Convert<T>, isText = true): Command<T> {
  return {args, bucket: bucketOf(args[1] as Key), isRead: false, isText, convert}
}

export function get(key: Key): Command<string | null> {
  return read(['GET', key], toText)
}

export function getBuffer(key: Key): Command<Buffer | null> {
  return read(['GET', key], toBuffer, false)
}

export function set(key: Key, value: Value, options?: SetOptions): Command<boolean> {
  return write(options ? setArgs(key, value, options) : ['SET', key, value], toIsDone)
}

export function setAndGet(key: Key, value: Value, options: SetOptions): Command<string | null> {
  return write([...setArgs(key, value, options), 'GET'], toText)
}

function setArgs(key: Key, value: Value, {ex, px, keepTtl, nx, xx}: SetOptions): Argument[] {
  if ([ex, px, keepTtl || undefined].filter((one) => one !== undefined).length > 1)
    throw usage('ex, px and keepTtl exclude each other.', 'Give one of them.')
  if (nx && xx) throw usage('nx and xx exclude each other.', 'Give one of them.')
  const args: Argument[] = ['SET', key, value]
  if (ex !== undefined) args.push('EX', ex)
  if (px !== undefined) args.push('PX', px)
  if (keepTtl) args.push('KEEPTTL')
  if (nx) args.push('NX')
  if (xx) args.push('XX')
  return args
}

/** Of keys in one bucket. */
export function remove(keys: readonly Key[]): Command<number> {
  return write(['DEL', ...keys], toInteger)
}

/** Of keys in one bucket. */
export function exists(keys: readonly Key[]): Command<number> {
  return read(['EXISTS', ...keys], toInteger)
}

export function expire(key: Key, ttlMs: number): Command<boolean> {
  return write(['PEXPIRE', key, ttlMs], toBoolean)
}

export function persist(key: Key): Command<boolean> {
  return write(['PERSIST', key], toBoolean)
}

export function ttl(key: Key): Command<number | null> {
  return read(['PTTL', key], toTtlMs)
}

export function increment(key: Key, by: number | bigint): Command<number> {
  return write(['INCRBY', key, by], toInteger)
}

export function publish(channel: Key, message: Value, isSharded: boolean): Command<number> {
  if (isSharded) return write(['SPUBLISH', channel, message], toInteger)
  return {args: ['PUBLISH', channel, message], bucket: -1, isRead: false, isText: true, convert: toInteger}
}

export function mapGet(key: Key, field: Key): Command<string | null> {
  return read(['HGET', key, field], toText)
}

export function mapGetBuffer(key: Key, field: Key): Command<Buffer | null> {
  return read(['HGET', key, field], toBuffer, false)
}

export function mapGetMany(key: Key, fields: readonly Key[]): Command<(string | null)[]> {
  return read(['HMGET', key, ...fields], (reply) => toList(reply).map(toText))
}

export function mapSet(key: Key, entries: Iterable<readonly [Key, Value]>): Command<number> {
  const args: Argument[] = ['HSET', key]
  for (const [field, value] of entries) args.push(field, value)
  if (args.length === 2) throw usage('There is no field to set.', 'Give at least one field and its value.')
  return write(args, toInteger)
}

export function mapGetAll(key: Key): Command<Map<string, string>> {
  return read(['HGETALL', key], (reply) => toMap(reply, toText))
}

export function mapGetAllBuffers(key: Key): Command<Map<string, Buffer>> {
  return read(['HGETALL', key], (reply) => toMap(reply, toBuffer), false)
}

export function mapDelete(key: Key, fields: readonly Key[]): Command<number> {
  return write(['HDEL', key, ...fields], toInteger)
}

export function mapHas(key: Key, field: Key): Command<boolean> {
  return read(['HEXISTS', key, field], toBoolean)
}

export function mapSize(key: Key): Command<number> {
  return read(['HLEN', key], toInteger)
}

export function mapIncrement(key: Key, field: Key, by: number | bigint): Command<number> {
  return write(['HINCRBY', key, field, by], toInteger)
}

export function mapKeys(key: Key): Command<string[]> {
  return read(['HKEYS', key], toTexts)
}

export function mapValues(key: Key): Command<string[]> {
  return read(['HVALS', key], toTexts)
}

/** True if the field is there; a time that is over deletes it. */
export function mapExpireField(key: Key, field: Key, ttlMs: number): Command<boolean> {
  return write(['HPEXPIRE', key, ttlMs, 'FIELDS', 1, field], (reply) => toInteger(onlyOne(reply)) > 0)
}

export function mapPersistField(key: Key, field: Key): Command<boolean> {
  return write(['HPERSIST', key, 'FIELDS', 1, field], (reply) => toInteger(onlyOne(reply)) > 0)
}

export function mapFieldTtl(key: Key, field: Key): Command<number | null> {
  return read(['HPTTL', key, 'FIELDS', 1, field], (reply) => toTtlMs(onlyOne(reply)))
}

/** The answer about one field; there is none if the key is not there. */
function onlyOne(reply: Reply): Reply {
  return reply === null ? -2 : (toList(reply)[0] ?? unexpected(reply, 'a list of one'))
}

/** Entries in whichever form as pairs. */
export function pairsOf(entries: Entries): Iterable<readonly [Key, Value]> {
  return Symbol.iterator in entries
    ? (entries as Iterable<readonly [Key, Value]>)
    : Object.entries(entries as Record<string, Value>)
}
