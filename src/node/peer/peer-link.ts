/**
 * One TCP connection between two nodes, from the first byte to the last. Who dialled matters only for the proof; who has the
 * smaller node id decides whether the connection is opened, so that of two that come up at once both keep the same one:
 *
 *   connecting -> greeting -> proving -> deciding -> open -> ending -> closed
 *                 hello       proof      the smaller  packets,  what comes in is
 *                 both ways   both ways  id: open or  goodbye   dropped until the
 *                                        duplicate              socket is shut
 *
 * Any frame that has no place in the state, and any damaged one, ends the connection with a refusal that says why. Each state
 * can go to `ending` and to `closed`.
 */
import type {Socket} from 'node:net'
import {
  PEER_GOODBYE_TIMEOUT_MS,
  PEER_HELLO_TIMEOUT_MS,
  PEER_KEEPALIVE_MS,
  PEER_QUEUE_BYTES_MAX,
  PEER_REASON_BYTES_MAX,
} from '../../constants.ts'
import {encodeFrame, FRAME, FrameReader, type FrameType} from './peer-frame.ts'
import {decodeHello, encodeHello, judgeHello, judgeProof, makeProof, type Hello, type Role} from './peer-hello.ts'
import {Outbox} from './peer-outbox.ts'

export type LinkState = 'connecting' | 'greeting' | 'proving' | 'deciding' | 'open' | 'ending' | 'closed'

/** What may come when. */
const EXPECTED: Record<LinkState, readonly FrameType[]> = {
  connecting: [],
  greeting: [FRAME.hello, FRAME.refuse],
  proving: [FRAME.proof, FRAME.refuse],
  deciding: [FRAME.open, FRAME.duplicate, FRAME.refuse],
  open: [FRAME.packet, FRAME.goodbye, FRAME.refuse],
  ending: [],
  closed: [],
}

/** What has passed over the peer port since the start. */
export interface PeerStats {
  bytesIn: number
  bytesOut: number
  packetsIn: number
  packetsOut: number
  /** Connections that were opened. */
  connects: number
}

/** Who owns the links and knows all of them. */
export interface LinkHost {
  readonly secret: string | null
  readonly stats: PeerStats
  hello(): Hello
  /** Asked of the smaller id when the other has proved who it is. False: there is a connection already. */
  mayOpen(link: Link): boolean
  opened(link: Link): void
  packet(link: Link, bytes: Buffer): void
  /** It was open and is no more. */
  left(link: Link): void
  /** One side turned the other away. */
  refused(link: Link, reason: string): void
  /** The socket is gone. */
  gone(link: Link): void
}

export class Link {
  state: LinkState
  /** Who the other says it is; null until its hello was found good. */
  peer: Hello | null = null
  /** We had dialled, and found another node there, or ourselves. */
  isMisled = false
  /** When it was opened, ms of the monotonic clock. */
  openedAt = 0
  /** The node that was dialled; null if it was the other that dialled. */
  readonly expectedId: string | null
  readonly #host: LinkHost
  readonly #socket: Socket
  readonly #outbox: Outbox
  readonly #reader = new FrameReader((type, payload) => this.#take(type, payload))
  #own: Hello | null = null
  #ownHello: Buffer = Buffer.alloc(0)
  #wantedProof: Buffer = Buffer.alloc(0)
  #timer: NodeJS.Timeout | null

  /** The socket is connected, or connecting if `expectedId` says who was dialled. */
  constructor(host: LinkHost, socket: Socket, expectedId: string | null) {
    this.#host = host
    this.#socket = socket
    this.expectedId = expectedId
    this.state = 'connecting'
    this.#outbox = new Outbox(socket, (bytes) => {
      host.stats.bytesOut += bytes
    })
    this.#timer = setTimeout(() => this.destroy(), PEER_HELLO_TIMEOUT_MS)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, PEER_KEEPALIVE_MS)
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    // What is said in 'error' is followed by 'close', which is all that matters.
    socket.on('error', () => socket.destroy())
    socket.on('end', () => this.#leave())
    socket.on('close', () => this.#onClose())
    if (expectedId === null) this.#greet()
    else socket.on('connect', () => this.#greet())
  }

  /** Bytes that wait to be sent. */
  get queuedBytes(): number {
    return this.#outbox.bytes
  }

  /** Queues a packet; false if the connection is not open or too much waits already. */
  send(bytes: Buffer): boolean {
    if (this.state !== 'open' || this.#outbox.bytes + bytes.length > PEER_QUEUE_BYTES_MAX) return false
    this.#outbox.push(FRAME.packet, bytes)
    this.#host.stats.packetsOut++
    return true
  }

  /** Ends it in good order: what is queued is sent, then a goodbye. One that is not open yet is cut off. */
  sayGoodbye(): void {
    if (this.state !== 'open') return this.destroy()
    this.#outbox.push(FRAME.goodbye, Buffer.alloc(0))
    this.#outbox.flush()
    this.#leave()
  }

  /** Cuts it off, unless it is being ended in good order. */
  destroyUnlessEnding(): void {
    if (this.state !== 'ending') this.destroy()
  }

  /** Cuts it off. */
  destroy(): void {
    this.#socket.destroy()
    // The socket says 'close' only later, and until then nobody may take this for a connection.
    this.#become('closed')
  }

  #greet(): void {
    if (this.state !== 'connecting') return
    this.state = 'greeting'
    this.#own = this.#host.hello()
    this.#ownHello = encodeHello(this.#own)
    this.#say(FRAME.hello, this.#ownHello)
  }

  #receive(bytes: Buffer): void {
    this.#host.stats.bytesIn += bytes.length
    if (this.state === 'ending' || this.state === 'closed') return
    const fault = this.#reader.receive(bytes)
    if (fault !== null) this.#turnAway(`it sent ${fault}`)
  }

  /** True to go on reading. */
  #take(type: FrameType, payload: Buffer): boolean {
    if (type === FRAME.packet && this.state === 'open') {
      this.#host.stats.packetsIn++
      this.#host.packet(this, payload)
    } else if (EXPECTED[this.state].includes(type)) this.#takeControl(type, payload)
    else this.#turnAway(`it sent a frame of type ${type} out of turn`)
    return this.state !== 'ending' && this.state !== 'closed'
  }

  #takeControl(type: FrameType, payload: Buffer): void {
    if (type === FRAME.hello) this.#onHello(payload)
    else if (type === FRAME.proof) this.#onProof(payload)
    else if (type === FRAME.open) this.#onOpen()
    else if (type === FRAME.refuse) this.#onRefuse(payload)
    // A duplicate, or a goodbye.
    else this.#leave()
  }

  #onHello(bytes: Buffer): void {
    const hello = decodeHello(bytes)
    if (typeof hello === 'string') return this.#turnAway(hello)
    this.isMisled = this.expectedId !== null && this.expectedId !== hello.nodeId
    const reason = judgeHello(this.#own!, hello) ?? this.#judgeAddress(hello)
    if (reason !== null) return this.#turnAway(reason)
    this.peer = hello
    this.state = 'proving'
    const {secret} = this.#host
    const [mine, yours]: [Role, Role] = this.expectedId === null ? ['acceptor', 'dialler'] : ['dialler', 'acceptor']
    this.#wantedProof = makeProof(secret, yours, bytes, this.#ownHello)
    this.#say(FRAME.proof, makeProof(secret, mine, this.#ownHello, bytes))
  }

  #judgeAddress(hello: Hello): string | null {
    if (!this.isMisled) return null
    return `node ${hello.nodeId} answers at the address of node ${this.expectedId}`
  }

  #onProof(proof: Buffer): void {
    const reason = judgeProof(proof, this.#wantedProof)
    if (reason !== null) return this.#turnAway(reason)
    this.state = 'deciding'
    if (!this.#decides) return
    if (this.#host.mayOpen(this)) {
      this.#say(FRAME.open)
      this.#becomeOpen()
    } else {
      this.#say(FRAME.duplicate)
      this.#leave()
    }
  }

  /** The smaller id decides which connection stays. */
  get #decides(): boolean {
    return this.#own!.nodeId < this.peer!.nodeId
  }

  #onOpen(): void {
    if (this.#decides) this.#turnAway('it opened a connection that was not its to open')
    else this.#becomeOpen()
  }

  #becomeOpen(): void {
    this.#stopTimer()
    this.state = 'open'
    this.openedAt = performance.now()
    this.#reader.takesPackets = true
    this.#host.opened(this)
  }

  #onRefuse(payload: Buffer): void {
    // It goes to a log, and to a person: what could disturb either is left out.
    const reason = payload.toString('utf8', 0, PEER_REASON_BYTES_MAX).replace(/[\p{Cc}\ufffd]/gu, '')
    this.#leave()
    this.#host.refused(this, `it turned us away: ${reason}`)
  }

  /** Tells the other why, and us; what was queued for it is dropped. */
  #turnAway(reason: string): void {
    this.#outbox.discard()
    this.#say(FRAME.refuse, Buffer.from(reason).subarray(0, PEER_REASON_BYTES_MAX))
    this.#leave()
    this.#host.refused(this, reason)
  }

  #say(type: FrameType, payload?: Buffer): void {
    const frame = encodeFrame(type, payload)
    this.#socket.write(frame)
    this.#host.stats.bytesOut += frame.length
  }

  /**
   * Sends what the socket has and shuts it, soon in any case. What the other sends meanwhile is read and dropped: unread, it would make the
   * kernel drop our last words instead.
   */
  #leave(): void {
    if (this.state === 'ending' || this.state === 'closed') return
    this.#stopTimer()
    this.#timer = setTimeout(() => this.destroy(), PEER_GOODBYE_TIMEOUT_MS)
    this.#socket.end()
    this.#become('ending')
  }

  #onClose(): void {
    this.#become('closed')
    this.#host.gone(this)
  }

  #become(state: 'ending' | 'closed'): void {
    const wasOpen = this.state === 'open'
    this.state = state
    if (state === 'closed') this.#stopTimer()
    this.#outbox.discard()
    if (wasOpen) this.#host.left(this)
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }
}
