/**
 * The bytes of a savefile: all data of a node in one file. Little-endian:
 *
 *   header 128 | batch | batch | ... | footer 56
 *
 *   header                                      footer
 *   off  size  field                            off  size  field
 *     0    6   'KVSAVE'                           0    3   'KVE'
 *     6    2   format   1                         3    1   version 1
 *     8    1   kind     1 final, 2 snapshot       4    4   crc of bytes 8..55
 *     9    7   zero                               8    8   records
 *    16    8   created, unix ms                  16    8   keys
 *    24   20   node id                           24    8   offset of the footer
 *    44   20   cluster id, zero = none           32    8   batches
 *    64   32   kv version, ASCII, zero-padded    40    4   previous: crc of the last batch
 *    96   28   zero                              44    4   zero
 *   124    4   CRC32 of bytes 0..123             48    8   'KVSAVEND'
 *
 * The batches are frames of src/record/batch.ts, chained: the first names the header's CRC, each the one before it, the
 * footer the last. So a batch that is missing, doubled, swapped or of another savefile is found, however good its own CRC.
 *
 * The header's 128 bytes and their CRC stay where they are in all later formats: that is how an older kv can say "newer"
 * instead of "damaged", and mean it.
 */
import {crc32} from 'node:zlib'
import type {NodeId} from '../base/brand.ts'
import {assert} from '../base/assert.ts'
import {KV_VERSION, TIME_MS_MAX} from '../constants.ts'
import type {Fault} from '../record/codec.ts'

export const SAVEFILE_FORMAT = 1
export const SAVEFILE_HEADER_BYTES = 128
export const SAVEFILE_FOOTER_BYTES = 56

/** `final`: written at an orderly stop, complete by intent. `snapshot`: SAVE or BGSAVE; writes may have followed. */
export type SavefileKind = 'final' | 'snapshot'

export interface SavefileMeta {
  readonly kind: SavefileKind
  readonly nodeId: NodeId
  readonly createdUnixMs: number
  /** 40 lower-case hex digits; absent as long as clusters have no id. */
  readonly clusterId?: string
}

export interface SavefileHeader extends SavefileMeta {
  /** The version of kv that wrote it. */
  readonly kvVersion: string
  /** What the first batch names as the one before it. */
  readonly crc: number
}

export interface SavefileTotals {
  readonly records: number
  readonly keys: number
  readonly batches: number
}

export type SavefileFaultCode = 'foreign' | 'version' | 'header' | 'footer'

const MAGIC = Buffer.from('KVSAVE')
const FOOTER_MAGIC = Buffer.from([0x4b, 0x56, 0x45, 1])
const END_MAGIC = Buffer.from('KVSAVEND')
const KINDS: readonly SavefileKind[] = ['final', 'snapshot']
const ID_DIGITS = /^[0-9a-f]{40}$/
const NO_ID = '0'.repeat(40)
const VERSION_OFF = 64
const VERSION_BYTES = 32
const HEADER_CRC_OFF = 124

function fault(code: SavefileFaultCode, offset: number, words: string): Fault<SavefileFaultCode> {
  return {code, offset, words}
}

function readUInt64(buf: Buffer, off: number): number {
  return buf.readUInt32LE(off + 4) * 2 ** 32 + buf.readUInt32LE(off)
}

function writeUInt64(buf: Buffer, n: number, off: number): void {
  assert(Number.isSafeInteger(n) && n >= 0, 'a count is a natural number')
  buf.writeUInt32LE(n % 2 ** 32, off)
  buf.writeUInt32LE(Math.floor(n / 2 ** 32), off + 4)
}

export function encodeHeader(meta: SavefileMeta): Buffer {
  assert(ID_DIGITS.test(meta.nodeId), 'a node id has 40 hex digits')
  assert(meta.clusterId === undefined || ID_DIGITS.test(meta.clusterId), 'a cluster id has 40 hex digits')
  assert(meta.createdUnixMs <= TIME_MS_MAX, 'a time has 48 bits')
  assert(KV_VERSION.length <= VERSION_BYTES, 'the version must fit the header')
  const header = Buffer.alloc(SAVEFILE_HEADER_BYTES)
  MAGIC.copy(header, 0)
  header.writeUInt16LE(SAVEFILE_FORMAT, 6)
  header.writeUInt8(KINDS.indexOf(meta.kind) + 1, 8)
  writeUInt64(header, meta.createdUnixMs, 16)
  header.write(meta.nodeId, 24, 'hex')
  header.write(meta.clusterId ?? NO_ID, 44, 'hex')
  header.write(KV_VERSION, VERSION_OFF, 'latin1')
  header.writeUInt32LE(crc32(header.subarray(0, HEADER_CRC_OFF)), HEADER_CRC_OFF)
  return header
}

/** What the file is, if it is not ours, by its first bytes; null if they may be ours (as far as there are any). */
export function checkForeign(buf: Buffer, off: number, end: number): Fault<SavefileFaultCode> | null {
  const start = buf.subarray(off, Math.min(off + MAGIC.length, end))
  if (start.equals(MAGIC.subarray(0, start.length))) return null
  if (start.subarray(0, 5).equals(Buffer.from('REDIS'))) {
    return fault('foreign', 0, 'it is a Redis RDB file, not a savefile of kv')
  }
  return fault('foreign', 0, 'it is not a savefile of kv (those begin with KVSAVE)')
}

/** Reads the header at `off`; all of its bytes must be there. */
export function decodeHeader(buf: Buffer, off: number): SavefileHeader | Fault<SavefileFaultCode> {
  const header = buf.subarray(off, off + SAVEFILE_HEADER_BYTES)
  const crc = header.readUInt32LE(HEADER_CRC_OFF)
  if (crc32(header.subarray(0, HEADER_CRC_OFF)) !== crc) {
    return fault('header', 0, 'the header does not match its CRC')
  }
  const versionBytes = header.subarray(VERSION_OFF, VERSION_OFF + VERSION_BYTES)
  const kvVersion = versionBytes.toString('latin1').replace(/[^\x20-\x7e].*$/s, '')
  const format = header.readUInt16LE(6)
  if (format !== SAVEFILE_FORMAT) {
    const age = format > SAVEFILE_FORMAT ? 'a newer' : 'an unknown'
    const reads = `this kv (${KV_VERSION}) reads format ${SAVEFILE_FORMAT}`
    return fault('version', 6, `written by ${age} kv (${kvVersion || '?'}) in format ${format}; ${reads}`)
  }
  const kind = KINDS[header.readUInt8(8) - 1]
  const createdUnixMs = readUInt64(header, 16)
  if (kind === undefined) return fault('header', 8, `there is no savefile of kind ${header[8]}`)
  if (createdUnixMs > TIME_MS_MAX) return fault('header', 16, 'the time of writing is no time')
  const clusterId = header.toString('hex', 44, 64)
  const base = {kind, createdUnixMs, kvVersion, crc, nodeId: header.toString('hex', 24, 44) as NodeId}
  return clusterId === NO_ID ? base : {...base, clusterId}
}

/** `offset`: where in the file the footer will lie. `previous`: crc of the last batch, or of the header if there is none. */
export function encodeFooter(totals: SavefileTotals, offset: number, previous: number): Buffer {
  const footer = Buffer.alloc(SAVEFILE_FOOTER_BYTES)
  FOOTER_MAGIC.copy(footer, 0)
  writeUInt64(footer, totals.records, 8)
  writeUInt64(footer, totals.keys, 16)
  writeUInt64(footer, offset, 24)
  writeUInt64(footer, totals.batches, 32)
  footer.writeUInt32LE(previous, 40)
  END_MAGIC.copy(footer, 48)
  footer.writeUInt32LE(crc32(footer.subarray(8)), 4)
  return footer
}

/** Does a footer begin here, as far as there are bytes? At least three must be there. */
export function isFooter(buf: Buffer, off: number): boolean {
  return buf[off] === FOOTER_MAGIC[0] && buf[off + 1] === FOOTER_MAGIC[1] && buf[off + 2] === FOOTER_MAGIC[2]
}

/**
 * Reads the footer at `off`, all of whose bytes must be there, and holds it against what was read before it. `offset` is
 * that of the footer in the file.
 */
export function decodeFooter(
  buf: Buffer,
  off: number,
  offset: number,
  read: {readonly records: number; readonly batches: number; readonly previous: number},
): SavefileTotals | Fault<SavefileFaultCode> {
  const footer = buf.subarray(off, off + SAVEFILE_FOOTER_BYTES)
  const isWhole = footer.subarray(0, 4).equals(FOOTER_MAGIC) && footer.subarray(48).equals(END_MAGIC)
  if (!isWhole || crc32(footer.subarray(8)) !== footer.readUInt32LE(4)) {
    return fault('footer', offset, 'the footer does not match its CRC')
  }
  const records = readUInt64(footer, 8)
  const keys = readUInt64(footer, 16)
  const batches = readUInt64(footer, 32)
  if (footer.readUInt32LE(40) !== read.previous || readUInt64(footer, 24) !== offset) {
    return fault('footer', offset, 'the footer does not follow the last batch: batches are missing or of another file')
  }
  if (records !== read.records || batches !== read.batches) {
    const counted = `${read.records} records in ${read.batches} batches`
    return fault('footer', offset, `the file has ${counted}, its footer says ${records} in ${batches}`)
  }
  return {records, keys, batches}
}
