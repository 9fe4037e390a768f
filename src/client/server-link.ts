/**
 * One server as the client knows it: the one connection to it, and whether it may be tried.
 *
 *   idle --connect--> opening --> open --lost, closed by the server, silent--> failed (until `#retryAtMs`) --connect--> opening
 *                        '---no answer---------------------------------------> failed
 *
 * Until its time has come, a failed server is not tried at all: whoever wants it is refused at once and looks elsewhere or waits. Each failure
 * in a row doubles the time; a connection that lasted wipes the past away. A server that has been silent for a whole reply timeout gets no
 * more requests on that connection, but who waits there goes on waiting: it may be slow, and answer yet.
 */
import {formatAddress, type Address} from '../base/address.ts'
import {CLIENT_IDLE_CONNECTIONS_MAX} from '../constants.ts'
import {KvError} from '../errors.ts'
import {Connection, type ConnectionOptions} from './connection.ts'
import {ClientError, ReplyError} from './errors.ts'
import type {Settings} from './options.ts'
import type {Push} from './reply.ts'

export interface ServerLinkEvents {
  onPush(push: Push): void
  /** The server's connection is gone, and not because we closed it. */
  onLost(link: ServerLink): void
}

export class ServerLink {
  readonly address: Address
  readonly name: string
  readonly #settings: Settings
  readonly #events: ServerLinkEvents
  #connection: Connection | undefined
  #opening: Promise<Connection> | undefined
  #openedMs = 0
  #failures = 0
  #retryAtMs = 0
  #lastError: ClientError | undefined
  /** Connections that transactions gave back. */
  readonly #idle: Connection[] = []
  #isClosed = false

  constructor(address: Address, settings: Settings, events: ServerLinkEvents) {
    this.address = address
    this.name = formatAddress(address)
    this.#settings = settings
    this.#events = events
  }

  /** The connection, if there is one that may be used. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  get isFailed(): boolean {
    return performance.now() < this.#retryAtMs
  }

  /** The connection, which all who ask for it at a time share. Errors: ClientError with outcome none, at once if it is too early to try again. */
  connect(): Promise<Connection> {
    if (this.#connection) return Promise.resolve(this.#connection)
    return (this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    }))
  }

  /** A request was not answered in time: if nothing at all has come for that long, the connection is given up for new requests. */
  suspect(connection: Connection): void {
    const {replyTimeoutMs} = this.#settings
    if (connection !== this.#connection || replyTimeoutMs === 0) return
    if (connection.silentMs(performance.now()) < replyTimeoutMs) return
    this.#connection = undefined
    connection.retire()
    this.#fail(new ClientError('E_CONNECT', 'none', `${this.name} has not answered for ${replyTimeoutMs} ms.`))
    this.#events.onLost(this)
  }

  /** A connection for one user at a time. Errors: as `connect`. */
  async lease(): Promise<Connection> {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) if (idle.isOpen) return idle
    return this.openOwn({})
  }

  /** A new connection, which is the caller's alone. Errors: as `connect`. */
  async openOwn(events: Pick<ConnectionOptions, 'onPush' | 'onClose'>): Promise<Connection> {
    this.#refuseIfEarly()
    return this.#dial(events)
  }

  /** Ends a lease; the connection is as it was when it was leased. */
  giveBack(connection: Connection): void {
    const isKept = connection.isOpen && !this.#isClosed && this.#idle.length < CLIENT_IDLE_CONNECTIONS_MAX
    if (isKept) this.#idle.push(connection)
    else connection.close()
  }

  /** Nobody needs the server any more: what is under way is still answered. */
  retire(): void {
    this.#isClosed = true
    this.#connection?.retire()
    this.#connection = undefined
    for (const idle of this.#idle.splice(0)) idle.close()
  }

  /** Ends all connections at once. */
  cut(): void {
    this.#isClosed = true
    this.#connection?.close()
    for (const idle of this.#idle.splice(0)) idle.close()
    void this.#opening?.then((connection) => connection.close()).catch(() => undefined)
  }

  /** Says goodbye. Never throws, and takes a bounded time. */
  async close(): Promise<void> {
    this.#isClosed = true
    const connections = [...this.#idle.splice(0), ...(this.#connection ? [this.#connection] : [])]
    this.#connection = undefined
    const opening = this.#opening?.then((connection) => connection.close()).catch(() => undefined)
    await Promise.all([opening, ...connections.map((connection) => connection.goodbye())])
  }

  async #open(): Promise<Connection> {
    this.#refuseIfEarly()
    const own: {connection?: Connection} = {}
    own.connection = await this.#dial({
      onPush: (push) => this.#events.onPush(push),
      onClose: (error) => this.#closed(own.connection, error),
    })
    const {connection} = own
    if (this.#isClosed) connection.retire()
    else if (connection.isOpen) {
      this.#connection = connection
      this.#openedMs = performance.now()
      // A server that does not know it says so; then MOVED has to tell.
      void connection.send(['CLIENT', 'MAINT_NOTIFICATIONS', 'ON']).catch(() => undefined)
    }
    return connection
  }

  async #dial(events: Pick<ConnectionOptions, 'onPush' | 'onClose'>): Promise<Connection> {
    const {connectTimeoutMs, replyTimeoutMs, password} = this.#settings
    try {
      return await Connection.connect(this.address, {connectTimeoutMs, replyTimeoutMs, password, ...events})
    } catch (error) {
      const cause = connectFailure(error, this.name)
      this.#fail(cause)
      throw cause
    }
  }

  #closed(connection: Connection | undefined, error: KvError | undefined): void {
    if (connection === undefined || connection !== this.#connection) return
    this.#connection = undefined
    if (error === undefined) return
    if (performance.now() - this.#openedMs > this.#settings.backoff.maxMs) this.#failures = 0
    this.#fail(new ClientError('E_CONNECT', 'none', error.message))
    this.#events.onLost(this)
  }

  #fail(error: ClientError): void {
    const {baseMs, maxMs, jitter} = this.#settings.backoff
    const delayMs = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures++, 30))
    this.#lastError = error
    this.#retryAtMs = performance.now() + delayMs * (1 - jitter * Math.random())
  }

  #refuseIfEarly(): void {
    if (this.#isClosed)
      throw new ClientError('E_CLOSED_UNSENT', 'none', `The client does not use ${this.name} any more.`)
    if (this.isFailed) throw this.#lastError!
  }
}

/** Words for a program's author instead of those for someone at a shell. */
function connectFailure(error: unknown, name: string): ClientError {
  if (error instanceof ReplyError) return error
  if (!(error instanceof KvError)) throw error
  const hints: Partial<Record<string, string>> = {
    E_CONNECT: 'Check the address, and that a node runs there (`kv node list` shows all of a cluster).',
    E_AUTH: 'See the option `password`.',
  }
  const message = error.code === 'E_AUTH' ? `${name}: ${error.message}` : error.message
  return new ClientError(error.code, 'none', message, hints[error.code] ?? error.hint)
}
