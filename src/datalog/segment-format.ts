/**
 * The bytes of a data log: a folder of segments, numbered from 1 (or from where an earlier log ended) without a gap.
 *
 *   0000000001.kvlog.zst    sealed and compressed
 *   0000000002.kvlog        sealed: its last block is a FOOT, nothing is ever changed in it again
 *   0000000003.kvlog        open: entries are appended to it
 *   0000000003.kvlog.torn-812   what a crash left behind byte 812 and was cut off
 *   log-lock/               see disk/folder-lock.ts
 *
 * A segment is a row of blocks: HEAD, then one for each entry (its kind is LOG_* of record/log-entry.ts), with MARKs between them, at last FOOT.
 * All numbers are little-endian; u48 is 6 bytes.
 *
 *   block                                                                  off  size
 *     0    4   'KVLB'                                                       20    4   previous  crc of the block before; of HEAD: of the last one of the
 *     4    1   kind      LOG_*; 128 HEAD, 129 MARK, 130 FOOT                               segment before, 0 if there is none
 *     5    1   zero                                                         24    6   offset    of this block in its segment
 *     6    6   time      unix ms; never falls within a log                  30    6   synced    what lies before this offset was durable when this was written
 *    12    4   length    bytes of the body                                  36    4   headCrc   CRC32 of bytes 0..35
 *    16    4   segment   its number                                         40    4   crc       CRC32 of the body, seeded with headCrc
 *                                                                           44        body
 *
 * A block says where it stands, so that it can be found again behind damage: a head with a right CRC, at the offset and in the segment that it names, is no
 * value of a client that happens to look like one. The chain (`previous`) tells a block that is whole but not the one that was written here.
 *
 * `synced` tells a torn tail from damage. What was being written when the power failed may be there in any part, in any order; but what a later block says was
 * durable before it must be whole. Whoever closes a log in good order writes a MARK, a block without a body, that says so of everything: from then on every
 * flipped bit before it is damage. Cutting a tail loses only what was never acknowledged, or a last group whose only trace it was.
 *
 *   HEAD body, and the beginning of a FOOT's       FOOT, continued
 *     0    2   format   1                            80    6   created    time of HEAD
 *     2    2   zero                                  86    6   from       time of the first entry; of HEAD if there is none
 *     4   20   cluster id                            92    6   to         time of the last one
 *    24   20   node id                               98    2   zero
 *    44   32   kv version, ASCII, zero-padded       100   40   blocks, records (of RECORDS), image records, images begun, gaps: f64 each
 *    76    4   rows                                 140        rows of 36 bytes
 *    80        rows of 24 bytes                      -16   16   trailer: offset of this FOOT u48, its bytes with its head u32, 'KVLEND'
 *
 *   row, ascending by bucket: what the log had at this place (segment-table.ts)
 *     0    2   bucket                                16    4   image   segment in which the last complete image of it begins; 0 = none
 *     2    1   state    LOG_NONE.. of LogPositions   20    4   begun   segment of the last IMAGE_BEGIN; 0 = none
 *     3    1   zero                                [ 24    6   first   offset of the first block of this segment that speaks of it; 0 = none
 *     4    4   epoch                                 30    6   last    ... of the last one ]
 *     8    8   seq f64
 *
 * With the table in HEAD, a restart reads one segment; with the ranges in FOOT, a reader passes over what is of no use to it.
 *
 * A compressed segment is a zstd frame of all of its bytes, then a copy of FOOT in a skippable frame (0x184D2A50, length u32), so that the file ends as a
 * plain one does. `zstd -d` makes the plain file of it.
 *
 * The head of a block and bytes 0..75 of HEAD and FOOT stay where they are in all later formats: that is how an older kv can say "newer", not "damaged".
 */
import {crc32} from 'node:zlib'
import {assert} from '../base/assert.ts'
import {KV_VERSION, LOG_ENTRY_BYTES_MAX, TIME_MS_MAX} from '../constants.ts'
import {LOG_NOTE, LOG_RECORDS} from '../record/log-entry.ts'
import type {LogIdentity} from './types.ts'

export const SEGMENT_FORMAT = 1
export const BLOCK_HEAD_BYTES = 44
export const BLOCK_HEAD = 128
export const BLOCK_MARK = 129
export const BLOCK_FOOT = 130

/** Where the rows of HEAD and FOOT begin. */
export const HEAD_ROWS_OFF = 80
export const FOOT_ROWS_OFF = 140
export const HEAD_ROW_BYTES = 24
export const FOOT_ROW_BYTES = 36
export const TRAILER_BYTES = 16
export const SKIPPABLE_HEAD_BYTES = 8

const MAGIC = Buffer.from('KVLB')
const TRAILER_MAGIC = Buffer.from('KVLEND')
const HEAD_CRC_OFF = 36
const SKIPPABLE_MAGIC = 0x184d2a50
const VERSION_OFF = 44
const ID_DIGITS = /^[0-9a-f]{40}$/

/** Where a block stands; what its head says beside its body. */
export interface BlockPlace {
  readonly kind: number
  /** Unix ms. */
  readonly time: number
  readonly segment: number
  readonly offset: number
  readonly previous: number
  readonly synced: number
}

/** A whole block. */
export interface Block extends Omit<BlockPlace, 'segment'> {
  /** Offset in the segment of the byte behind it. */
  readonly end: number
  readonly crc: number
  readonly body: Buffer
}

export type BlockVerdict =
  | {readonly kind: 'ok'; readonly block: Block}
  /** At least so many bytes more. */
  | {readonly kind: 'need'; readonly bytes: number}
  /** `end`: offset in the segment at which the next block must begin, if the head can be trusted; else null. */
  | {readonly kind: 'bad'; readonly words: string; readonly end: number | null}

/** The head of a block with this body, and its crc, which the next block names. */
export function encodeBlockHead(place: BlockPlace, body: Buffer): {head: Buffer; crc: number} {
  assert(place.time >= 0 && place.time <= TIME_MS_MAX, 'a time has 48 bits')
  assert(body.length <= LOG_ENTRY_BYTES_MAX, 'an entry must fit its limit')
  const head = Buffer.alloc(BLOCK_HEAD_BYTES)
  head.set(MAGIC, 0)
  head[4] = place.kind
  head.writeUIntLE(place.time, 6, 6)
  head.writeUInt32LE(body.length, 12)
  head.writeUInt32LE(place.segment, 16)
  head.writeUInt32LE(place.previous, 20)
  head.writeUIntLE(place.offset, 24, 6)
  head.writeUIntLE(place.synced, 30, 6)
  const headCrc = crc32(head.subarray(0, HEAD_CRC_OFF))
  const crc = crc32(body, headCrc)
  head.writeUInt32LE(headCrc, HEAD_CRC_OFF)
  head.writeUInt32LE(crc, HEAD_CRC_OFF + 4)
  return {head, crc}
}

function bad(words: string, end: number | null = null): BlockVerdict {
  return {kind: 'bad', words, end}
}

function isKind(kind: number): boolean {
  return (kind >= LOG_RECORDS && kind <= LOG_NOTE) || (kind >= BLOCK_HEAD && kind <= BLOCK_FOOT)
}

/**
 * Reads the block at `off` of a buffer whose byte 0 is byte `base` of the segment. Never throws on hostile bytes and allocates nothing by a length it was told.
 */
export function readBlock(buf: Buffer, off: number, base: number, segment: number): BlockVerdict {
  const have = buf.length - off
  const magic = buf.subarray(off, off + MAGIC.length)
  if (!magic.equals(MAGIC.subarray(0, magic.length))) return bad('no block begins here')
  if (have < BLOCK_HEAD_BYTES) return {kind: 'need', bytes: BLOCK_HEAD_BYTES - have}
  const headCrc = buf.readUInt32LE(off + HEAD_CRC_OFF)
  if (crc32(buf.subarray(off, off + HEAD_CRC_OFF)) !== headCrc)
    return bad('the head of the block does not match its CRC')
  const offset = buf.readUIntLE(off + 24, 6)
  if (buf.readUInt32LE(off + 16) !== segment || offset !== base + off)
    return bad('the block is of another place in the log')
  const kind = buf[off + 4]!
  const length = buf.readUInt32LE(off + 12)
  const time = buf.readUIntLE(off + 6, 6)
  // A right CRC over nonsense: not damage but a foreign or hostile writer.
  if (!isKind(kind) || length > LOG_ENTRY_BYTES_MAX)
    return bad(`there is no block of kind ${kind} with ${length} bytes`)
  const bodyOff = off + BLOCK_HEAD_BYTES
  if (bodyOff + length > buf.length) return {kind: 'need', bytes: bodyOff + length - buf.length}
  const end = offset + BLOCK_HEAD_BYTES + length
  const crc = buf.readUInt32LE(off + HEAD_CRC_OFF + 4)
  const body = buf.subarray(bodyOff, bodyOff + length)
  if (crc32(body, headCrc) !== crc) return bad(`the ${length} bytes of the block do not match its CRC`, end)
  const previous = buf.readUInt32LE(off + 20)
  return {kind: 'ok', block: {kind, time, offset, end, previous, synced: buf.readUIntLE(off + 30, 6), crc, body}}
}

/** The next offset in the buffer, from `from` on, where the head of a block stands whole that belongs there; -1 if none does. */
export function findBlockHead(buf: Buffer, from: number, base: number, segment: number): number {
  for (let at = buf.indexOf(MAGIC, from); at >= 0; at = buf.indexOf(MAGIC, at + 1)) {
    if (buf.length - at < BLOCK_HEAD_BYTES) return -1
    const isHere = buf.readUInt32LE(at + 16) === segment && buf.readUIntLE(at + 24, 6) === base + at
    if (isHere && crc32(buf.subarray(at, at + HEAD_CRC_OFF)) === buf.readUInt32LE(at + HEAD_CRC_OFF)) return at
  }
  return -1
}

/** What the block whose head `findBlockHead` found says was durable before it. */
export function syncedOf(buf: Buffer, at: number): number {
  return buf.readUIntLE(at + 30, 6)
}

/** What HEAD and FOOT say alike. */
export interface SegmentIdentity extends LogIdentity {
  /** The version of kv that wrote it. */
  readonly kvVersion: string
}

/** The first 80 bytes of HEAD and FOOT. */
export function writeIdentity(body: Buffer, {clusterId, nodeId}: LogIdentity, rows: number): void {
  assert(ID_DIGITS.test(clusterId) && ID_DIGITS.test(nodeId), 'ids have 40 hex digits')
  body.writeUInt16LE(SEGMENT_FORMAT, 0)
  body.write(clusterId, 4, 'hex')
  body.write(nodeId, 24, 'hex')
  body.write(KV_VERSION, VERSION_OFF, 'latin1')
  body.writeUInt32LE(rows, HEAD_ROWS_OFF - 4)
}

/** Why not, in words: of another format (`isFormat`), or no such body. */
export interface IdentityFault {
  readonly words: string
  readonly isFormat: boolean
}

/** Reads the beginning of a HEAD's or FOOT's body. */
export function readIdentity(body: Buffer): SegmentIdentity | IdentityFault {
  if (body.length < HEAD_ROWS_OFF) return {words: 'the block is too short to say whose log it is', isFormat: false}
  const text = body.toString('latin1', VERSION_OFF, HEAD_ROWS_OFF - 4)
  const kvVersion = text.replace(/[^\x20-\x7e].*$/s, '')
  const format = body.readUInt16LE(0)
  if (format !== SEGMENT_FORMAT) {
    const age = format > SEGMENT_FORMAT ? 'a newer' : 'an unknown'
    const reads = `this kv (${KV_VERSION}) reads format ${SEGMENT_FORMAT}`
    return {words: `written by ${age} kv (${kvVersion || '?'}) in format ${format}; ${reads}`, isFormat: true}
  }
  return {clusterId: body.toString('hex', 4, 24), nodeId: body.toString('hex', 24, VERSION_OFF), kvVersion}
}

/** Writes the last bytes of a FOOT's body. */
export function writeTrailer(body: Buffer, offset: number): void {
  const at = body.length - TRAILER_BYTES
  body.writeUIntLE(offset, at, 6)
  body.writeUInt32LE(BLOCK_HEAD_BYTES + body.length, at + 6)
  body.set(TRAILER_MAGIC, at + 10)
}

/** From the last bytes of a file: where in the segment its FOOT begins, and its bytes; null: it is not sealed. */
export function readTrailer(trailer: Buffer): {readonly offset: number; readonly bytes: number} | null {
  if (trailer.length < TRAILER_BYTES || !trailer.subarray(10).equals(TRAILER_MAGIC)) return null
  return {offset: trailer.readUIntLE(0, 6), bytes: trailer.readUInt32LE(6)}
}

/** What stands in front of the copy of FOOT in a compressed segment: zstd passes over as many bytes as it says. */
export function skippableHead(bytes: number): Buffer {
  const head = Buffer.alloc(SKIPPABLE_HEAD_BYTES)
  head.writeUInt32LE(SKIPPABLE_MAGIC, 0)
  head.writeUInt32LE(bytes, 4)
  return head
}
