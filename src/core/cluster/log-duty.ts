/**
 * What a synchronous data-log node does to be counted on: when it has been in step with every bucket for a while, it proposes that masters wait for it. It is
 * not counted on any more by the same kind of entry (a master proposes it when the log node is late, the log node itself before it stops), or when it is down.
 */
import {BUCKET_COUNT, LOG_STEADY_MS, PROPOSAL_RETRY_MS} from '../../constants.ts'
import {NO_NODE} from './map-layout.ts'
import type {ClusterMap, LogMode, MemberInfo} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'
import type {LogLag} from '../replication/log-feeds.ts'
import type {Recorder} from '../replication/recorder.ts'

export interface LogDutyContext {
  readonly self: MemberInfo
  readonly recorder: Recorder
  map(): ClusterMap
  propose(entry: MapEntry): void
}

export class LogDuty {
  readonly #c: LogDutyContext
  /** Since when it is in step; monotonic ms. */
  #steadyAt = Number.POSITIVE_INFINITY
  #proposedAt = Number.NEGATIVE_INFINITY
  #isEnding = false

  constructor(context: LogDutyContext) {
    this.#c = context
  }

  /** The process is about to stop: nobody shall wait for it. True when that is so. */
  end(): boolean {
    this.#isEnding = true
    return !this.#c.map().member(this.#c.self.id)?.isLogOn
  }

  tick(now: number): void {
    const {id: node, incarnation} = this.#c.self
    const member = this.#c.map().member(node)
    const isIdle = member?.incarnation !== incarnation || member.log !== 'sync' || member.isDown || member.isLeaving
    if (this.#isEnding && member?.isLogOn) return this.#propose({type: 'log-sync', node, incarnation, isOn: false}, now)
    if (isIdle || this.#isEnding || member.isLogOn || !this.#isInStep()) {
      this.#steadyAt = Number.POSITIVE_INFINITY
      return
    }
    if (this.#steadyAt === Number.POSITIVE_INFINITY) this.#steadyAt = now
    if (now - this.#steadyAt >= LOG_STEADY_MS) this.#propose({type: 'log-sync', node, incarnation, isOn: true}, now)
  }

  #propose(entry: MapEntry, now: number): void {
    if (now - this.#proposedAt < PROPOSAL_RETRY_MS) return
    this.#proposedAt = now
    this.#c.propose(entry)
  }

  /** Every bucket that has a master is whole here. */
  #isInStep(): boolean {
    const {master} = this.#c.map()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (master[bucket] !== NO_NODE && !this.#c.recorder.isWhole(bucket)) return false
    }
    return true
  }
}

/** How far a data-log node is behind a master, for people. */
export interface MemberLag {
  readonly id: string
  readonly mode: LogMode
  readonly isOn: boolean
  /** Sent, and not known to be on its disk. */
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  /** Buckets of the master that it does not follow yet. */
  readonly buckets: number
}

export function memberLags({members}: ClusterMap, lags: readonly LogLag[]): MemberLag[] {
  return lags.flatMap(({slot, records, bytes, ms, buckets}) => {
    const member = members[slot]
    if (!member?.log) return []
    const {id, log: mode, isLogOn: isOn} = member
    return [{id, mode, isOn, records, bytes, seconds: ms / 1000, buckets}]
  })
}
