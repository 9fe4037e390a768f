/**
 * CRC16-CCITT (XMODEM): polynomial 0x1021, initial value 0, as in the Redis Cluster specification, appendix A.
 * It decides which bucket a key belongs to, so it must agree with every client to the bit.
 */
import {BUCKET_COUNT} from '../constants.ts'

const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const BUCKET_MASK = BUCKET_COUNT - 1

/**
 * TABLE_n[byte] is the CRC of the byte followed by n zero bytes: four bytes are folded in at once ("slicing by 4", Kounavis and
 * Berry 2005), which makes the chain of dependent loads four times shorter.
 */
const TABLE = makeTable()
const TABLE_1 = shiftTable(TABLE)
const TABLE_2 = shiftTable(TABLE_1)
const TABLE_3 = shiftTable(TABLE_2)

function makeTable(): Uint16Array {
  const table = new Uint16Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    table[byte] = crc & 0xffff
  }
  return table
}

function shiftTable(table: Uint16Array): Uint16Array {
  return table.map((crc) => ((crc << 8) & 0xff00) ^ TABLE[crc >>> 8]!)
}

/** CRC16 of what `crc` is the CRC16 of, with one byte more. */
export function crc16Step(crc: number, byte: number): number {
  return ((crc << 8) & 0xff00) ^ TABLE[(crc >>> 8) ^ byte]!
}

/** CRC16 of `bytes[start, end)`. */
export function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0
  for (let i = start; i < end; i++) crc = ((crc << 8) & 0xff00) ^ TABLE[(crc >>> 8) ^ bytes[i]!]!
  return crc
}

/**
 * The bucket of the key `bytes[offset, offset + length)`. If the key holds `{...}` with at least one byte between the
 * first `{` and the first `}` after it, only that part is hashed, so that related keys can share a bucket.
 */
export function keyBucket(bytes: Uint8Array, offset: number, length: number): number {
  const end = offset + length
  const blocks = end - 3
  let crc = 0
  let i = offset
  for (; i < blocks; i += 4) {
    const a = bytes[i]!
    const b = bytes[i + 1]!
    const c = bytes[i + 2]!
    const d = bytes[i + 3]!
    if (a === BRACE_OPEN || b === BRACE_OPEN || c === BRACE_OPEN || d === BRACE_OPEN) {
      return taggedBucket(bytes, offset, end, bytes.indexOf(BRACE_OPEN, i))
    }
    crc = TABLE_3[(crc >>> 8) ^ a]! ^ TABLE_2[(crc & 0xff) ^ b]! ^ TABLE_1[c]! ^ TABLE[d]!
  }
  for (; i < end; i++) {
    const byte = bytes[i]!
    if (byte === BRACE_OPEN) return taggedBucket(bytes, offset, end, i)
    crc = ((crc << 8) & 0xff00) ^ TABLE[(crc >>> 8) ^ byte]!
  }
  return crc & BUCKET_MASK
}

function taggedBucket(bytes: Uint8Array, start: number, end: number, open: number): number {
  let close = open + 1
  while (close < end && bytes[close] !== BRACE_CLOSE) close++
  const hasTag = close < end && close > open + 1
  return (hasTag ? crc16(bytes, open + 1, close) : crc16(bytes, start, end)) & BUCKET_MASK
}
