/**
 * One connection to one node: any number of requests in flight, replies matched to them in order.
 *
 *   connect --TCP--> --HELLO 3 (or AUTH)--> open --goodbye/close/peer closes/protocol error--> closed
 *
 * Nothing is ever sent twice and nothing is queued for later: when the connection ends, each request that was not
 * answered fails with a code that says whether it may have happened (see errors.ts). A request counts as sent from the
 * moment its bytes are handed to the socket, because from then on nobody can tell. Requests of one turn of the event
 * loop leave in one write, and so do those of callers that go on when a reply has come: `nextTick` runs when they have all had their say.
 *
 * The caller bounds what is in flight: a request waits in memory until the socket takes it. A reply that is late fails
 * its request but not the connection: order still tells whose it is when it comes. Time counts from the write. When the timer finds a request
 * late, what the socket has is read first; and if this process itself was held up, that time is not the server's.
 *
 * SUBSCRIBE and its kin are answered by pushes in RESP3, one for each channel; `subscribe` waits for these.
 */
import type {Socket} from 'node:net'
import {formatAddress, type Address} from '../base/address.ts'
import {CLIENT_GOODBYE_TIMEOUT_MS, CLIENT_READ_BYTES, CLIENT_REPLY_TIMEOUT_MS} from '../constants.ts'
import {KvError} from '../errors.ts'
import {ReplyDecoder} from './decoder.ts'
import type {Argument} from './encoder.ts'
import {ClientError, ReplyError, type Outcome} from './errors.ts'
import {shakeHands} from './handshake.ts'
import {isError, replyText, type Push, type Reply} from './reply.ts'
import {RequestWriter} from './request-writer.ts'
import {connectError, openSocket} from './socket.ts'

export interface ConnectionOptions {
  /** Milliseconds until the TCP connection must be there. */
  readonly connectTimeoutMs?: number
  /** Milliseconds until a reply must be there, counted from its request; 0 = wait for ever. */
  readonly replyTimeoutMs?: number
  readonly password?: string | undefined
  /** Protocol to ask for; with 3 (the default) a server that knows only 2 is spoken to in 2. */
  readonly resp?: 2 | 3
  /** Ends everything that is under way on this connection, and the connection. */
  readonly signal?: AbortSignal | undefined
  readonly onPush?: (push: Push) => void
  /** Called once, when the connection is over for whatever reason; undefined if we closed it. */
  readonly onClose?: (error: KvError | undefined) => void
}

/** Who waits for a reply; hears of it once, one way or the other. */
export interface ReplySink {
  /** The reply; an error reply is one. */
  onReply(reply: Reply, connection: Connection): void
  onLoss(error: ClientError, connection: Connection): void
  /** Milliseconds that it is willing to wait if that is less than the connection's own limit; asked when the request leaves. */
  patienceMs?(nowMs: number): number
}

/** A request that was not answered yet. */
export interface Pending {
  readonly sink: ReplySink
  readonly isText: boolean
  /** Pushes that answer it, if it is one of SUBSCRIBE's kin; else 0. */
  pushes: number
  /** Monotonic ms; both 0 until it is handed to the socket. */
  sentMs: number
  deadlineMs: number
  /** Nobody waits any more; its place in line stays until the reply comes. */
  isAbandoned: boolean
  next: Pending | undefined
}

/** All connections read into it: what is to stay is copied before the next read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(CLIENT_READ_BYTES)
/** Pushes that answer requests. */
const CONFIRMATIONS: ReadonlySet<string> = new Set(
  ['', 'p', 's'].flatMap((kind) => [`${kind}subscribe`, `${kind}unsubscribe`]),
)

export class Connection {
  readonly address: Address
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #replyTimeoutMs: number
  readonly #decoder: ReplyDecoder
  readonly #writer = new RequestWriter()
  #head: Pending | undefined
  #tail: Pending | undefined
  /** The first of those that wait for the end of this turn. */
  #firstUnsent: Pending | undefined
  #timer: NodeJS.Timeout | undefined
  /** When the timer is due, monotonic ms. */
  #dueMs = Infinity
  #chunks = 0
  #lastChunkMs = 0
  #isRetired = false
  #end: {readonly error: KvError | undefined} | undefined
  /** Protocol version that was agreed on. */
  #resp: 2 | 3 = 2

  /**
   * Connects and shakes hands. Errors: E_CONNECT (nothing there, or nothing that answers), E_AUTH, E_PROTOCOL, E_REPLY
   * (the node turned us away and said why), E_INTERRUPTED.
   */
  static async connect(address: Address, options: ConnectionOptions = {}): Promise<Connection> {
    let take = (_length: number): void => undefined
    const callback = (length: number): boolean => {
      take(length)
      return true
    }
    const socket = await openSocket(address, {...options, onread: {buffer: READ_BUFFER, callback}})
    const connection = new Connection(address, socket, options)
    take = (length) => connection.#takeBytes(READ_BUFFER.subarray(0, length))
    try {
      connection.#resp = await shakeHands((args) => connection.send(args), options)
      return connection
    } catch (error) {
      connection.close()
      throw handshakeError(error, address)
    }
  }

  private constructor(address: Address, socket: Socket, options: ConnectionOptions) {
    this.address = address
    this.#socket = socket
    this.#options = options
    this.#replyTimeoutMs = options.replyTimeoutMs ?? CLIENT_REPLY_TIMEOUT_MS
    this.#decoder = new ReplyDecoder({
      onReply: (reply) => this.#takeReply(reply),
      onPush: (push) => this.#takePush(push),
    })
    socket.on('error', (error) => this.#finish(`the connection to ${formatAddress(address)} broke (${error.message})`))
    socket.on('close', () => this.#finish(closedText(address, this.#decoder.isIdle)))
    options.signal?.addEventListener('abort', this.#abort, {once: true})
    if (options.signal?.aborted) this.#abort()
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  get resp(): 2 | 3 {
    return this.#resp
  }

  /** How long the oldest request that is waited for has been without any byte from the node, ms; 0 if nothing is waited for. */
  silentMs(nowMs: number): number {
    const oldest = this.#oldestAwaited()
    return !oldest?.sentMs ? 0 : nowMs - Math.max(oldest.sentMs, this.#lastChunkMs)
  }

  /**
   * Sends one request and resolves to its reply; an error reply is a value here, see `call`. Call it many times without
   * awaiting to pipeline. Errors: ClientError E_CLOSED_UNSENT, E_CLOSED_MAYBE, E_TIMEOUT, E_PROTOCOL, E_INTERRUPTED.
   */
  send(args: readonly Argument[]): Promise<Reply> {
    return new Promise((resolve, reject) => this.request(args, {onReply: resolve, onLoss: reject}))
  }

  /**
   * As `send`, for many: whoever waits is called, without a promise between. Returns what `abandon` takes, unless the connection is
   * over, of which the sink has heard then. Throws E_USAGE for an argument that cannot be sent.
   */
  request(args: readonly Argument[], sink: ReplySink, isText = false, pushes = 0): Pending | undefined {
    if (this.#end) {
      sink.onLoss(this.#lossError(false), this)
      return undefined
    }
    if (this.#writer.isEmpty) process.nextTick(() => this.#flush())
    this.#writer.write(args)
    const pending = {sink, isText, pushes, sentMs: 0, deadlineMs: 0, isAbandoned: false, next: undefined}
    if (this.#tail) this.#tail.next = pending
    else {
      this.#head = pending
      this.#decoder.isText = isText
    }
    this.#tail = pending
    this.#firstUnsent ??= pending
    return pending
  }

  /** Sends SUBSCRIBE or one of its kin; resolves when the node has confirmed every channel. Errors: as `call`. RESP3 only. */
  async subscribe(args: readonly Argument[]): Promise<void> {
    const reply = await new Promise<Reply>((resolve, reject) =>
      this.request(args, {onReply: resolve, onLoss: reject}, false, args.length - 1),
    )
    if (isError(reply)) throw new ReplyError(reply.text)
  }

  /** Nobody waits for this reply any more; the sink hears nothing of it. True if the request may have left. */
  abandon(pending: Pending): boolean {
    pending.isAbandoned = true
    this.#closeIfRetired()
    return true
  }

  /** As `send`, but an error reply throws ReplyError. */
  async call(args: readonly Argument[]): Promise<Reply> {
    const reply = await this.send(args)
    if (isError(reply)) throw new ReplyError(reply.text)
    return reply
  }

  /**
   * Orderly end: what is in flight is answered first, then GOODBYE (QUIT for a server that does not know it), then the
   * server closes. Never throws, and takes no longer than CLIENT_GOODBYE_TIMEOUT_MS: a connection that is lost or too
   * slow is cut.
   */
  async goodbye(): Promise<void> {
    const timer = setTimeout(() => this.close(), CLIENT_GOODBYE_TIMEOUT_MS)
    try {
      const reply = await this.send(['GOODBYE'])
      if (isError(reply)) await this.send(['QUIT'])
    } catch {
      // It is over either way, and whoever waits for a reply has been told by that reply's own promise.
    }
    clearTimeout(timer)
    this.close()
  }

  /** Closes when nobody waits for a reply any more; the caller sends nothing from now on. */
  retire(): void {
    this.#isRetired = true
    this.#closeIfRetired()
  }

  /** Cuts the connection; requests without a reply fail. */
  close(): void {
    this.#finish(undefined)
  }

  readonly #abort = (): void => {
    const reason: unknown = this.#options.signal?.reason
    const isTimeout = reason instanceof Error && reason.name === 'TimeoutError'
    const text = isTimeout ? `${formatAddress(this.address)} did not answer in time` : 'interrupted'
    this.#finish(text, isTimeout ? 'E_TIMEOUT' : 'E_INTERRUPTED')
  }

  #flush(): void {
    const parts = this.#writer.take()
    if (this.#end || parts.length === 0) return
    const nowMs = performance.now()
    const timeoutMs = this.#replyTimeoutMs > 0 ? this.#replyTimeoutMs : Infinity
    let firstDeadlineMs = Infinity
    for (let entry = this.#firstUnsent; entry; entry = entry.next) {
      const {sink} = entry
      const patienceMs = sink.patienceMs === undefined ? timeoutMs : Math.min(timeoutMs, sink.patienceMs(nowMs))
      entry.sentMs = nowMs
      entry.deadlineMs = nowMs + patienceMs
      if (entry.deadlineMs < firstDeadlineMs) firstDeadlineMs = entry.deadlineMs
    }
    this.#firstUnsent = undefined
    this.#armTimer(firstDeadlineMs)
    if (parts.length === 1) this.#socket.write(parts[0]!)
    else {
      this.#socket.cork()
      for (const part of parts) this.#socket.write(part)
      this.#socket.uncork()
    }
  }

  #takeBytes(chunk: Buffer): void {
    if (this.#end) return
    this.#chunks++
    this.#lastChunkMs = performance.now()
    try {
      this.#decoder.write(chunk)
    } catch (error) {
      if (!(error instanceof KvError)) throw error
      this.#finish(error.message, 'E_PROTOCOL', error.hint)
    }
  }

  #takeReply(reply: Reply): void {
    const pending = this.#head
    if (this.#end) return
    // Nor was it asked for by a request that has not left yet.
    if (!pending || pending.sentMs === 0) {
      const said = isError(reply) ? `: ${reply.text}` : ''
      this.#finish(`${formatAddress(this.address)} sent a reply that nobody asked for${said}`, 'E_PROTOCOL')
      return
    }
    const {next} = pending
    this.#head = next
    if (next) this.#decoder.isText = next.isText
    else this.#tail = undefined
    if (!pending.isAbandoned) pending.sink.onReply(reply, this)
    if (this.#isRetired) this.#closeIfRetired()
  }

  #takePush(push: Push): void {
    const pending = this.#head
    if (pending && pending.pushes > 0 && CONFIRMATIONS.has(replyText(push[0]) ?? '')) {
      if (--pending.pushes === 0) this.#takeReply(null)
    }
    this.#options.onPush?.(push)
  }

  #oldestAwaited(): Pending | undefined {
    let oldest = this.#head
    while (oldest?.isAbandoned) oldest = oldest.next
    return oldest
  }

  #closeIfRetired(): void {
    if (this.#isRetired && !this.#oldestAwaited()) this.close()
  }

  /** One timer for all, set to the first deadline. */
  #armTimer(deadlineMs: number): void {
    if (deadlineMs >= this.#dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = deadlineMs
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(1, Math.ceil(deadlineMs - performance.now())))
    // The socket keeps the process alive while a reply is due; the timer alone should not.
    this.#timer.unref()
  }

  #onTimer(): void {
    const nowMs = performance.now()
    // If it comes late, this process was held up: what has piled up in the socket is taken first, for as long as that was.
    this.#judgeSoon(nowMs, 2 * nowMs - this.#dueMs)
  }

  /** Calls who is late at `lateMs`, when the loop has been at the sockets; again after that while there is more to read, until `untilMs`. */
  #judgeSoon(lateMs: number, untilMs: number): void {
    const chunks = this.#chunks
    setImmediate(() => {
      if (this.#end) return
      if (chunks !== this.#chunks && performance.now() < untilMs) this.#judgeSoon(lateMs, untilMs)
      else this.#expire(lateMs)
    })
  }

  #expire(lateMs: number): void {
    this.#dueMs = Infinity
    let nextMs = Infinity
    const late: Pending[] = []
    for (let entry = this.#head; entry; entry = entry.next) {
      if (entry.isAbandoned || entry.sentMs === 0) continue
      if (entry.deadlineMs <= lateMs) late.push(entry)
      else if (entry.deadlineMs < nextMs) nextMs = entry.deadlineMs
    }
    this.#armTimer(nextMs)
    for (const entry of late) {
      entry.isAbandoned = true
      const limitMs = Math.round(entry.deadlineMs - entry.sentMs)
      const text = `${formatAddress(this.address)} did not answer within ${limitMs} ms.`
      entry.sink.onLoss(new ClientError('E_TIMEOUT', 'maybe', text, 'It may still be carried out later.'), this)
    }
    this.#closeIfRetired()
  }

  /** The one way out of `open`; `cause` is a clause without a full stop, undefined if we closed it ourselves. */
  #finish(cause: string | undefined, code?: 'E_PROTOCOL' | 'E_INTERRUPTED' | 'E_TIMEOUT', hint?: string): void {
    if (this.#end) return
    const error = cause === undefined ? undefined : new KvError(code ?? 'E_CLOSED_MAYBE', sentence(cause), hint)
    this.#end = {error}
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#socket.destroy()
    const first = this.#head
    this.#head = this.#tail = this.#firstUnsent = undefined
    this.#options.onClose?.(error)
    for (let entry = first; entry; entry = entry.next) {
      if (!entry.isAbandoned) entry.sink.onLoss(this.#lossError(entry.sentMs > 0), this)
    }
  }

  #lossError(isSent: boolean): ClientError {
    const outcome: Outcome = isSent ? 'maybe' : 'none'
    const error = this.#end?.error
    const closedCode = isSent ? 'E_CLOSED_MAYBE' : 'E_CLOSED_UNSENT'
    const code = error && error.code !== 'E_CLOSED_MAYBE' ? error.code : closedCode
    const cause = error?.message ?? `The connection to ${formatAddress(this.address)} is closed.`
    return new ClientError(code, outcome, cause, error?.hint)
  }
}

/** A peer that accepts but does not get through the handshake is, to its caller, a node that cannot be connected to. */
function handshakeError(error: unknown, address: Address): unknown {
  if (!(error instanceof ClientError)) return error
  if (error.code === 'E_TIMEOUT') return connectError(address, 'it accepts connections but does not answer')
  if (error.code === 'E_CLOSED_MAYBE') return connectError(address, 'it closed the connection at once')
  return error
}

function closedText(address: Address, isIdle: boolean): string {
  return `${formatAddress(address)} closed the connection${isIdle ? '' : ' in the middle of a reply'}`
}

function sentence(clause: string): string {
  const text = clause.charAt(0).toUpperCase() + clause.slice(1)
  return text.endsWith('.') ? text : `${text}.`
}
