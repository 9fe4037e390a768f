/**
 * What DUMP gives and RESTORE takes: frames of records (batch.ts), then
 *
 *   2  version, 1
 *   4  CRC32 of all bytes before
 *
 * The records describe one value without its key: they have the empty key, bucket 0, epoch, seq and time 0, so equal
 * values are equal bytes. The CRC over everything finds what the CRCs of frames do not: missing or added frames.
 */
import {crc32} from 'node:zlib'

export const PAYLOAD_VERSION = 1
export const PAYLOAD_FOOT_BYTES = 6
const CRC_BYTES = 4

/** CRC32 of the bytes that follow what `before` is the CRC of. */
export function payloadCrc(bytes: Buffer, before: number): number {
  return crc32(bytes, before)
}

/** The end of a payload whose frames have this CRC. */
export function payloadFoot(framesCrc: number): Buffer {
  const foot = Buffer.alloc(PAYLOAD_FOOT_BYTES)
  foot.writeUInt16LE(PAYLOAD_VERSION, 0)
  foot.writeUInt32LE(crc32(foot.subarray(0, PAYLOAD_FOOT_BYTES - CRC_BYTES), framesCrc), PAYLOAD_FOOT_BYTES - CRC_BYTES)
  return foot
}

/** Where the frames of the payload `bytes[from, end)` end, or -1 if its version or length cannot be right. */
export function payloadFramesEnd(bytes: Buffer, from: number, end: number): number {
  const framesEnd = end - PAYLOAD_FOOT_BYTES
  return framesEnd > from && bytes.readUInt16LE(framesEnd) === PAYLOAD_VERSION ? framesEnd : -1
}

/** True if the foot of the payload that ends at `end` belongs to frames with this CRC. */
export function isPayloadFoot(bytes: Buffer, end: number, framesCrc: number): boolean {
  return payloadFoot(framesCrc).compare(bytes, end - PAYLOAD_FOOT_BYTES, end) === 0
}
