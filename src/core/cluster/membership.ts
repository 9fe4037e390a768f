/**
 * What a node asks of its cluster, and the leader's answers: to be let in, to be relieved, and every heartbeat a lease. All of it travels as loose
 * messages, which may be lost: what is wanted is asked for again until the agreed map, or a lease, shows that it was granted.
 *
 *   JOIN (id, incarnation, addresses)   -> JOIN_REPLY, and the entry `joined`
 *   LEASE (when it was asked for)       -> GRANT (how long from then on; once the log is applied up to its index)
 */
import {CLOCK_DRIFT, HEARTBEAT_MS} from '../../constants.ts'
import {MESSAGE_GRANT, MESSAGE_JOIN, MESSAGE_JOIN_REPLY, MESSAGE_LEASE} from '../peer/message.ts'
import {parseEntry} from './map-entry.ts'
import type {ClusterMap, MemberInfo} from './cluster-map.ts'
import type {Leader} from './leader.ts'
import type {Links} from './links.ts'
import type {MapEntry} from './map-entry.ts'
import type {Raft} from '../consensus/raft.ts'
import type {Gate} from '../replication/gate.ts'
import type {Link} from '../peer/link.ts'

const JOIN_MS = 200

export interface MembershipContext {
  readonly self: MemberInfo
  readonly gate: Gate
  readonly links: Links
  raft(): Raft
  map(): ClusterMap
  /** Null: this node does not lead. */
  leader(): Leader | null
  /** The agreed map has this incarnation in it. */
  isAdmitted(): boolean
  appliedIndex(): number
  now(): number
  propose(entry: MapEntry): void
  /** The leader does not know this node any more. */
  removed(): void
  refused(reason: string): void
}

export class Membership {
  readonly #c: MembershipContext
  #isJoining = false
  /** It asks to be relieved of everything and taken out of the map. */
  isLeaving = false
  #leaseAskedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  /** A lease that counts when the log is applied up to its index. */
  #pendingLease = {index: 0, until: Number.NEGATIVE_INFINITY}
  /** Why the cluster does not let this node in, or ''. */
  problem = ''

  constructor(context: MembershipContext) {
    this.#c = context
  }

  /** Asks to be let in, by whoever is connected, until it is. */
  join(): void {
    this.#isJoining = true
  }

  /** The agreed map has this node in it now. */
  admitted(): void {
    this.#isJoining = false
    this.#leaseAskedAt = Number.NEGATIVE_INFINITY
  }

  tick(): void {
    this.#askForLease()
    this.#askForMembership()
  }

  /** More of the log is applied. */
  applied(): void {
    const {index, until} = this.#pendingLease
    if (index <= this.#c.appliedIndex()) this.#takeLease(until, index)
  }

  /** The leader grants to itself, too, by the same rules. */
  renewOwn(): void {
    const {self} = this.#c
    const raft = this.#c.raft()
    if (!this.#c.leader() || !this.#c.isAdmitted()) return
    // The only voter need not wait for anybody; but it may have fallen by this.
    if (raft.committedConfig.voters.length === 1) raft.tick(this.#c.now())
    const now = this.#c.now()
    const grant = this.#c.leader()?.grant(self.id, self.incarnation, now)
    if (grant && grant.durationMs > 0) this.#takeLease(now + grant.durationMs * (1 - CLOCK_DRIFT), grant.index)
  }

  /** A loose message about this. */
  receive(link: Link, type: number, body: Buffer): void {
    if (type === MESSAGE_LEASE) this.#leaseAsked(link, body)
    else if (type === MESSAGE_GRANT) this.#granted(body)
    else if (type === MESSAGE_JOIN) this.#joinAsked(link, body)
    else if (type === MESSAGE_JOIN_REPLY) this.#joinAnswered(body)
  }

  #leaseAsked(link: Link, body: Buffer): void {
    const asked = parseJson(body)
    const leader = this.#c.leader()
    if (!leader || !asked || typeof asked['incarnation'] !== 'string') return
    const grant = leader.grant(link.peerId, asked['incarnation'], this.#c.now())
    sendJson(link, MESSAGE_GRANT, {sentAt: asked['sentAt'], ...grant})
  }

  #granted(body: Buffer): void {
    const grant = parseJson(body)
    if (!grant) return
    const {sentAt, durationMs, index, problem} = grant
    if (typeof sentAt !== 'number' || typeof durationMs !== 'number' || typeof index !== 'number') return
    // One who leads no more, or does not know all yet, may not have heard that we joined.
    if (problem === 'removed' && this.#c.isAdmitted() && index >= this.#c.appliedIndex()) return this.#c.removed()
    if (durationMs > 0) this.#takeLease(sentAt + durationMs * (1 - CLOCK_DRIFT), index)
  }

  #joinAsked(link: Link, body: Buffer): void {
    const asked = parseJson(body)
    const entry = asked && parseEntry(JSON.stringify({type: 'joined', member: asked['member']}))
    const leader = this.#c.leader()
    if (entry?.type !== 'joined' || !leader) return
    const clusterId = asked?.['clusterId']
    const isForeign = typeof clusterId === 'string' && clusterId !== '' && clusterId !== this.#c.map().clusterId
    const foreign = {status: 'refused', reason: 'it belongs to another cluster'}
    sendJson(link, MESSAGE_JOIN_REPLY, isForeign ? foreign : leader.join(entry.member, this.#c.now()))
  }

  #joinAnswered(body: Buffer): void {
    const verdict = parseJson(body)
    if (verdict?.['status'] !== 'refused' || this.#c.isAdmitted()) return
    this.problem = String(verdict['reason'])
    this.#c.refused(this.problem)
  }

  #askForLease(): void {
    const now = this.#c.now()
    if (!this.#c.isAdmitted() || now - this.#leaseAskedAt < HEARTBEAT_MS) return
    this.#leaseAskedAt = now
    const {links, self} = this.#c
    const raft = this.#c.raft()
    if (raft.role === 'leader') return this.renewOwn()
    const request = {sentAt: now, incarnation: self.incarnation}
    if (raft.leader !== null) return sendJson(links.connectedTo(raft.leader), MESSAGE_LEASE, request)
    // Whoever leads answers. One that was removed while it was cut off hears of no leader any more, and only so of its removal.
    for (const link of links.all) sendJson(link, MESSAGE_LEASE, request)
  }

  #takeLease(until: number, index: number): void {
    const {gate} = this.#c
    if (index > this.#c.appliedIndex()) {
      this.#pendingLease = {index, until}
      return
    }
    if (until <= gate.leaseUntil) return
    gate.leaseUntil = until
    gate.progress(this.#c.now())
  }

  #askForMembership(): void {
    const now = this.#c.now()
    if (now - this.#askedAt < JOIN_MS) return
    const {self, links} = this.#c
    const {id: node, incarnation} = self
    const known = this.#c.map().member(node)
    if (this.#c.isAdmitted()) {
      if (known?.isLeaving === this.isLeaving) return
      this.#askedAt = now
      return this.#c.propose({type: 'leaving', node, incarnation, isLeaving: this.isLeaving})
    }
    if (!this.#isJoining && !known) return
    this.#askedAt = now
    const leader = this.#c.leader()
    // Our own last incarnation is certainly dead: the data dir's lock says so.
    if (leader) leader.join(self, now)
    else {
      const {clusterId} = this.#c.map()
      for (const link of links.all) sendJson(link, MESSAGE_JOIN, {member: self, clusterId})
    }
  }
}

function sendJson(link: Link | null, type: number, value: unknown): void {
  link?.sendLoose(type, Buffer.from(JSON.stringify(value)))
}

function parseJson(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
