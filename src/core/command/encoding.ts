/** What Redis would call the way a value is kept: for OBJECT ENCODING and DEBUG OBJECT. */
import {FLAG_LARGE, FLAG_MAP, FLAG_RAW, nodeFlags, pageBytes, valueLength, valueOffset} from '../keyspace/node.ts'
import {parseInt64} from './numbers.ts'
import type {Context} from './context.ts'

const EMBSTR_BYTES_MAX = 44

export function encodingOf(c: Context, node: number): string {
  const {memory} = c.keyspace
  const flags = nodeFlags(memory, node)
  if ((flags & FLAG_MAP) !== 0) return (flags & FLAG_LARGE) !== 0 ? 'hashtable' : 'listpack'
  const length = valueLength(memory, node)
  if ((flags & FLAG_RAW) !== 0) return 'raw'
  if (parseInt64(pageBytes(memory, node), valueOffset(memory, node), length) !== null) return 'int'
  return length <= EMBSTR_BYTES_MAX ? 'embstr' : 'raw'
}
