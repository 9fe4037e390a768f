/**
 * One client connection: bytes in, requests to the engine, reply bytes out.
 *
 *   chunk -> decoder -> engine.execute -> outbox -> one write a turn
 *
 * All connections read into one buffer and reply through one outbox: both are used up within the turn of the
 * loop. Only what must outlive the turn is kept by the connection: an incomplete request (in the decoder), input that came
 * while a request waits (`#backlog`), and replies that the socket did not take at once (in the socket, bounded).
 *
 * Hot path: measured by `npm run bench`.
 */
import {writeSync} from 'node:fs'
import type {Socket} from 'node:net'
import {LOOK_AHEAD_REQUESTS} from '../core/look-ahead.ts'
import {UNREAD_REPLY_BYTES_MAX} from '../constants.ts'
import {DONE, PARKED, WAITING} from '../core/command/context.ts'
import {BAD, COMPLETE, NEED_MORE, RequestDecoder, copyRequest, trimRequest} from '../resp/request-decoder.ts'
import type {Engine} from '../core/engine.ts'
import type {Request} from '../resp/request-decoder.ts'
import type {Outbox, Recipient} from './outbox.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Session} from '../core/session.ts'

/** Replies of one chunk are handed over in pieces of about this size. */
const REPLY_PIECE_BYTES = 256 * 1024

/** What all connections of a node share. */
export interface ConnectionPool {
  readonly engine: Engine
  readonly outbox: Outbox
  /** Room for the requests that are read ahead, and where each ends in the chunk. */
  readonly requests: Request[]
  readonly ends: number[]
  bytesIn: number
  bytesOut: number
  closed(connection: Connection): void
}

export class Connection implements Recipient {
  readonly session: Session
  readonly socket: Socket
  readonly #pool: ConnectionPool
  readonly #decoder = new RequestDecoder()
  /** The session's request waits (parked or being answered later); no other may start. */
  #isWaiting = false
  #parkedRequest: Request | null = null
  #backlog: Buffer[] = []
  /** Where this connection's replies begin in the outbox's writer, while it is being served. */
  #replyStart = 0
  #isClosed = false
  #isEnding = false

  constructor(pool: ConnectionPool, session: Session, socket: Socket) {
    this.#pool = pool
    this.session = session
    this.socket = socket
    this.#decoder.isRestricted = !session.isAuthenticated
  }

  /** True while a request that was taken is not answered. */
  get isBusy(): boolean {
    return this.#isWaiting && this.#parkedRequest === null
  }

  /** Bytes came. `bytes` is shared: what is kept is copied. Returns false to stop reading for now. */
  receive(bytes: Buffer, length: number): boolean {
    if (this.#isEnding) return true
    this.#pool.bytesIn += length
    if (this.#isWaiting) {
      this.#backlog.push(Buffer.from(bytes.subarray(0, length)))
      return false
    }
    const {engine, outbox} = this.#pool
    engine.setTime(Date.now())
    this.#replyStart = outbox.writer.pos
    this.#serve(bytes, 0, length, outbox.writer)
    this.#dispatch()
    return !this.#isWaiting
  }

  /** A parked request may be tried again. */
  wake(): void {
    if (!this.#parkedRequest || this.#isClosed) return
    const request = this.#parkedRequest
    const {engine, outbox} = this.#pool
    this.#replyStart = outbox.writer.pos
    this.#parkedRequest = null
    this.#isWaiting = false
    engine.setTime(Date.now())
    this.#after(engine.execute(this.session, request, outbox.writer), request)
    this.#resume(outbox.writer)
    this.#dispatch()
  }

  /** Answers the request that was WAITING. */
  complete(write: (out: ReplyWriter) => void): void {
    if (this.#isClosed) return
    const {writer} = this.#pool.outbox
    this.#replyStart = writer.pos
    writer.proto = this.session.proto
    write(writer)
    this.#isWaiting = false
    this.#resume(writer)
    this.#dispatch()
  }

  /** Answers the request that was WAITING with these bytes, uncopied. */
  completeWith(pieces: readonly Buffer[]): void {
    if (this.#isClosed) return
    // What other sessions are owed goes first: it must not wait for a slow reader here.
    this.#pool.outbox.flush()
    this.socket.cork()
    for (const piece of pieces) {
      this.#pool.bytesOut += piece.length
      this.socket.write(piece)
    }
    this.socket.uncork()
    if (this.socket.writableLength > UNREAD_REPLY_BYTES_MAX) {
      this.session.closesAfterReply = true
      return this.destroy()
    }
    this.complete(() => undefined)
  }

  /** Sends an out-of-band message. */
  push(write: (out: ReplyWriter) => void): void {
    if (this.#isClosed || this.#isEnding) return
    const {writer} = this.#pool.outbox
    const start = writer.pos
    const proto = writer.proto
    writer.proto = this.session.proto
    write(writer)
    writer.proto = proto
    // Within another session's turn the shared writer holds that session's replies: take ours out from behind them.
    const message = Buffer.from(writer.buf.subarray(start, writer.pos))
    writer.rewind(start)
    this.#pool.outbox.post(this, message)
  }

  /** Sends what is owed, then closes. */
  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#pool.outbox.flush()
    this.#isEnding = true
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  onClose(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#backlog = []
    this.#pool.engine.disconnect(this.session)
    this.#pool.closed(this)
  }

  /** Serves the requests in `bytes[from, end)`, some at a time; replies go to `writer`. */
  #serve(bytes: Buffer, from: number, end: number, writer: ReplyWriter): void {
    const decoder = this.#decoder
    const {engine, requests, ends} = this.#pool
    let at = from
    while (at < end) {
      // Read a few, warm the cache for them, then execute them one by one.
      let count = 0
      let result = NEED_MORE
      const limit = decoder.isRestricted ? 1 : LOOK_AHEAD_REQUESTS
      while (count < limit && at < end) {
        result = decoder.next(bytes, at, end)
        at = decoder.used
        if (result !== COMPLETE) break
        requests[count] = decoder.swap(requests[count]!)
        ends[count++] = at
      }
      if (count > 1) engine.lookAhead.warm(requests, count)
      const done = this.#execute(requests, count, writer)
      if (done < count) {
        // This one waits, or ended the session: those behind it are kept as bytes and read again.
        decoder.dropHeld()
        if (this.#isWaiting && ends[done]! < end) this.#backlog.unshift(Buffer.from(bytes.subarray(ends[done]!, end)))
        return
      }
      if (result === BAD) {
        writer.proto = this.session.proto
        writer.error(`ERR ${decoder.error}`)
        this.session.closesAfterReply = true
        return
      }
    }
  }

  /** Executes requests until one waits or is the last of the session; returns that one's index, or `count`. */
  #execute(requests: readonly Request[], count: number, writer: ReplyWriter): number {
    const {engine} = this.#pool
    const {session} = this
    for (let i = 0; i < count; i++) {
      const request = requests[i]!
      const verdict = engine.execute(session, request, writer)
      if (verdict !== DONE) {
        this.#after(verdict, request)
        return i
      }
      trimRequest(request)
      if (writer.pos - this.#replyStart > REPLY_PIECE_BYTES) this.#dispatch()
      if (session.closesAfterReply) return i
    }
    if (this.#decoder.isRestricted) this.#decoder.isRestricted = !session.isAuthenticated
    return count
  }

  #after(verdict: number, request: Request): void {
    if (verdict === WAITING) this.#isWaiting = true
    if (verdict === PARKED) {
      this.#isWaiting = true
      this.#parkedRequest = copyRequest(request)
    }
  }

  /** Goes on with the input that gathered while the session waited. */
  #resume(writer: ReplyWriter): void {
    while (!this.#isWaiting && this.#backlog.length > 0 && !this.session.closesAfterReply) {
      const bytes = this.#backlog.shift()!
      this.#serve(bytes, 0, bytes.length, writer)
    }
    if (!this.#isWaiting && !this.#isEnding) this.socket.resume()
  }

  /** Hands over the replies written since the last time. */
  #dispatch(): void {
    const {outbox} = this.#pool
    const start = this.#replyStart
    if (outbox.writer.pos > start || this.session.closesAfterReply) outbox.add(this, start)
    this.#replyStart = outbox.writer.pos
  }

  /**
   * Most replies fit the kernel's buffer: a plain write(2) on the socket's descriptor then costs half of what the stream
   * does (measured: 0.4 us of 9 a request, unpipelined). What does not fit, and all that comes behind it, goes through the stream.
   */
  send(bytes: Buffer): void {
    const {socket} = this
    if (this.#isClosed || this.#isEnding) return
    this.#pool.bytesOut += bytes.length
    const fd = socket.writableLength === 0 ? this.#descriptor() : -1
    const written = fd >= 0 ? writeNow(fd, bytes) : 0
    // A copy: the outbox goes on using its buffer, and must not be kept alive by a few bytes of a slow reader.
    if (written < bytes.length) socket.write(Buffer.from(bytes.subarray(written)))
    if (socket.writableLength <= UNREAD_REPLY_BYTES_MAX) return
    this.session.closesAfterReply = true
    this.destroy()
  }

  sent(): void {
    if (this.session.closesAfterReply) this.end()
  }

  /** The socket's file descriptor, or -1 if this Node does not show it. */
  #descriptor(): number {
    return (this.socket as unknown as {_handle?: {fd?: number} | null})._handle?.fd ?? -1
  }
}

/** Writes what the kernel takes at once; a full buffer or a broken connection is 0, and the stream finds out which. */
function writeNow(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes, 0, bytes.length)
  } catch {
    return 0
  }
}
