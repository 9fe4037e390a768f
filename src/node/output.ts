/**
 * What one client is sent, in the order in which it was said: replies, and messages that nobody asked for (`push`). Nothing overtakes
 * anything: "forget this key" must not come before the value that it is about, nor a message before the word that one is subscribed.
 *
 *   reply   -> the turn's piece -> sent at the end of the turn
 *           -> held, while it waits for copies or a lease (core/replication/gate.ts), or is behind one that does
 *   message -> held, behind held replies
 *           -> kept while the session is being served or owes an answer: it follows the reply, as part of the same piece
 *           -> posted: sent behind the turn's pieces, or before the session's next one
 */
import {Sender} from './sender.ts'
import type {Socket} from 'node:net'
import type {Barrier} from '../core/replication/gate.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Recipient, Turn} from './turn.ts'

interface Held {
  readonly bytes: Buffer
  /** Null: it only waits for those before it. */
  readonly barrier: Barrier | null
}

export class Output {
  readonly #turn: Turn
  readonly #recipient: Recipient
  readonly #sender: Sender
  #held: Held[] = []
  #heldBytes = 0
  /** Messages that have not found their place yet. */
  #messages: Buffer[] = []
  #messageBytes = 0

  /** `dropped` is told of buffers that were let go, bytes. */
  constructor(turn: Turn, recipient: Recipient, socket: Socket, dropped: (bytes: number) => void) {
    this.#turn = turn
    this.#recipient = recipient
    this.#sender = new Sender(socket, dropped)
  }

  /** Reply bytes that the client has not read, as far as we know. */
  get unreadBytes(): number {
    return this.#sender.unreadBytes
  }

  /** What is owed to the client and kept here, bytes. */
  get owedBytes(): number {
    return this.#heldBytes + this.#messageBytes + this.#sender.unreadBytes
  }

  get isHolding(): boolean {
    return this.#held.length > 0
  }

  get hasMessages(): boolean {
    return this.#messages.length > 0
  }

  /** Keeps the replies written since `start` until the barrier opens and those before them are sent. */
  hold(start: number, barrier: Barrier | null): void {
    const {writer} = this.#turn
    this.#keep(Buffer.from(writer.buf.subarray(start, writer.pos)), barrier)
    writer.rewind(start)
  }

  /** Bytes of a reply that may not leave yet; they are ours now. */
  holdAll(pieces: readonly Buffer[], barrier: Barrier | null): void {
    for (const [i, piece] of pieces.entries()) this.#keep(piece, i === 0 ? barrier : null)
  }

  #keep(bytes: Buffer, barrier: Barrier | null): void {
    this.#held.push({bytes, barrier})
    this.#heldBytes += bytes.length
  }

  /** Barriers were opened: sends what no longer waits. Not while a piece is being written. */
  release(): void {
    while (this.#held.length > 0 && this.#held[0]!.barrier?.isOpen !== false) {
      const {bytes} = this.#held.shift()!
      this.#heldBytes -= bytes.length
      this.#addPiece(bytes)
    }
  }

  /** Takes a message; `isBehind`: a reply is being written, or still owed, that comes before it. */
  push(proto: 2 | 3, write: (out: ReplyWriter) => void, isBehind: boolean): void {
    const message = this.#encode(proto, write)
    if (!isBehind && this.isHolding) return this.#keep(message, null)
    if (!isBehind && !this.hasMessages) this.#turn.post(this.#recipient)
    this.#messages.push(message)
    this.#messageBytes += message.length
  }

  /** The writer may be in the middle of another session's replies: the message is taken out from behind them. */
  #encode(proto: 2 | 3, write: (out: ReplyWriter) => void): Buffer {
    const {writer} = this.#turn
    const start = writer.pos
    const protoBefore = writer.proto
    writer.proto = proto
    write(writer)
    writer.proto = protoBefore
    const message = Buffer.from(writer.buf.subarray(start, writer.pos))
    writer.rewind(start)
    return message
  }

  /** The messages are the next part of the piece that is being written. */
  writeMessages(): void {
    for (const message of this.#takeMessages()) this.#turn.writer.raw(message)
  }

  /** The messages are a piece of their own, before the one that begins now. */
  addMessages(): void {
    this.#addPiece(Buffer.concat(this.#takeMessages()))
  }

  /** All pieces of the turn were sent: the messages follow. */
  sendMessages(): void {
    const messages = this.#takeMessages()
    this.#recipient.send(messages.length === 1 ? messages[0]! : Buffer.concat(messages))
  }

  #takeMessages(): readonly Buffer[] {
    const messages = this.#messages
    this.#messages = []
    this.#messageBytes = 0
    return messages
  }

  #addPiece(bytes: Buffer): void {
    const {writer} = this.#turn
    const start = writer.pos
    writer.raw(bytes)
    this.#turn.add(this.#recipient, start)
  }

  /** Sends bytes; true if they are still being read from when it returns. */
  send(bytes: Buffer): boolean {
    return this.#sender.send(bytes)
  }

  /** Sends bytes that are ours from now on, behind what the turn has so far. Not while a piece is being written. */
  give(pieces: readonly Buffer[]): void {
    this.#turn.flush()
    this.#sender.give(pieces)
  }

  /** Ends our side once all that was given is sent. */
  end(): void {
    this.#sender.end()
  }

  /** The socket is gone. */
  closed(): void {
    this.#held = []
    this.#heldBytes = 0
    this.#takeMessages()
    this.#sender.closed()
  }
}
