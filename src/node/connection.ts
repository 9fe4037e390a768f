/**
 * One client connection: bytes in, requests to the engine, reply bytes out.
 *
 *   chunk -> decoder -> engine.execute -> the turn's replies -> one write a turn
 *
 * All connections read into one buffer and reply into one (turn.ts): both are used up within the turn of the
 * loop. Only what must outlive the turn is kept by the connection: an incomplete request (in the decoder), input that came
 * while a request waits (`#backlog`), and what may not be sent yet or was not taken by the socket at once (in `#output`, bounded).
 *
 * A connection ends in one of two ways: `destroy` cuts it, `end` sends what is owed first. A client that has all of that
 * and does not close its side is cut a little later, and so is one that reads no more.
 *
 * Hot path: measured by `npm run bench`.
 */
import type {Socket} from 'node:net'
import {DONE, PARKED, WAITING} from '../core/command/context.ts'
import {LOOK_AHEAD_REQUESTS} from '../core/look-ahead.ts'
import {meterChunk} from './chunk-meter.ts'
import {BAD, COMPLETE, NEED_MORE, RequestDecoder, copyRequest, trimRequest} from '../resp/request-decoder.ts'
import {ReplyTooLargeError} from '../resp/reply-writer.ts'
import {Output} from './output.ts'
import type {Engine} from '../core/engine.ts'
import type {Request} from '../resp/request-decoder.ts'
import type {Recipient, Turn} from './turn.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Session} from '../core/session.ts'
import type {Barrier} from '../core/replication/gate.ts'

/** Replies of one chunk are handed over in pieces of about this size. */
const REPLY_PIECE_BYTES = 256 * 1024
/** A request's buffer that is worth a collection when it is let go. */
const LARGE_BYTES = 1024 * 1024
/** How long a connection that ended may go on without progress, ms. */
const LINGER_MS = 2000

/** What all connections of a node share. */
export interface ConnectionPool {
  readonly engine: Engine
  readonly turn: Turn
  /** Room for the requests that are read ahead, and where each ends in the chunk. */
  readonly requests: Request[]
  readonly ends: number[]
  /** Something was executed that peers wait for: to be sent at the end of the turn. */
  flushSoon(): void
  bytesIn: number
  bytesOut: number
  /** How far behind a client may be with reading. */
  unreadBytesMax: number
  /** Bytes of large buffers that were let go: see collector.ts. */
  droppedBytes: number
  closed(connection: Connection): void
}

export class Connection implements Recipient {
  readonly session: Session
  readonly socket: Socket
  readonly #pool: ConnectionPool
  readonly #output: Output
  readonly #decoder = new RequestDecoder()
  /** The session's request waits (parked or being answered later); no other may start. */
  #isWaiting = false
  #parkedRequest: Request | null = null
  #backlog: Buffer[] = []
  /** Where this connection's replies begin in the turn's writer, while it is being served. */
  #replyStart = 0
  #isClosed = false
  #isEnding = false
  /** It will end in a moment, and executes nothing more. */
  #isKilled = false
  #lingerTimer: NodeJS.Timeout | null = null
  /** The request that was executed last in this turn. */
  #lastRequest: Request | null = null
  #commandsBefore = 0
  /** Its requests are being executed, and their replies written. */
  #isServing = false
  /** The request that waits is SHUTDOWN. */
  awaitsStop = false

  constructor(pool: ConnectionPool, session: Session, socket: Socket) {
    this.#pool = pool
    this.session = session
    this.socket = socket
    this.#output = new Output(pool.turn, this, socket, (bytes) => (pool.droppedBytes += bytes))
    this.#decoder.isRestricted = !session.isAuthenticated
  }

  /** True while a request that was taken is not answered; SHUTDOWN is not waited for by the stop that it asked for. */
  get isBusy(): boolean {
    if (this.awaitsStop || this.#isEnding) return false
    return this.#owesAnswer || this.#output.isHolding
  }

  /** A request was taken, and is answered later. */
  get #owesAnswer(): boolean {
    return this.#isWaiting && this.#parkedRequest === null
  }

  /** True while a request waits: the client is not idle, whatever the clock says. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Reply bytes that the client has not read, as far as we know. */
  get unreadBytes(): number {
    return this.#output.unreadBytes
  }

  /** Bytes came. `bytes` is shared: what is kept is copied. Returns false to stop reading for now. */
  receive(bytes: Buffer, length: number): boolean {
    if (this.#isEnding || this.#isKilled) return true
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
      this.#after(this.#run(request), request)
      this.#resume()
      this.#finish(began)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** Answers the request that was WAITING. */
  complete(write: (out: ReplyWriter) => void): void {
    if (this.#isClosed || this.#isEnding) return
    const {writer} = this.#pool.turn
    const began = this.#begin()
    this.#isWaiting = false
    try {
      writer.proto = this.session.proto
      if (!this.session.isAnswerMuted) write(writer)
      this.session.isAnswerMuted = false
      this.#output.writeMessages()
      this.#resume()
      this.#finish(began)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** Answers the request that was WAITING with these bytes, which are not copied. */
  completeWith(pieces: readonly Buffer[]): void {
    if (this.#isClosed || this.#isEnding) return
    if (!this.session.isAnswerMuted) {
      const barrier = this.#pool.engine.gate?.seal(this.session, performance.now()) ?? null
      if (barrier !== null || this.#output.isHolding) this.#output.holdAll(pieces, barrier)
      else {
        for (const piece of pieces) this.#pool.bytesOut += piece.length
        this.#output.give(pieces)
      }
    }
    this.complete(() => undefined)
  }

  /** Barriers were opened: sends what no longer waits. Not while another connection writes its replies. */
  releaseHeld(): void {
    this.#output.release()
  }

  /** Sends an out-of-band message, behind all that this session was answered so far. */
  push(write: (out: ReplyWriter) => void): void {
    if (this.#isClosed || this.#isEnding || this.socket.destroyed) return
    this.#output.push(this.session.proto, write, this.#isServing || this.#owesAnswer)
    if (this.#output.owedBytes > this.#pool.unreadBytesMax) this.destroy()
  }

  /** Called by the turn when all replies were sent: messages follow. */
  sendPosted(): void {
    if (this.#output.hasMessages && !this.#isServing && !this.#owesAnswer) this.#output.sendMessages()
  }

  /** Sends what is owed, then closes. A request that waits is dropped. */
  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#pool.turn.flush()
    this.#isEnding = true
    this.#parkedRequest = null
    this.#backlog = []
    this.#output.end()
    // Read on, to see the client's end; what it still says is for nobody.
    this.socket.resume()
    this.#linger(this.socket.writableLength)
  }

  /**
   * Ends it soon, whatever it asks until then: CLIENT KILL. Not at once, since another connection's replies may be half written
   * in the turn's buffer.
   */
  kill(): void {
    this.#isKilled = true
    this.#parkedRequest = null
    this.#backlog = []
    setImmediate(() => this.end())
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
    this.#output.closed()
    this.#pool.droppedBytes += this.#decoder.heldBytes
    this.#pool.engine.disconnect(this.session)
    this.#pool.closed(this)
  }

  /** Its part of a turn begins: returns the time. */
  #begin(): number {
    this.#lastRequest = null
    if (this.#output.hasMessages && !this.#owesAnswer) this.#output.addMessages()
    this.#isServing = true
    this.#commandsBefore = this.#pool.engine.stats.commandsProcessed
    this.#replyStart = this.#pool.turn.writer.pos
    this.#pool.engine.setTime(Date.now())
    return performance.now()
  }

  /** Its part of a turn ends: hands over its replies, tells the meter, lets go of what one huge request took. */
  #finish(began: number): void {
    const {engine} = this.#pool
    const now = performance.now()
    this.#handOver(now)
    this.#isServing = false
    const count = engine.stats.commandsProcessed - this.#commandsBefore
    if (count > 0) meterChunk(engine, this.session, this.#lastRequest, count, (now - began) * 1000)
    if (this.#lastRequest) {
      if (this.#lastRequest.buf.length > LARGE_BYTES) this.#pool.droppedBytes += this.#lastRequest.buf.length
      trimRequest(this.#lastRequest)
    }
  }

  /** A reply that is larger than any may be costs the client its connection; other errors are our bugs. */
  #giveUp(error: unknown): void {
    if (!(error instanceof ReplyTooLargeError)) throw error
    this.#pool.turn.writer.rewind(this.#replyStart)
    this.destroy()
  }

  /** Serves the requests in `bytes[from, end)`, some at a time. */
  #serve(bytes: Buffer, from: number, end: number): void {
    const decoder = this.#decoder
    const {engine, requests, ends, turn} = this.#pool
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
      const done = this.#execute(requests, count)
      if (done < count) {
        // This one waits, or was the last: those behind it are kept as bytes and read again.
        decoder.dropHeld()
        if (this.#isWaiting && ends[done]! < end) this.#backlog.unshift(Buffer.from(bytes.subarray(ends[done], end)))
        return
      }
      if (result === NEED_MORE) this.session.activeAt = engine.now
      if (result === BAD) {
        turn.writer.proto = this.session.proto
        turn.writer.error(`ERR ${decoder.error}`)
        this.session.closesAfterReply = true
        return
      }
    }
  }

  /** Executes requests until one waits or is the last of the session; returns that one's index, or `count`. */
  #execute(requests: readonly Request[], count: number): number {
    const {turn} = this.#pool
    const {session} = this
    for (let i = 0; i < count; i++) {
      const request = requests[i]!
      if (i > 0) trimRequest(requests[i - 1]!)
      const verdict = this.#run(request)
      this.#lastRequest = request
      if (verdict !== DONE) {
        this.#after(verdict, request)
        return i
      }
      if (turn.writer.pos - this.#replyStart > REPLY_PIECE_BYTES) this.#handOver(performance.now())
      // Cut off because it reads nothing: the rest is not worth the work.
      if (session.closesAfterReply || this.socket.destroyed) return i
    }
    if (this.#decoder.isRestricted) this.#decoder.isRestricted = !session.isAuthenticated
    return count
  }

  /** Executes a request; messages that it brought about for its own session follow the reply. */
  #run(request: Request): number {
    const verdict = this.#pool.engine.execute(this.session, request, this.#pool.turn.writer)
    if (this.#output.hasMessages && verdict !== WAITING) this.#output.writeMessages()
    return verdict
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

  /** Hands over the replies written since the last time. `now`: monotonic ms, read after their commands were executed. */
  #handOver(now: number): void {
    const {turn, engine} = this.#pool
    const start = this.#replyStart
    const barrier = engine.gate === null ? null : engine.gate.seal(this.session, now)
    if (barrier !== null || this.#output.isHolding) this.#hold(start, barrier)
    else if (turn.writer.pos > start || this.session.closesAfterReply) turn.add(this, start)
    this.#replyStart = turn.writer.pos
  }

  /** Keeps the replies written since `start` until the barrier opens and those before them are sent. */
  #hold(start: number, barrier: Barrier | null): void {
    this.#output.hold(start, barrier)
    this.#pool.flushSoon()
    if (this.#output.owedBytes > this.#pool.unreadBytesMax) this.destroy()
  }

  /** Called by the turn. True if the socket goes on reading from `bytes`. */
  send(bytes: Buffer): boolean {
    if (this.#isClosed || this.#isEnding) return false
    this.#pool.bytesOut += bytes.length
    // One reply may be as large as it likes, but who is that far behind gets no other.
    if (this.#output.unreadBytes <= this.#pool.unreadBytesMax) return this.#output.send(bytes)
    this.destroy()
    return false
  }

  /** Called by the turn when all of its replies were sent. */
  sent(): void {
    if (this.session.closesAfterReply && !this.#output.isHolding) this.end()
  }
}
