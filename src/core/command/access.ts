/** What several families do with keys and strings. */
import {KEY_BYTES_MAX} from '../../constants.ts'
import {pageBytes, valueLength, valueOffset} from '../keyspace/node.ts'
import {ERR_TOO_LONG} from './context.ts'
import type {Context} from './context.ts'

/** Writes the string of `node` as the reply. */
export function replyString(c: Context, node: number): void {
  const memory = c.keyspace.memory
  c.out.bulk(pageBytes(memory, node), valueOffset(memory, node), valueLength(memory, node))
}

/** Key argument `key` becomes the string that is argument `value`; `node` is what it has now. */
export function setFromArgs(c: Context, key: number, value: number, node: number, at: number): number {
  const {buf, off, len} = c.request
  return c.effects.set(c.bucket, c.hash, node, buf, off[key]!, len[key]!, buf, off[value]!, len[value]!, at)
}

/** True (and the error is written) if the key that is argument `i` is longer than a key may be. */
export function isKeyTooLong(c: Context, i: number): boolean {
  if (c.request.len[i]! <= KEY_BYTES_MAX) return false
  c.fail(ERR_TOO_LONG)
  return true
}
