/**
 * One connection to one node: any number of requests in flight, replies matched to them in order.
 *
 *   connect --TCP--> --HELLO 3 (or AUTH)--> open --goodbye/close/peer closes/protocol error--> closed
 *
 * Nothing is ever sent twice and nothing is queued for later: when the connection ends, each request that was not
 * answered fails with a code that says whether it may have happened (see errors.ts). A request counts as sent from the
 * moment its bytes are handed to the socket, because from then on nobody can tell. Requests of one turn of the event
 * loop leave in one write.
 *
 * The caller bounds what is in flight: a request waits in memory until the socket takes it. A reply that is late fails
 * its request but not the connection: order still tells whose it is when it comes.
 */
import type {Socket} from 'node:net'
import {formatAddress, type Address} from '../base/address.ts'
import {CLIENT_GOODBYE_TIMEOUT_MS, CLIENT_REPLY_TIMEOUT_MS} from '../constants.ts'
import {KvError} from '../errors.ts'
import {ReplyDecoder} from './decoder.ts'
import {encodeRequest, type Argument} from './encoder.ts'
import {ClientError, ReplyError, type Outcome} from './errors.ts'
import {shakeHands} from './handshake.ts'
import {isError, type Push, type Reply} from './reply.ts'
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

interface Pending {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
  readonly deadlineMs: number
  isSent: boolean
  /** Its caller was told that it timed out; its place in line stays until the reply comes. */
  isAbandoned: boolean
  next: Pending | undefined
}

export class Connection {
  readonly address: Address
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #replyTimeoutMs: number
  readonly #decoder: ReplyDecoder
  #head: Pending | undefined
  #tail: Pending | undefined
  /** Requests of this turn, which leave together, and the first of those that wait for it. */
  #outbox: Buffer[] = []
  #firstUnsent: Pending | undefined
  #timer: NodeJS.Timeout | undefined
  #end: {readonly error: KvError | undefined} | undefined
  /** Protocol version that was agreed on. */
  #resp: 2 | 3 = 2

  /**
   * Connects and shakes hands. Errors: E_CONNECT (nothing there, or nothing that answers), E_AUTH, E_PROTOCOL, E_REPLY
   * (the node turned us away and said why), E_INTERRUPTED.
   */
  static async connect(address: Address, options: ConnectionOptions = {}): Promise<Connection> {
    const socket = await openSocket(address, options)
    const connection = new Connection(address, socket, options)
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
      onPush: (push) => options.onPush?.(push),
    })
    socket.on('data', (chunk) => this.#takeBytes(chunk))
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

  /**
   * Sends one request and resolves to its reply; an error reply is a value here, see `call`. Call it many times without
   * awaiting to pipeline. Errors: ClientError E_CLOSED_UNSENT, E_CLOSED_MAYBE, E_TIMEOUT, E_PROTOCOL, E_INTERRUPTED.
   */
  send(args: readonly Argument[]): Promise<Reply> {
    if (this.#end) return Promise.reject(this.#lossError(false))
    const bytes = encodeRequest(args)
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#replyTimeoutMs > 0 ? performance.now() + this.#replyTimeoutMs : Infinity
      const pending: Pending = {resolve, reject, deadlineMs, isSent: false, isAbandoned: false, next: undefined}
      if (this.#tail) this.#tail.next = pending
      else this.#head = pending
      this.#tail = pending
      this.#firstUnsent ??= pending
      if (this.#outbox.length === 0) queueMicrotask(() => this.#flush())
      this.#outbox.push(bytes)
      this.#armTimer()
    })
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
    const requests = this.#outbox
    this.#outbox = []
    if (this.#end || requests.length === 0) return
    for (let entry = this.#firstUnsent; entry; entry = entry.next) entry.isSent = true
    this.#firstUnsent = undefined
    this.#socket.write(requests.length === 1 ? requests[0]! : Buffer.concat(requests))
  }

  #takeBytes(chunk: Buffer): void {
    if (this.#end) return
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
    if (!pending?.isSent) {
      const said = isError(reply) ? `: ${reply.text}` : ''
      this.#finish(`${formatAddress(this.address)} sent a reply that nobody asked for${said}`, 'E_PROTOCOL')
      return
    }
    this.#head = pending.next
    if (!this.#head) this.#tail = undefined
    pending.resolve(reply)
  }

  /** One timer for all: requests wait equally long, so the oldest that still waits is the first to be late. */
  #armTimer(): void {
    if (this.#timer || this.#replyTimeoutMs === 0) return
    let oldest = this.#head
    while (oldest?.isAbandoned) oldest = oldest.next
    if (!oldest) return
    const waitMs = Math.max(1, Math.ceil(oldest.deadlineMs - performance.now()))
    this.#timer = setTimeout(() => this.#expire(), waitMs)
    // The socket keeps the process alive while a reply is due; the timer alone should not.
    this.#timer.unref()
  }

  #expire(): void {
    this.#timer = undefined
    const nowMs = performance.now()
    for (let entry = this.#head; entry && entry.deadlineMs <= nowMs; entry = entry.next) {
      if (entry.isAbandoned) continue
      entry.isAbandoned = true
      const text = `${formatAddress(this.address)} did not answer within ${this.#replyTimeoutMs} ms`
      entry.reject(new ClientError('E_TIMEOUT', 'maybe', `${text}.`, 'It may still be carried out later.'))
    }
    this.#armTimer()
  }

  /** The one way out of `open`; `cause` is a clause without a full stop, undefined if we closed it ourselves. */
  #finish(cause: string | undefined, code?: 'E_PROTOCOL' | 'E_INTERRUPTED' | 'E_TIMEOUT', hint?: string): void {
    if (this.#end) return
    const error = cause === undefined ? undefined : new KvError(code ?? 'E_CLOSED_MAYBE', sentence(cause), hint)
    this.#end = {error}
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#socket.destroy()
    for (let entry = this.#head; entry; entry = entry.next) {
      if (!entry.isAbandoned) entry.reject(this.#lossError(entry.isSent))
    }
    this.#head = this.#tail = undefined
    this.#options.onClose?.(error)
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
