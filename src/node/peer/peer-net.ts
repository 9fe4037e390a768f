/**
 * The links of a node to its peers: one TCP connection per pair of nodes, which carries packets whose meaning is not known here.
 *
 * Within a connection packets arrive in order and once; when it breaks, what was under way may be lost, and the layer above
 * repairs that. A peer is its node id and incarnation: a process that was started anew takes the place of its old connection
 * at once.
 *
 * Which connection stays, of two between the same two processes? The node with the smaller id decides, the other follows:
 * - both dialled at once: the one that came up first stays, the other is a duplicate;
 * - one comes while another has been there for longer: its dialler has lost that other one, or it would not dial, so the new
 *   one takes its place. (A node dials only whom it has no connection with.)
 *
 * Queues are bounded by what `send` refuses, memory for what comes in by what has arrived, strangers by the hello's timeout
 * and PEER_SOCKETS_MAX.
 */
import {createServer, Socket, type Server} from 'node:net'
import {assert} from '../../base/assert.ts'
import {formatAddress, type Address} from '../../base/address.ts'
import {PEER_DUPLICATE_MS, PEER_SOCKETS_MAX} from '../../constants.ts'
import {listenOn} from '../listen.ts'
import type {NodeLog} from '../log.ts'
import {Dialer, type PeerAddress} from './peer-dialer.ts'
import {isNodeId, type Hello} from './peer-hello.ts'
import {Link, type LinkHost, type PeerStats} from './peer-link.ts'

export type {PeerAddress} from './peer-dialer.ts'
export type {PeerStats} from './peer-link.ts'

export interface PeerNetOptions {
  /** 40 hex. */
  readonly nodeId: string
  /** New at every start of the process. */
  readonly incarnation: string
  readonly host: string
  /** The port, unless `listen` is told another; 0 or none = any free one. */
  readonly port?: number
  /** '' = none yet: joining. Asked at each hello. */
  clusterId(): string
  /** All nodes of a cluster have the same one; it never travels. */
  readonly secret: string | null
  /** Where to dial peers instead of their own address, host:port. */
  readonly via?: ReadonlyMap<string, Address>
  readonly log: NodeLog
}

/** Any of these may call back into the net. */
export interface PeerNetEvents {
  /** The bytes are the receiver's: nothing writes to them again. To keep a few of them for long, copy them (they may pin 64 KB). */
  packet(from: string, incarnation: string, bytes: Buffer): void
  /** A connection is there. One that replaces another is preceded by `disconnected`. */
  connected(id: string, incarnation: string): void
  /** It is gone; packets under way may be lost. Also told during `setPeers` and `close`. */
  disconnected(id: string): void
  /**
   * One side turned the other away: another cluster, another secret, another version, our own id, another node than expected,
   * damaged frames. `address` is null if it is none of the peers. `isAboutUs`: false
   * if it called, and may have looked for somebody else here, and if we found somebody else there.
   */
  refused(address: PeerAddress | null, reason: string, isAboutUs: boolean): void
}

export class PeerNet {
  readonly stats: PeerStats = {bytesIn: 0, bytesOut: 0, packetsIn: 0, packetsOut: 0, connects: 0}
  readonly #options: PeerNetOptions
  readonly #events: PeerNetEvents
  readonly #server: Server
  readonly #host: LinkHost
  readonly #dialers = new Map<string, Dialer>()
  readonly #open = new Map<string, Link>()
  /** Every link that has a socket. */
  readonly #links = new Set<Link>()
  #closing: Promise<void> | null = null
  #onEmpty: (() => void) | null = null
  #lastStranger = ''

  constructor(options: PeerNetOptions, events: PeerNetEvents) {
    assert(isNodeId(options.nodeId), 'a node id is 40 hex digits')
    this.#options = options
    this.#events = events
    this.#host = this.#makeHost()
    this.#server = createServer((socket) => {
      if (this.#closing) socket.destroy()
      else this.#links.add(new Link(this.#host, socket, null))
    })
    this.#server.maxConnections = PEER_SOCKETS_MAX
    // A peer that gave up before it was accepted, no descriptor left: it dials again.
    this.#server.on('error', (error) => options.log.debug({error: error.message}, 'a peer was not accepted'))
  }

  /** Takes the port, 0 = any free one, and resolves with it. Errors: E_PORT_IN_USE, E_ADDRESS. */
  listen(port = this.#options.port ?? 0): Promise<number> {
    return listenOn(this.#server, {host: this.#options.host, port}, {name: 'peer port', flag: '--peer-port'})
  }

  /**
   * The nodes to be connected with from now on; our own id is passed over. Those no longer named are disconnected, after what is
   * queued was sent; one with another address is dialled there, unless it is connected by its own call. A node that is not named
   * and connects to us may stay: it may be named soon. Without effect after `close`.
   */
  setPeers(peers: readonly PeerAddress[]): void {
    if (this.#closing) return
    const named = new Map(peers.filter(({id}) => id !== this.#options.nodeId).map((peer) => [peer.id, peer]))
    for (const [id, dialer] of [...this.#dialers]) {
      const peer = named.get(id)
      if (!peer) this.#drop(id, dialer)
      else if (!isSameAddress(peer, dialer.address)) this.#move(peer, dialer)
    }
    for (const peer of named.values()) if (!this.#dialers.has(peer.id)) this.#addPeer(peer)
  }

  /**
   * Sends a packet of up to PEER_PACKET_BYTES_MAX with all others of this turn of the loop. The bytes must not change until the
   * peer has had them; one buffer may go to several peers. False: not connected, or its queue is full (PEER_QUEUE_BYTES_MAX); nothing was queued.
   */
  send(id: string, bytes: Buffer): boolean {
    return this.#open.get(id)?.send(bytes) ?? false
  }

  isConnected(id: string): boolean {
    return this.#open.has(id)
  }

  /** Bytes for this peer that the system has not taken yet. */
  queuedBytes(id: string): number {
    return this.#open.get(id)?.queuedBytes ?? 0
  }

  /** Says goodbye to all peers and resolves when no socket and no timer is left, after PEER_GOODBYE_TIMEOUT_MS at the latest. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  async #closeAll(): Promise<void> {
    // A caller that is told of a lost connection finds the net closing.
    await Promise.resolve()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const dialer of this.#dialers.values()) dialer.stop()
    this.#dialers.clear()
    for (const link of [...this.#links]) {
      if (link.state === 'open') link.sayGoodbye()
      else link.destroyUnlessEnding()
    }
    if (this.#links.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve))
    await closed
  }

  #makeHost(): LinkHost {
    const {nodeId, incarnation, secret} = this.#options
    return {
      secret,
      stats: this.stats,
      hello: (): Hello => ({nodeId, incarnation, clusterId: this.#options.clusterId()}),
      mayOpen: (link) => this.#mayOpen(link),
      opened: (link) => this.#opened(link),
      packet: (link, bytes) => this.#events.packet(link.peer!.nodeId, link.peer!.incarnation, bytes),
      left: (link) => this.#left(link),
      refused: (link, reason) => this.#refused(link, reason),
      gone: (link) => this.#gone(link),
    }
  }

  /** Nobody can call a node of which nobody knows. */
  get #isStranger(): boolean {
    return this.#options.clusterId() === ''
  }

  #addPeer(peer: PeerAddress): void {
    const dialer = new Dialer(peer, this.#options.nodeId < peer.id || this.#isStranger, (address) =>
      this.#dial(address),
    )
    this.#dialers.set(peer.id, dialer)
    if (!this.#open.has(peer.id)) dialer.begin()
  }

  #drop(id: string, dialer: Dialer): void {
    this.#dialers.delete(id)
    dialer.stop()
    this.#open.get(id)?.sayGoodbye()
  }

  #move(peer: PeerAddress, dialer: Dialer): void {
    this.#dialers.delete(peer.id)
    dialer.stop()
    const link = this.#open.get(peer.id)
    if (link && link.expectedId !== null) link.sayGoodbye()
    // `disconnected` may have called setPeers.
    if (!this.#dialers.has(peer.id)) this.#addPeer(peer)
  }

  #dial(address: PeerAddress): Link {
    const socket = new Socket()
    const link = new Link(this.#host, socket, address.id)
    this.#links.add(link)
    try {
      const {host, port} = this.#options.via?.get(formatAddress(address)) ?? address
      socket.connect({host, port})
    } catch (error) {
      // A port that is none. The peer is dialled again, as one that does not answer.
      socket.destroy(error as Error)
    }
    return link
  }

  #mayOpen(link: Link): boolean {
    const current = this.#open.get(link.peer!.nodeId)
    if (!current || current.peer!.incarnation !== link.peer!.incarnation) return true
    return performance.now() - current.openedAt >= PEER_DUPLICATE_MS
  }

  #opened(link: Link): void {
    const {nodeId, incarnation} = link.peer!
    this.#dialers.get(nodeId)?.finished(link)
    this.#open.get(nodeId)?.sayGoodbye()
    // Whoever was told of that may have dropped the peer, and closed the net.
    if (link.state !== 'open') return
    if (link.expectedId !== null && !this.#dialers.has(nodeId)) return link.sayGoodbye()
    this.#open.set(nodeId, link)
    this.#dialers.get(nodeId)?.rest()
    this.stats.connects++
    this.#options.log.info({peer: nodeId, incarnation, dialled: link.expectedId !== null}, 'peer connected')
    this.#events.connected(nodeId, incarnation)
  }

  #left(link: Link): void {
    const {nodeId} = link.peer!
    if (this.#open.get(nodeId) !== link) return
    this.#open.delete(nodeId)
    this.#options.log.info({peer: nodeId}, 'peer disconnected')
    this.#dialers.get(nodeId)?.retry(performance.now() - link.openedAt)
    this.#events.disconnected(nodeId)
  }

  #refused(link: Link, reason: string): void {
    const dialer = this.#dialers.get(link.expectedId ?? link.peer?.nodeId ?? '')
    dialer?.slowDown()
    const isNews = reason !== (dialer ? dialer.lastReason : this.#lastStranger)
    if (dialer) dialer.lastReason = reason
    else this.#lastStranger = reason
    const fields = {peer: dialer ? formatAddress(dialer.address) : 'unknown', reason}
    // The same words every second help nobody.
    this.#options.log[isNews ? 'warn' : 'debug'](fields, 'peer refused')
    const isAboutUs = link.expectedId !== null && !link.isMisled
    this.#events.refused(dialer?.address ?? null, reason, isAboutUs)
  }

  #gone(link: Link): void {
    this.#links.delete(link)
    const dialer = this.#dialers.get(link.expectedId ?? '')
    dialer?.finished(link)
    if (dialer && !this.#open.has(dialer.address.id)) dialer.retry(0)
    if (this.#links.size === 0) this.#onEmpty?.()
  }
}

function isSameAddress(a: PeerAddress, b: PeerAddress): boolean {
  return a.host === b.host && a.port === b.port
}
