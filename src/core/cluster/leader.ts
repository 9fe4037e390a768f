/**
 * What the leader of the Raft group does besides leading it: grants leases, notices who is gone and who is back, admits those who join, chooses
 * voters, and carries the planner's orders into the log. All of it can be done by any leader at any time from the map alone; what it remembers
 * (who was heard of when, which leases run) begins anew with each leader, who therefore waits one full lease before it takes
 * anything away (rule R7).
 */
import {CLOCK_DRIFT, HEARTBEAT_MS, LEASE_MS, PLAN_BUCKETS_MAX, VOTERS_MAX} from '../../constants.ts'
import {FreshMasters} from './fresh-masters.ts'
import {plan} from './planner.ts'
import type {ClusterMap, Member, MemberInfo} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'
import type {Raft} from '../consensus/raft.ts'
import type {RaftConfig} from '../consensus/types.ts'

/** How long the planner's last orders may stay unapplied before they are given again. */
const PLAN_RETRY_MS = 1_000
/** A node id that answers under its old incarnation for so long after another asked to be let in is running twice. */
const TWICE_MS = LEASE_MS * 2

/** Who was not heard of for so long is declared down. */
const DOWN_MS = LEASE_MS * (1 + CLOCK_DRIFT)
/** Who was heard of within this certainly lived a moment ago. */
const HEARD_MS = HEARTBEAT_MS * 2
/** Who was not heard of for so long may be dead, too. */
const SUSPECT_MS = HEARTBEAT_MS * 3

export interface Grant {
  /** 0 = none. */
  readonly durationMs: number
  /** The holder must have applied the log up to here. */
  readonly index: number
  readonly problem: 'none' | 'unknown' | 'removed' | 'down' | 'no-quorum'
}

export interface JoinVerdict {
  readonly status: 'admitted' | 'wait' | 'refused'
  readonly reason: string
}

export interface LeaderContext {
  readonly raft: Raft
  readonly selfId: string
  map(): ClusterMap
  /** Index of the last entry of the log that the map has. */
  appliedIndex(): number
  propose(entry: MapEntry): void
}

export class Leader {
  readonly #c: LeaderContext
  readonly #since: number
  readonly #heardAt = new Map<string, number>()
  /** Until when each node may hold a lease. */
  readonly #grantedUntil = new Map<string, number>()
  /** Whom a proposal of ours takes its buckets from, and the index of that: no lease until it is applied or known to be void. */
  readonly #endingAt = new Map<string, number>()
  /** When another incarnation of this id first asked to be let in. */
  readonly #knockedAt = new Map<string, number>()
  readonly #fresh = new FreshMasters()
  #plannedAt = Number.NEGATIVE_INFINITY
  #plannedIndex = 0
  /** The planner had nothing to do at this revision of the map. */
  #settledRevision = -1

  /** `now`: when the node became leader, monotonic ms. */
  constructor(context: LeaderContext, now: number) {
    this.#c = context
    this.#since = now
  }

  /** True when it knows everything that was ever agreed, and old leases have run out. */
  isReady(now: number): boolean {
    return this.#hasCaughtUp && now - this.#since >= LEASE_MS * (1 + CLOCK_DRIFT)
  }

  get #hasCaughtUp(): boolean {
    const {raft} = this.#c
    return raft.role === 'leader' && raft.hasCommittedInTerm
  }

  /**
   * The lease that may be given now, to anybody or to itself. Not to one who is down, or about to be: its buckets go to others without waiting for a
   * lease of it (the simulator's seed 2504: a master that was cut off came back, and read on while its heir wrote).
   */
  grant(id: string, incarnation: string, now: number): Grant {
    const {raft} = this.#c
    const index = raft.commitIndex
    const member = this.#c.map().member(id)
    if (!member) return {durationMs: 0, index, problem: 'removed'}
    if (member.incarnation !== incarnation) return {durationMs: 0, index, problem: 'unknown'}
    this.#heardAt.set(id, now)
    if (member.isDown || (this.#endingAt.get(id) ?? 0) > this.#c.appliedIndex())
      return {durationMs: 0, index, problem: 'down'}
    const durationMs = Math.min(LEASE_MS, raft.quorumAt + LEASE_MS - now)
    if (!this.#hasCaughtUp || durationMs <= 0) return {durationMs: 0, index, problem: 'no-quorum'}
    this.#grantedUntil.set(id, Math.max(this.#grantedUntil.get(id) ?? 0, now + durationMs))
    return {durationMs, index, problem: 'none'}
  }

  /** A process asks to be a member. */
  join(info: MemberInfo, now: number): JoinVerdict {
    if (!this.#hasCaughtUp) return {status: 'wait', reason: 'the leader is new'}
    const known = this.#c.map().member(info.id)
    if (known?.incarnation === info.incarnation) {
      if (!sameAddress(known, info)) this.#c.propose({type: 'joined', member: info})
      return {status: 'admitted', reason: ''}
    }
    if (known && info.id !== this.#c.selfId) {
      const heard = now - (this.#heardAt.get(info.id) ?? Number.NEGATIVE_INFINITY)
      if (heard > LEASE_MS) this.#knockedAt.delete(info.id)
      const knocked = this.#knockedAt.get(info.id) ?? now
      this.#knockedAt.set(info.id, knocked)
      if (now - knocked > TWICE_MS && heard < LEASE_MS) {
        const where = `${known.host}:${known.port}`
        return {status: 'refused', reason: `node ${info.id} runs already, at ${where}: was its data dir copied?`}
      }
      // Its old process may still answer reads.
      if (!this.isReady(now) || this.#mayHoldLease(info.id, now)) return {status: 'wait', reason: 'its old lease runs'}
    }
    this.#heardAt.set(info.id, now)
    // What it is heard of from now on may be the new process; and killed once more it knocks anew.
    this.#knockedAt.delete(info.id)
    this.#c.propose({type: 'joined', member: info})
    this.#noteEnding(info.id)
    return {status: 'wait', reason: 'being agreed on'}
  }

  tick(now: number): void {
    if (!this.#hasCaughtUp) return
    for (const member of this.#c.map().members) if (member) this.#watch(member, now)
    this.#declareDown(now)
    this.#chooseVoters(now)
    this.#plan(now)
  }

  /** Voters as they should be: a config that is one step from the present one, or null. */
  nextConfig(now: number): RaftConfig | null {
    const {voters, learners} = this.#c.raft.config
    const wanted = this.#wantedVoters()
    const added = wanted.find((id) => !voters.includes(id))
    const next = added !== undefined ? [...voters, added] : this.#withoutOne(voters, wanted)
    const members = this.#c.map().members.filter((member) => member !== null)
    const rest = members.map(({id}) => id).filter((id) => !next.includes(id))
    if (sameIds(next, voters) && sameIds(rest, learners)) return null
    return this.#canAgree(next, now) ? {voters: next, learners: rest} : null
  }

  /** Those who are down go first: without them the others can agree on the rest. */
  #withoutOne(voters: readonly string[], wanted: readonly string[]): string[] {
    const surplus = voters.filter((id) => !wanted.includes(id))
    const isUp = (id: string): boolean => this.#c.map().member(id)?.isDown === false
    const removed = surplus.find((id) => !isUp(id)) ?? surplus[0]
    return voters.filter((id) => id !== removed)
  }

  /** True if a majority of these voters was just heard of. A config counts once it is in the log: one that cannot agree is the end. */
  #canAgree(voters: readonly string[], now: number): boolean {
    const {selfId} = this.#c
    const isHeard = (id: string): boolean => now - (this.#heardAt.get(id) ?? Number.NEGATIVE_INFINITY) <= HEARD_MS
    const heard = voters.filter((id) => id === selfId || isHeard(id))
    return heard.length * 2 > voters.length
  }

  #watch(member: Member, now: number): void {
    const {id, incarnation} = member
    if (id === this.#c.selfId) {
      if (member.isDown) this.#c.propose({type: 'up', node: id, incarnation})
      return
    }
    if (member.isDown && this.#silence(member, now) <= DOWN_MS && this.#heardAt.has(id))
      this.#c.propose({type: 'up', node: id, incarnation})
  }

  /**
   * Who is silent is down when its last lease has run out. All of them in one entry, and not while it is unclear of others: with one after the
   * other, the first's buckets would be left to the second alone, which may be dead, while the first comes back with all it had.
   */
  #declareDown(now: number): void {
    if (!this.isReady(now)) return
    const members = this.#c.map().members.filter((member) => member !== null)
    const up = members.filter(({id, isDown}) => !isDown && id !== this.#c.selfId)
    const silent = up.filter((member) => this.#silence(member, now) > DOWN_MS)
    const [first, ...rest] = silent.filter(({id}) => !this.#mayHoldLease(id, now))
    if (!first) return
    const isOverdue = this.#silence(first, now) > DOWN_MS + LEASE_MS
    const isUnclear = up.some((member) => !silent.includes(member) && this.#silence(member, now) > SUSPECT_MS)
    if (isUnclear && !isOverdue) return
    const also = rest.map(({id: node, incarnation}) => ({node, incarnation}))
    const {id: node, incarnation} = first
    this.#c.propose({type: 'down', node, incarnation, ...(also.length > 0 ? {also} : {})})
    for (const {node: id} of [{node}, ...also]) this.#noteEnding(id)
  }

  #noteEnding(id: string): void {
    this.#endingAt.set(id, this.#c.raft.lastIndex)
  }

  #silence({id}: Member, now: number): number {
    return now - (this.#heardAt.get(id) ?? this.#since)
  }

  #mayHoldLease(id: string, now: number): boolean {
    return now < (this.#grantedUntil.get(id) ?? 0) + LEASE_MS * CLOCK_DRIFT
  }

  #chooseVoters(now: number): void {
    const {raft, selfId} = this.#c
    const next = this.nextConfig(now)
    if (next === null) return
    if (next.voters.includes(selfId)) raft.changeConfig(next, now)
    else this.#handOn(next.voters, now)
  }

  /** This node is not to vote any more: another leads first. */
  #handOn(voters: readonly string[], now: number): void {
    const {raft, selfId} = this.#c
    const heir = voters.find((id) => id !== selfId && !this.#c.map().member(id)?.isDown)
    if (heir !== undefined) raft.transfer(heir, now)
  }

  /**
   * An odd number of those that live and stay, present voters before new ones. If they are even, a present voter that is down makes them odd: it may
   * come back. Who is down never becomes a voter: with it the others might not have a majority any more.
   */
  #wantedVoters(): string[] {
    const {voters} = this.#c.raft.config
    const members = this.#c.map().members.filter((member) => member !== null)
    const live = members.filter(({isDown}) => !isDown)
    // If all are leaving, one of them keeps the buckets to the end, and decides alone when the others are gone.
    const staying = live.filter(({isLeaving, slot}) => !isLeaving || this.#c.map().isUsable(slot))
    const pool = staying.length > 0 ? staying : live
    const rank = ({id}: Member): number => (voters.includes(id) ? 0 : 1)
    const ranked = [...pool].sort((a, b) => rank(a) - rank(b) || a.slot - b.slot)
    const spare = members.find(({id, isDown, isLeaving}) => isDown && !isLeaving && voters.includes(id))
    if (ranked.length % 2 === 0) {
      // Two voters would survive no crash at all, one survives that of the other.
      if (spare) ranked.push(spare)
      else ranked.pop()
    }
    return ranked.slice(0, VOTERS_MAX).map(({id}) => id)
  }

  #plan(now: number): void {
    const {raft} = this.#c
    const isOpen = this.#plannedIndex > this.#c.appliedIndex() && now - this.#plannedAt < PLAN_RETRY_MS
    if (isOpen) return
    const {revision} = this.#c.map()
    if (!this.isReady(now) || revision === this.#settledRevision) return
    this.#fresh.note(this.#c.map(), now)
    const entries = plan(this.#c.map(), {moving: PLAN_BUCKETS_MAX})
    if (entries.length === 0) {
      this.#settledRevision = revision
      return
    }
    for (const wanted of entries) {
      const entry = this.#fresh.without(wanted, now)
      if (entry === null) continue
      if (entry.type === 'removed' && raft.config.voters.includes(entry.node)) {
        // It votes until another does: its vote may be needed for that.
        if (entry.node === this.#c.selfId) this.#handOn(raft.config.voters, now)
        continue
      }
      this.#c.propose(entry)
    }
    this.#plannedAt = now
    this.#plannedIndex = raft.lastIndex
  }
}

function sameAddress(a: MemberInfo, b: MemberInfo): boolean {
  return a.host === b.host && a.port === b.port && a.peerHost === b.peerHost && a.peerPort === b.peerPort
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id))
}
