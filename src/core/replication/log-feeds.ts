/**
 * The data-log nodes that a master gives its records to, one feed (log-feed.ts) each. An asynchronous one only receives (replica-sets.ts); a synchronous one
 * that is counted on (`Member.isLogOn`, agreed) holds up replies as a copy in sync does, and while it does not follow a bucket yet, nothing of that
 * bucket counts as acknowledged. One that is late is not counted on any more, by agreement as well.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {Backlog} from './backlog.ts'
import {LogFeed} from './log-feed.ts'
import {DOUBT_UNLOGGED} from './replica-sets.ts'
import type {ClusterMap, Member} from '../cluster/cluster-map.ts'
import type {FeedContext} from './log-feed.ts'
import type {Link} from '../peer/link.ts'
import type {Position, Verdict} from '../peer/message.ts'

export interface FeedsContext extends FeedContext {
  map(): ClusterMap
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
  readonly #c: FeedsContext
  readonly #feeds = new Map<number, LogFeed>()

  constructor(context: FeedsContext) {
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
      const feed = this.#feeds.get(member.slot) ?? this.#begin(member)
      if (feed.isOn === member.isLogOn) continue
      feed.isOn = member.isLogOn
      for (const bucket of this.#ours()) this.#changed(bucket)
    }
  }

  /** This node becomes master of the bucket, with what it has; before anything is executed in the new epoch. */
  reign(position: Position): void {
    for (const feed of this.#feeds.values()) feed.ask(position)
  }

  /** It is not master any more. */
  resign(bucket: number): void {
    if (this.#feeds.size === 0) return
    for (const feed of this.#feeds.values()) feed.end(bucket)
    this.#c.sets.doubt(bucket, false, DOUBT_UNLOGGED)
  }

  isLog(slot: number): boolean {
    return this.#feeds.has(slot)
  }

  /** Adds the log nodes that hold up replies of the bucket, and those that only get its records, in ascending order. */
  addTo(bucket: number, required: number[], receiving: number[]): void {
    if (this.#feeds.size === 0) return
    for (const feed of this.#feeds.values()) {
      if (feed.isReceiver(bucket)) (feed.isOn ? required : receiving).push(feed.slot)
    }
    required.sort((a, b) => a - b)
    receiving.sort((a, b) => a - b)
  }

  agreed(slot: number, verdicts: readonly Verdict[]): void {
    this.#feeds.get(slot)?.agreed(verdicts)
  }

  resume(slot: number, places: readonly Position[]): void {
    this.#feeds.get(slot)?.resume(places)
  }

  refused(slot: number, bucket: number): void {
    if (this.#c.reign[bucket] !== 0) this.#feeds.get(slot)?.refused(bucket)
  }

  tick(slot: number, link: Link, now: number): void {
    this.#feeds.get(slot)?.tick(link, now)
  }

  work(budget: number): boolean {
    let hasMore = false
    for (const feed of this.#feeds.values()) if (feed.work(budget)) hasMore = true
    return hasMore
  }

  pump(): void {
    for (const feed of this.#feeds.values()) feed.pump()
  }

  /** How far each is behind. `now`: monotonic ms. */
  lags(now: number): LogLag[] {
    return [...this.#feeds.values()].map((feed) => {
      const {slot} = feed
      const link = this.#c.linkOf(slot)
      const buckets = this.#ours().filter((bucket) => !feed.isFollowing(bucket)).length
      if (!link) return {slot, buckets, records: 0, bytes: 0, ms: 0}
      const [records, bytes] = [link.unackedRecords + link.pendingRecords, link.unackedBytes + link.pendingBytes]
      return {slot, buckets, records, bytes, ms: link.lateness(now)}
    })
  }

  #keepBacklog(): void {
    const {sets} = this.#c
    const isWanted = this.#c.map().members.some((member) => member?.log !== undefined)
    if (isWanted === (sets.backlog !== null)) return
    sets.backlog = isWanted ? new Backlog() : null
    for (const bucket of this.#ours()) this.#c.updatePeers(bucket)
  }

  #begin(member: Member): LogFeed {
    const feed = new LogFeed(this.#c, member, (bucket) => this.#changed(bucket))
    this.#feeds.set(member.slot, feed)
    feed.begin()
    return feed
  }

  #end(feed: LogFeed): void {
    this.#feeds.delete(feed.slot)
    for (const bucket of this.#ours()) {
      feed.end(bucket)
      this.#changed(bucket)
    }
  }

  #ours(): number[] {
    const buckets: number[] = []
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (this.#c.reign[bucket] !== 0) buckets.push(bucket)
    return buckets
  }

  #changed(bucket: number): void {
    let isUnlogged = false
    for (const feed of this.#feeds.values()) if (feed.isOn && !feed.isFollowing(bucket)) isUnlogged = true
    this.#c.sets.doubt(bucket, isUnlogged, DOUBT_UNLOGGED)
    this.#c.updatePeers(bucket)
  }
}
