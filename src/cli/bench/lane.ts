/**
 * One connection of a load generator. Hot path (`kv bench` itself is its benchmark): requests are copied from templates
 * into one buffer, replies are counted and not built, and the socket reads into one buffer for ever.
 *
 * For each request in flight a ring holds when it was due and which operation it is; replies come in order, so n
 * replies end the n oldest. "Due" rather than "sent": under a fixed rate a request that waits for its turn is already
 * late (no coordinated omission).
 */
import type {Socket} from 'node:net'
import type {Address} from '../../base/address.ts'
import {encodeRequest} from '../../client/encoder.ts'
import {ReplyCounter} from '../../client/reply-counter.ts'
import {openSocket} from '../../client/socket.ts'
import {KvError} from '../../errors.ts'
import type {RequestSource} from './requests.ts'
import type {Stats} from './stats.ts'

const READ_BUFFER_BYTES = 64 * 1024

export interface LaneOptions {
  readonly address: Address
  readonly password: string | undefined
  readonly source: RequestSource
  readonly stats: Stats
  /** Most requests in flight; rounded up to a power of two. */
  readonly inFlightMax: number
}

export class Lane {
  readonly source: RequestSource
  /** Set by the driver before the first send. */
  onReplies: () => void = () => undefined
  onLost: (error: KvError) => void = () => undefined
  readonly #stats: Stats
  readonly #socket: Socket
  readonly #counter = new ReplyCounter()
  readonly #dueMs: Float64Array
  readonly #operations: Uint8Array
  readonly #mask: number
  /** Requests sent and replies got so far; their difference is in flight. */
  #sent = 0
  #answered = 0
  #out: Buffer
  #isOver = false

  /** Connects and authenticates. Errors: E_CONNECT, E_AUTH. */
  static async open(options: LaneOptions): Promise<Lane> {
    let onBytes: (length: number, bytes: Uint8Array) => void = () => undefined
    const onread = {
      buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
      callback: (length: number, bytes: Uint8Array) => {
        onBytes(length, bytes)
        return true
      },
    }
    const socket = await openSocket(options.address, {onread})
    if (options.password !== undefined) {
      const counter = new ReplyCounter()
      const authenticated = new Promise<void>((resolve, reject) => {
        onBytes = (length, bytes) => {
          if (counter.count(bytes as Buffer, length) === 0) return
          if (counter.firstError === undefined) resolve()
          else reject(new KvError('E_AUTH', counter.firstError))
        }
        socket.once('close', () => reject(new KvError('E_CONNECT', 'The node closed the connection at once.')))
      })
      socket.write(encodeRequest(['AUTH', options.password]))
      await authenticated
    }
    const lane = new Lane(socket, options)
    onBytes = (length, bytes) => lane.#takeBytes(bytes as Buffer, length)
    return lane
  }

  private constructor(socket: Socket, options: LaneOptions) {
    const size = 2 ** Math.ceil(Math.log2(options.inFlightMax))
    this.#socket = socket
    this.#stats = options.stats
    this.source = options.source
    this.#dueMs = new Float64Array(size)
    this.#operations = new Uint8Array(size)
    this.#mask = size - 1
    this.#out = Buffer.allocUnsafe(options.source.bytesMax)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#lose(new KvError('E_CLOSED_MAYBE', 'The node closed the connection.')))
  }

  get inFlight(): number {
    return this.#sent - this.#answered
  }

  /** How many more requests may be in flight. */
  get room(): number {
    return this.#mask + 1 - this.inFlight
  }

  /** Sends requests in one write; `dueMs` tells for each, by its number, when it was due (performance.now()). */
  send(count: number, dueMs: (index: number) => number): void {
    const size = count * this.source.bytesMax
    // While nothing is in flight the last write has left the process for sure, and its buffer can be written over.
    if (this.inFlight > 0 || this.#out.length < size) this.#out = Buffer.allocUnsafe(size)
    const out = this.#out
    let at = 0
    for (let index = 0; index < count; index++) {
      at = this.source.write(out, at)
      const place = this.#sent++ & this.#mask
      this.#dueMs[place] = dueMs(index)
      this.#operations[place] = this.source.operation
    }
    this.#socket.write(at === out.length ? out : out.subarray(0, at))
  }

  /** Ends the connection; what is in flight is lost and counted so. */
  close(): void {
    this.#lose(undefined)
  }

  #takeBytes(bytes: Buffer, length: number): void {
    let replies: number
    try {
      replies = this.#counter.count(bytes, length)
    } catch (error) {
      this.#lose(error as KvError)
      return
    }
    if (replies > this.inFlight) {
      this.#lose(new KvError('E_PROTOCOL', 'The node sent more replies than it was asked for.'))
      return
    }
    const nowMs = performance.now()
    for (; replies > 0; replies--) {
      const place = this.#answered++ & this.#mask
      this.#stats.record(this.#operations[place]!, nowMs - this.#dueMs[place]!)
    }
    this.onReplies()
  }

  #lose(error: KvError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stats.addReplies(this.#counter)
    this.#stats.lost += this.inFlight
    this.#answered = this.#sent
    this.#socket.destroy()
    if (error) this.onLost(error)
  }
}
