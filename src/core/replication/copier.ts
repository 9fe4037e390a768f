/**
 * Gives buckets to peers, one bucket after the other for each peer, bounded by the bytes on their way:
 *
 *   SYNC_BEGIN, then the image in steps between the bucket's live records, SYNC_END ... acknowledged -> in step
 *
 * All travel in one stream, so that their order is the order in which things were. Whatever goes wrong (a gap, a lost stream, another
 * peer wanted) the copy is begun anew; nobody counts on it before the map says so.
 */
import {SYNC_WINDOW_BYTES} from '../../constants.ts'
import {RecordWriter} from '../../record/codec.ts'
import {BucketImage} from '../keyspace/image.ts'
import {MESSAGE_IMAGE, MESSAGE_SYNC_BEGIN, MESSAGE_SYNC_END, encodeEpochs, encodeSyncBegin} from '../peer/message.ts'
import type {Link} from '../peer/link.ts'
import type {Effects} from '../effects.ts'
import type {ReplicaSets} from './replica-sets.ts'

/** Records of an image between two looks at the window. */
const STEP_BUDGET = 200

interface Copy {
  readonly bucket: number
  readonly slot: number
  /** The number of the map's order to make it (cluster-map.ts): a later order for the same peer wants a later copy. */
  readonly assignment: number
  image: BucketImage | null
  /** Position of the stream that must be acknowledged; 0 = it has not been sent whole. */
  position: number
  isSent: boolean
  /** It holds up replies; what was acknowledged without it before that must still reach it. */
  isCounted: boolean
}

export interface CopierContext {
  linkOf(slot: number): Link | null
  epochOf(bucket: number): number
  /** Index of the agreed log up to which this node has applied. */
  appliedIndex(): number
  /** Peers of the bucket changed: its records go to the peer from now on, or not any more. */
  updatePeers(bucket: number): void
  /** The peer has the image: from now on it counts. */
  count(bucket: number, slot: number, assignment: number): void
  /** It has everything that was ever acknowledged. */
  inStep(bucket: number, slot: number, assignment: number): void
  /** The map's present order for this bucket. */
  assignmentOf(bucket: number): number
  /** There is something to send again. */
  requestWork(): void
  now(): number
}

export class Copier {
  readonly #effects: Effects
  readonly #sets: ReplicaSets
  readonly #context: CopierContext
  readonly #copies = new Map<number, Copy>()
  readonly #queues = new Map<number, Copy[]>()
  readonly #writer = new RecordWriter()
  /** Planted bug `early-join`: the end of the image is taken for everything. */
  joinsEarly = false

  constructor(effects: Effects, sets: ReplicaSets, context: CopierContext) {
    this.#effects = effects
    this.#sets = sets
    this.#context = context
  }

  /** The peer that gets the bucket's records while it is being copied, or -1. */
  receiver(bucket: number): number {
    const copy = this.#copies.get(bucket)
    return copy?.image || copy?.isSent ? copy.slot : -1
  }

  get isBusy(): boolean {
    return this.#copies.size > 0
  }

  get count(): number {
    return this.#copies.size
  }

  /** The peer shall get a copy; again, if it was being given one. */
  start(bucket: number, slot: number): void {
    this.cancel(bucket)
    const assignment = this.#context.assignmentOf(bucket)
    const copy = {bucket, slot, assignment, image: null, position: 0, isSent: false, isCounted: false}
    this.#copies.set(bucket, copy)
    const queue = this.#queues.get(slot)
    if (queue) queue.push(copy)
    else this.#queues.set(slot, [copy])
  }

  /** True if the copy that the map's present order asks for is being made. */
  isCopying(bucket: number, slot: number): boolean {
    const copy = this.#copies.get(bucket)
    return copy?.slot === slot && copy.assignment === this.#context.assignmentOf(bucket)
  }

  cancel(bucket: number): void {
    const copy = this.#copies.get(bucket)
    if (!copy) return
    this.#copies.delete(bucket)
    const queue = this.#queues.get(copy.slot)
    const index = queue?.indexOf(copy) ?? -1
    if (index >= 0) queue!.splice(index, 1)
    copy.image = null
    copy.isSent = false
  }

  /** What was sent to this peer is lost. */
  restart(slot: number): void {
    for (const copy of [...this.#copies.values()]) if (copy.slot === slot) this.start(copy.bucket, slot)
  }

  /** Sends some; `budget`: records, about. True if there is more to do at once. */
  work(budget: number): boolean {
    let left = budget
    let hasMore = false
    for (const [slot, queue] of this.#queues) {
      if (queue.length === 0) {
        this.#queues.delete(slot)
        continue
      }
      const link = this.#context.linkOf(slot)
      if (!link || link.isBroken || !link.isConnected) continue
      left = this.#send(link, queue, left)
      if (queue.length > 0 && left <= 0) hasMore = true
    }
    return hasMore
  }

  /**
   * Something was acknowledged: which copies are whole now? In two steps. When the image is there the peer begins to count; but
   * changes that were acknowledged without it while the image travelled may still be on their way, and until it has those, too, it
   * must not be called in sync: the simulator's seed 56 lost a write there.
   */
  progress(): void {
    const counted: Copy[] = []
    for (const copy of this.#copies.values()) {
      if (!copy.isSent || copy.position === 0) continue
      if (!this.joinsEarly && !this.#context.linkOf(copy.slot)?.isAcked(copy.position)) continue
      if (!copy.isCounted) counted.push(copy)
      else {
        this.#copies.delete(copy.bucket)
        this.#context.inStep(copy.bucket, copy.slot, copy.assignment)
      }
    }
    if (counted.length > 0) this.#count(counted)
    if (this.#hasRoom()) this.#context.requestWork()
  }

  /** A copy waits, and what its peer was sent before is half acknowledged. */
  #hasRoom(): boolean {
    for (const [slot, queue] of this.#queues) {
      const link = queue.length === 0 ? null : this.#context.linkOf(slot)
      if (link?.isConnected && !link.isBroken && link.unackedBytes < SYNC_WINDOW_BYTES / 2) return true
    }
    return false
  }

  #count(copies: readonly Copy[]): void {
    for (const copy of copies) {
      copy.isCounted = true
      this.#context.count(copy.bucket, copy.slot, copy.assignment)
    }
    this.#sets.flush()
    for (const slot of new Set(copies.map((copy) => copy.slot))) this.#context.linkOf(slot)?.flush(this.#context.now())
    for (const copy of copies) copy.position = this.#context.linkOf(copy.slot)?.position ?? 0
  }

  #send(link: Link, queue: Copy[], budget: number): number {
    let left = budget
    const ended: Copy[] = []
    while (left > 0 && queue.length > 0 && link.unackedBytes < SYNC_WINDOW_BYTES) {
      const copy = queue[0]!
      if (this.#effects.isBusy(copy.bucket)) {
        // A long change is under way: others first.
        if (queue.length === 1) break
        queue.push(queue.shift()!)
        left -= 10
        continue
      }
      left = this.#step(link, copy, left)
      if (copy.isSent) {
        queue.shift()
        ended.push(copy)
      }
      if (link.pendingBytes > SYNC_WINDOW_BYTES / 4) this.#flush(link, ended)
    }
    this.#flush(link, ended)
    return left
  }

  #flush(link: Link, ended: Copy[]): void {
    link.flush(this.#context.now())
    for (const copy of ended.splice(0)) copy.position = link.position
  }

  #step(link: Link, copy: Copy, budget: number): number {
    const {bucket} = copy
    // What happened before this step goes before it.
    this.#sets.flush()
    if (!copy.image) {
      const epoch = this.#context.epochOf(bucket)
      const positionEpoch = this.#effects.epoch[bucket]!
      const seq = this.#effects.seq[bucket]!
      const index = this.#context.appliedIndex()
      link.append(MESSAGE_SYNC_BEGIN, encodeSyncBegin({bucket, epoch, positionEpoch, seq, index}))
      copy.image = new BucketImage(this.#effects, bucket, this.#writer, false)
      this.#context.updatePeers(bucket)
    }
    const given = Math.min(budget, STEP_BUDGET)
    const left = copy.image.step(given)
    if (this.#writer.pendingBytes > 0) link.append(MESSAGE_IMAGE, Buffer.from(this.#writer.frame()))
    if (left > 0) {
      link.append(MESSAGE_SYNC_END, encodeEpochs([{bucket, epoch: this.#context.epochOf(bucket)}]))
      copy.isSent = true
      copy.image = null
    }
    return budget - Math.max(1, given - Math.max(0, left))
  }
}
