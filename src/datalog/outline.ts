/**
 * The first look at a log: for each bucket, between which entries its content stands. An image counts once its IMAGE_END is there; the
 * bucket's content is that image and the records after it.
 *
 *   entry     0        1..7       8         9...        20        21...            end
 *           BEGIN  image, records END     records      BEGIN   image (no END)
 *           ^ begin               ^ whole              ^ stop
 *
 * The content stops where a next image begins, even if that one was never finished: what stands after it follows a state that the log does
 * not have, and mixed with what stands before it would be a state that never was. Such a bucket is `unfinished`: older than the log's
 * end, but whole. Each record is held against the position before it, so that nothing missing goes unnoticed.
 */
import {BUCKET_COUNT} from '../constants.ts'
import {
  decodeLogLines,
  LOG_EPOCH,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_NOTE,
  LOG_RECORDS,
} from '../record/log-entry.ts'
import {LOG_NONE, LOG_WHOLE, LogPositions} from '../record/log-position.ts'
import {damaged, GroupReader} from './groups.ts'
import type {Group} from './groups.ts'
import type {LoggedEntry, LogPlace} from './types.ts'

/** Stands for "not in this log" and for "goes on to the end". */
export const NEVER = Infinity

/** Of one bucket of an outline: 0 = nothing whole is known of it, 1 = whole, 2 = whole, but a newer image was begun and not finished. */
export const BUCKET_UNKNOWN = 0
export const BUCKET_WHOLE = 1
export const BUCKET_UNFINISHED = 2

export interface OutlineOptions {
  /** Unix ms: images that were finished later do not count. Default: none is too late. */
  readonly until?: number | undefined
  /** Go on after a gap: it is noted, and what follows is taken as it is. */
  readonly isSalvage?: boolean
}

/** Entries are counted from 0; the second reading must count the same ones. */
export class LogOutline {
  /** Entry of the IMAGE_BEGIN with which the content begins; NEVER: the bucket is unknown. */
  readonly begin = new Float64Array(BUCKET_COUNT).fill(NEVER)
  /** Entry of that image's IMAGE_END. */
  readonly whole = new Float64Array(BUCKET_COUNT).fill(NEVER)
  /** Entry at which it stops: the next IMAGE_BEGIN, or NEVER. */
  readonly stop = new Float64Array(BUCKET_COUNT).fill(NEVER)
  /** Position to which the content leads, if no time cuts it off. */
  readonly epoch = new Uint32Array(BUCKET_COUNT)
  readonly seq = new Float64Array(BUCKET_COUNT)
  /** Buckets in which records are missing (`isSalvage`). */
  readonly gaps = new Set<number>()
  entries = 0
  records = 0
  /** The last entry that was looked at; null: there is none. */
  end: LogPlace | null = null
  /** Unix ms of the last entry. */
  lastTime = 0
  /** Unix ms at which the first image was finished; NEVER: none was. */
  firstWholeTime = NEVER

  readonly #options: OutlineOptions
  readonly #reader = new GroupReader()
  /** The position in the log, as far as it was looked at. */
  readonly #positions = new LogPositions()
  /** Entry of the last IMAGE_BEGIN, and whether that was before `until`. */
  readonly #begun = new Float64Array(BUCKET_COUNT).fill(NEVER)
  readonly #isPending = new Uint8Array(BUCKET_COUNT)

  constructor(options: OutlineOptions = {}) {
    this.#options = options
  }

  /** BUCKET_*. */
  stateOf(bucket: number): number {
    if (this.begin[bucket] === NEVER) return BUCKET_UNKNOWN
    return this.#isPending[bucket] === 1 ? BUCKET_UNFINISHED : BUCKET_WHOLE
  }

  /** Takes the next entry. Errors: E_LOG_DAMAGED. */
  take(entry: LoggedEntry): void {
    this.#takeContent(entry)
    this.entries++
    this.end = {segment: entry.segment, offset: entry.offset}
    this.lastTime = entry.time
  }

  #takeContent(entry: LoggedEntry): void {
    switch (entry.kind) {
      case LOG_RECORDS:
        return this.#reader.each(entry, (group) => this.#takeRecords(entry, group))
      case LOG_IMAGE:
        return this.#reader.each(entry, (group) => {
          this.records += group.count
        })
      case LOG_IMAGE_BEGIN:
      case LOG_IMAGE_END:
      case LOG_EPOCH:
        return this.#takeLines(entry)
      case LOG_NOTE:
        return
      default:
        throw damaged(entry.segment, entry.offset, `there is no kind of entry ${entry.kind}`)
    }
  }

  #takeRecords(entry: LoggedEntry, group: Group): void {
    const positions = this.#positions
    this.records += group.count
    for (let i = 0; i < group.count; i++) {
      const bucket = group.bucket[i]!
      if (positions.record(bucket, group.epoch[i]!, group.seq[i]!)) {
        this.#goTo(bucket)
        continue
      }
      // Before its first image nothing can be made of a bucket's records, wherever they stand.
      if (positions.state[bucket] === LOG_NONE) continue
      const words = `record ${group.epoch[i]}.${group.seq[i]} of bucket ${bucket}`
      this.#miss(entry, bucket, words)
      positions.epoch[bucket] = group.epoch[i]!
      positions.seq[bucket] = group.seq[i]!
      this.#goTo(bucket)
    }
  }

  /** The content leads to where the log stands, unless a next image was begun. */
  #goTo(bucket: number): void {
    if (this.stop[bucket] !== NEVER || this.#positions.state[bucket] !== LOG_WHOLE) return
    this.epoch[bucket] = this.#positions.epoch[bucket]!
    this.seq[bucket] = this.#positions.seq[bucket]!
  }

  /** Something before this is missing. Errors: E_LOG_DAMAGED, unless it is to be gone around. */
  #miss({segment, offset}: LoggedEntry, bucket: number, what: string): void {
    const {epoch, seq} = this.#positions
    if (!this.#options.isSalvage)
      throw damaged(segment, offset, `${what} does not follow ${epoch[bucket]}.${seq[bucket]}`)
    this.gaps.add(bucket)
  }

  #takeLines(entry: LoggedEntry): void {
    const lines = decodeLogLines(entry.body)
    if (lines === null) throw damaged(entry.segment, entry.offset, 'its lines cannot be read')
    for (const line of lines) {
      const {bucket} = line
      // The image that it belongs to was in a segment that is not kept any more.
      if (entry.kind !== LOG_IMAGE_BEGIN && this.#positions.state[bucket] === LOG_NONE) continue
      if (!this.#positions.line(entry.kind, line)) {
        this.#miss(entry, bucket, `position ${line.epoch}.${line.seq} of bucket ${bucket}`)
        if (entry.kind === LOG_EPOCH) this.#positions.epoch[bucket] = line.epoch
        continue
      }
      if (entry.kind === LOG_IMAGE_BEGIN) this.#beginImage(entry, bucket)
      else if (entry.kind === LOG_IMAGE_END) this.#endImage(entry, bucket)
      else this.#goTo(bucket)
    }
  }

  #isLate(entry: LoggedEntry): boolean {
    return entry.time > (this.#options.until ?? NEVER)
  }

  #beginImage(entry: LoggedEntry, bucket: number): void {
    this.#begun[bucket] = this.entries
    if (this.begin[bucket] !== NEVER && this.stop[bucket] === NEVER) this.stop[bucket] = this.entries
    if (!this.#isLate(entry)) this.#isPending[bucket] = 1
  }

  #endImage(entry: LoggedEntry, bucket: number): void {
    this.firstWholeTime = Math.min(this.firstWholeTime, entry.time)
    if (this.#isLate(entry)) return
    this.begin[bucket] = this.#begun[bucket]!
    this.whole[bucket] = this.entries
    this.stop[bucket] = NEVER
    this.#isPending[bucket] = 0
    this.gaps.delete(bucket)
    this.#goTo(bucket)
  }
}

/** Reads all entries, or those up to `end` (that one included). Errors: E_LOG_DAMAGED, those of the reader. */
export async function outlineLog(
  entries: AsyncIterable<LoggedEntry>,
  options: OutlineOptions & {readonly end?: LogPlace | undefined} = {},
): Promise<LogOutline> {
  const outline = new LogOutline(options)
  for await (const entry of entries) {
    if (options.end && isAfter(entry, options.end)) break
    outline.take(entry)
  }
  return outline
}

export function isAfter(a: LogPlace, b: LogPlace): boolean {
  return a.segment !== b.segment ? a.segment > b.segment : a.offset > b.offset
}
