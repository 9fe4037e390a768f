/**
 * What may be told to clients, and when. A reply leaves only when everything it speaks of is acknowledged by every in-sync copy (rules
 * R3 and R6) and, checked after the value was read, while the lease holds (R7).
 *
 *   execute ... touch(bucket)      the reply speaks of this bucket
 *   end of the chunk: seal         nothing unacknowledged, lease good -> the replies go out as they are;
 *                                  else a barrier: the connection keeps them, and those behind them
 *   acknowledgements, leases       open barriers, in any order; a connection sends from the front
 *
 * A record that was refused by a copy (there is a newer epoch) may or may not survive: the sessions that wait for it are cut off, so that their
 * clients know that they do not know.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import type {Effects} from '../effects.ts'
import type {Session} from '../session.ts'
import type {ReplicaSets} from './replica-sets.ts'

/** In place of a bucket: all of them. */
const ALL = -1

export interface Barrier {
  readonly session: Session
  readonly buckets: readonly number[]
  /** What its replies speak of, if there was no lease to look at them with; else empty. ALL: every bucket. */
  readonly unproven: readonly number[]
  /** Highest ticket of those buckets when the replies were written. */
  readonly ticket: number
  isOpen: boolean
}

export interface GateHost {
  /** Barriers of this session were opened. */
  release(session: Session): void
  /** Cuts the session off, its waiting replies unsent. */
  abort(session: Session): void
}

export class Gate {
  readonly #effects: Effects
  readonly #sets: ReplicaSets
  readonly #host: GateHost
  #barriers: Barrier[] = []
  #buckets: number[] = []
  #touched: number[] = []
  #ticket = 0
  #isTouched = false
  /** Monotonic ms until which reads may be answered. */
  leaseUntil = Number.NEGATIVE_INFINITY
  /** Called when the lease has run out at the moment of an answer: may renew it at once. */
  renew: (now: number) => void = () => undefined
  /** Planted bugs. */
  isAckEarly = false
  isReadDirty = false
  isLeaseIgnored = false

  constructor(effects: Effects, sets: ReplicaSets, host: GateHost) {
    this.#effects = effects
    this.#sets = sets
    this.#host = host
  }

  /** Sessions whose replies wait. */
  get waitingCount(): number {
    return this.#barriers.length
  }

  /** The command that was just executed read or changed this bucket. */
  touch(bucket: number, isWrite: boolean): void {
    this.#isTouched = true
    if (this.#touched[this.#touched.length - 1] !== bucket) this.#touched.push(bucket)
    const ticket = this.#effects.ticketOf[bucket]!
    if (ticket === 0 || this.isAckEarly || (this.isReadDirty && !isWrite)) return
    if (this.#sets.isClean(bucket, ticket)) return
    if (ticket > this.#ticket) this.#ticket = ticket
    if (this.#buckets[this.#buckets.length - 1] !== bucket) this.#buckets.push(bucket)
  }

  /** The command read or changed all buckets. */
  touchAll(isWrite: boolean): void {
    this.#isTouched = true
    this.#touched.push(ALL)
    const {ticketOf} = this.#effects
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (ticketOf[bucket] !== 0) this.touch(bucket, isWrite)
  }

  /**
   * The replies of one session end here. Null: they may leave. Else they wait for the barrier. `now`: monotonic ms, read
   * after the commands were executed.
   */
  seal(session: Session, now: number): Barrier | null {
    if (!this.#isTouched) return null
    this.#isTouched = false
    if (now >= this.leaseUntil && !this.isLeaseIgnored) this.renew(now)
    const hasLease = now < this.leaseUntil || this.isLeaseIgnored
    if (this.#buckets.length === 0 && hasLease) {
      this.#touched.length = 0
      return null
    }
    const unproven = hasLease ? [] : this.#touched
    const barrier = {session, buckets: this.#buckets, unproven, ticket: this.#ticket, isOpen: false}
    this.#buckets = []
    this.#touched = []
    this.#ticket = 0
    this.#barriers.push(barrier)
    return barrier
  }

  /** Something was acknowledged, the lease renewed or the in-sync sets changed: opens what can be opened. */
  progress(now: number): void {
    if (this.#barriers.length === 0) return
    if (now >= this.leaseUntil && !this.isLeaseIgnored) return
    const opened: Session[] = []
    this.#barriers = this.#barriers.filter((barrier) => {
      if (!this.#isClean(barrier)) return true
      barrier.isOpen = true
      opened.push(barrier.session)
      return false
    })
    for (const session of opened) this.#host.release(session)
  }

  /**
   * This node is not the bucket's master any more. Cuts those off who wait for changes of it that are not acknowledged, since nobody knows
   * what becomes of them, and those who wait for a lease with what they read in it: the next lease, which comes with the news
   * of the new master, does not make an old value true (the simulator's seed 302). `isClean`: all changes are acknowledged.
   */
  fail(bucket: number, isClean = false): void {
    if (this.#barriers.length === 0) return
    const failed = new Set<Session>()
    for (const {session, buckets, unproven} of this.#barriers) {
      if ((!isClean && buckets.includes(bucket)) || unproven.includes(bucket) || unproven.includes(ALL))
        failed.add(session)
    }
    for (const session of failed) {
      this.forget(session)
      this.#host.abort(session)
    }
  }

  /** True while replies that were read without a lease wait for one. */
  isUnproven(bucket: number): boolean {
    return this.#barriers.some(({unproven}) => unproven.includes(bucket) || unproven.includes(ALL))
  }

  /** The session is gone. */
  forget(session: Session): void {
    if (this.#barriers.length > 0) this.#barriers = this.#barriers.filter((barrier) => barrier.session !== session)
  }

  #isClean({buckets, ticket}: Barrier): boolean {
    return buckets.every((bucket) => this.#sets.isClean(bucket, ticket))
  }
}
