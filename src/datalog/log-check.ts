/**
 * Do the entries of a log follow each other? Goes on after every misfit from what the log says next, so that each hole is told once, with the records that
 * are missing in it. Behind damage that is how one learns what was lost: no record of a bucket is skipped unseen, because the next one has a wrong number; the
 * table at the end of the segment tells of those after which none came.
 */
import {BUCKET_COUNT} from '../constants.ts'
import {LOG_IMAGE_BEGIN, LOG_IMAGE_END, LOG_RECORDS} from '../record/log-entry.ts'
import {LOG_BEGUN, LOG_NONE, LOG_WHOLE, LogPositions} from '../record/log-position.ts'
import {RecordCursor} from '../record/codec.ts'
import {walkEntry, type EntryVisitor} from './entry-walk.ts'
import {eachRow} from './segment-table.ts'
import type {LogLine} from '../record/log-entry.ts'

/** A change of a bucket. */
export interface LogPoint {
  readonly epoch: number
  readonly seq: number
}

/** What does not fit, of one bucket. */
export interface BucketMisfit {
  readonly bucket: number
  /** The first and the last change that is missing; null: none is. */
  readonly missing: {readonly first: LogPoint; readonly last: LogPoint} | null
  readonly words: string
}

export class LogChecker implements EntryVisitor {
  readonly #positions = new LogPositions()
  /** What a table says. */
  readonly #rows = new LogPositions()
  /** Buckets of whose image a part may be lost. */
  readonly #isTainted = new Uint8Array(BUCKET_COUNT)
  readonly #cursor = new RecordCursor()
  readonly #tell: (misfit: BucketMisfit) => void
  #hasTable = false

  constructor(tell: (misfit: BucketMisfit) => void) {
    this.#tell = tell
  }

  /** Something is missing here: images that have begun may not be whole. */
  damage(): void {
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (this.#positions.state[bucket] === LOG_BEGUN) this.#isTainted[bucket] = 1
    }
  }

  /** The log begins later than it seemed: the next table is taken as it is. */
  restart(): void {
    this.#hasTable = false
    this.#isTainted.fill(0)
  }

  /** Returns what is wrong with the body itself, or null. */
  entry(kind: number, body: Buffer): string | null {
    return walkEntry(kind, body, this.#cursor, this)
  }

  /** What a HEAD or FOOT says must be what the entries led to. False: its rows make no sense. The first table is taken as it is. */
  table(body: Buffer, isFoot: boolean): boolean {
    const rows = this.#rows
    rows.state.fill(0)
    rows.epoch.fill(0)
    rows.seq.fill(0)
    const isGood = eachRow(body, isFoot, ({bucket, state, epoch, seq}) => {
      rows.state[bucket] = state
      rows.epoch[bucket] = epoch
      rows.seq[bucket] = seq
    })
    if (!isGood) return false
    for (let bucket = 0; this.#hasTable && bucket < BUCKET_COUNT; bucket++) {
      if (!this.#isAt(bucket, rows)) this.#compare(bucket, rows)
    }
    this.#positions.copyFrom(rows)
    this.#hasTable = true
    return true
  }

  record(kind: number, bucket: number, epoch: number, seq: number): void {
    if (kind !== LOG_RECORDS || this.#positions.record(bucket, epoch, seq)) return
    if (this.#positions.state[bucket] === LOG_NONE) return
    const at = this.#at(bucket)
    if (epoch < at.epoch || seq <= at.seq) {
      this.#misfit(bucket, `record ${point({epoch, seq})} comes after ${point(at)}`)
      return
    }
    const words = seq - 1 > at.seq ? 'records are missing' : `the change of its epoch to ${epoch} is missing`
    this.#goOn(bucket, {epoch, seq: seq - 1}, words)
    this.#positions.seq[bucket] = seq
  }

  line(kind: number, line: LogLine): void {
    const {bucket, epoch, seq} = line
    if (this.#positions.line(kind, line)) {
      const isImageCut = kind === LOG_IMAGE_END && this.#isTainted[bucket] === 1
      if (isImageCut) this.#misfit(bucket, `a part of its image may be missing, that ends at ${point(line)}`)
      if (kind === LOG_IMAGE_BEGIN || kind === LOG_IMAGE_END) this.#isTainted[bucket] = 0
      return
    }
    const at = this.#at(bucket)
    const what = kind === LOG_IMAGE_END ? 'the end of its image' : 'the change of its epoch'
    const words = `${what} at ${point({epoch, seq})} does not follow ${this.#standing(bucket)}`
    if (seq > at.seq && this.#positions.state[bucket] !== LOG_NONE) this.#goOn(bucket, {epoch, seq}, words)
    else this.#misfit(bucket, words)
    this.#positions.state[bucket] = LOG_WHOLE
    this.#positions.epoch[bucket] = epoch
    this.#positions.seq[bucket] = seq
  }

  #isAt(bucket: number, {state, epoch, seq}: LogPositions): boolean {
    const at = this.#positions
    return state[bucket] === at.state[bucket] && epoch[bucket] === at.epoch[bucket] && seq[bucket] === at.seq[bucket]
  }

  #compare(bucket: number, rows: LogPositions): void {
    const state = rows.state[bucket]!
    const there = {epoch: rows.epoch[bucket]!, seq: rows.seq[bucket]!}
    const at = this.#at(bucket)
    const words = `the log should be at ${STATES[state]} ${point(there)} here, its entries lead to ${this.#standing(bucket)}`
    if (there.seq > at.seq && this.#positions.state[bucket] !== LOG_NONE) this.#goOn(bucket, there, words)
    else this.#misfit(bucket, words)
    if (state === LOG_BEGUN) this.#isTainted[bucket] = 1
  }

  /** All that came after the last change, up to this one, is missing. */
  #goOn(bucket: number, last: LogPoint, words: string): void {
    const at = this.#at(bucket)
    const first = {epoch: at.epoch, seq: at.seq + 1}
    const missing = last.seq > at.seq ? {first, last} : null
    this.#positions.epoch[bucket] = last.epoch
    this.#positions.seq[bucket] = last.seq
    this.#tell({bucket, missing, words})
  }

  #misfit(bucket: number, words: string): void {
    this.#tell({bucket, missing: null, words})
  }

  #at(bucket: number): LogPoint {
    return {epoch: this.#positions.epoch[bucket]!, seq: this.#positions.seq[bucket]!}
  }

  #standing(bucket: number): string {
    return `${STATES[this.#positions.state[bucket]!]} ${point(this.#at(bucket))}`
  }
}

/** By LogPositions' state. */
const STATES: Readonly<Record<number, string>> = {
  [LOG_NONE]: 'nothing',
  [LOG_BEGUN]: 'a begun image at',
  [LOG_WHOLE]: 'a whole bucket at',
}

function point({epoch, seq}: LogPoint): string {
  return `${epoch}.${seq}`
}
