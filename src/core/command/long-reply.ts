/**
 * A reply that a job forms in steps. How many elements it has is known only at the end, and all of it may be larger than
 * what can be copied at once: so it is kept in pieces, and the head is put in front of them last.
 */
import {REPLY_BYTES_MAX} from '../../constants.ts'
import {ReplyTooLargeError, ReplyWriter} from '../../resp/reply-writer.ts'

/** A piece is complete when it has so many bytes; a writer begins with 64 KB. */
const PIECE_BYTES = 60 * 1024

export class LongReply {
  /** Where the elements are written. */
  readonly out = new ReplyWriter()
  #pieces: Buffer[] = []
  #bytes = 0
  #isTooLarge = false

  constructor(proto: 2 | 3) {
    this.out.proto = proto
  }

  /** Called between elements: sets a full piece aside. */
  flush(): void {
    if (this.out.pos >= PIECE_BYTES) this.#cut()
  }

  /** Adds bytes that are the reply's from now on. */
  add(bytes: Buffer): void {
    this.#cut()
    this.#keep(bytes)
  }

  /** Puts the head in front; nothing may be added after that. */
  begin(head: (out: ReplyWriter) => void): void {
    this.#cut()
    head(this.out)
    this.#pieces.unshift(this.out.take())
  }

  /** The whole reply; null if no client is sent so much. */
  get pieces(): readonly Buffer[] | null {
    return this.#isTooLarge ? null : this.#pieces
  }

  /** Writes the whole reply where there is room for it. */
  give(out: ReplyWriter): void {
    if (this.#isTooLarge) throw new ReplyTooLargeError(`a reply of ${this.#bytes} bytes`)
    for (const piece of this.#pieces) out.raw(piece)
  }

  #cut(): void {
    if (this.out.pos > 0) this.#keep(this.out.take())
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > REPLY_BYTES_MAX) this.#isTooLarge = true
    if (this.#isTooLarge) this.#pieces = []
    else this.#pieces.push(piece)
  }
}
