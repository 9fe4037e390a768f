/**
 * The batch: records framed with length and CRC32, the unit in which they are sent, saved and logged. Little-endian:
 *
 *   off  size  field
 *     0    3   'KVB'
 *     3    1   version     1
 *     4    4   length      bytes of the records
 *     8    4   count       records, at least 1
 *    12    4   previous    crc of the frame before, if chained; else 0
 *    16    1   flags       bit 0 continued, 1 continuation, 2 chained; the others are 0
 *    17    3   zero
 *    20    4   headCrc     CRC32 of bytes 0..19
 *    24    4   crc         CRC32 of the records, seeded with headCrc: the CRC32 of bytes 0..19 and the records as one
 *    28        records
 *
 * The head has a CRC of its own so that its length can be trusted before the records are there: a reader of a file can tell
 * a batch that was cut at the end (torn tail) from one whose length was damaged in the middle, and a reader of a socket does
 * not wait for half a gigabyte because of one flipped bit.
 *
 * Chained frames name the frame before them. The name is a field and not the seed of the CRC: each frame can be checked
 * alone (a log read from the middle), and "damaged" and "out of place" are different verdicts.
 *
 * Groups: a batch holds whole groups. Only a group that alone exceeds the batch limit is cut: its frames say `continued`
 * (the last record's group goes on in the next frame) and `continuation` (the first record's group began in an earlier
 * one), so that a reader knows without parsing a record that a group is incomplete.
 */
import {crc32} from 'node:zlib'
import {RECORD_BATCH_BYTES_MAX, RECORD_BYTES_MAX} from '../constants.ts'
import {RECORD_HEAD_BYTES, type Fault} from './layout.ts'

export const FRAME_HEAD_BYTES = 28
export const FRAME_VERSION = 1

export const FRAME_CONTINUED = 1
export const FRAME_CONTINUATION = 2
export const FRAME_CHAINED = 4
const FRAME_FLAGS = FRAME_CONTINUED | FRAME_CONTINUATION | FRAME_CHAINED

/** 'KVB' and the version, as bytes. */
const MAGIC = Buffer.from([0x4b, 0x56, 0x42, FRAME_VERSION])
const HEAD_CRC_OFF = 20
const CRC_OFF = 24

/** Head bytes are checked in here: one native call without a new view. Nothing outlives a call. */
const scratch = Buffer.alloc(HEAD_CRC_OFF)

/** One valid frame in a buffer; offsets count from the buffer's start. */
export interface Frame {
  readonly start: number
  /** One past its last byte: where the next frame begins. */
  readonly end: number
  readonly recordsOff: number
  /** Records in it; the bytes of `recordsOff..end` are theirs. Not yet checked one by one: see frame-chain.ts. */
  readonly count: number
  /** Names this frame for the one after it. */
  readonly crc: number
  /** The crc of the frame before, or null if the frame is not chained. */
  readonly previous: number | null
  /** The group of its last record goes on in the next frame: hold it back until it is whole. */
  readonly isContinued: boolean
  /** Its first records belong to a group that began in an earlier frame. */
  readonly isContinuation: boolean
}

export type FrameFaultCode = 'magic' | 'version' | 'head' | 'length' | 'crc' | 'chain' | 'group'

export type FrameVerdict =
  | {readonly kind: 'ok'; readonly frame: Frame}
  /** At least this many bytes more than were given; bounded by RECORD_BYTES_MAX whatever the bytes say. */
  | {readonly kind: 'need'; readonly bytes: number}
  | {readonly kind: 'bad'; readonly fault: Fault<FrameFaultCode>}

/**
 * Writes the head of the frame at `start`, whose records already lie at `start + FRAME_HEAD_BYTES` up to `end`.
 * `previous`: crc of the frame before, or null for a frame that stands alone. Returns the frame's crc.
 */
export function sealFrame(
  buf: Buffer,
  start: number,
  end: number,
  count: number,
  flags: number,
  previous: number | null,
): number {
  scratch.set(MAGIC, 0)
  scratch.writeUInt32LE(end - start - FRAME_HEAD_BYTES, 4)
  scratch.writeUInt32LE(count, 8)
  scratch.writeUInt32LE(previous ?? 0, 12)
  scratch.writeUInt32LE(previous === null ? flags : flags | FRAME_CHAINED, 16)
  const headCrc = crc32(scratch)
  const crc = crc32(buf.subarray(start + FRAME_HEAD_BYTES, end), headCrc)
  scratch.copy(buf, start)
  buf.writeUInt32LE(headCrc, start + HEAD_CRC_OFF)
  buf.writeUInt32LE(crc, start + CRC_OFF)
  return crc
}

/** Makes frames that lie back to back in `row`, sealed without a chain, name each other from `previous` on; returns the last crc. */
export function chainFrames(row: Buffer, previous: number): number {
  let crc = previous
  for (let at = 0; at < row.length;) {
    const end = at + FRAME_HEAD_BYTES + row.readUInt32LE(at + 4)
    crc = sealFrame(row, at, end, row.readUInt32LE(at + 8), row[at + 16]!, crc)
    at = end
  }
  return crc
}

function bad(code: FrameFaultCode, offset: number, words: string): FrameVerdict {
  return {kind: 'bad', fault: {code, offset, words}}
}

/** Judges what there is of magic and version, so that foreign bytes are refused at the first one. */
function checkMagic(buf: Buffer, off: number, end: number): FrameVerdict | null {
  for (let i = 0; i < 3 && off + i < end; i++) {
    if (buf[off + i] !== MAGIC[i]) return bad('magic', off, 'no batch begins here')
  }
  if (off + 3 >= end || buf[off + 3] === FRAME_VERSION) return null
  return bad('version', off + 3, `batch of format ${buf[off + 3]}, this kv reads format ${FRAME_VERSION}`)
}

/**
 * Reads the frame that begins at `off`; `end` is one past the last byte there is. Never throws on hostile bytes and
 * allocates nothing by a length it was told. Checks head and CRC, not the records and not the chain (frame-chain.ts).
 */
export function readFrame(buf: Buffer, off: number, end: number): FrameVerdict {
  const fault = checkMagic(buf, off, end)
  if (fault !== null) return fault
  if (end - off < FRAME_HEAD_BYTES) return {kind: 'need', bytes: FRAME_HEAD_BYTES - (end - off)}

  buf.copy(scratch, 0, off, off + HEAD_CRC_OFF)
  const headCrc = buf.readUInt32LE(off + HEAD_CRC_OFF)
  if (crc32(scratch) !== headCrc) return bad('head', off, 'the head of the batch does not match its CRC')
  const length = scratch.readUInt32LE(4)
  const count = scratch.readUInt32LE(8)
  const flags = scratch.readUInt32LE(16)
  const previous = scratch.readUInt32LE(12)
  const isChained = (flags & FRAME_CHAINED) !== 0
  // A right CRC over nonsense: not damage but a foreign or hostile writer.
  if ((flags & ~FRAME_FLAGS) !== 0) return bad('head', off + 16, 'the batch has flags of no meaning')
  if (!isChained && previous !== 0) return bad('head', off + 12, 'the batch is not chained but names one before it')
  const lengthMax = count === 1 ? RECORD_BYTES_MAX : RECORD_BATCH_BYTES_MAX
  if (count === 0 || length < count * RECORD_HEAD_BYTES || length > lengthMax) {
    return bad('length', off + 4, `a batch of ${count} records cannot have ${length} bytes`)
  }

  const recordsOff = off + FRAME_HEAD_BYTES
  const frameEnd = recordsOff + length
  if (frameEnd > end) return {kind: 'need', bytes: frameEnd - end}
  const crc = buf.readUInt32LE(off + CRC_OFF)
  if (crc32(buf.subarray(recordsOff, frameEnd), headCrc) !== crc) {
    return bad('crc', off, `the ${length} bytes of the batch do not match its CRC`)
  }
  const isContinued = (flags & FRAME_CONTINUED) !== 0
  const isContinuation = (flags & FRAME_CONTINUATION) !== 0
  const frame = {start: off, end: frameEnd, recordsOff, count, crc, isContinued, isContinuation}
  return {kind: 'ok', frame: {...frame, previous: isChained ? previous : null}}
}
