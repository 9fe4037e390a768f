/**
 * Which peers get a bucket's records. Buckets with the same peers share a set, a record writer and so one frame a turn.
 *
 *   effects -> the set's writer ... flush -> one RECORDS message for each peer of the set, stamped with the turn's ticket
 *
 * `required` peers hold up replies until they have executed the records (rule R3); `receiving` ones are being given a copy
 * and only get them. When everything with a ticket up to t was executed by the required peers of a bucket, its changes up
 * to t are acknowledged: that is all the bookkeeping there is for one bucket.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {RecordWriter} from '../../record/codec.ts'
import {MESSAGE_RECORDS} from '../peer/message.ts'
import type {Backlog} from './backlog.ts'
import type {Link} from '../peer/link.ts'
import type {Effects} from '../effects.ts'

/** A peer of the bucket acknowledges records that it refuses. */
export const DOUBT_REFUSES = 1
/** A synchronous data-log node does not follow the bucket yet. */
export const DOUBT_UNLOGGED = 2

interface ReplicaSet {
  readonly required: readonly number[]
  readonly slots: readonly number[]
  readonly writer: RecordWriter
}

export class ReplicaSets {
  readonly #effects: Effects
  readonly #linkOf: (slot: number) => Link | null
  readonly #sets = new Map<string, ReplicaSet>()
  readonly #setOf = new Array<ReplicaSet | null>(BUCKET_COUNT).fill(null)
  /** Buckets whose peers changed in the middle of a long change. */
  readonly #late = new Map<number, readonly [readonly number[], readonly number[]]>()
  /** Buckets of which some peer acknowledges what it does not execute, and why (DOUBT_*, added). */
  readonly #doubted = new Map<number, number>()
  /** What was sent, for data-log nodes that are away; null: there are none. */
  backlog: Backlog | null = null
  /** Planted bug `drop-record`: forgets one frame in so many. */
  dropEvery = 0
  #frames = 0
  /** Planted bug `ack-majority`. */
  acksMajority = false

  constructor(effects: Effects, linkOf: (slot: number) => Link | null) {
    this.#effects = effects
    this.#linkOf = linkOf
  }

  /** From now on the bucket's records go to these peers. Both lists ascending. */
  assign(bucket: number, required: readonly number[], receiving: readonly number[]): void {
    if (this.#effects.isBusy(bucket)) {
      // The records of the long change go to whom they were meant for; the new peers come after it.
      this.#late.set(bucket, [required, receiving])
      return
    }
    this.#late.delete(bucket)
    const set = this.#find(required, receiving)
    const before = this.#setOf[bucket]
    if (set === before) return
    // What was written for the old peers goes to them, before anything for the new ones.
    if (before) this.#flushSet(before)
    this.#setOf[bucket] = set
    this.#effects.listen(bucket, set?.writer ?? null)
  }

  /** The bucket is not ours any more. */
  release(bucket: number): void {
    this.#late.delete(bucket)
    this.#doubted.delete(bucket)
    this.#setOf[bucket] = null
    this.#effects.listen(bucket, null)
  }

  /** While `isOn` nothing of the bucket counts as acknowledged. `why`: one reason does not end another. */
  doubt(bucket: number, isOn: boolean, why = DOUBT_REFUSES): void {
    const reasons = this.#doubted.get(bucket) ?? 0
    const left = isOn ? reasons | why : reasons & ~why
    if (left === 0) this.#doubted.delete(bucket)
    else this.#doubted.set(bucket, left)
  }

  /** True while a change of the bucket's peers waits. */
  isLate(bucket: number): boolean {
    return this.#late.has(bucket)
  }

  /** True if every required peer has executed the bucket's records up to this ticket. */
  isClean(bucket: number, ticket: number): boolean {
    if (this.#doubted.size > 0 && this.#doubted.has(bucket)) return false
    if (ticket === 0) return true
    const set = this.#setOf[bucket]
    if (!set || set.required.length === 0) return true
    if (ticket >= this.#effects.ticket && set.writer.pendingBytes > 0) return false
    let missing = 0
    for (const slot of set.required) if ((this.#linkOf(slot)?.cleanTicket ?? -1) < ticket) missing++
    return missing <= (this.acksMajority ? set.required.length / 2 : 0)
  }

  /** Hands the turn's records to the links; they leave with the links' next flush. */
  flush(): void {
    if (this.#late.size > 0) this.#assignLate()
    let hadRecords = false
    for (const set of this.#sets.values()) {
      if (set.writer.pendingBytes === 0) continue
      hadRecords = true
      this.#flushSet(set)
    }
    if (hadRecords) this.#effects.ticket++
  }

  #flushSet(set: ReplicaSet): void {
    if (set.writer.pendingBytes === 0) return
    const {recordCount} = set.writer
    const frames = set.writer.frame()
    if (this.dropEvery > 0 && ++this.#frames % this.dropEvery === 0) return
    this.backlog?.push(frames)
    const {ticket} = this.#effects
    for (const slot of set.slots) this.#linkOf(slot)?.append(MESSAGE_RECORDS, frames, ticket, recordCount)
  }

  #assignLate(): void {
    for (const [bucket, [required, receiving]] of [...this.#late]) {
      if (!this.#effects.isBusy(bucket)) this.assign(bucket, required, receiving)
    }
  }

  #find(required: readonly number[], receiving: readonly number[]): ReplicaSet | null {
    if (required.length === 0 && receiving.length === 0 && !this.backlog) return null
    const key = `${required.join(',')}|${receiving.join(',')}`
    let set = this.#sets.get(key)
    if (!set) {
      set = {required: [...required], slots: [...required, ...receiving], writer: new RecordWriter()}
      this.#sets.set(key, set)
    }
    return set
  }
}
