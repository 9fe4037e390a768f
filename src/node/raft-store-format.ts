/**
 * The bytes of Raft's files and what they amount to; no I/O here.
 *
 *   log        frame, frame, ...   one for each group of writes. The first may be a base: all that counts beside the snapshot
 *   snapshot   frame               the last write that carried a snapshot, without its entries
 *   facts      frame               small things kept beside: the cluster's id, addresses
 *   frame      1E "kr" version | u32 LE length | u32 LE CRC32(bytes 0..7) | u32 LE CRC32(bytes 0..7, payload) | payload: JSON
 *
 * Groups are numbered. After a snapshot was put in place the log is written anew and begins with a base that names the
 * snapshot's number. Death in between is seen: the snapshot then has a higher number than anything in the log, and comes last.
 *
 * What death leaves at the end of the log is a frame that is not all there, or one with sectors of zeros that were never written.
 * It was not synced, so nobody was told of it, and it is cut off. All other damage is refused: to go on without what was
 * synced could be a second vote in one term. As there is one frame per sync, a frame that is followed by another was synced.
 */
import {crc32} from 'node:zlib'
import {assert} from '../base/assert.ts'
import type {RaftEntry, RaftSnapshot, RaftWrite} from '../core/consensus/types.ts'

/**
 * No JSON holds the byte 1E, so this marks the beginning of a frame and nothing else; and no single flip makes it a zero, which would look
 * as if it had never been written. The last byte is the format's version.
 */
const MAGIC = Buffer.from([0x1e, 0x6b, 0x72, 0x01])
const CHECKED_BYTES = 8
const HEAD_BYTES = 16
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512

export type LogWrite = Pick<RaftWrite, 'term' | 'vote' | 'truncateFrom' | 'entries'>

/** Writes that were synced together. */
export interface Group {
  readonly seq: number
  /** Of a base: the number of the snapshot that it stands on (0 = none), and the index of that snapshot. */
  readonly base: {readonly snapshotSeq: number; readonly floor: number} | null
  readonly writes: readonly LogWrite[]
}

/** What the snapshot file holds; `seq` counts among the groups. */
export type StoredSnapshot = Pick<RaftWrite, 'term' | 'vote' | 'truncateFrom'> & {
  readonly seq: number
  readonly snapshot: RaftSnapshot
}

/** What is wrong with a file, and at which byte. */
export interface Damage {
  readonly offset: number
  readonly words: string
}

/** What all writes so far amount to. */
export class RaftImage {
  term = 0
  vote: string | null = null
  /** Index of the snapshot, 0 = none; entries begin behind it. */
  floor = 0
  entries: RaftEntry[] = []

  /** Index of the last entry that is stored or lies under the snapshot. */
  get last(): number {
    return this.entries.at(-1)?.index ?? this.floor
  }

  apply(write: LogWrite, snapshotIndex: number | null): void {
    this.term = write.term
    this.vote = write.vote
    const {truncateFrom} = write
    if (truncateFrom !== null) this.entries = this.entries.filter(({index}) => index < truncateFrom)
    if (snapshotIndex !== null) {
      assert(snapshotIndex >= this.floor, 'snapshots only go forward')
      this.floor = snapshotIndex
      this.entries = this.entries.filter(({index}) => index > snapshotIndex)
    }
    for (const entry of write.entries) {
      assert(entry.index === this.last + 1, 'entries follow each other')
      this.entries.push(entry)
    }
  }
}

/** The frame that holds `value`. */
export function encodeFrame(value: unknown): Buffer {
  const payload = Buffer.from(JSON.stringify(value))
  const head = Buffer.alloc(HEAD_BYTES)
  MAGIC.copy(head)
  head.writeUInt32LE(payload.length, 4)
  const headCrc = crc32(head.subarray(0, CHECKED_BYTES))
  head.writeUInt32LE(headCrc, CHECKED_BYTES)
  head.writeUInt32LE(crc32(payload, headCrc), CHECKED_BYTES + 4)
  return Buffer.concat([head, payload])
}

export function encodeGroup(group: Group): Buffer {
  return encodeFrame(group)
}

type FrameVerdict =
  | {readonly kind: 'good'; readonly value: unknown; readonly end: number}
  /** Not all there: what death while writing leaves, if nothing follows. */
  | {readonly kind: 'cut'}
  | {readonly kind: 'bad'; readonly words: string}

function readFrame(bytes: Buffer, off: number): FrameVerdict {
  if (bytes.length - off < HEAD_BYTES) return {kind: 'cut'}
  const headCrc = crc32(bytes.subarray(off, off + CHECKED_BYTES))
  const isHeadGood = headCrc === bytes.readUInt32LE(off + CHECKED_BYTES)
  if (!isHeadGood || !bytes.subarray(off, off + 3).equals(MAGIC.subarray(0, 3))) {
    return {kind: 'bad', words: 'no frame of ours begins there'}
  }
  const version = bytes[off + 3]!
  if (version !== MAGIC[3]) return {kind: 'bad', words: `it is of format ${version}, this kv reads format ${MAGIC[3]}`}
  const from = off + HEAD_BYTES
  const end = from + bytes.readUInt32LE(off + 4)
  if (end > bytes.length) return {kind: 'cut'}
  const payload = bytes.subarray(from, end)
  if (crc32(payload, headCrc) !== bytes.readUInt32LE(off + CHECKED_BYTES + 4)) {
    return {kind: 'bad', words: `the ${payload.length} bytes of a frame do not match its CRC`}
  }
  try {
    return {kind: 'good', value: JSON.parse(payload.toString()), end}
  } catch {
    return {kind: 'bad', words: 'a frame is whole but holds no JSON'}
  }
}

/** True if a sector's share of `off..` is all zeros: the file grew, but death came before the bytes. */
function hasUnwrittenSector(bytes: Buffer, off: number): boolean {
  for (let from = off; from < bytes.length;) {
    const end = Math.min(bytes.length, from - (from % SECTOR_BYTES) + SECTOR_BYTES)
    if (bytes.subarray(from, end).every((byte) => byte === 0)) return true
    from = end
  }
  return false
}

/** A file of exactly one frame. */
export function readOnlyFrame(bytes: Buffer): {readonly value: unknown} | Damage {
  const verdict = readFrame(bytes, 0)
  if (verdict.kind === 'good' && verdict.end === bytes.length) return verdict
  if (verdict.kind === 'good') return {offset: verdict.end, words: 'something follows its end'}
  return {offset: 0, words: verdict.kind === 'cut' ? 'it is cut' : verdict.words}
}

export interface LogContent {
  readonly groups: readonly {readonly offset: number; readonly group: Group}[]
  /** Bytes of the file that count; what follows was never synced. */
  readonly end: number
}

export function readLog(bytes: Buffer): LogContent | Damage {
  const groups: {offset: number; group: Group}[] = []
  let offset = 0
  while (offset < bytes.length) {
    const verdict = readFrame(bytes, offset)
    if (verdict.kind !== 'good') {
      const isLast = bytes.indexOf(MAGIC, offset + 1) < 0
      if (isLast && (verdict.kind === 'cut' || hasUnwrittenSector(bytes, offset))) break
      return {offset, words: verdict.kind === 'cut' ? 'a frame reaches into the one behind it' : verdict.words}
    }
    groups.push({offset, group: verdict.value as Group})
    offset = verdict.end
  }
  return {groups, end: offset}
}

export interface Replayed {
  readonly image: RaftImage
  /** Number of the last group or snapshot; 0 = nothing was ever written. */
  readonly seq: number
  /** Death came between the snapshot and the new log: the log must be written anew. */
  readonly isBehindSnapshot: boolean
}

/** What the log and the snapshot amount to; damage counts in the log. */
export function replay({groups}: LogContent, stored: StoredSnapshot | null): Replayed | Damage {
  const image = new RaftImage()
  const base = groups[0]?.group.base ?? null
  const isBehindSnapshot = stored !== null && stored.seq !== (base?.snapshotSeq ?? 0)
  if (base && base.snapshotSeq > 0 && stored === null) return {offset: 0, words: 'its snapshot is missing'}
  if (stored && !isBehindSnapshot) applySnapshot(image, stored)
  else if (base) image.floor = base.floor
  let seq = 0
  for (const {offset, group} of groups) {
    const words = applyGroup(image, group, seq)
    if (words !== null) return {offset, words}
    seq = group.seq
  }
  if (!isBehindSnapshot) return {image, seq, isBehindSnapshot}
  if (stored.seq <= seq) return {offset: 0, words: 'it is newer than its snapshot'}
  applySnapshot(image, stored)
  return {image, seq: stored.seq, isBehindSnapshot}
}

function applySnapshot(image: RaftImage, {term, vote, truncateFrom, snapshot}: StoredSnapshot): void {
  image.apply({term, vote, truncateFrom, entries: []}, snapshot.index)
}

/** Returns what is wrong with the group, if anything is. The bytes are those that were written; whether they make sense is another thing. */
function applyGroup(image: RaftImage, group: Group, previousSeq: number): string | null {
  try {
    assert(group.seq > previousSeq, 'groups are in order')
    assert(group.base === null || previousSeq === 0, 'a base comes first')
    assert(group.base === null || group.base.floor === image.floor, 'a base stands on its snapshot')
    for (const write of group.writes) image.apply(write, null)
    return null
  } catch (error) {
    return `a frame makes no sense: ${error instanceof Error ? error.message : String(error)}`
  }
}
