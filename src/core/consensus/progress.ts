/**
 * A leader's view of its peers: how far each log is known to match, what is in flight to it, and when it was heard.
 *
 *      1 ... match | ... unknown ... | next ... last
 *
 * While `next` is beyond `match + 1` the leader is looking for the place where the logs part; each refusal moves `next`
 * down. One batch or snapshot is in flight at a time. What passes meanwhile is heartbeats, which are empty and prove
 * nothing but that both sides live.
 */
import type {RaftEntry} from './types.ts'

/** What was sent and is not answered: entries or a snapshot up to this index. */
interface Flight {
  readonly upTo: number
  readonly sentAt: number
  readonly resendAt: number
}

export class Progress {
  #match = 0
  #next: number
  #heardAt: number
  #round = 0
  #flight: Flight | null = null
  /** The commit index that the peer was last told, as far as it could use it. */
  commitTold = 0
  /** The commit index at which the peer ceased to belong; it is let go when it knows that. */
  leavesAt: number | null = null

  /** `next`: where to begin looking. A peer counts as heard at the start, so that it has time to answer. */
  constructor(next: number, now: number) {
    this.#next = next
    this.#heardAt = now
  }

  /** The peer's log is durable and equal to ours up to here. */
  get match(): number {
    return this.#match
  }

  get next(): number {
    return this.#next
  }

  get heardAt(): number {
    return this.#heardAt
  }

  /** The newest round that the peer answered. */
  get round(): number {
    return this.#round
  }

  /** The peer answered this round, in our term. */
  heard(round: number, now: number): void {
    this.#heardAt = now
    this.#round = Math.max(this.#round, round)
  }

  sent(entries: readonly RaftEntry[], now: number, resendAfterMs: number): void {
    const last = entries.at(-1)
    if (last !== undefined) this.sentUpTo(last.index, now, resendAfterMs)
  }

  sentUpTo(upTo: number, now: number, resendAfterMs: number): void {
    this.#flight = {upTo, sentAt: now, resendAt: now + resendAfterMs}
  }

  /** Whether the next batch has to wait. To a peer that has not been heard since the last one, nothing large is sent again. */
  isWaiting(now: number): boolean {
    return this.#flight !== null && (now < this.#flight.resendAt || this.#heardAt <= this.#flight.sentAt)
  }

  /** Equal and durable up to here. */
  accepted(index: number): void {
    this.#match = Math.max(this.#match, index)
    this.#next = Math.max(this.#next, this.#match + 1)
    if (this.#flight !== null && this.#flight.upTo <= this.#match) this.#flight = null
  }

  /** No match at `index`; `candidate` is the last that may. False if this is old news, for answers may be reordered. */
  rejected(index: number, candidate: number): boolean {
    if (index <= this.#match || index !== this.#next - 1) return false
    this.#next = Math.max(this.#match, Math.min(candidate, index - 1)) + 1
    this.#flight = null
    return true
  }
}

/**
 * Numbers for heartbeat rounds, and the start of the newest one that a majority answered. Whatever the leader knew
 * then, no other leader had been elected before it: one of the voters would have had to vote before it answered.
 */
export class Rounds {
  #latest = 0
  readonly #open: {readonly round: number; readonly startedAt: number}[] = []
  #quorumAt = -Infinity

  get latest(): number {
    return this.#latest
  }

  /** Start of the newest answered round, monotonic ms; -Infinity before the first. Never falls. */
  get quorumAt(): number {
    return this.#quorumAt
  }

  begin(now: number): void {
    this.#latest++
    this.#open.push({round: this.#latest, startedAt: now})
  }

  /** A majority has answered this round, or a later one. */
  answered(round: number): void {
    while (this.#open.length > 0 && this.#open[0]!.round <= round) this.#quorumAt = this.#open.shift()!.startedAt
  }
}
