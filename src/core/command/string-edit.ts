/** Strings: reading and changing parts of a value, and values that are numbers. */
import {VALUE_BYTES_MAX} from '../../constants.ts'
import {NO_EXPIRY, expireAt, pageBytes, valueLength, valueOffset} from '../keyspace/node.ts'
import {ERR_NOT_FLOAT, ERR_NOT_INTEGER, ERR_SYNTAX, ERR_TOO_LONG, ERR_WRONG_TYPE} from './context.ts'
import {INT64_MAX, INT64_MIN, parseInt64, parseSafeInteger} from './numbers.ts'
import {addLongDoubles} from './long-double.ts'
import {EVENT_STRING} from '../events.ts'
import {longestCommonSubsequence} from './lcs.ts'
import {isKeyTooLong, setFromArgs} from './access.ts'
import type {Context} from './context.ts'

const ERR_OVERFLOW = 'ERR increment or decrement would overflow'

export function strlen(c: Context): void {
  const node = c.lookupRead(1)
  if (node !== 0 && c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  c.out.integer(node === 0 ? 0 : valueLength(c.keyspace.memory, node))
}

export function append(c: Context): void {
  if (isKeyTooLong(c, 1)) return
  const node = c.lookup(1)
  const {buf, off, len} = c.request
  if (node === 0) {
    setFromArgs(c, 1, 2, 0, NO_EXPIRY)
    c.notify(EVENT_STRING, 'append')
    return c.out.integer(len[2]!)
  }
  if (c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  const memory = c.keyspace.memory
  const before = valueLength(memory, node)
  const total = before + len[2]!
  if (total > VALUE_BYTES_MAX) return c.fail(ERR_TOO_LONG)
  const grown = c.effects.resizeString(c.bucket, c.hash, node, buf, off[1]!, len[1]!, total)
  buf.copy(pageBytes(memory, grown), valueOffset(memory, grown) + before, off[2], off[2]! + len[2]!)
  c.effects.stringWritten(c.bucket, grown)
  c.notify(EVENT_STRING, 'append')
  c.out.integer(total)
}

export function setrange(c: Context): void {
  if (isKeyTooLong(c, 1)) return
  const offset = rangeIndex(c, 2)
  if (Number.isNaN(offset)) return c.fail(ERR_NOT_INTEGER)
  if (offset < 0) return c.fail('ERR offset is out of range')
  const node = c.lookup(1)
  const {buf, off, len} = c.request
  if (node !== 0 && c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  const memory = c.keyspace.memory
  const before = node === 0 ? 0 : valueLength(memory, node)
  if (len[3] === 0) return c.out.integer(before)
  if (offset + len[3]! > VALUE_BYTES_MAX) return c.fail(ERR_TOO_LONG)
  const total = Math.max(before, offset + len[3]!)
  const grown = c.effects.resizeString(c.bucket, c.hash, node, buf, off[1]!, len[1]!, total)
  buf.copy(pageBytes(memory, grown), valueOffset(memory, grown) + offset, off[3], off[3]! + len[3]!)
  c.effects.stringWritten(c.bucket, grown)
  c.notify(EVENT_STRING, 'setrange')
  c.out.integer(total)
}

export function getrange(c: Context): void {
  const start = rangeIndex(c, 2)
  const end = rangeIndex(c, 3)
  if (Number.isNaN(start) || Number.isNaN(end)) return c.fail(ERR_NOT_INTEGER)
  const node = c.lookupRead(1)
  if (node === 0) return c.out.bulkString('')
  if (c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  const memory = c.keyspace.memory
  const length = valueLength(memory, node)
  if (start < 0 && end < 0 && start > end) return c.out.bulkString('')
  const from = Math.max(start < 0 ? length + start : start, 0)
  const to = Math.min(Math.max(end < 0 ? length + end : end, 0), length - 1)
  if (from > to || length === 0) return c.out.bulkString('')
  c.out.bulk(pageBytes(memory, node), valueOffset(memory, node) + from, to - from + 1)
}

/** An index of any int64; only its order against lengths matters, so a rounded number does. NaN = no integer. */
function rangeIndex(c: Context, i: number): number {
  const small = c.integer(i)
  if (!Number.isNaN(small)) return small
  const value = c.int64(i)
  return value === null ? Number.NaN : Number(value)
}

export function incr(c: Context): void {
  add(c, 1n, 1)
}

export function decr(c: Context): void {
  add(c, -1n, -1)
}

export function incrby(c: Context): void {
  const by = c.int64(2)
  if (by === null) return c.fail(ERR_NOT_INTEGER)
  add(c, by, Number(by))
}

export function decrby(c: Context): void {
  const by = c.int64(2)
  if (by === null) return c.fail(ERR_NOT_INTEGER)
  if (by === INT64_MIN) return c.fail('ERR decrement would overflow')
  add(c, -by, -Number(by))
}

/** Adds `by` (also given as a number, exact while small) to the integer that the key holds. */
function add(c: Context, by: bigint, byNumber: number): void {
  if (isKeyTooLong(c, 1)) return
  const node = c.lookup(1)
  const memory = c.keyspace.memory
  let small = 0
  let large: bigint | null = 0n
  if (node !== 0) {
    if (c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
    const bytes = pageBytes(memory, node)
    small = parseSafeInteger(bytes, valueOffset(memory, node), valueLength(memory, node))
    if (Number.isNaN(small)) large = parseInt64(bytes, valueOffset(memory, node), valueLength(memory, node))
    if (large === null) return c.fail(ERR_NOT_INTEGER)
  }
  const sum = small + byNumber
  if (Number.isSafeInteger(sum) && Number.isSafeInteger(byNumber)) {
    setNumber(c, node, String(sum))
    return c.out.integer(sum)
  }
  const total = (Number.isNaN(small) ? large : BigInt(small)) + by
  if (total > INT64_MAX || total < INT64_MIN) return c.fail(ERR_OVERFLOW)
  setNumber(c, node, total.toString())
  c.out.bigint(total)
}

/** The key becomes this text and keeps its expiry. */
function setNumber(c: Context, node: number, text: string): void {
  const {buf, off, len} = c.request
  const value = c.scratch
  const length = value.write(text, 0, 'latin1')
  const at = node === 0 ? NO_EXPIRY : expireAt(c.keyspace.memory, node)
  c.effects.set(c.bucket, c.hash, node, buf, off[1]!, len[1]!, value, 0, length, at)
  c.notify(EVENT_STRING, 'incrby')
}

export function incrbyfloat(c: Context): void {
  if (isKeyTooLong(c, 1)) return
  const node = c.lookup(1)
  const memory = c.keyspace.memory
  let current = '0'
  if (node !== 0) {
    if (c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
    const from = valueOffset(memory, node)
    current = pageBytes(memory, node).toString('latin1', from, from + valueLength(memory, node))
  }
  const sum = addLongDoubles(current, c.latin1(2))
  if (sum === 'not-a-float') return c.fail(ERR_NOT_FLOAT)
  if (sum === 'not-finite') return c.fail('ERR increment would produce NaN or Infinity')
  const text = Buffer.from(sum.text, 'latin1')
  const {buf, off, len} = c.request
  const at = node === 0 ? NO_EXPIRY : expireAt(memory, node)
  c.effects.set(c.bucket, c.hash, node, buf, off[1]!, len[1]!, text, 0, text.length, at)
  c.notify(EVENT_STRING, 'incrbyfloat')
  c.out.bulkBuffer(text)
}

export function lcs(c: Context): void {
  const a = c.lookupRead(1)
  const b = c.lookupRead(2)
  if ((a !== 0 && c.isMap(a)) || (b !== 0 && c.isMap(b)))
    return c.fail('ERR The specified keys must contain string values')
  let isLength = false
  let isIndex = false
  let hasLengths = false
  let minimum = 0
  for (let i = 3; i < c.argc; i++) {
    if (c.is(i, 'IDX')) isIndex = true
    else if (c.is(i, 'LEN')) isLength = true
    else if (c.is(i, 'WITHMATCHLEN')) hasLengths = true
    else if (c.is(i, 'MINMATCHLEN') && i + 1 < c.argc) {
      minimum = rangeIndex(c, ++i)
      if (Number.isNaN(minimum)) return c.fail(ERR_NOT_INTEGER)
    } else return c.fail(ERR_SYNTAX)
  }
  if (isIndex && isLength) return c.fail('ERR If you want both the length and indexes, please just use IDX.')
  const left = stringBytes(c, a)
  const right = stringBytes(c, b)
  if ((left.length + 1) * (right.length + 1) * 4 > VALUE_BYTES_MAX) {
    return c.fail('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len')
  }
  const result = longestCommonSubsequence(left, right)
  if (isLength) return c.out.integer(result.bytes.length)
  if (!isIndex) return c.out.bulkBuffer(result.bytes)
  const ranges = result.ranges.filter((range) => range.length >= Math.max(minimum, 1))
  c.out.map(2)
  c.out.bulkString('matches')
  c.out.array(ranges.length)
  for (const range of ranges) {
    c.out.array(hasLengths ? 3 : 2)
    for (const from of [range.a, range.b]) {
      c.out.array(2)
      c.out.integer(from)
      c.out.integer(from + range.length - 1)
    }
    if (hasLengths) c.out.integer(range.length)
  }
  c.out.bulkString('len')
  c.out.integer(result.bytes.length)
}

function stringBytes(c: Context, node: number): Buffer {
  if (node === 0) return Buffer.alloc(0)
  const memory = c.keyspace.memory
  const from = valueOffset(memory, node)
  return pageBytes(memory, node).subarray(from, from + valueLength(memory, node))
}
