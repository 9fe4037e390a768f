/** Replies as plain JavaScript, and the few shapes that methods promise. */
import {ClientError, ReplyError} from './errors.ts'
import {isError, isList, isTagged, replyEntries, replyText, type Reply} from './reply.ts'

/**
 * A reply in plain JavaScript: strings (buffers on demand), numbers (bigints past 2^53), null, arrays (sets are arrays as well), maps. An error inside an array, as
 * EXEC may have it, is a `ReplyError`.
 */
export type KvReply =
  null | boolean | number | bigint | string | Buffer | ReplyError | readonly KvReply[] | ReadonlyMap<KvReply, KvReply>

export function plainReply(reply: Reply): KvReply {
  if (isList(reply)) return reply.map(plainReply)
  if (!isTagged(reply)) return reply
  switch (reply.kind) {
    case 'error':
      return new ReplyError(reply.text)
    case 'double':
    case 'bigNumber':
      return reply.value
    case 'verbatim':
      return reply.data.toString()
    case 'set':
      return reply.items.map(plainReply)
    case 'map':
      return new Map(reply.entries.map(([key, value]) => [plainReply(key), plainReply(value)]))
  }
}

export function toText(reply: Reply): string | null {
  return typeof reply === 'string' || reply === null ? reply : (replyText(reply) ?? unexpected(reply, 'a string'))
}

export function toBuffer(reply: Reply): Buffer | null {
  if (Buffer.isBuffer(reply) || reply === null) return reply
  return typeof reply === 'string' ? Buffer.from(reply) : unexpected(reply, 'a string')
}

export function toInteger(reply: Reply): number {
  if (typeof reply === 'number') return reply
  if (typeof reply !== 'bigint') return unexpected(reply, 'an integer')
  throw new ClientError(
    'E_PROTOCOL',
    'done',
    `The answer, ${reply}, is larger than a number holds exactly.`,
    'Use send().',
  )
}

/** 1 and 0 as yes and no. */
export function toBoolean(reply: Reply): boolean {
  return toInteger(reply) > 0
}

/** OK is true; null, which means that a condition did not hold, is false. */
export function toIsDone(reply: Reply): boolean {
  if (reply === 'OK') return true
  return reply === null ? false : unexpected(reply, 'OK')
}

/** What TTL and its kin say: -2 is null (not there), -1 Infinity (never). */
export function toTtlMs(reply: Reply): number | null {
  const ms = toInteger(reply)
  return ms === -2 ? null : ms === -1 ? Infinity : ms
}

export function toList(reply: Reply): readonly Reply[] {
  return isList(reply) ? reply : unexpected(reply, 'a list')
}

export function toTexts(reply: Reply): string[] {
  return toList(reply).map((item) => toText(item) ?? unexpected(item, 'a string'))
}

/** A map whose values `of` reads. */
export function toMap<T>(reply: Reply, of: (reply: Reply) => T | null): Map<string, T> {
  const entries = replyEntries(reply)
  if (!entries) return unexpected(reply, 'a map')
  return new Map(
    entries.map(([name, value]) => [
      toText(name) ?? unexpected(name, 'a string'),
      of(value) ?? unexpected(value, 'a string'),
    ]),
  )
}

/** The node carried something out, and its answer is none that this method knows. */
export function unexpected(reply: Reply, wanted: string): never {
  const said = isError(reply) ? reply.text : JSON.stringify(plainReply(reply), bigintText)
  throw new ClientError('E_PROTOCOL', 'done', `The answer is ${said?.slice(0, 100)}, not ${wanted}.`)
}

function bigintText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
