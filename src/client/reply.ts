/**
 * What a reply looks like once it is decoded. RESP's plain kinds become plain values; the kinds that JavaScript would
 * confuse with them (a double with an integer, a verbatim string with a bulk one) carry a tag, so that a printer can
 * tell `(integer) 3` from `(double) 3` and nothing is lost on the way.
 */

export interface ErrorReply {
  readonly kind: 'error'
  /** The whole text; its first word is what clients match (`MOVED`, `WRONGTYPE`, `ERR`...). */
  readonly text: string
}
export interface DoubleReply {
  readonly kind: 'double'
  readonly value: number
}
export interface BigNumberReply {
  readonly kind: 'bigNumber'
  readonly value: bigint
}
export interface VerbatimReply {
  readonly kind: 'verbatim'
  /** Three characters: `txt` or `mkd`. */
  readonly format: string
  readonly data: Buffer
}
export interface MapReply {
  readonly kind: 'map'
  readonly entries: readonly (readonly [Reply, Reply])[]
}
export interface SetReply {
  readonly kind: 'set'
  readonly items: readonly Reply[]
}
export type TaggedReply = ErrorReply | DoubleReply | BigNumberReply | VerbatimReply | MapReply | SetReply

/**
 * One reply. `string` is a simple string (`+OK`), `Buffer` a bulk string, `number` or, past 2^53, `bigint` an integer,
 * `null` any of the three nulls.
 */
export type Reply = null | boolean | number | bigint | string | Buffer | readonly Reply[] | TaggedReply

/** Out-of-band data (RESP3 `>`): belongs to no request. */
export type Push = readonly Reply[]

export function isTagged(reply: Reply): reply is TaggedReply {
  return typeof reply === 'object' && reply !== null && !Array.isArray(reply) && !Buffer.isBuffer(reply)
}

/** `Array.isArray` that keeps the element type of a readonly array. */
export function isList(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply)
}

export function isError(reply: Reply): reply is ErrorReply {
  return isTagged(reply) && reply.kind === 'error'
}

/** The text of a bulk, simple or verbatim string or of a number; undefined for anything else. */
export function replyText(reply: Reply | undefined): string | undefined {
  if (typeof reply === 'string') return reply
  if (typeof reply === 'number' || typeof reply === 'bigint') return String(reply)
  if (Buffer.isBuffer(reply)) return reply.toString()
  if (reply !== undefined && isTagged(reply) && reply.kind === 'verbatim') return reply.data.toString()
  return undefined
}

/** Neighbours made into pairs; the length is even. */
export function replyPairs(flat: readonly Reply[]): [Reply, Reply][] {
  const pairs: [Reply, Reply][] = []
  for (let at = 0; at < flat.length; at += 2) pairs.push([flat[at]!, flat[at + 1]!])
  return pairs
}

/** The pairs of a map, whether it came as a RESP3 map or as RESP2's flat array; undefined if it is neither. */
export function replyEntries(reply: Reply): readonly (readonly [Reply, Reply])[] | undefined {
  if (isTagged(reply)) return reply.kind === 'map' ? reply.entries : undefined
  if (!isList(reply) || reply.length % 2 !== 0) return undefined
  return replyPairs(reply)
}
