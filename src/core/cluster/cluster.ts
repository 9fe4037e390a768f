/**
 * A node's part in its cluster: joins Raft, the map, the links and the two halves of replication. Deterministic, as the engine: time, packets
 * and what was made durable come in; packets, writes and words to sessions go out through `ClusterHost`.
 *
 *   packet -> link -> message -> replica / master / leader / Raft
 *   Raft commits an entry -> the map applies it -> `#applied`: members, links, roles of the buckets it changed
 *   tick -> lease, join, leave, leader's duties, late peers
 *   flush (end of each turn) -> the turn's records and answers leave, one packet for each peer
 *
 * Until the agreed map has this incarnation of the node in it, it serves nothing and executes nothing that peers send (rule R1).
 */
import {
  BUCKET_COUNT,
  CLOCK_DRIFT,
  ELECTION_TIMEOUT_MS,
  HEARTBEAT_MS,
  LEASE_MS,
  PARK_MS,
  RAFT_COMPACT_ENTRIES,
} from '../../constants.ts'
import {Raft} from '../consensus/raft.ts'
import {decodeMessage, encodeMessage} from '../consensus/message-codec.ts'
import {Link} from '../peer/link.ts'
import {
  MESSAGE_AGREE,
  MESSAGE_AGREED,
  MESSAGE_GRANT,
  MESSAGE_IMAGE,
  MESSAGE_JOIN,
  MESSAGE_JOIN_REPLY,
  MESSAGE_LEASE,
  MESSAGE_PROPOSE,
  MESSAGE_RAFT,
  MESSAGE_RECORDS,
  MESSAGE_REFUSED,
  MESSAGE_SERVING,
  MESSAGE_SYNC_BEGIN,
  MESSAGE_SYNC_END,
  REFUSED_STALE,
  decodeEpochs,
  decodePositions,
  decodeSyncBegin,
  decodeVerdicts,
  encodeVerdicts,
} from '../peer/message.ts'
import type {Gate} from '../replication/gate.ts'
import {Master} from '../replication/master.ts'
import {Replica} from '../replication/replica.ts'
import {ReplicaSets} from '../replication/replica-sets.ts'
import type {Roles} from '../replication/roles.ts'
import {ROLE_DOWN, ROLE_FOREIGN, ROLE_HANDING, ROLE_SERVING, ROLE_WAITING} from '../replication/roles.ts'
import {formatBuckets} from './bucket-ranges.ts'
import {ClusterMap, NO_NODE} from './cluster-map.ts'
import {Leader} from './leader.ts'
import {MoveNotices} from './move-notices.ts'
import {parseEntry} from './map-entry.ts'
import {plantBugs, splitTransactions} from './plants.ts'
import type {Engine} from '../engine.ts'
import type {MapEntry} from './map-entry.ts'
import type {Member, MemberInfo} from './cluster-map.ts'
import type {RaftEntry, RaftSnapshot, RaftState, RaftWrite} from '../consensus/types.ts'
import type {Session} from '../session.ts'
import type {Verdict} from '../peer/message.ts'

const JOIN_MS = 200

export interface PeerAddress {
  readonly id: string
  readonly host: string
  readonly port: number
}

export interface ClusterHost {
  sendPacket(id: string, packet: Buffer): boolean
  /** Makes it durable, in order, and says so by `Cluster.persisted`, not from within this call. */
  persist(write: RaftWrite): void
  /** The nodes to be connected with. */
  setPeers(peers: readonly PeerAddress[]): void
  release(session: Session): void
  abort(session: Session): void
  /** Something that an operator may want to read. */
  event(name: ClusterEvent, detail: Readonly<Record<string, unknown>>): void
}

export type ClusterEvent =
  'admitted' | 'removed' | 'join-refused' | 'leader' | 'entry' | 'link-broken' | 'entry-refused'

export interface ClusterOptions {
  readonly self: MemberInfo
  /** 32 bits. */
  readonly seed: number
  /** Monotonic ms. */
  readonly now: number
  /** What was durable at start; null: nothing. */
  readonly state: RaftState | null
  /** What KV_PLANT names: faults on purpose. */
  readonly plants: ReadonlySet<string>
}

export class Cluster {
  readonly self: MemberInfo
  readonly raft: Raft
  readonly sets: ReplicaSets
  readonly gate: Gate
  readonly roles: Roles
  readonly replica: Replica
  readonly master: Master
  map = new ClusterMap()
  leader: Leader | null = null
  readonly #engine: Engine
  readonly #host: ClusterHost
  /** By node id, then incarnation: one connected, and the one of the map. */
  readonly #links = new Map<string, Map<string, Link>>()
  /** All of them; null when one came or went. */
  #linkList: readonly Link[] | null = null
  readonly #bySlot: (Link | null)[] = []
  #now: number
  #selfSlot = NO_NODE
  #wasAdmitted = false
  #appliedIndex = 0
  #isJoining = false
  #isLeaving = false
  #askedAt = Number.NEGATIVE_INFINITY
  #joinedAt = Number.NEGATIVE_INFINITY
  /** A lease that counts when the log is applied up to its index. */
  #pendingLease = {index: 0, until: Number.NEGATIVE_INFINITY}
  #refused = new Map<Link, Verdict[]>()
  readonly #notices: MoveNotices
  #claimAtGenesis = false
  isGone = false
  /** Planted bugs. */
  keepsSeat = false
  fillsLost = false
  /** Why the cluster does not let this node in, or ''. */
  joinProblem = ''

  constructor(engine: Engine, options: ClusterOptions, host: ClusterHost) {
    const {self, seed, now, state, plants} = options
    this.self = self
    this.#engine = engine
    this.#host = host
    this.#now = now
    const {effects, parking} = engine
    this.#notices = new MoveNotices(engine.host)
    const linkOf = (slot: number): Link | null => this.#bySlot[slot] ?? null
    this.roles = engine.roles
    this.sets = new ReplicaSets(effects, linkOf)
    this.gate = engine.openGate(this.sets, host)
    this.replica = new Replica(effects, {fenced: (bucket) => this.#fenced(bucket)})
    this.master = new Master({
      effects,
      parking,
      roles: this.roles,
      replica: this.replica,
      sets: this.sets,
      gate: this.gate,
      selfId: self.id,
      incarnation: self.incarnation,
      map: () => this.map,
      selfSlot: () => this.#selfSlot,
      linkOf,
      appliedIndex: () => this.#appliedIndex,
      now: () => this.#now,
      propose: (entry) => this.propose(entry),
    })
    this.gate.renew = (at) => this.#renewOwn(at)
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.roles.set(bucket, ROLE_DOWN, now)
    this.#claimAtGenesis = state === null
    this.raft = new Raft(
      {
        id: self.id,
        seed,
        now,
        electionTimeoutMs: ELECTION_TIMEOUT_MS,
        heartbeatMs: HEARTBEAT_MS / 2,
        compactAfterEntries: RAFT_COMPACT_ENTRIES,
        plants,
      },
      state ?? {term: 0, vote: null, snapshot: null, entries: []},
      {
        send: (to, message) => this.#connected(to)?.sendLoose(MESSAGE_RAFT, encodeMessage(message)),
        persist: (write) => host.persist(write),
        apply: (entry) => this.#apply(entry),
        restore: (snapshot) => this.#restore(snapshot),
        snapshot: () => this.map.toSnapshot(),
        roleChanged: (role, term, leader) => this.#roleChanged(role, term, leader),
      },
    )
    plantBugs(plants, this)
    if (plants.has('split-transaction')) splitTransactions(effects, () => this.flush(this.#now))
  }

  get selfSlot(): number {
    return this.#selfSlot
  }

  get appliedIndex(): number {
    return this.#appliedIndex
  }

  get now(): number {
    return this.#now
  }

  /** The agreed map has this incarnation in it. */
  get isAdmitted(): boolean {
    return this.#selfSlot !== NO_NODE
  }

  /** It has given everything away, as far as it knows: whether the rest of the cluster strikes it from the map costs nobody anything. */
  get holdsNothing(): boolean {
    const {inSync, syncing} = this.map
    return !inSync.includes(this.#selfSlot) && !syncing.includes(this.#selfSlot)
  }

  get hasLease(): boolean {
    return this.#now < this.gate.leaseUntil
  }

  /** Begins a cluster of one; all buckets (or only `buckets`) are here, as they are. Only with `Raft.bootstrap` as the state. */
  found(clusterId: string, replicas: number, buckets: readonly number[] | null = null): void {
    const some = buckets === null ? {} : {buckets: formatBuckets(buckets)}
    this.#genesis = {type: 'genesis', clusterId, replicas, member: this.self, ...some}
    this.#claimAtGenesis = true
    this.tick(this.#now)
  }

  #genesis: MapEntry | null = null

  /** Asks to be let in, by whoever is connected, until it is. */
  join(): void {
    this.#isJoining = true
  }

  /** Asks to be relieved of everything and taken out of the map; `isGone` tells when that is done. */
  leave(): void {
    this.#isLeaving = true
    this.tick(this.#now)
  }

  /** The stop was called off. */
  stay(): void {
    this.#isLeaving = false
  }

  /** Proposes an entry to the agreed log, here or at the leader; it may be lost. */
  propose(entry: MapEntry): void {
    const text = JSON.stringify(entry)
    if (this.raft.role === 'leader') {
      this.raft.propose(text, this.#now)
      return
    }
    const {leader} = this.raft
    if (leader !== null) this.#connected(leader)?.sendLoose(MESSAGE_PROPOSE, Buffer.from(text))
  }

  /** A connection with this incarnation of a node is there. */
  connected(id: string, incarnation: string, now: number): void {
    this.#now = Math.max(this.#now, now)
    for (const [other, link] of this.#links.get(id) ?? []) if (other !== incarnation) link.disconnected()
    this.#link(id, incarnation).connected(this.#now)
  }

  disconnected(id: string): void {
    for (const link of this.#links.get(id)?.values() ?? []) link.disconnected()
  }

  /** A packet came. The bytes are ours. */
  receive(id: string, incarnation: string, packet: Buffer, now: number): void {
    this.#now = Math.max(this.#now, now)
    this.#link(id, incarnation).receive(packet, this.#now)
    this.#sendRefused()
  }

  /** Writes up to this one are durable. */
  persisted(id: number, now: number): void {
    this.#now = Math.max(this.#now, now)
    this.raft.persisted(id, this.#now)
  }

  /** Several times a heartbeat. `now`: monotonic ms. */
  tick(now: number): void {
    this.#now = Math.max(this.#now, now)
    if (this.isGone) return
    this.raft.tick(this.#now)
    if (this.#genesis && this.raft.role === 'leader' && this.map.revision === 0) {
      this.propose(this.#genesis)
      this.#genesis = null
    }
    this.#askForLease()
    this.#askForMembership()
    this.leader?.tick(this.#now)
    if (this.fillsLost) this.#fillLost()
    for (const link of this.#allLinks()) link.tick(this.#now)
    if (this.isAdmitted) this.master.tick(this.#now)
    for (const bucket of this.roles.parkedSince(this.#now - PARK_MS)) this.roles.set(bucket, ROLE_DOWN, this.#now)
    this.flush(this.#now)
  }

  /** Planted bug `lost-is-empty`. */
  #fillLost(): void {
    const lost: number[] = []
    const {epoch, master} = this.map
    // Those that had a master once: the simulator begins with most buckets lost.
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (master[bucket] === NO_NODE && epoch[bucket]! > 1) lost.push(bucket)
    }
    if (lost.length > 0) this.propose({type: 'accept-loss', node: this.self.id, buckets: formatBuckets(lost)})
  }

  /** Sends what the turn has brought. Called at the end of each turn of the loop. */
  flush(now: number): void {
    this.#now = Math.max(this.#now, now)
    this.master.pump(this.#now)
    this.sets.flush()
    for (const link of this.#allLinks()) link.flush(this.#now)
    this.gate.progress(this.#now)
    this.#notices.flush()
  }

  /** Copies buckets to peers. True if there is more to do at once. */
  work(budget: number): boolean {
    return this.isAdmitted && this.master.copier.work(budget)
  }

  /** The member of this slot. */
  member(slot: number): Member | null {
    return this.map.members[slot] ?? null
  }

  linkState(slot: number): {isConnected: boolean; unackedBytes: number} {
    const link = this.#bySlot[slot]
    return {isConnected: link?.isConnected ?? false, unackedBytes: link?.unackedBytes ?? 0}
  }

  // ---- leases and membership

  #askForLease(): void {
    if (!this.isAdmitted || this.#now - this.#askedAt < HEARTBEAT_MS) return
    this.#askedAt = this.#now
    if (this.raft.role === 'leader') return this.#renewOwn(this.#now)
    const {leader} = this.raft
    const request = {sentAt: this.#now, incarnation: this.self.incarnation}
    if (leader !== null) return this.#sendJson(this.#connected(leader), MESSAGE_LEASE, request)
    // Whoever leads answers. One that was removed while it was cut off hears of no leader any more, and only so of its removal.
    for (const link of this.#allLinks()) this.#sendJson(link, MESSAGE_LEASE, request)
  }

  /** The leader grants to itself, too, by the same rules. */
  #renewOwn(now: number): void {
    this.#now = Math.max(this.#now, now)
    if (!this.leader || !this.isAdmitted || this.isGone) return
    if (this.raft.committedConfig.voters.length === 1) this.raft.tick(this.#now)
    // That tick may have ended its leading.
    if (!this.leader) return
    const grant = this.leader.grant(this.self.id, this.self.incarnation, this.#now)
    if (grant.durationMs > 0) this.#takeLease(this.#now + grant.durationMs * (1 - CLOCK_DRIFT), grant.index)
  }

  #takeLease(until: number, index: number): void {
    if (index > this.#appliedIndex) {
      this.#pendingLease = {index, until}
      return
    }
    if (until <= this.gate.leaseUntil) return
    this.gate.leaseUntil = until
    this.gate.progress(this.#now)
  }

  #granted(body: Buffer): void {
    const grant = parseJson(body)
    if (!grant) return
    const {sentAt, durationMs, index, problem} = grant
    if (typeof sentAt !== 'number' || typeof durationMs !== 'number' || typeof index !== 'number') return
    // One who leads no more, or does not know all yet, may not have heard that we joined.
    if (problem === 'removed' && this.isAdmitted && index >= this.#appliedIndex) return this.#begone()
    if (durationMs > 0) this.#takeLease(sentAt + durationMs * (1 - CLOCK_DRIFT), index)
  }

  #askForMembership(): void {
    if (this.#now - this.#joinedAt < JOIN_MS) return
    const {id, incarnation} = this.self
    if (this.isAdmitted && this.member(this.#selfSlot)!.isLeaving !== this.#isLeaving) {
      this.#joinedAt = this.#now
      this.propose({type: 'leaving', node: id, incarnation, isLeaving: this.#isLeaving})
    }
    if (this.isAdmitted || !(this.#isJoining || this.map.member(id))) return
    this.#joinedAt = this.#now
    if (this.leader) {
      // Our own last incarnation is certainly dead: the data dir's lock says so.
      if (this.leader.join(this.self, this.#now).status === 'admitted') return
    } else
      for (const link of this.#allLinks())
        this.#sendJson(link, MESSAGE_JOIN, {member: this.self, clusterId: this.map.clusterId})
  }

  #joinAsked(link: Link, body: Buffer): void {
    const asked = parseJson(body)
    const member = asked && parseEntry(JSON.stringify({type: 'joined', member: asked['member']}))
    if (!member || member.type !== 'joined' || !this.leader) return
    const {clusterId} = asked
    const isForeign = typeof clusterId === 'string' && clusterId !== '' && clusterId !== this.map.clusterId
    const verdict = isForeign
      ? {status: 'refused', reason: 'it belongs to another cluster'}
      : this.leader.join(member.member, this.#now)
    this.#sendJson(link, MESSAGE_JOIN_REPLY, verdict)
  }

  #joinAnswered(body: Buffer): void {
    const verdict = parseJson(body)
    if (verdict?.['status'] !== 'refused' || this.isAdmitted) return
    this.joinProblem = String(verdict['reason'])
    this.#host.event('join-refused', {reason: this.joinProblem})
  }

  #begone(): void {
    if (this.isGone) return
    this.isGone = true
    this.#host.event('removed', {})
    this.gate.leaseUntil = Number.NEGATIVE_INFINITY
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      this.master.resign(bucket, false)
      this.roles.set(bucket, this.map.master[bucket] === NO_NODE ? ROLE_DOWN : ROLE_FOREIGN, this.#now)
    }
  }

  // ---- Raft

  #roleChanged(role: string, term: number, leader: string | null): void {
    this.#host.event('leader', {role, term, leader})
    if (role !== 'leader') {
      this.leader = null
      return
    }
    if (this.leader) return
    const context = {
      raft: this.raft,
      selfId: this.self.id,
      map: () => this.map,
      propose: (entry: MapEntry) => this.propose(entry),
    }
    // Of a cluster that is being founded nobody ever had a lease.
    this.leader = new Leader(context, this.#genesis ? this.#now - 2 * LEASE_MS : this.#now)
    this.leader.appliedIndex = this.#appliedIndex
  }

  #apply(entry: RaftEntry): void {
    this.#appliedIndex = entry.index
    if (this.leader) this.leader.appliedIndex = entry.index
    if (entry.kind === 'data') {
      const change = parseEntry(entry.data)
      this.map.keepsSeats = this.keepsSeat
      const result = change && this.map.apply(change)
      if (change && result?.changed) {
        this.#host.event('entry', {index: entry.index, change})
        this.#changed(result.buckets, change.type, result.membersChanged)
      } else if (result?.error) this.#host.event('entry-refused', {error: result.error})
    }
    const {index, until} = this.#pendingLease
    if (index <= this.#appliedIndex) this.#takeLease(until, index)
  }

  #restore(snapshot: RaftSnapshot): void {
    this.#appliedIndex = snapshot.index
    if (this.leader) this.leader.appliedIndex = snapshot.index
    this.map = snapshot.data === '' ? new ClusterMap() : ClusterMap.fromSnapshot(snapshot.data)
    this.#changed(null, 'snapshot', true)
  }

  /** The map changed: these buckets, or all (null). */
  #changed(buckets: readonly number[] | null, kind: MapEntry['type'] | 'snapshot', membersChanged: boolean): void {
    const wasAdmitted = this.isAdmitted
    if (membersChanged) this.#membersChanged()
    const isEverything = buckets === null || wasAdmitted !== this.isAdmitted
    if (isEverything) for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.#refresh(bucket, kind)
    else for (const bucket of buckets) this.#refresh(bucket, kind)
    if (membersChanged && !isEverything) this.#refreshDown()
    this.#notices.note(this.map, buckets)
    this.gate.progress(this.#now)
    this.#engine.host.requestWork()
  }

  #membersChanged(): void {
    const own = this.map.member(this.self.id)
    this.#selfSlot = own?.incarnation === this.self.incarnation ? own.slot : NO_NODE
    if (this.isAdmitted && !this.#wasAdmitted) {
      this.#wasAdmitted = true
      this.#isJoining = false
      this.#askedAt = Number.NEGATIVE_INFINITY
      this.#host.event('admitted', {slot: this.#selfSlot})
    }
    if (this.#wasAdmitted && own === null) this.#begone()
    this.#bySlot.length = 0
    const peers: PeerAddress[] = []
    for (const member of this.map.members) {
      if (!member || member.id === this.self.id) continue
      this.#bySlot[member.slot] = this.#link(member.id, member.incarnation)
      peers.push({id: member.id, host: member.peerHost, port: member.peerPort})
    }
    this.#closeOldLinks()
    this.#host.setPeers(peers)
  }

  /** Links of incarnations that are neither in the map nor connected. */
  #closeOldLinks(): void {
    for (const [id, links] of this.#links) {
      for (const [incarnation, link] of links) {
        if (link.isConnected || this.map.member(id)?.incarnation === incarnation) continue
        link.close()
        links.delete(incarnation)
        this.#linkList = null
      }
      if (links.size === 0) this.#links.delete(id)
    }
  }

  /** The map's line of the bucket, and what it means here. */
  #refresh(bucket: number, kind: MapEntry['type'] | 'snapshot'): void {
    const {map, roles, master, replica} = this
    const slot = map.master[bucket]!
    if (!this.isAdmitted) {
      master.resign(bucket, false)
      roles.set(bucket, this.#foreignRole(slot), this.#now)
      return
    }
    // A peer has told of something newer: the log will, soon.
    if (!replica.learn(bucket, map.epoch[bucket]!, slot)) return
    if (this.keepsSeat && map.isInSync(bucket, this.#selfSlot)) replica.begin(bucket)
    if (slot === this.#selfSlot) {
      if (kind === 'genesis' ? this.#claimAtGenesis : kind === 'accept-loss' || kind === 'restore')
        replica.begin(bucket)
      return master.reignOver(bucket, kind)
    }
    master.resign(bucket, kind === 'move')
    master.noteMaster(bucket, slot)
    if (!map.isInSync(bucket, this.#selfSlot) && map.syncing[bucket] !== this.#selfSlot) {
      replica.drop(bucket, this.#appliedIndex)
    }
    roles.set(bucket, master.isDeparted(bucket) ? ROLE_HANDING : this.#foreignRole(slot), this.#now)
  }

  /** Masters went down or came back without a change of their buckets. */
  #refreshDown(): void {
    const {map, roles} = this
    const roleOf = Uint8Array.from({length: NO_NODE + 1}, (_, slot) => this.#foreignRole(slot))
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const role = roles.role[bucket]!
      const master = map.master[bucket]!
      const isForeign = role === ROLE_FOREIGN || (role === ROLE_DOWN && master !== this.#selfSlot)
      if (isForeign && role !== roleOf[master]) roles.set(bucket, roleOf[master]!, this.#now)
    }
  }

  #foreignRole(slot: number): number {
    const member = this.map.members[slot]
    return member && !member.isDown ? ROLE_FOREIGN : ROLE_DOWN
  }

  #fenced(bucket: number): void {
    if (this.master.servesAfterHandoff) return
    this.master.resign(bucket, false)
    const role = this.roles.role[bucket]
    if (role === ROLE_SERVING || role === ROLE_HANDING) this.roles.set(bucket, ROLE_WAITING, this.#now)
  }

  // ---- links

  #link(id: string, incarnation: string): Link {
    let links = this.#links.get(id)
    if (!links) {
      links = new Map()
      this.#links.set(id, links)
    }
    let link = links.get(incarnation)
    if (!link) {
      link = this.#newLink(id, incarnation)
      links.set(incarnation, link)
      this.#linkList = null
    }
    return link
  }

  #newLink(id: string, incarnation: string): Link {
    const link: Link = new Link(id, incarnation, this.self.incarnation, {
      sendPacket: (packet) => this.#host.sendPacket(id, packet),
      // Not before both are in the map: what is executed is acknowledged.
      canExecute: () => this.isAdmitted && this.map.member(id)?.incarnation === incarnation,
      message: (type, body) => this.#message(link, type, body),
      loose: (type, body) => this.#loose(link, type, body),
      acknowledged: () => undefined,
      broken: () => {
        this.#host.event('link-broken', {peer: id})
        const slot = this.map.member(id)?.slot
        if (slot !== undefined) this.master.linkBroken(slot)
      },
    })
    return link
  }

  #connected(id: string): Link | null {
    for (const link of this.#links.get(id)?.values() ?? []) if (link.isConnected) return link
    return null
  }

  #allLinks(): readonly Link[] {
    return (this.#linkList ??= [...this.#links.values()].flatMap((links) => [...links.values()]))
  }

  #loose(link: Link, type: number, body: Buffer): void {
    if (type === MESSAGE_RAFT) {
      const message = decodeMessage(body)
      if (message) this.raft.step(link.peerId, message, this.#now)
    } else if (type === MESSAGE_LEASE) this.#leaseAsked(link, body)
    else if (type === MESSAGE_GRANT) this.#granted(body)
    else if (type === MESSAGE_PROPOSE) this.#proposed(body)
    else if (type === MESSAGE_JOIN) this.#joinAsked(link, body)
    else if (type === MESSAGE_JOIN_REPLY) this.#joinAnswered(body)
  }

  #leaseAsked(link: Link, body: Buffer): void {
    const asked = parseJson(body)
    if (!this.leader || !asked || typeof asked['incarnation'] !== 'string') return
    const grant = this.leader.grant(link.peerId, asked['incarnation'], this.#now)
    this.#sendJson(link, MESSAGE_GRANT, {sentAt: asked['sentAt'], ...grant})
  }

  #proposed(body: Buffer): void {
    const entry = parseEntry(body.toString())
    if (entry && this.raft.role === 'leader') this.propose(entry)
  }

  #message(link: Link, type: number, body: Buffer): void {
    const slot = this.map.member(link.peerId)!.slot
    if (type === MESSAGE_RECORDS) this.#noteRefused(link, this.replica.records(slot, body))
    else if (type === MESSAGE_IMAGE) this.replica.image(slot, body)
    else if (type === MESSAGE_SYNC_BEGIN) this.#syncBegin(link, slot, body)
    else if (type === MESSAGE_SYNC_END) for (const line of decodeEpochs(body) ?? []) this.replica.syncEnd(slot, line)
    else if (type === MESSAGE_AGREE) this.#agree(link, slot, body)
    else if (type === MESSAGE_AGREED) this.master.agreed(slot, decodeVerdicts(body) ?? [])
    else if (type === MESSAGE_SERVING) this.master.serving(decodeEpochs(body) ?? [])
    else if (type === MESSAGE_REFUSED) {
      for (const bucket of this.master.refused(slot, decodeVerdicts(body) ?? [])) this.#fenced(bucket)
    }
  }

  #syncBegin(link: Link, slot: number, body: Buffer): void {
    const line = decodeSyncBegin(body)
    if (!line || this.replica.syncBegin(slot, line)) return
    this.#noteRefused(link, [{bucket: line.bucket, epoch: this.replica.fence[line.bucket]!, code: REFUSED_STALE}])
  }

  #agree(link: Link, slot: number, body: Buffer): void {
    const verdicts: Verdict[] = []
    for (const line of decodePositions(body) ?? []) {
      const isSame = this.replica.agree(slot, line)
      const {bucket, epoch} = line
      if (isSame === null) this.#noteRefused(link, [{bucket, epoch: this.replica.fence[bucket]!, code: REFUSED_STALE}])
      else verdicts.push({bucket, epoch, code: isSame ? 1 : 0})
    }
    if (verdicts.length > 0) link.append(MESSAGE_AGREED, encodeVerdicts(verdicts))
  }

  #noteRefused(link: Link, verdicts: readonly Verdict[]): void {
    if (verdicts.length === 0) return
    const list = this.#refused.get(link)
    if (list) list.push(...verdicts)
    else this.#refused.set(link, [...verdicts])
  }

  /** Before the acknowledgement that covers the refused records can leave. */
  #sendRefused(): void {
    if (this.#refused.size === 0) return
    for (const [link, verdicts] of this.#refused) link.append(MESSAGE_REFUSED, encodeVerdicts(verdicts))
    this.#refused = new Map()
  }

  #sendJson(link: Link | null, type: number, value: unknown): void {
    link?.sendLoose(type, Buffer.from(JSON.stringify(value)))
  }
}

function parseJson(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
