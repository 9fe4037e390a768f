/**
 * Gives the cluster core the real world: peers over TCP, the disk of Raft, the clock, and the client connections whose replies it holds back.
 *
 *   packets, ticks, durable writes --> Cluster --> packets, writes, sessions to release
 *
 * What the core wants done to client connections is done at the end of a turn, never in the middle of another connection's replies.
 *
 * How a node begins: with nothing stored and nobody to join it founds a cluster of one; with `join` it asks the named nodes who their
 * peers are and asks those to be let in; with something stored it comes back to the cluster it was in. A lone, empty one can be told
 * to join another cluster while it runs (`meet`): it begins anew then, without a new process.
 */
import {randomBytes} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Address} from '../base/address.ts'
import {Cluster} from '../core/cluster/cluster.ts'
import {NO_NODE} from '../core/cluster/cluster-map.ts'
import {KvError} from '../errors.ts'
import {endDuty} from './data-log.ts'
import {PeerNet} from './peer/peer-net.ts'
import {factsOf, keptAddresses, keptClusterId, writeBootstrap} from './cluster-facts.ts'
import {findPeers, noneToJoin, notLetIn} from './find-peers.ts'
import {refillLost} from './refill-lost.ts'
import type {ClusterEvent, ClusterHost, PeerAddress} from '../core/cluster/cluster-host.ts'
import type {MemberInfo} from '../core/cluster/cluster-map.ts'
import type {RaftState, RaftWrite} from '../core/consensus/types.ts'
import type {Engine} from '../core/engine.ts'
import type {Session} from '../core/session.ts'
import type {DataLog} from './data-log.ts'
import type {NodeLog} from './log.ts'
import type {RaftStorage} from './raft-store.ts'
import type {ClientServer} from './server.ts'

const TICK_MS = 25
const START_POLL_MS = 2
/** How long a node that joins waits to be let in. */
const JOIN_TIMEOUT_MS = 15_000
/** How long a node that comes back holds up its start for its cluster; after that clients are told that the cluster is down. */
const RETURN_TIMEOUT_MS = 3_000
const INCARNATION_BYTES = 8
const LEAVE_POLL_MS = 10
/** A node that leaves, holds nothing and has not heard of a leader for so long need not wait to be struck from the map. */
const LEADERLESS_MS = 2_000
const LAST_LINGER_MS = 300

export interface ClusterDriverOptions {
  readonly nodeId: string
  readonly host: string
  readonly secret: string | null
  readonly replicas: number
  readonly isVoterOnly: boolean
  /** Clients' addresses of nodes of the cluster to be joined. */
  readonly join: readonly Address[]
  /** Buckets that are lost because this node's memory went with its last process begin empty. */
  readonly acceptsLoss: boolean
  readonly plants: ReadonlySet<string>
  /** Where to dial peers instead of their own address, host:port. */
  readonly peerVia: ReadonlyMap<string, Address>
  /** The node keeps a data log; it holds no buckets then. */
  readonly dataLog: DataLog | null
  /** The data log failed: the node must stop. */
  failed(error: Error): void
  /** Opens what is kept of the cluster's past; again, when it was wiped. */
  openStore(): Promise<Stored>
}

/** What was kept of the last life. */
export interface Stored {
  readonly storage: RaftStorage
  readonly state: RaftState | null
  readonly facts: Readonly<Record<string, unknown>> | null
}

export class ClusterDriver implements ClusterHost {
  readonly #engine: Engine
  readonly #options: ClusterDriverOptions
  readonly #log: NodeLog
  #stored: Stored
  readonly #net: PeerNet
  readonly #incarnation = randomBytes(INCARNATION_BYTES).toString('hex')
  #cluster: Cluster | null = null
  #self: MemberInfo | null = null
  #server: ClientServer | null = null
  #timer: NodeJS.Timeout | null = null
  #isFlushPlanned = false
  readonly #toRelease: Session[] = []
  readonly #toAbort: Session[] = []
  #peers: readonly PeerAddress[] = []
  #factsSaved = ''
  #failure: Error | null = null
  /** Why a peer turned this node away, or ''. */
  #refusal = ''

  constructor(engine: Engine, options: ClusterDriverOptions, stored: Stored, log: NodeLog) {
    this.#engine = engine
    this.#options = options
    this.#stored = stored
    this.#log = log
    this.#net = new PeerNet(
      {
        nodeId: options.nodeId,
        incarnation: this.#incarnation,
        host: options.host,
        clusterId: () => this.#clusterId,
        secret: options.secret,
        via: options.peerVia,
        log,
      },
      {
        packet: (from, incarnation, bytes) => this.#input((c, now) => c.receive(from, incarnation, bytes, now)),
        connected: (id, incarnation) => this.#input((c, now) => c.connected(id, incarnation, now)),
        disconnected: (id) => this.#input((c) => c.disconnected(id)),
        refused: (_, reason, isAboutUs) => void (isAboutUs && (this.#refusal = reason)),
      },
    )
  }

  get cluster(): Cluster {
    if (!this.#cluster) throw new Error('the cluster core has not begun')
    return this.#cluster
  }

  /**
   * Opens the data log, if the node keeps one. Before it listens: opening takes a while, and a peer that connects while there is no cluster
   * yet is not heard of again. Errors: E_JOIN, E_LOG and its kin.
   */
  async openLog(): Promise<void> {
    const {dataLog} = this.#options
    if (dataLog && this.isFounder)
      throw new KvError('E_JOIN', 'a data log is of a cluster', 'name one of its nodes with --join host:port')
    await dataLog?.begin(keptClusterId(this.#stored.facts), {
      clusterId: () => this.cluster.map.clusterId,
      durable: (mark) => this.#input((c, now) => c.logged(mark, now)),
      failed: (error) => this.#options.failed(error),
    })
  }

  /** Takes the peer port, 0 = any free one; resolves with it. Errors: E_PORT_IN_USE, E_ADDRESS. */
  listen(port: number): Promise<number> {
    return this.#net.listen(port)
  }

  /** True if a cluster is founded: what the savefile brings is its content. */
  get isFounder(): boolean {
    return this.#stored.state === null && this.#rejoin.length === 0
  }

  /** Empty while it is not known. */
  get #clusterId(): string {
    return this.#cluster?.map.clusterId || keptClusterId(this.#stored.facts) || (this.#options.dataLog?.clusterId ?? '')
  }

  get #rejoin(): readonly Address[] {
    return this.#options.join.length > 0 ? this.#options.join : keptAddresses(this.#stored.facts)
  }

  /** Resolves when the node serves, or is at least a part of its cluster. `self`: where clients and peers find it. Errors: E_JOIN. */
  async begin(server: ClientServer, address: Address, peerPort: number, hasLoaded: boolean): Promise<void> {
    const {nodeId: id, isVoterOnly, join, dataLog} = this.#options
    this.#server = server
    const place = {...address, peerHost: address.host, peerPort, ...(dataLog && {log: dataLog.mode})}
    this.#self = {id, incarnation: this.#incarnation, ...place, isVoterOnly}
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    const {isFounder} = this
    if (isFounder) await this.#found()
    else {
      this.#makeCluster(this.#stored.state).join()
      await this.#findPeers()
    }
    const isJoining = join.length > 0
    await this.#untilAdmitted(isJoining || isFounder ? JOIN_TIMEOUT_MS : RETURN_TIMEOUT_MS)
    if (isJoining && !this.cluster.isAdmitted) throw notLetIn(this.cluster.joinProblem || this.#refusal)
    if (hasLoaded || this.#options.acceptsLoss) await refillLost(this.cluster, hasLoaded, RETURN_TIMEOUT_MS)
    await this.#untilServing()
  }

  /**
   * This node, alone and empty, joins the cluster of the node at this address. Errors: E_JOIN; it is then a cluster of its own as before,
   * but a new one.
   */
  async meet(address: Address): Promise<void> {
    const found = await findPeers([address], this.#self!)
    if ('problems' in found) throw new KvError('E_JOIN', `cannot join: ${found.problems.join('; ')}`)
    // Again, and of another MEET too: it took a while to ask.
    if (!this.#cluster?.isAdmitted || !this.#isAlone)
      throw new KvError('E_JOIN', 'it is joining, or a member of a cluster, already')
    if (this.#engine.keyspace.keyCount > 0) throw new KvError('E_JOIN', 'it is not empty any more')
    await this.#forgetCluster()
    this.#makeCluster(null).join()
    this.#net.setPeers(found.peers)
    await this.#untilAdmitted(JOIN_TIMEOUT_MS)
    if (this.cluster.isAdmitted) return
    const error = notLetIn(this.cluster.joinProblem || this.#refusal)
    this.#net.setPeers([])
    await this.#forgetCluster()
    await this.#found()
    await this.#untilAdmitted(JOIN_TIMEOUT_MS)
    await this.#untilServing()
    throw error
  }

  async #found(): Promise<void> {
    this.#makeCluster(await writeBootstrap(this.#options.nodeId, this.#stored.storage)).found(
      randomBytes(20).toString('hex'),
      this.#options.replicas,
    )
  }

  #makeCluster(state: RaftState | null): Cluster {
    const seed = randomBytes(4).readUInt32LE()
    const {plants, dataLog} = this.#options
    const options = {self: this.#self!, seed, now: performance.now(), state, plants}
    const log = dataLog ? {log: {sink: dataLog, positions: dataLog.positions}} : {}
    const cluster = new Cluster(this.#engine, {...options, ...log}, this)
    this.#cluster = cluster
    this.#engine.cluster = cluster
    return cluster
  }

  /** Nothing is agreed on here any more, in memory or on disk. */
  async #forgetCluster(): Promise<void> {
    this.#cluster?.abandon()
    this.#cluster = null
    this.#refusal = ''
    this.#factsSaved = ''
    await this.#stored.storage.wipe()
    this.#stored = await this.#options.openStore()
  }

  /** Gives all buckets to others and leaves; resolves to false if there is nobody to give them to. `isHasty` ends the waiting. */
  async leave(isHasty: () => boolean): Promise<boolean> {
    const cluster = this.#cluster
    if (!cluster) return false
    if (cluster.logDuty) return endDuty(cluster.logDuty, isHasty)
    const isAlone = (): boolean =>
      !cluster.map.members.some((other) => other && other.id !== cluster.self.id && !other.isDown)
    if (!cluster.isAdmitted || isAlone()) return cluster.isGone
    cluster.leave()
    let leaderSeenAt = performance.now()
    while (!cluster.isGone && !isAlone() && !isHasty()) {
      const now = performance.now()
      if (cluster.raft.leader !== null) leaderSeenAt = now
      // Those who would strike it from the map may have left, too.
      if (cluster.holdsNothing && now - leaderSeenAt > LEADERLESS_MS) break
      await sleep(LEAVE_POLL_MS)
    }
    // The last one stays a moment, so that the others learn that they are out.
    const hasLeft = cluster.isGone || (cluster.holdsNothing && !isHasty())
    if (hasLeft) await this.#saveFacts(true)
    else if (!isHasty()) await sleep(LAST_LINGER_MS)
    return hasLeft
  }

  stay(): void {
    this.#cluster?.stay()
  }

  /** Says goodbye to the peers. `isOver`: this node was the last one, and its cluster ends with it. */
  async end(isOver: boolean): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    await this.#net.close()
    await this.#options.dataLog?.close()
    if (isOver) await this.#stored.storage.wipe()
    else await this.#stored.storage.close()
  }

  /** The turn of the loop brought something that peers or clients wait for. */
  flushSoon(): void {
    if (this.#isFlushPlanned) return
    this.#isFlushPlanned = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#isFlushPlanned = false
    this.#cluster?.flush(performance.now())
    for (const session of this.#toAbort.splice(0)) this.#server?.find(session)?.destroy()
    for (const session of this.#toRelease.splice(0)) this.#server?.find(session)?.releaseHeld()
  }

  // ---- what the core asks for

  /** What the peer has acknowledged was written to its connection, whole, or that connection is gone. */
  readonly keepsPackets = false

  sendPacket(id: string, packet: Buffer): boolean {
    return this.#net.send(id, packet)
  }

  queuedBytes = (id: string): number => this.#net.queuedBytes(id)

  persist(write: RaftWrite): void {
    const done = (id: number): void => this.#input((c, now) => c.persisted(id, now))
    this.#stored.storage.write(write, done, (error) => this.#diskFailed(error))
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = peers
    this.#net.setPeers(peers)
    void this.#saveFacts(false)
  }

  release(session: Session): void {
    this.#toRelease.push(session)
    this.flushSoon()
  }

  abort(session: Session): void {
    this.#toAbort.push(session)
    this.flushSoon()
  }

  event(name: ClusterEvent, detail: Readonly<Record<string, unknown>>): void {
    if (name === 'entry' || name === 'entry-refused') this.#log.debug(detail, name)
    else this.#log.info(detail, `cluster: ${name}`)
  }

  // ---- inside

  #input(run: (cluster: Cluster, now: number) => void): void {
    const cluster = this.#cluster
    if (!cluster) return
    this.#engine.setTime(Date.now())
    run(cluster, performance.now())
    this.flushSoon()
  }

  #tick(): void {
    this.#input((cluster, now) => cluster.tick(now))
  }

  /** A node that cannot keep what it promised must not go on promising. */
  #diskFailed(error: Error): void {
    if (this.#failure) return
    this.#failure = error
    this.#log.error(
      {error: error.message},
      'the agreed log cannot be written: this node takes no part in agreement any more',
    )
  }

  async #findPeers(): Promise<void> {
    const known = this.#stored.facts?.['peers']
    if (Array.isArray(known) && this.#peers.length === 0) this.#net.setPeers(known as PeerAddress[])
    if (this.#rejoin.length === 0) return
    const found = await findPeers(this.#rejoin, {...this.#self!, clusterId: this.#clusterId})
    if ('peers' in found) return this.#net.setPeers(found.peers)
    if (this.#options.join.length === 0 && this.#stored.state) return
    const {problems} = found
    this.#log.error({host: this.#options.host, problems}, 'no node to join')
    throw noneToJoin(problems)
  }

  async #untilAdmitted(timeoutMs: number): Promise<void> {
    const {cluster} = this
    const until = performance.now() + timeoutMs
    // Who returns may be turned away by one who has not heard of it yet; of who is new the first word counts.
    const isNew = this.#stored.state === null
    const isRefused = (): boolean => cluster.joinProblem !== '' || (isNew && this.#refusal !== '')
    while (!cluster.isAdmitted && !isRefused() && performance.now() < until) {
      if (this.#failure) throw this.#failure
      await sleep(START_POLL_MS)
      this.#tick()
    }
  }

  /** A founder, and a lone node that comes back, serves at once; one that joins is given its buckets later. */
  async #untilServing(): Promise<void> {
    const {cluster} = this
    const until = performance.now() + RETURN_TIMEOUT_MS
    while (cluster.isAdmitted && this.#isAlone && !this.#servesAll() && performance.now() < until)
      await sleep(START_POLL_MS)
  }

  /** Nobody else is in the map. */
  get #isAlone(): boolean {
    return this.cluster.map.members.every((member) => member === null || member.id === this.#options.nodeId)
  }

  #servesAll(): boolean {
    const {map, roles, hasLease} = this.cluster
    return hasLease && roles.servingCount === map.master.reduce((count, slot) => count + Number(slot !== NO_NODE), 0)
  }

  async #saveFacts(hasLeft: boolean): Promise<void> {
    // Still being made, from what is on the disk already.
    if (!this.#cluster) return
    const facts = factsOf(this.#cluster.map, this.#options.nodeId, this.#clusterId, hasLeft ? [] : this.#peers)
    const text = JSON.stringify(facts)
    if (text === this.#factsSaved) return
    this.#factsSaved = text
    try {
      await this.#stored.storage.saveFacts(facts)
    } catch (error) {
      this.#log.warn({error: String(error)}, 'where the peers are was not written down')
    }
  }
}
