/**
 * What a master gives to data-log nodes: of each of its buckets an image if one is wanted, and then every record.
 *
 *   OFF --we become master, or the log node is there--> ASKED --it is where we are--> FOLLOWING
 *                                                        --it is elsewhere--> COPYING --the image is durable there--> FOLLOWING
 *                                                        --it is behind, and the backlog has the rest--> RESUMED, asked again
 *
 * The bucket's records follow the question in the same stream, so that none is missing when the answer is yes. An asynchronous log node only receives
 * (replica-sets.ts); a synchronous one that is counted on (`Member.isLogOn`, agreed) holds up replies as a copy in sync does, and while it does not
 * follow a bucket yet, nothing of that bucket counts as acknowledged.
 *
 * If a log node cannot keep up, its link breaks (peer/link.ts), and all begins anew: what it missed is in the images.
 */
import {BUCKET_COUNT, LOG_IMAGES_MAX, LOG_RESEND_MS} from '../../constants.ts'
import {MESSAGE_AGREE, MESSAGE_RECORDS, encodePositions} from '../peer/message.ts'
import {Backlog} from './backlog.ts'
import {Copier} from './copier.ts'
import {DOUBT_UNLOGGED} from './replica-sets.ts'
import type {ClusterMap} from '../cluster/cluster-map.ts'
import type {Effects} from '../effects.ts'
import type {Link} from '../peer/link.ts'
import type {Position, Verdict} from '../peer/message.ts'
import type {ReplicaSets} from './replica-sets.ts'

const OFF = 0
const ASKED = 1
const COPYING = 2
const FOLLOWING = 3
/** Asked a second time, with the rest behind the question; the answer to the first time is still to come. */
const RESUMED = 4

/** What the feeds know of their master. */
export interface FeedContext {
  readonly effects: Effects
  readonly sets: ReplicaSets
  /** The epoch in which we are master of each bucket; 0 = we are not. */
  readonly reign: Uint32Array
  map(): ClusterMap
  linkOf(slot: number): Link | null
  appliedIndex(): number
  now(): number
  requestWork(): void
  /** The peers of the bucket changed. */
  updatePeers(bucket: number): void
}

interface Feed {
  readonly slot: number
  readonly incarnation: string
  readonly state: Uint8Array
  readonly copier: Copier
  /** Buckets that wait for their image. */
  readonly queue: Set<number>
  /** Buckets for which the backlog was tried since they were asked about. */
  readonly wasResumed: Set<number>
  /** The position in the link of what each got from the backlog, and those of which only that is waited for. */
  readonly restAt: Map<number, number>
  readonly settling: Set<number>
  asks: Position[]
  isOn: boolean
}

/** How far a data-log node is behind this master. */
export interface LogLag {
  readonly slot: number
  readonly records: number
  readonly bytes: number
  readonly ms: number
  /** Our buckets that it does not follow yet. */
  readonly buckets: number
}

export class LogFeeds {
  readonly #c: FeedContext
  readonly #feeds = new Map<number, Feed>()

  constructor(context: FeedContext) {
    this.#c = context
  }

  /** Members came, went, or changed: who is to be given records? */
  membersChanged(): void {
    this.#keepBacklog()
    for (const [slot, feed] of this.#feeds) {
      const member = this.#c.map().members[slot]
      if (member?.log === undefined || member.isDown || member.incarnation !== feed.incarnation) this.#end(feed)
    }
    for (const member of this.#c.map().members) {
      if (member?.log === undefined || member.isDown) continue
      const feed = this.#feeds.get(member.slot) ?? this.#begin(member.slot, member.incarnation)
      if (feed.isOn === (member.isLogOn ?? false)) continue
      feed.isOn = !feed.isOn
      for (const bucket of this.#ours()) this.#changed(bucket)
    }
  }

  /** This node becomes master of the bucket, with what it has; before anything is executed in the new epoch. */
  reign(position: Position): void {
    for (const feed of this.#feeds.values()) this.#ask(feed, position)
  }

  /** It is not master any more. */
  resign(bucket: number): void {
    for (const feed of this.#feeds.values()) {
      feed.state[bucket] = OFF
      unsettle(feed, bucket)
      feed.queue.delete(bucket)
      feed.copier.cancel(bucket)
    }
    if (this.#feeds.size > 0) this.#c.sets.doubt(bucket, false, DOUBT_UNLOGGED)
  }

  isLog(slot: number): boolean {
    return this.#feeds.has(slot)
  }

  /** Adds the log nodes that hold up replies of the bucket, and those that only get its records, in ascending order. */
  addTo(bucket: number, required: number[], receiving: number[]): void {
    for (const {slot, state, copier, isOn} of this.#feeds.values()) {
      if (state[bucket] === OFF) continue
      // Until its image begins, a log node that is elsewhere has no use for records.
      const isReceiver = state[bucket] !== COPYING || copier.receiver(bucket) >= 0
      if (isReceiver) (isOn ? required : receiving).push(slot)
    }
    required.sort((a, b) => a - b)
    receiving.sort((a, b) => a - b)
  }

  /** Answers to our questions. */
  agreed(slot: number, verdicts: readonly Verdict[]): void {
    const feed = this.#feeds.get(slot)
    const link = this.#c.linkOf(slot)
    // It executes what we send; from now on only its disk is waited for.
    if (link) link.resendMs = LOG_RESEND_MS
    for (const {bucket, epoch, code} of feed ? verdicts : []) {
      if (this.#c.reign[bucket] !== epoch) continue
      const state = feed!.state[bucket]
      // The answer to the first question: the second is on its way.
      if (state === RESUMED) feed!.state[bucket] = ASKED
      // The answer to an older question made us believe that it follows; to the newer one it says no (the simulator's seed 1081).
      const isNoAfterAll = state === FOLLOWING && code === 0
      if (state !== ASKED && !isNoAfterAll) continue
      if (code === 1 && feed!.restAt.has(bucket)) feed!.settling.add(bucket)
      else if (code === 1) this.#follow(feed!, bucket)
      else this.#copy(feed!, bucket)
    }
  }

  /** It is behind us: it gets what it missed, if that is still there. */
  resume(slot: number, places: readonly Position[]): void {
    const feed = this.#feeds.get(slot)
    const link = this.#c.linkOf(slot)
    const {effects, reign, sets} = this.#c
    if (!feed || !link || !sets.backlog) return
    // All that was executed is in the backlog then.
    sets.flush()
    const wanted = new Map<number, {epoch: number; seq: number}>()
    for (const {bucket, positionEpoch: epoch, seq} of places) {
      const isOurs = feed.state[bucket] === ASKED && reign[bucket] === epoch && !feed.wasResumed.has(bucket)
      if (isOurs && seq < effects.seq[bucket]! && !effects.isBusy(bucket)) wanted.set(bucket, {epoch, seq})
    }
    if (wanted.size === 0) return
    const rest = sets.backlog.since(wanted)
    const asks: Position[] = []
    for (const {bucket, positionEpoch, seq} of places) {
      if (wanted.get(bucket)?.seq !== effects.seq[bucket]) continue
      asks.push({bucket, epoch: reign[bucket]!, positionEpoch, seq})
      feed.wasResumed.add(bucket)
      feed.state[bucket] = RESUMED
    }
    if (asks.length === 0) return
    link.append(MESSAGE_AGREE, encodePositions(asks))
    link.append(MESSAGE_RECORDS, rest)
    link.flush(this.#c.now())
    for (const {bucket} of asks) feed.restAt.set(bucket, link.position)
  }

  #keepBacklog(): void {
    const {sets} = this.#c
    const isWanted = this.#c.map().members.some((member) => member?.log !== undefined)
    if (isWanted === (sets.backlog !== null)) return
    sets.backlog = isWanted ? new Backlog() : null
    for (const bucket of this.#ours()) this.#c.updatePeers(bucket)
  }

  /** It has a gap, and says so once. */
  refused(slot: number, bucket: number): void {
    const feed = this.#feeds.get(slot)
    if (feed && feed.state[bucket] !== OFF && this.#c.reign[bucket] !== 0) this.#copy(feed, bucket)
  }

  /** What was on its way is lost; the link has begun anew. */
  restart(slot: number): void {
    const feed = this.#feeds.get(slot)
    if (!feed) return
    for (const bucket of this.#ours()) this.#askNow(feed, bucket)
  }

  work(budget: number): boolean {
    let hasMore = false
    for (const {copier} of this.#feeds.values()) if (copier.work(budget)) hasMore = true
    return hasMore
  }

  /** Sends questions, begins images that wait, takes note of those that have arrived. */
  pump(): void {
    for (const feed of this.#feeds.values()) {
      const {asks, queue, copier, slot} = feed
      if (asks.length > 0) this.#c.linkOf(slot)?.append(MESSAGE_AGREE, encodePositions(asks))
      if (asks.length > 0) feed.asks = []
      for (const bucket of queue) {
        if (copier.count >= LOG_IMAGES_MAX) break
        queue.delete(bucket)
        copier.start(bucket, slot)
        this.#c.requestWork()
      }
      copier.progress()
      this.#settle(feed)
    }
  }

  /** What came from the backlog carries no ticket: until it is on the disk there, the bucket is not followed (the simulator's seed 1383). */
  #settle(feed: Feed): void {
    const link = this.#c.linkOf(feed.slot)
    for (const bucket of feed.settling) {
      if (link?.isAcked(feed.restAt.get(bucket)!)) this.#follow(feed, bucket)
    }
  }

  /** How far each is behind. `now`: monotonic ms. */
  lags(now: number): LogLag[] {
    return [...this.#feeds.values()].map(({slot, state}) => {
      const link = this.#c.linkOf(slot)
      const buckets = this.#ours().filter((bucket) => state[bucket] !== FOLLOWING).length
      return {
        ...{slot, buckets, records: link?.unackedRecords ?? 0, bytes: link?.unackedBytes ?? 0},
        ms: link?.lateness(now) ?? 0,
      }
    })
  }

  #begin(slot: number, incarnation: string): Feed {
    const context = this.#c
    const copier = new Copier(context.effects, context.sets, {
      linkOf: (slot) => context.linkOf(slot),
      epochOf: (bucket) => context.reign[bucket]!,
      appliedIndex: () => context.appliedIndex(),
      updatePeers: (bucket) => context.updatePeers(bucket),
      assignmentOf: () => 0,
      count: () => undefined,
      inStep: (bucket) => this.#follow(feed, bucket),
      requestWork: () => context.requestWork(),
      now: () => context.now(),
    })
    const state = new Uint8Array(BUCKET_COUNT)
    const feed: Feed = {
      slot,
      incarnation,
      state,
      copier,
      queue: new Set(),
      wasResumed: new Set(),
      restAt: new Map(),
      settling: new Set(),
      asks: [],
      isOn: false,
    }
    this.#feeds.set(slot, feed)
    for (const bucket of this.#ours()) this.#askNow(feed, bucket)
    return feed
  }

  #end(feed: Feed): void {
    this.#feeds.delete(feed.slot)
    for (const bucket of this.#ours()) {
      feed.copier.cancel(bucket)
      this.#doubt(bucket)
      this.#c.updatePeers(bucket)
    }
  }

  #ours(): number[] {
    const buckets: number[] = []
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (this.#c.reign[bucket] !== 0) buckets.push(bucket)
    return buckets
  }

  /** In the middle of a reign. */
  #askNow(feed: Feed, bucket: number): void {
    const {effects, reign} = this.#c
    const [positionEpoch, seq] = [effects.epoch[bucket]!, effects.seq[bucket]!]
    this.#ask(feed, {bucket, epoch: reign[bucket]!, positionEpoch, seq})
  }

  #ask(feed: Feed, position: Position): void {
    const {bucket} = position
    feed.queue.delete(bucket)
    feed.wasResumed.delete(bucket)
    unsettle(feed, bucket)
    feed.copier.cancel(bucket)
    feed.asks.push(position)
    feed.state[bucket] = ASKED
    this.#changed(bucket)
  }

  #follow(feed: Feed, bucket: number): void {
    unsettle(feed, bucket)
    feed.state[bucket] = FOLLOWING
    this.#changed(bucket)
  }

  #copy(feed: Feed, bucket: number): void {
    unsettle(feed, bucket)
    feed.copier.cancel(bucket)
    feed.state[bucket] = COPYING
    feed.queue.add(bucket)
    this.#changed(bucket)
  }

  #changed(bucket: number): void {
    this.#doubt(bucket)
    this.#c.updatePeers(bucket)
  }

  #doubt(bucket: number): void {
    let isUnlogged = false
    for (const {isOn, state} of this.#feeds.values()) if (isOn && state[bucket] !== FOLLOWING) isUnlogged = true
    this.#c.sets.doubt(bucket, isUnlogged, DOUBT_UNLOGGED)
  }
}

function unsettle({restAt, settling}: Feed, bucket: number): void {
  restAt.delete(bucket)
  settling.delete(bucket)
}
