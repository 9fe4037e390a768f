/**
 * What one peer has yet to be sent. All packets of one turn of the loop leave in one write: small ones are copied into a block,
 * one behind the other, large ones are sent from where they lie; the socket hands the pieces to the system together (writev).
 */
import type {Socket} from 'node:net'
import {assert} from '../../base/assert.ts'
import {PEER_BLOCK_BYTES, PEER_COPY_BYTES_MAX} from '../../constants.ts'
import {PEER_FRAME_HEAD_BYTES, writeFrameHead, type FrameType} from './peer-frame.ts'

export class Outbox {
  readonly #socket: Socket
  readonly #onFlush: (bytes: number) => void
  #pieces: Buffer[] = []
  /** Gathered, not yet given to the socket. */
  #gathered = 0
  #block: Buffer | null = null
  /** Of the block, `#sentTo .. #end` was written and is in no piece yet. Nothing is written twice: the socket may still read it. */
  #sentTo = 0
  #end = 0
  #turn: NodeJS.Immediate | null = null

  /** `onFlush` is told of bytes that were given to the socket. */
  constructor(socket: Socket, onFlush: (bytes: number) => void) {
    this.#socket = socket
    this.#onFlush = onFlush
  }

  /** Bytes that the system has not taken yet. */
  get bytes(): number {
    return this.#gathered + this.#socket.writableLength
  }

  /** Queues a frame; it leaves when the turn ends. The payload must not change until the peer has it. */
  push(type: FrameType, payload: Buffer): void {
    const size = PEER_FRAME_HEAD_BYTES + payload.length
    const isCopied = payload.length <= PEER_COPY_BYTES_MAX
    const room = this.#reserve(isCopied ? size : PEER_FRAME_HEAD_BYTES)
    writeFrameHead(room, this.#end, type, payload)
    this.#end += PEER_FRAME_HEAD_BYTES
    if (isCopied) {
      payload.copy(room, this.#end)
      this.#end += payload.length
    } else {
      this.#cutPiece()
      this.#pieces.push(payload)
    }
    this.#gathered += size
    this.#turn ??= setImmediate(this.#onTurn)
  }

  /** Gives all that is queued to the socket. */
  flush(): void {
    this.#cancelTurn()
    this.#cutPiece()
    if (this.#gathered === 0) return
    const pieces = this.#pieces
    const bytes = this.#gathered
    this.#pieces = []
    this.#gathered = 0
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
    this.#onFlush(bytes)
  }

  /** Forgets what was not given to the socket. */
  discard(): void {
    this.#cancelTurn()
    this.#pieces = []
    this.#gathered = 0
    this.#block = null
    this.#sentTo = this.#end = 0
  }

  readonly #onTurn = (): void => {
    this.#turn = null
    this.flush()
  }

  #cancelTurn(): void {
    if (this.#turn) clearImmediate(this.#turn)
    this.#turn = null
  }

  /** The block, with room for so many bytes at `#end`. */
  #reserve(bytes: number): Buffer {
    assert(bytes <= PEER_BLOCK_BYTES, 'what is copied fits a block')
    if (this.#block && PEER_BLOCK_BYTES - this.#end >= bytes) return this.#block
    this.#cutPiece()
    this.#block = Buffer.allocUnsafeSlow(PEER_BLOCK_BYTES)
    this.#sentTo = this.#end = 0
    return this.#block
  }

  #cutPiece(): void {
    if (this.#block && this.#end > this.#sentTo) this.#pieces.push(this.#block.subarray(this.#sentTo, this.#end))
    this.#sentTo = this.#end
  }
}
