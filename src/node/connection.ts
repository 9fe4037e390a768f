/**
 * One client connection: bytes in, requests to the engine, reply bytes out.
 *
 *   chunk -> decoder -> engine.execute -> shared writer -> one write a chunk
 *
 * All connections read into one buffer and reply through one writer: both are used up within the turn of the
 * loop. Only what must outlive the turn is kept by the connection: an incomplete request (in the decoder), input that came
 * while a request waits (`#backlog`), and replies that the socket did not take at once (in `#sender`, bounded).
 *
 * A connection ends in one of two ways: `destroy` cuts it, `end` sends what is owed first. A client that has all of that
 * and does not close its side is cut a little later, and so is one that reads no more.
 *
 * Hot path: measured by `npm run bench`.
 */
import type {Socket} from 'node:net'
import {UNREAD_REPLY_BYTES_MAX} from '../constants.ts'
import {PARKED, WAITING} from '../core/command/context.ts'
import {shownArguments} from '../core/slowlog.ts'
import {withoutSecrets} from '../core/monitor.ts'
import {BAD, NEED_MORE, RequestDecoder, copyRequest} from '../resp/request-decoder.ts'
import {ReplyTooLargeError} from '../resp/reply-writer.ts'
import {Sender} from './sender.ts'
import type {Engine} from '../core/engine.ts'
import type {Request} from '../resp/request-decoder.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Session} from '../core/session.ts'

/** Replies are handed to the socket when so many bytes have gathered, even in the middle of a chunk. */
const FLUSH_BYTES = 256 * 1024
/** How long a connection that ended may go on without progress, ms. */
const LINGER_MS = 2000
/** Shown by SLOWLOG in the place of arguments that were overwritten by a request behind them. */
const ARGUMENTS_LOST = '... (its arguments were not kept)'

/** What all connections of a node share. */
export interface ConnectionPool {
  readonly engine: Engine
  readonly writer: ReplyWriter
  bytesIn: number
  bytesOut: number
  closed(connection: Connection): void
}

export class Connection {
  readonly session: Session
  readonly socket: Socket
  readonly #pool: ConnectionPool
  readonly #sender: Sender
  readonly #decoder = new RequestDecoder()
  /** The session's request waits (parked or being answered later); no other may start. */
  #isWaiting = false
  #parkedRequest: Request | null = null
  #backlog: Buffer[] = []
  #isClosed = false
  #isEnding = false
  #lingerTimer: NodeJS.Timeout | null = null
  /** The request that was executed last in this turn, if it is still known. */
  #lastRequest: Request | null = null
  #commandsBefore = 0
  /** The request that waits is SHUTDOWN. */
  awaitsStop = false

  constructor(pool: ConnectionPool, session: Session, socket: Socket) {
    this.#pool = pool
    this.session = session
    this.socket = socket
    this.#sender = new Sender(socket)
    this.#decoder.isRestricted = !session.isAuthenticated
  }

  /** True while a request that was taken is not answered; SHUTDOWN is not waited for by the stop that it asked for. */
  get isBusy(): boolean {
    return this.#isWaiting && this.#parkedRequest === null && !this.awaitsStop && !this.#isEnding
  }

  /** True while a request waits: the client is not idle, whatever the clock says. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Reply bytes that the client has not read, as far as we know. */
  get unreadBytes(): number {
    return this.#sender.unreadBytes
  }

  /** Bytes came. `bytes` is shared: what is kept is copied. Returns false to stop reading for now. */
  receive(bytes: Buffer, length: number): boolean {
    if (this.#isEnding) return true
    this.#pool.bytesIn += length
    if (this.#isWaiting) {
      this.#backlog.push(Buffer.from(bytes.subarray(0, length)))
      return false
    }
    const began = this.#begin()
    try {
      this.#serve(bytes, 0, length)
      this.#finish(began)
    } catch (error) {
      this.#giveUp(error)
    }
    return !this.#isWaiting
  }

  /** A parked request may be tried again. */
  wake(): void {
    if (!this.#parkedRequest || this.#isClosed || this.#isEnding) return
    const request = this.#parkedRequest
    this.#parkedRequest = null
    this.#isWaiting = false
    const began = this.#begin()
    try {
      this.#lastRequest = request
      this.#after(this.#pool.engine.execute(this.session, request, this.#pool.writer), request)
      this.#resume()
      this.#finish(began)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** Answers the request that was WAITING. */
  complete(write: (out: ReplyWriter) => void): void {
    if (this.#isClosed || this.#isEnding) return
    const {writer} = this.#pool
    this.#isWaiting = false
    const began = this.#begin()
    try {
      writer.proto = this.session.proto
      if (!this.session.isAnswerMuted) write(writer)
      this.session.isAnswerMuted = false
      this.#resume()
      this.#finish(began)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** Sends an out-of-band message. */
  push(write: (out: ReplyWriter) => void): void {
    if (this.#isClosed || this.#isEnding) return
    const {writer} = this.#pool
    const start = writer.pos
    const proto = writer.proto
    writer.proto = this.session.proto
    write(writer)
    writer.proto = proto
    // Within another session's turn the shared writer holds that session's replies: take ours out from behind them.
    const message = Buffer.from(writer.buf.subarray(start, writer.pos))
    writer.rewind(start)
    this.#send(message)
  }

  /** Sends what is owed, then closes. A request that waits is dropped. */
  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    this.#parkedRequest = null
    this.#backlog = []
    this.#sender.end()
    // Read on, to see the client's end; what it still says is for nobody.
    this.socket.resume()
    this.#linger(this.socket.writableLength)
  }

  /** Cuts the connection once the socket makes no progress any more: all is sent, or the client reads nothing. */
  #linger(unsent: number): void {
    this.#lingerTimer = setTimeout(() => {
      const left = this.socket.writableLength
      if (left > 0 && left < unsent) this.#linger(left)
      else this.destroy()
    }, LINGER_MS)
  }

  destroy(): void {
    this.socket.destroy()
  }

  onClose(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#backlog = []
    if (this.#lingerTimer) clearTimeout(this.#lingerTimer)
    this.#pool.engine.disconnect(this.session)
    this.#pool.closed(this)
  }

  /** A turn begins: returns its time. */
  #begin(): number {
    this.#lastRequest = null
    this.#commandsBefore = this.#pool.engine.stats.commandsProcessed
    this.#pool.engine.setTime(Date.now())
    return performance.now()
  }

  /** A turn ends: sends its replies, tells the slow log if it took long, lets go of what one huge request took. */
  #finish(began: number): void {
    const {writer, engine} = this.#pool
    if (writer.pos > 0 || this.session.closesAfterReply) this.#flush(writer)
    const tookUs = (performance.now() - began) * 1000
    if (engine.slowlog.isSlow(tookUs) && engine.stats.commandsProcessed > this.#commandsBefore) this.#noteSlow(tookUs)
    this.#decoder.release()
  }

  #noteSlow(tookUs: number): void {
    const {slowlog, now} = this.#pool.engine
    const {session} = this
    const request = this.#lastRequest
    const args = request === null ? [session.lastCommand, ARGUMENTS_LOST].map((word) => Buffer.from(word)) : null
    slowlog.add(session, now, tookUs, args ?? shownArguments(withoutSecrets(request!)))
  }

  /** A reply that is larger than any may be costs the client its connection; other errors are our bugs. */
  #giveUp(error: unknown): void {
    if (!(error instanceof ReplyTooLargeError)) throw error
    this.#pool.writer.clear()
    this.destroy()
  }

  /** Serves the requests in `bytes[from, end)`. */
  #serve(bytes: Buffer, from: number, end: number): void {
    const decoder = this.#decoder
    const {engine, writer} = this.#pool
    const session = this.session
    let at = from
    while (at < end) {
      const result = decoder.next(bytes, at, end)
      if (result === NEED_MORE) {
        session.activeAt = engine.now
        // The decoder has begun to write the next request over it.
        this.#lastRequest = null
        return
      }
      if (result === BAD) {
        writer.proto = session.proto
        writer.error(`ERR ${decoder.error}`)
        session.closesAfterReply = true
        return
      }
      at = decoder.used
      const verdict = engine.execute(session, decoder.request, writer)
      if (verdict !== 0) {
        this.#after(verdict, decoder.request)
        if (at < end) this.#backlog.unshift(Buffer.from(bytes.subarray(at, end)))
        break
      }
      if (session.closesAfterReply) break
      if (decoder.isRestricted) decoder.isRestricted = !session.isAuthenticated
      if (writer.pos > FLUSH_BYTES) {
        this.#flush(writer)
        // It reads nothing and was cut off: the rest is not worth the work.
        if (this.socket.destroyed) return
      }
    }
    this.#lastRequest = decoder.request
  }

  #after(verdict: number, request: Request): void {
    if (verdict === WAITING) this.#isWaiting = true
    if (verdict === PARKED) {
      this.#isWaiting = true
      this.#parkedRequest = copyRequest(request)
    }
  }

  /** Goes on with the input that gathered while the session waited. */
  #resume(): void {
    while (!this.#isWaiting && this.#backlog.length > 0 && !this.session.closesAfterReply && !this.socket.destroyed) {
      const bytes = this.#backlog.shift()!
      this.#serve(bytes, 0, bytes.length)
    }
    if (!this.#isWaiting) this.socket.resume()
  }

  #flush(writer: ReplyWriter): void {
    const length = writer.pos
    if (length > 0) {
      // What the socket still reads from is not written into again: the writer gets another buffer.
      if (this.#send(writer.buf.subarray(0, length))) writer.abandon()
      else writer.clear()
    }
    if (this.session.closesAfterReply) this.end()
  }

  /** True if the socket goes on reading from `bytes`. */
  #send(bytes: Buffer): boolean {
    this.#pool.bytesOut += bytes.length
    // One reply may be as large as it likes, but who is that far behind gets no other.
    if (this.#sender.unreadBytes <= UNREAD_REPLY_BYTES_MAX) return this.#sender.send(bytes)
    this.destroy()
    return false
  }
}
