/**
 * Which bucket a key belongs to: CRC16 (XMODEM: polynomial 0x1021, start 0) of the key or of its hash tag, mod 16384.
 * This must agree bit for bit with Redis Cluster (spec, appendix A), because stock clients compute it themselves.
 * Table driven, one table lookup a byte, no allocation: it is on the request path of both the server and the clients.
 */
import {BUCKET_COUNT} from '../constants.ts'
import type {BucketId} from './brand.ts'

const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d

const TABLE = buildTable()

function buildTable(): Uint16Array {
  const table = new Uint16Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
    table[byte] = crc
  }
  return table
}

/** CRC16 of `length` bytes from `offset`; 0..65535. */
export function crc16(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
  const end = offset + length
  let crc = 0
  for (let at = offset; at < end; at++) crc = ((crc << 8) & 0xffff) ^ TABLE[((crc >> 8) ^ bytes[at]!) & 0xff]!
  return crc
}

/**
 * The bucket of a key of `length` bytes from `offset`. If the key has a `{`, and after it a `}` with at least one byte
 * between the two, only the bytes between the first `{` and the first `}` after it count. So `{user1}.name` and `{user1}.mail` share a bucket,
 * while `{}x` is hashed whole.
 */
export function keyBucket(bytes: Uint8Array, offset = 0, length = bytes.length - offset): BucketId {
  const end = offset + length
  let open = offset
  while (open < end && bytes[open] !== BRACE_OPEN) open++
  if (open < end) {
    let close = open + 1
    while (close < end && bytes[close] !== BRACE_CLOSE) close++
    if (close < end && close > open + 1) {
      return (crc16(bytes, open + 1, close - open - 1) & (BUCKET_COUNT - 1)) as BucketId
    }
  }
  return (crc16(bytes, offset, length) & (BUCKET_COUNT - 1)) as BucketId
}
