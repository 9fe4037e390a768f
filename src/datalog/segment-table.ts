/**
 * What a log has at some place, by bucket: the position, the segments in which its images begin, and where the present segment speaks of it. The writer keeps
 * one; it is written down in HEAD and FOOT (segment-format.ts has the bytes).
 */
import {assert} from '../base/assert.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {RecordCursor} from '../record/codec.ts'
import {IMAGE_GAP, LOG_IMAGE_BEGIN, LOG_IMAGE_END, LOG_RECORDS} from '../record/log-entry.ts'
import {LOG_NONE, LOG_WHOLE, LogPositions} from '../record/log-position.ts'
import {walkEntry, type EntryVisitor} from './entry-walk.ts'
import {
  FOOT_ROW_BYTES,
  FOOT_ROWS_OFF,
  HEAD_ROW_BYTES,
  HEAD_ROWS_OFF,
  TRAILER_BYTES,
  writeIdentity,
  writeTrailer,
} from './segment-format.ts'
import type {LogLine} from '../record/log-entry.ts'
import type {LogIdentity} from './types.ts'

/** What a segment holds. */
export interface SegmentCounts {
  /** Entries. */
  readonly blocks: number
  /** Of RECORDS: changes. */
  readonly records: number
  /** Of IMAGE. */
  readonly imageRecords: number
  /** Lines of IMAGE_BEGIN. */
  readonly images: number
  /** Those of them that begin after a gap. */
  readonly gaps: number
}

export class SegmentTable implements EntryVisitor, SegmentCounts {
  readonly positions = new LogPositions()
  /** Segment in which the last complete image of each bucket begins, and of its last IMAGE_BEGIN; 0 = none. */
  readonly image = new Uint32Array(BUCKET_COUNT)
  readonly begun = new Uint32Array(BUCKET_COUNT)
  /** Unix ms at which the segment was begun, and of its first and last entry. */
  created = 0
  from = 0
  to = 0
  blocks = 0
  records = 0
  imageRecords = 0
  images = 0
  gaps = 0
  readonly #first = new Float64Array(BUCKET_COUNT)
  readonly #last = new Float64Array(BUCKET_COUNT)
  readonly #cursor = new RecordCursor()
  #segment = 0
  #offset = 0
  #misfit: string | null = null

  /** The next segment begins: what it holds is counted from 0. */
  begin(segment: number, created: number): void {
    this.#segment = segment
    this.created = this.from = this.to = created
    this.blocks = this.records = this.imageRecords = this.images = this.gaps = 0
    this.#first.fill(0)
    this.#last.fill(0)
  }

  /** Takes the entry that stands at `offset`. Returns why it cannot stand there, in words, or null; then the table is of no use any more. */
  take(kind: number, body: Buffer, offset: number, time: number): string | null {
    if (this.blocks++ === 0) this.from = time
    this.to = time
    this.#offset = offset
    this.#misfit = null
    return walkEntry(kind, body, this.#cursor, this) ?? this.#misfit
  }

  record(kind: number, bucket: number, epoch: number, seq: number): void {
    this.#touch(bucket)
    if (kind !== LOG_RECORDS) {
      this.imageRecords++
      return
    }
    this.records++
    // Of a bucket of which the log has no image yet, records may come with those of others; they are of no use.
    if (this.positions.record(bucket, epoch, seq) || this.positions.state[bucket] === LOG_NONE) return
    this.#misfit ??= `record ${epoch}.${seq} of bucket ${bucket} does not follow ${this.#position(bucket)}`
  }

  line(kind: number, line: LogLine): void {
    const {bucket, epoch, seq, code} = line
    this.#touch(bucket)
    if (!this.positions.line(kind, line)) {
      this.#misfit ??= `line ${kind} at ${epoch}.${seq} of bucket ${bucket} does not follow ${this.#position(bucket)}`
    }
    if (kind === LOG_IMAGE_END) this.image[bucket] = this.begun[bucket]!
    if (kind !== LOG_IMAGE_BEGIN) return
    this.begun[bucket] = this.#segment
    this.images++
    if (code === IMAGE_GAP) this.gaps++
  }

  /** The first segment that is needed to rebuild the present, if the log ends here; `none` if there is nothing to rebuild. */
  neededFrom(none: number): number {
    let needed = none
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (this.positions.state[bucket] === LOG_NONE) continue
      needed = Math.min(needed, this.image[bucket]! || this.begun[bucket]!)
    }
    return needed
  }

  encodeHead(identity: LogIdentity): Buffer {
    const buckets = this.#buckets()
    const body = Buffer.alloc(HEAD_ROWS_OFF + buckets.length * HEAD_ROW_BYTES)
    writeIdentity(body, identity, buckets.length)
    buckets.forEach((bucket, i) => this.#writeRow(body, HEAD_ROWS_OFF + i * HEAD_ROW_BYTES, bucket))
    return body
  }

  /** `offset`: where the FOOT will stand. */
  encodeFoot(identity: LogIdentity, offset: number): Buffer {
    const buckets = this.#buckets()
    const body = Buffer.alloc(FOOT_ROWS_OFF + buckets.length * FOOT_ROW_BYTES + TRAILER_BYTES)
    writeIdentity(body, identity, buckets.length)
    body.writeUIntLE(this.created, 80, 6)
    body.writeUIntLE(this.from, 86, 6)
    body.writeUIntLE(this.to, 92, 6)
    const counts = [this.blocks, this.records, this.imageRecords, this.images, this.gaps]
    counts.forEach((count, i) => body.writeDoubleLE(count, 100 + 8 * i))
    buckets.forEach((bucket, i) => {
      const at = FOOT_ROWS_OFF + i * FOOT_ROW_BYTES
      this.#writeRow(body, at, bucket)
      body.writeUIntLE(this.#first[bucket]!, at + 24, 6)
      body.writeUIntLE(this.#last[bucket]!, at + 30, 6)
    })
    writeTrailer(body, offset)
    return body
  }

  /** Takes over what the rows of a HEAD or FOOT say. False: they are no such rows, and the table is of no use any more. */
  decodeRows(body: Buffer, isFoot: boolean): boolean {
    return eachRow(body, isFoot, ({bucket, state, epoch, seq, image, begun}) => {
      this.positions.state[bucket] = state
      this.positions.epoch[bucket] = epoch
      this.positions.seq[bucket] = seq
      this.image[bucket] = image
      this.begun[bucket] = begun
    })
  }

  /** Those of which there is something to say. */
  #buckets(): number[] {
    const buckets: number[] = []
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (this.positions.state[bucket] !== LOG_NONE || this.#first[bucket] !== 0) buckets.push(bucket)
    }
    return buckets
  }

  #writeRow(body: Buffer, at: number, bucket: number): void {
    assert(bucket < BUCKET_COUNT, 'a row is of a bucket')
    body.writeUInt16LE(bucket, at)
    body[at + 2] = this.positions.state[bucket]!
    body.writeUInt32LE(this.positions.epoch[bucket]!, at + 4)
    body.writeDoubleLE(this.positions.seq[bucket]!, at + 8)
    body.writeUInt32LE(this.image[bucket]!, at + 16)
    body.writeUInt32LE(this.begun[bucket]!, at + 20)
  }

  #touch(bucket: number): void {
    if (this.#first[bucket] === 0) this.#first[bucket] = this.#offset
    this.#last[bucket] = this.#offset
  }

  #position(bucket: number): string {
    return `${this.positions.epoch[bucket]}.${this.positions.seq[bucket]}`
  }
}

/** What HEAD and FOOT say of a bucket. */
export interface TableRow {
  readonly bucket: number
  readonly state: number
  readonly epoch: number
  readonly seq: number
  readonly image: number
  readonly begun: number
}

/** Gives out the rows of a HEAD's or FOOT's body. False: what comes next is no row. */
export function eachRow(body: Buffer, isFoot: boolean, take: (row: TableRow) => void): boolean {
  const off = isFoot ? FOOT_ROWS_OFF : HEAD_ROWS_OFF
  const rowBytes = isFoot ? FOOT_ROW_BYTES : HEAD_ROW_BYTES
  const end = body.length - (isFoot ? TRAILER_BYTES : 0)
  if (end < off || end !== off + body.readUInt32LE(HEAD_ROWS_OFF - 4) * rowBytes) return false
  let before = -1
  for (let at = off; at < end; at += rowBytes) {
    const bucket = body.readUInt16LE(at)
    const state = body[at + 2]!
    const seq = body.readDoubleLE(at + 8)
    if (bucket <= before || bucket >= BUCKET_COUNT || state > LOG_WHOLE) return false
    if (!Number.isSafeInteger(seq) || seq < 0) return false
    before = bucket
    const [epoch, image, begun] = [body.readUInt32LE(at + 4), body.readUInt32LE(at + 16), body.readUInt32LE(at + 20)]
    take({bucket, state, epoch, seq, image, begun})
  }
  return true
}

/** A FOOT, read. */
export interface SegmentFoot extends SegmentCounts {
  readonly created: number
  readonly from: number
  readonly to: number
}

/** What a FOOT's body counts; null: it is none. */
export function decodeFoot(body: Buffer): SegmentFoot | null {
  if (body.length < FOOT_ROWS_OFF + TRAILER_BYTES) return null
  const counts = [0, 1, 2, 3, 4].map((i) => body.readDoubleLE(100 + 8 * i))
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0)) return null
  const [blocks, records, imageRecords, images, gaps] = counts as [number, number, number, number, number]
  const times = {created: body.readUIntLE(80, 6), from: body.readUIntLE(86, 6), to: body.readUIntLE(92, 6)}
  return {...times, blocks, records, imageRecords, images, gaps}
}

/** From the first to the last block of a segment that speaks of one of the buckets: offsets; null: none does. */
export function rangeOf(
  foot: Buffer,
  buckets: ReadonlySet<number>,
): {readonly first: number; readonly last: number} | null {
  let first = Infinity
  let last = 0
  for (let at = FOOT_ROWS_OFF; at + FOOT_ROW_BYTES <= foot.length - TRAILER_BYTES; at += FOOT_ROW_BYTES) {
    const begin = foot.readUIntLE(at + 24, 6)
    if (begin === 0 || !buckets.has(foot.readUInt16LE(at))) continue
    first = Math.min(first, begin)
    last = Math.max(last, foot.readUIntLE(at + 30, 6))
  }
  return last === 0 ? null : {first, last}
}
