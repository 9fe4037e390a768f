/**
 * The receiving half of a data-log node: what a replica would apply is written down, for every bucket of the cluster (record/log-entry.ts).
 *
 *   nothing known --SYNC_BEGIN--> begun --SYNC_END--> whole        a gap, or a master that is elsewhere --> nothing that goes on: an image is wanted
 *
 * A master asks (AGREE) where the log is with each of its buckets, and sends its records behind the question. If the log is where it is, it follows; else
 * the log refuses once and then keeps silent about that bucket until the image begins. Fences are the replica's: a deposed master writes nothing here.
 *
 * What is written is acknowledged to the master when it is durable: the sink numbers what it is given, and `Link` waits for the number.
 */
import {assert} from '../../base/assert.ts'
import {BUCKET_COUNT} from '../../constants.ts'
import {RecordPicker} from '../../record/codec.ts'
import {
  IMAGE_FIRST,
  IMAGE_GAP,
  LOG_EPOCH,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_RECORDS,
  encodeLogLines,
} from '../../record/log-entry.ts'
import {LOG_BEGUN, LOG_NONE, LOG_WHOLE, LogPositions} from '../../record/log-position.ts'
import {REFUSED_GAP, REFUSED_STALE} from '../peer/message.ts'
import {Replica} from './replica.ts'
import type {RecordCursor} from '../../record/codec.ts'
import type {LogLine} from '../../record/log-entry.ts'
import type {BucketEpoch, Position, SyncBegin, Verdict} from '../peer/message.ts'
import type {Effects} from '../effects.ts'
import type {ReplicaHost} from './replica.ts'

const TAKEN = 0
/** Not written, and nothing is said about it. */
const SILENT = -1

/** Where a data log is kept; the bytes of an entry are the sink's. */
export interface LogSink {
  /** Writes an entry (LOG_*) behind all others; returns its number, from 1, by which it is said to be durable (`Cluster.logged`). */
  append(kind: number, body: Buffer): number
}

export class Recorder extends Replica {
  readonly positions = new LogPositions()
  readonly #sink: LogSink
  readonly #picker = new RecordPicker()
  /** Buckets in which the log follows nobody: it said so, and waits for an image. */
  readonly #isAdrift = new Uint8Array(BUCKET_COUNT)
  /** Number of the last entry. */
  mark = 0
  recordCount = 0
  /** Images that began because the log could not go on. */
  gaps = 0
  /** Planted bug `log-skip-record`: forgets one record in so many. */
  skipEvery = 0
  #seen = 0
  /** Of each record of the message that is looked at; used again. */
  readonly #verdicts: number[] = []

  /** `positions`: what the log has from before. */
  constructor(effects: Effects, host: ReplicaHost, sink: LogSink, positions: LogPositions) {
    super(effects, host)
    this.#sink = sink
    this.positions.copyFrom(positions)
  }

  /** True if the log has everything of the bucket up to the last record that its master sent. */
  isWhole(bucket: number): boolean {
    return this.positions.state[bucket] === LOG_WHOLE && this.#isAdrift[bucket] === 0
  }

  /** Buckets of which the log has everything. */
  countWhole(): number {
    let count = 0
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (this.isWhole(bucket)) count++
    return count
  }

  override records(slot: number, body: Buffer): Verdict[] {
    return this.#take(LOG_RECORDS, body, (cursor) => {
      const {bucket, epoch, seq} = cursor
      if (!this.admit(bucket, epoch, slot)) return REFUSED_STALE
      if (this.#isAdrift[bucket] === 1) return SILENT
      if (this.skipEvery > 0 && ++this.#seen % this.skipEvery === 0) {
        // The planted bug hides what it does.
        this.positions.seq[bucket] = seq
        return SILENT
      }
      if (this.positions.record(bucket, epoch, seq)) return TAKEN
      this.#isAdrift[bucket] = 1
      return REFUSED_GAP
    })
  }

  override image(slot: number, body: Buffer): void {
    this.#take(LOG_IMAGE, body, ({bucket, epoch}) => {
      const isCurrent = epoch === this.fence[bucket] && this.source[bucket] === slot
      const isBegun = this.positions.state[bucket] === LOG_BEGUN && this.#isAdrift[bucket] === 0
      return isCurrent && isBegun ? TAKEN : SILENT
    })
  }

  override syncBegin(slot: number, {bucket, epoch, seq}: SyncBegin): boolean {
    if (!this.admit(bucket, epoch, slot)) return false
    const code = this.positions.state[bucket] === LOG_NONE ? IMAGE_FIRST : IMAGE_GAP
    if (code === IMAGE_GAP) this.gaps++
    this.#isAdrift[bucket] = 0
    this.#line(LOG_IMAGE_BEGIN, {bucket, epoch, seq, code})
    return true
  }

  override syncEnd(slot: number, {bucket, epoch}: BucketEpoch): void {
    const isCurrent = epoch === this.fence[bucket] && this.source[bucket] === slot
    if (!isCurrent || this.#isAdrift[bucket] === 1 || this.positions.state[bucket] !== LOG_BEGUN) return
    this.#line(LOG_IMAGE_END, {bucket, epoch, seq: this.positions.seq[bucket]!, code: 0})
  }

  override agree(slot: number, {bucket, epoch, positionEpoch, seq}: Position): boolean | null {
    if (!this.admit(bucket, epoch, slot)) return null
    const {positions} = this
    const isSame =
      positions.state[bucket] === LOG_WHOLE &&
      positions.seq[bucket] === seq &&
      (positions.epoch[bucket] === positionEpoch || positions.epoch[bucket] === epoch)
    this.#isAdrift[bucket] = isSame ? 0 : 1
    if (isSame && positions.epoch[bucket] !== epoch) this.#line(LOG_EPOCH, {bucket, epoch, seq, code: 0})
    return isSame
  }

  override whereabouts(bucket: number): Position | null {
    const {state, epoch, seq} = this.positions
    if (state[bucket] !== LOG_WHOLE) return null
    return {bucket, epoch: this.fence[bucket]!, positionEpoch: epoch[bucket]!, seq: seq[bucket]!}
  }

  /** A log is never dropped, and never serves. */
  override drop(): void {}

  override claim(): boolean {
    return false
  }

  #line(kind: number, line: LogLine): void {
    assert(this.positions.line(kind, line), 'the log takes only what follows')
    this.mark = this.#sink.append(kind, encodeLogLines([line]))
  }

  /** Writes the records of which `judge` says TAKEN; all of them, as is nearly always so, as they came. */
  #take(kind: number, body: Buffer, judge: (cursor: RecordCursor) => number): Verdict[] {
    const refused = new Map<number, Verdict>()
    const verdicts = this.#verdicts
    let count = 0
    let taken = 0
    this.each(body, (cursor) => {
      const verdict = judge(cursor)
      verdicts[count++] = verdict
      if (verdict === TAKEN) taken++
      else if (verdict !== SILENT && !refused.has(cursor.bucket)) {
        const {bucket} = cursor
        refused.set(bucket, {bucket, epoch: this.fence[bucket]!, code: verdict})
      }
    })
    if (taken > 0) this.mark = this.#sink.append(kind, taken === count ? body : this.#some(body))
    this.recordCount += taken
    return [...refused.values()]
  }

  /** A message without the records that were not taken. */
  #some(body: Buffer): Buffer {
    let at = 0
    this.each(body, (cursor) => {
      if (this.#verdicts[at++] === TAKEN) this.#picker.pick(cursor)
    })
    return this.#picker.take()
  }
}
