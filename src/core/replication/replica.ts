/**
 * The receiving half: what masters send is applied here, if it may be.
 *
 * For each bucket `fence` is the highest epoch that this node has heard of, from the agreed map or from a message, and `source` who is
 * master in it. What comes from below the fence is refused and the refused one told (rule R2): so a deposed master can complete nothing,
 * whatever its clock says. What comes from above raises the fence.
 *
 *   copy:  NONE --SYNC_BEGIN--> SYNCING --SYNC_END--> WHOLE        dropped by the map, begun anew --> NONE
 *          WHOLE --a gap, or a new master is elsewhere--> KEPT     becomes master, or a newer master is where it is --> WHOLE
 *
 * Records of a bucket must follow each other without a gap. A copy that has one takes nothing more, but it is kept until the map says that it is
 * out: it has everything that was acknowledged with it, and may be the last that has.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {assert} from '../../base/assert.ts'
import {NO_EXPIRY, RecordCursor, walkFrames} from '../../record/codec.ts'
import {REFUSED_GAP, REFUSED_STALE} from '../peer/message.ts'
import {Replay} from '../replay.ts'
import {OP_CLEAR, OP_DELETE} from '../../record/op.ts'
import type {Effects} from '../effects.ts'
import type {BucketEpoch, Position, SyncBegin, Verdict} from '../peer/message.ts'

export const COPY_NONE = 0
export const COPY_SYNCING = 1
export const COPY_KEPT = 2
export const COPY_WHOLE = 3

/** Who is master in the epoch of the fence is not known yet. */
const NO_SOURCE = 255

export interface ReplicaHost {
  /** A newer epoch of this bucket is known: whatever this node thought to be in it, it is not any more. */
  fenced(bucket: number): void
}

export class Replica {
  readonly copy = new Uint8Array(BUCKET_COUNT)
  readonly fence = new Uint32Array(BUCKET_COUNT)
  readonly source = new Uint8Array(BUCKET_COUNT).fill(NO_SOURCE)
  /** Entries of the agreed log below this index do not decide about the copy: it was begun by one who knew more. */
  readonly #keepFrom = new Float64Array(BUCKET_COUNT)
  readonly #effects: Effects
  readonly #replay: Replay
  readonly #host: ReplicaHost
  readonly #cursor = new RecordCursor()
  /** Planted bugs. */
  isFenceIgnored = false
  copyIgnoresDeletes = false
  countsTtlAnew = false
  /** One tail in so many is dropped: the last record of a message; 0 = none. */
  dropTailEvery = 0
  #tails = 0

  constructor(effects: Effects, host: ReplicaHost) {
    this.#effects = effects
    this.#replay = new Replay(effects)
    this.#host = host
  }

  /** The agreed map says who is master of the bucket in this epoch; false if something newer is known already. */
  learn(bucket: number, epoch: number, slot: number): boolean {
    if (epoch < this.fence[bucket]!) return false
    this.fence[bucket] = epoch
    this.source[bucket] = slot
    return true
  }

  /** A peer knows this newer epoch of the bucket. Older lines of the log, and older masters, do not count here any more. */
  raise(bucket: number, epoch: number): void {
    if (epoch <= this.fence[bucket]!) return
    this.fence[bucket] = epoch
    this.source[bucket] = NO_SOURCE
    this.#host.fenced(bucket)
  }

  /** This node becomes master, with the copy that it has; false if it has none (rule R8). */
  claim(bucket: number): boolean {
    if (this.copy[bucket]! < COPY_KEPT) return false
    this.copy[bucket] = COPY_WHOLE
    return true
  }

  /** This node is not to have a copy, says the entry at `index`. */
  drop(bucket: number, index: number): void {
    if (this.copy[bucket] === COPY_NONE || index < this.#keepFrom[bucket]!) return
    this.#forget(bucket)
  }

  /** The bucket begins here, empty or from a savefile. */
  begin(bucket: number): void {
    this.copy[bucket] = COPY_WHOLE
  }

  position(bucket: number, epoch: number): Position {
    return {bucket, epoch, positionEpoch: this.#effects.epoch[bucket]!, seq: this.#effects.seq[bucket]!}
  }

  /** Applies a message of records; returns what was refused, a line for each bucket. */
  records(slot: number, body: Buffer): Verdict[] {
    const refused = new Map<number, Verdict>()
    let left = this.#countToApply(body)
    this.each(body, (cursor) => {
      const {bucket, epoch, seq} = cursor
      if (refused.has(bucket) || left-- === 0) return
      const code = this.#judge(bucket, epoch, slot, seq)
      if (code === 0) this.#apply(cursor)
      else refused.set(bucket, {bucket, epoch: this.fence[bucket]!, code})
    })
    return [...refused.values()]
  }

  /** All of them; of a planted bug, all but the last. */
  #countToApply(body: Buffer): number {
    if (this.dropTailEvery === 0 || ++this.#tails % this.dropTailEvery !== 0) return Infinity
    let count = 0
    this.each(body, () => count++)
    return count - 1
  }

  image(slot: number, body: Buffer): void {
    this.each(body, (cursor) => {
      const {bucket, epoch} = cursor
      if (this.copy[bucket] === COPY_SYNCING && epoch === this.fence[bucket] && this.source[bucket] === slot) {
        this.#replay.apply(cursor)
      }
    })
  }

  /** A copy of the bucket begins; false if the sender is not its master any more. */
  syncBegin(slot: number, {bucket, epoch, positionEpoch, seq, index}: SyncBegin): boolean {
    if (!this.admit(bucket, epoch, slot)) return false
    this.#forget(bucket)
    this.copy[bucket] = COPY_SYNCING
    this.#effects.epoch[bucket] = positionEpoch
    this.#effects.seq[bucket] = seq
    this.#keepFrom[bucket] = index
    return true
  }

  syncEnd(slot: number, {bucket, epoch}: BucketEpoch): void {
    const isCurrent = epoch === this.fence[bucket] && this.source[bucket] === slot
    if (isCurrent && this.copy[bucket] === COPY_SYNCING) this.copy[bucket] = COPY_WHOLE
  }

  /** Where this copy could go on, if it is not where its master is; null: nowhere. */
  whereabouts(_bucket: number): Position | null {
    return null
  }

  /** A new master asks whether this copy is where its own is. Null: it is not master any more. */
  agree(slot: number, {bucket, epoch, positionEpoch, seq}: Position): boolean | null {
    if (!this.admit(bucket, epoch, slot)) return null
    const effects = this.#effects
    const isComplete = this.copy[bucket]! >= COPY_KEPT
    const isSame = isComplete && effects.epoch[bucket] === positionEpoch && effects.seq[bucket] === seq
    if (!isSame) this.#spoil(bucket)
    else {
      effects.epoch[bucket] = epoch
      this.copy[bucket] = COPY_WHOLE
    }
    return isSame
  }

  #judge(bucket: number, epoch: number, slot: number, seq: number): number {
    if (!this.admit(bucket, epoch, slot)) return REFUSED_STALE
    const copy = this.copy[bucket]
    if (copy === COPY_NONE || copy === COPY_KEPT) return REFUSED_GAP
    if (seq === this.#effects.seq[bucket]! + 1) return 0
    this.#spoil(bucket)
    return REFUSED_GAP
  }

  /** True if `slot` may speak for the bucket in this epoch. */
  protected admit(bucket: number, epoch: number, slot: number): boolean {
    if (this.isFenceIgnored) return true
    const fence = this.fence[bucket]!
    if (epoch < fence) return false
    if (epoch > fence) this.raise(bucket, epoch)
    if (this.source[bucket] === NO_SOURCE) this.source[bucket] = slot
    return this.source[bucket] === slot
  }

  #apply(cursor: RecordCursor): void {
    if (this.copyIgnoresDeletes && this.copy[cursor.bucket] === COPY_SYNCING && cursor.op === OP_DELETE) {
      this.#effects.seq[cursor.bucket] = cursor.seq
      return
    }
    if (this.countsTtlAnew && cursor.expireAt !== NO_EXPIRY) cursor.expireAt += this.#effects.time - cursor.time
    this.#replay.apply(cursor)
    if (this.#effects.watches.isActive) this.#touch(cursor)
  }

  /** What a session read here (READONLY) has changed. */
  #touch({bucket, op, buf, keyOff, keyLen}: RecordCursor): void {
    const {watches} = this.#effects
    if (op === OP_CLEAR) watches.bucketLeft(bucket)
    else watches.touch(buf, keyOff, keyLen)
  }

  /** Visits all records of a message. */
  protected each(body: Buffer, visit: (cursor: RecordCursor) => void): void {
    const fault = walkFrames(body, this.#cursor, visit)
    assert(fault === null, `a connection checks what it carries, a peer writes no bad records: ${fault ?? ''}`)
  }

  /** The copy cannot go on. What was whole until here is kept for the map to decide about; the beginning of one is worth nothing. */
  #spoil(bucket: number): void {
    if (this.copy[bucket] === COPY_WHOLE) {
      this.copy[bucket] = COPY_KEPT
      this.#effects.watches.bucketLeft(bucket)
    } else if (this.copy[bucket] === COPY_SYNCING) this.#forget(bucket)
  }

  #forget(bucket: number): void {
    this.copy[bucket] = COPY_NONE
    this.#effects.watches.bucketLeft(bucket)
    this.#effects.keyspace.clearBucket(bucket)
  }
}
