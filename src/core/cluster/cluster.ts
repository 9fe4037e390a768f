/**
 * A node's part in its cluster: joins Raft, the map, the links and the two halves of replication, and says what each change of the map means for the
 * buckets here. Deterministic, as the engine: time, packets and what was made durable come in; packets, writes and words to sessions go
 * out through `ClusterHost`.
 *
 *   packet -> link -> of the stream: inbox -> replica / master          loose: Raft, membership, proposals
 *   Raft commits an entry -> the map applies it -> `#changed`: members, links, roles of the buckets it changed
 *   tick -> membership (lease, join, leave), leader's duties, late peers
 *   flush (end of each turn) -> the turn's records and answers leave, one packet for each peer
 *
 * Until the agreed map has this incarnation of the node in it, it serves nothing and executes nothing that peers send (rule R1).
 */
import {ELECTION_TIMEOUT_MS, HEARTBEAT_MS, LEASE_MS, RAFT_COMPACT_ENTRIES} from '../../constants.ts'
import {EMPTY_STATE} from '../consensus/durable-state.ts'
import {Raft} from '../consensus/raft.ts'
import {decodeMessage, encodeMessage} from '../consensus/message-codec.ts'
import {Link} from '../peer/link.ts'
import {MESSAGE_PROPOSE, MESSAGE_PUBLISH, MESSAGE_RAFT} from '../peer/message.ts'
import {PeerRelay} from '../pubsub/relay.ts'
import {Inbox} from '../replication/inbox.ts'
import {Master} from '../replication/master.ts'
import {Recorder} from '../replication/recorder.ts'
import {Replica} from '../replication/replica.ts'
import {ReplicaSets} from '../replication/replica-sets.ts'
import {BucketRoles} from './bucket-roles.ts'
import {formatBuckets} from './bucket-ranges.ts'
import {ClusterMap, NO_NODE} from './cluster-map.ts'
import {Leader} from './leader.ts'
import {Links} from './links.ts'
import {LogDuty, memberLags} from './log-duty.ts'
import {Membership} from './membership.ts'
import {MoveNotices} from './move-notices.ts'
import {parseEntry} from './map-entry.ts'
import {fillLost, plantBugs, splitTransactions} from './plants.ts'
import type {ClusterHost, ClusterOptions} from './cluster-host.ts'
import type {Engine} from '../engine.ts'
import type {MapEntry} from './map-entry.ts'
import type {MemberLag} from './log-duty.ts'
import type {MemberInfo} from './cluster-map.ts'
import type {RaftEntry, RaftSnapshot} from '../consensus/types.ts'
import type {Gate} from '../replication/gate.ts'
import type {Roles} from '../replication/roles.ts'

export class Cluster {
  readonly self: MemberInfo
  readonly raft: Raft
  readonly sets: ReplicaSets
  readonly gate: Gate
  readonly roles: Roles
  readonly replica: Replica
  /** A data-log node's, in place of a replica's; null: this is none. */
  readonly recorder: Recorder | null
  readonly master: Master
  map = new ClusterMap()
  leader: Leader | null = null
  readonly #engine: Engine
  readonly #host: ClusterHost
  readonly links: Links
  readonly relay: PeerRelay
  readonly #membership: Membership
  readonly #inbox: Inbox
  readonly bucketRoles: BucketRoles
  #now: number
  #selfSlot = NO_NODE
  #wasAdmitted = false
  #appliedIndex = 0
  readonly #notices: MoveNotices
  readonly logDuty: LogDuty | null
  /** Entries of the data log up to this one are durable. */
  loggedMark = 0
  /** What `found` proposes, until it is proposed. */
  #genesis: MapEntry | null = null
  isGone = false
  /** Planted bug `log-ack-before-fsync`. */
  logsLate = false
  /** Planted bug `lost-is-empty`. */
  fillsLost = false

  constructor(engine: Engine, options: ClusterOptions, host: ClusterHost) {
    const {self, now, plants, log} = options
    this.self = self
    this.#engine = engine
    this.#host = host
    this.#now = now
    const {effects, parking} = engine
    const shared = {
      map: (): ClusterMap => this.map,
      selfSlot: (): number => this.#selfSlot,
      appliedIndex: (): number => this.#appliedIndex,
      now: (): number => this.#now,
      propose: (entry: MapEntry): void => this.propose(entry),
      linkOf: (slot: number): Link | null => this.links.ofSlot(slot),
      requestWork: (): void => engine.host.requestWork(),
    }
    this.#notices = new MoveNotices(engine.host)
    this.links = new Links((id, incarnation) => this.#newLink(id, incarnation))
    this.relay = new PeerRelay(engine.pubsub, {...shared, links: this.links, selfId: self.id, host})
    this.roles = engine.roles
    this.sets = new ReplicaSets(effects, shared.linkOf)
    this.gate = engine.openGate(this.sets, host)
    const replicaHost = {fenced: (bucket: number): void => this.bucketRoles.fenced(bucket)}
    this.recorder = log ? new Recorder(effects, replicaHost, log.sink, log.positions) : null
    this.replica = this.recorder ?? new Replica(effects, replicaHost)
    const {roles, replica, sets, gate} = this
    const {id: selfId, incarnation} = self
    this.master = new Master({...shared, effects, parking, roles, replica, sets, gate, selfId, incarnation})
    this.bucketRoles = new BucketRoles({...shared, roles, replica, master: this.master})
    this.#inbox = new Inbox(this.master, replica)
    this.#membership = new Membership({
      ...shared,
      self,
      raft: () => this.raft,
      gate,
      links: this.links,
      leader: () => this.leader,
      isAdmitted: () => this.isAdmitted && !this.isGone,
      removed: () => this.#begone(),
      refused: (reason) => host.event('join-refused', {reason}),
    })
    this.logDuty = this.recorder && new LogDuty({...shared, self, recorder: this.recorder})
    // It begins with what is on the disk: the snapshot's map, if there is one, is told of at once.
    this.raft = this.#makeRaft(options)
    gate.renew = (at) => {
      this.#advance(at)
      this.#membership.renewOwn()
    }
    plantBugs(plants, this)
    if (plants.has('split-transaction')) splitTransactions(effects, () => this.flush(this.#now))
  }

  #makeRaft({self, seed, now, state, plants}: ClusterOptions): Raft {
    const timing = {electionTimeoutMs: ELECTION_TIMEOUT_MS, heartbeatMs: HEARTBEAT_MS / 2}
    const options = {id: self.id, seed, now, ...timing, compactAfterEntries: RAFT_COMPACT_ENTRIES, plants}
    return new Raft(options, state ?? EMPTY_STATE, {
      send: (to, message) => this.links.connectedTo(to)?.sendLoose(MESSAGE_RAFT, encodeMessage(message)),
      persist: (write) => this.#host.persist(write),
      apply: (entry) => this.#apply(entry),
      restore: (snapshot) => this.#restore(snapshot),
      snapshot: () => this.map.toSnapshot(),
      roleChanged: (role, term, leader) => this.#roleChanged(role, term, leader),
    })
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
    this.bucketRoles.isFounder = true
    this.tick(this.#now)
  }

  /** Asks to be let in, by whoever is connected, until it is. */
  join(): void {
    this.#membership.join()
  }

  /** Asks to be relieved of everything and taken out of the map; `isGone` tells when that is done. */
  leave(): void {
    this.#membership.isLeaving = true
    this.tick(this.#now)
  }

  /** The stop was called off. */
  stay(): void {
    this.#membership.isLeaving = false
  }

  /** This node has nothing to do with its cluster any more: the host begins anew, or the map says so. */
  abandon(): void {
    this.isGone = true
    this.gate.leaseUntil = Number.NEGATIVE_INFINITY
    this.bucketRoles.abandon()
  }

  /** Why the cluster does not let this node in, or ''. */
  get joinProblem(): string {
    return this.#membership.problem
  }

  /** Proposes an entry to the agreed log, here or at the leader; it may be lost. */
  propose(entry: MapEntry): void {
    const text = JSON.stringify(entry)
    if (this.raft.role === 'leader') {
      this.raft.propose(text, this.#now)
      return
    }
    const {leader} = this.raft
    if (leader !== null) this.links.connectedTo(leader)?.sendLoose(MESSAGE_PROPOSE, Buffer.from(text))
  }

  /** A connection with this incarnation of a node is there. */
  connected(id: string, incarnation: string, now: number): void {
    this.#advance(now)
    this.links.connected(id, incarnation, this.#now)
  }

  disconnected(id: string): void {
    this.links.disconnected(id)
  }

  /** A packet came. The bytes are ours. */
  receive(id: string, incarnation: string, packet: Buffer, now: number): void {
    this.#advance(now)
    this.links.of(id, incarnation).receive(packet, this.#now)
  }

  /** Writes up to this one are durable. */
  persisted(id: number, now: number): void {
    this.#advance(now)
    this.raft.persisted(id, this.#now)
  }

  /** Entries of the data log up to this one are durable: their senders are told with the next flush. */
  logged(mark: number, now: number): void {
    this.#advance(now)
    this.loggedMark = mark
    for (const link of this.links.all) link.release(mark)
  }

  /** Several times a heartbeat. `now`: monotonic ms. */
  tick(now: number): void {
    this.#advance(now)
    if (this.isGone) return
    this.raft.tick(this.#now)
    if (this.#genesis && this.raft.role === 'leader' && this.map.revision === 0) {
      this.propose(this.#genesis)
      this.#genesis = null
    }
    this.#membership.tick()
    this.#engine.tracking.noteLease(this.hasLease)
    this.leader?.tick(this.#now)
    this.logDuty?.tick(this.#now)
    if (this.fillsLost) fillLost(this)
    for (const link of this.links.all) link.tick(this.#now)
    if (this.isAdmitted) this.master.tick(this.#now)
    this.bucketRoles.tick(this.#now)
    this.flush(this.#now)
  }

  /** Sends what the turn has brought. Called at the end of each turn of the loop. */
  flush(now: number): void {
    this.#advance(now)
    this.master.pump(this.#now)
    this.sets.flush()
    for (const link of this.links.all) link.endTurn(this.#now)
    this.gate.progress(this.#now)
    this.relay.flush()
    this.#engine.tracking.flush()
    this.#notices.flush()
  }

  /** Copies buckets to peers. True if there is more to do at once. */
  work(budget: number): boolean {
    if (!this.isAdmitted) return false
    const isCopying = this.master.copier.work(budget)
    return this.master.logs.work(budget) || isCopying
  }

  /** How far each data-log node is behind this node. */
  logLags(): readonly MemberLag[] {
    return memberLags(this.map, this.master.logs.lags(this.#now))
  }

  #begone(): void {
    if (this.isGone) return
    this.#host.event('removed', {})
    this.abandon()
  }

  // ---- Raft

  #roleChanged(role: string, term: number, leader: string | null): void {
    this.#host.event('leader', {role, term, leader})
    if (role !== 'leader') this.leader = null
    if (role !== 'leader' || this.leader) return
    const context = {
      raft: this.raft,
      selfId: this.self.id,
      map: () => this.map,
      appliedIndex: () => this.#appliedIndex,
      propose: (entry: MapEntry) => this.propose(entry),
    }
    // Of a cluster that is being founded nobody ever had a lease.
    this.leader = new Leader(context, this.#genesis ? this.#now - 2 * LEASE_MS : this.#now)
  }

  #apply(entry: RaftEntry): void {
    this.#appliedIndex = entry.index
    if (entry.kind === 'data') {
      const change = parseEntry(entry.data)
      const result = change && this.map.apply(change)
      if (change && result?.changed) {
        this.#host.event('entry', {index: entry.index, change})
        this.#changed(result.buckets, change.type, result.membersChanged)
      } else if (result?.error) this.#host.event('entry-refused', {error: result.error})
    }
    this.#membership.applied()
  }

  #restore(snapshot: RaftSnapshot): void {
    this.#appliedIndex = snapshot.index
    const {keepsSeats} = this.map
    this.map = snapshot.data === '' ? new ClusterMap() : ClusterMap.fromSnapshot(snapshot.data)
    this.map.keepsSeats = keepsSeats
    this.#changed(null, 'snapshot', true)
    this.#membership.applied()
  }

  /** The map changed: these buckets, or all (null). */
  #changed(buckets: readonly number[] | null, kind: MapEntry['type'] | 'snapshot', membersChanged: boolean): void {
    const wasAdmitted = this.isAdmitted
    if (membersChanged) this.#membersChanged()
    const isEverything = buckets === null || wasAdmitted !== this.isAdmitted
    this.bucketRoles.changed(isEverything ? null : buckets, kind)
    if (membersChanged && !isEverything) this.bucketRoles.membersChanged()
    this.#notices.note(this.map, buckets)
    this.gate.progress(this.#now)
    this.#engine.host.requestWork()
  }

  #membersChanged(): void {
    const own = this.map.member(this.self.id)
    this.#selfSlot = own?.incarnation === this.self.incarnation ? own.slot : NO_NODE
    if (this.isAdmitted && !this.#wasAdmitted) {
      this.#wasAdmitted = true
      this.#membership.admitted()
      this.#host.event('admitted', {slot: this.#selfSlot})
    }
    if (this.#wasAdmitted && own === null) this.#begone()
    this.links.follow(this.map, this.self.id)
    this.master.logs.membersChanged()
    const others = this.map.members.filter((member) => member !== null && member.id !== this.self.id)
    this.#host.setPeers(others.map((member) => ({id: member!.id, host: member!.peerHost, port: member!.peerPort})))
  }

  // ---- links

  #newLink(id: string, incarnation: string): Link {
    const link: Link = new Link(id, incarnation, this.self.incarnation, {
      sendPacket: (packet) => this.#host.sendPacket(id, packet),
      keepsPackets: this.#host.keepsPackets,
      // Not before both are in the map: what is executed is acknowledged.
      canExecute: () => this.isAdmitted && this.map.member(id)?.incarnation === incarnation,
      message: (type, body) => this.#inbox.receive(link, this.map.member(id)!.slot, type, body),
      loose: (type, body) => this.#loose(link, type, body),
      mark: () => (this.logsLate ? 0 : (this.recorder?.mark ?? 0)),
      broken: () => {
        this.#host.event('link-broken', {peer: id})
        const slot = this.map.member(id)?.slot
        if (slot !== undefined) this.master.linkBroken(slot)
      },
    })
    link.release(this.loggedMark)
    return link
  }

  #loose(link: Link, type: number, body: Buffer): void {
    if (type === MESSAGE_RAFT) {
      const message = decodeMessage(body)
      if (message) this.raft.step(link.peerId, message, this.#now)
    } else if (type === MESSAGE_PROPOSE) {
      const entry = parseEntry(body.toString())
      if (entry && this.raft.role === 'leader') this.propose(entry)
    } else if (type === MESSAGE_PUBLISH) this.relay.receive(body)
    else this.#membership.receive(link, type, body)
  }

  /** The clock goes on, never back. */
  #advance(now: number): void {
    if (now > this.#now) this.#now = now
  }
}
