/**
 * The client port: accepts connections, reads them all into one buffer, and knows who is connected.
 *
 * Node gives each accepted socket a fresh 64 KB buffer per read. `onread` avoids that, but only for sockets that one makes;
 * so the accepted handle is put into a socket of our own. Should a later Node hide the handle, plain `data` events serve.
 */
import {createServer, Socket} from 'node:net'
import {SHARED_READ_BYTES, UNREAD_REPLY_BYTES_MAX} from '../constants.ts'
import type {Server} from 'node:net'
import {LOOK_AHEAD_REQUESTS} from '../core/look-ahead.ts'
import {Request} from '../resp/request-decoder.ts'
import {Session} from '../core/session.ts'
import {Turn} from './turn.ts'
import {listenOn} from './listen.ts'
import {Connection} from './connection.ts'
import type {ConnectionPool} from './connection.ts'
import type {Engine} from '../core/engine.ts'

const BACKLOG = 511
const IDLE_CHECK_MS = 1000
/** How long a client that was turned away may take to read why, ms. */
const REJECT_MS = 1000

export class ClientServer implements ConnectionPool {
  readonly engine: Engine
  readonly turn = new Turn()
  readonly requests = Array.from({length: LOOK_AHEAD_REQUESTS}, () => new Request())
  readonly ends = new Array<number>(LOOK_AHEAD_REQUESTS).fill(0)
  readonly connections = new Map<number, Connection>()
  /** Set once there is a cluster. */
  flushSoon: () => void = () => undefined
  bytesIn = 0
  bytesOut = 0
  droppedBytes = 0
  received = 0
  rejected = 0
  maxClients: number
  unreadBytesMax = UNREAD_REPLY_BYTES_MAX
  /** Clients that were silent for so long are closed; 0 = never. */
  idleTimeoutS: number

  readonly #server: Server
  readonly #readBuffer = Buffer.allocUnsafeSlow(SHARED_READ_BYTES)
  #nextId = 1
  #idleTimer: NodeJS.Timeout | null = null
  /** Clients that connected before `open`; null = it is open. */
  #early: Socket[] | null = []

  constructor(engine: Engine, maxClients: number, idleTimeoutS: number) {
    this.engine = engine
    this.maxClients = maxClients
    this.idleTimeoutS = idleTimeoutS
    this.#server = createServer({pauseOnConnect: true, noDelay: true, keepAlive: true}, (socket) => {
      if (this.#early === null) return this.#accept(socket)
      socket.on('error', () => socket.destroy())
      this.#early.push(socket)
    })
    // A client that gave up before it was accepted, no descriptor left: that one is lost, not the node.
    this.#server.on('error', () => undefined)
  }

  /** Takes the port; clients may connect but are not served before `open`. Resolves with the port. Errors: E_PORT_IN_USE, E_ADDRESS. */
  listen(host: string, port: number): Promise<number> {
    return listenOn(this.#server, {host, port, backlog: BACKLOG}, {name: 'port', flag: '--port'})
  }

  /** Serves clients from now on. */
  open(): void {
    const early = this.#early ?? []
    this.#early = null
    for (const socket of early) this.#accept(socket)
    this.#idleTimer = setInterval(() => this.#closeIdle(), IDLE_CHECK_MS)
  }

  /** New connections are refused from now on. */
  stopListening(): void {
    this.#server.close()
    for (const socket of this.#early ?? []) socket.destroy()
  }

  /** Connections that owe their client a reply. Requests that wait for the end of a pause are not counted: they were not begun. */
  busyCount(): number {
    let busy = 0
    for (const connection of this.connections.values()) if (connection.isBusy) busy++
    return busy
  }

  /** Ends every connection once its replies are sent; `isNow`: at once. */
  closeAll(isNow: boolean): void {
    for (const connection of this.connections.values()) {
      if (isNow) connection.destroy()
      else connection.end()
    }
  }

  stopIdleTimer(): void {
    if (this.#idleTimer) clearInterval(this.#idleTimer)
  }

  /** Those that wait for us, watch others (MONITOR) or listen are not idle. */
  #closeIdle(): void {
    if (this.idleTimeoutS === 0) return
    const limit = Date.now() - this.idleTimeoutS * 1000
    for (const connection of this.connections.values()) {
      const {session} = connection
      const isListening = session.isMonitor || session.subscriptions !== null
      if (session.activeAt < limit && !connection.isWaiting && !isListening) connection.end()
    }
  }

  takeDroppedBytes(): number {
    const bytes = this.droppedBytes
    this.droppedBytes = 0
    return bytes
  }

  find(session: Session): Connection | undefined {
    return this.connections.get(session.id)
  }

  closed(connection: Connection): void {
    this.connections.delete(connection.session.id)
  }

  #accept(accepted: Socket): void {
    if (accepted.destroyed) return
    this.received++
    if (this.connections.size >= this.maxClients) {
      this.rejected++
      return this.#turnAway(accepted)
    }
    const address = `${accepted.remoteAddress ?? '?'}:${accepted.remotePort ?? 0}`
    const local = `${accepted.localAddress ?? '?'}:${accepted.localPort ?? 0}`
    const session = new Session(this.#nextId++, address, local, Date.now(), this.engine.password === '')
    const holder: {connection: Connection | null} = {connection: null}
    const socket = this.#adopt(accepted, holder)
    const connection = new Connection(this, session, socket)
    holder.connection = connection
    this.connections.set(session.id, connection)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => connection.onClose())
    socket.on('end', () => connection.end())
    socket.resume()
  }

  /** Says why and closes. What the client sent is read and dropped: unread, it would make the kernel drop our words instead. */
  #turnAway(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    socket.end('-ERR max number of clients reached\r\n')
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), REJECT_MS)
    socket.on('close', () => clearTimeout(timer))
  }

  /** The socket to use for an accepted connection, with our read buffer if that can be had. */
  #adopt(accepted: Socket, holder: {readonly connection: Connection | null}): Socket {
    const handle = (accepted as unknown as {_handle: {reading: boolean} | null})._handle
    if (!handle) return this.#readPlainly(accepted, holder)
    ;(accepted as unknown as {_handle: null})._handle = null
    handle.reading = false
    const onread = {
      buffer: this.#readBuffer,
      callback: (length: number, buffer: Uint8Array): boolean => holder.connection!.receive(buffer as Buffer, length),
    }
    const options = {handle, onread, allowHalfOpen: true}
    const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
    socket.setNoDelay(true)
    return socket
  }

  #readPlainly(socket: Socket, holder: {readonly connection: Connection | null}): Socket {
    socket.on('data', (bytes: Buffer) => {
      if (!holder.connection!.receive(bytes, bytes.length)) socket.pause()
    })
    return socket
  }
}
