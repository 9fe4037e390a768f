/**
 * A reply that a job forms in steps. How many elements it has is known only at the end, and all of it may be larger than
 * what can be copied at once: so it is kept in pieces, and the head is put in front of them last.
 */
import {ReplyWriter} from '../../resp/reply-writer.ts'

/** A piece is complete when it has so many bytes; a writer begins with 64 KB. */
const PIECE_BYTES = 60 * 1024

export class LongReply {
  /** Where the elements are written. */
  readonly out = new ReplyWriter()
  #pieces: Buffer[] = []

  constructor(proto: 2 | 3) {
    this.out.proto = proto
  }

  /** Called between elements: sets a full piece aside. */
  flush(): void {
    if (this.out.pos >= PIECE_BYTES) this.#cut()
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, this.out.pos)
  }

  /** Adds bytes that are the reply's from now on. */
  add(bytes: Buffer): void {
    this.#cut()
    this.#pieces.push(bytes)
  }

  /** Puts the head in front; nothing may be added behind it after that. */
  begin(head: (out: ReplyWriter) => void): void {
    this.#cut()
    head(this.out)
    this.#pieces.unshift(this.out.take())
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  /** Writes the whole reply where there is room for it. */
  give(out: ReplyWriter): void {
    for (const piece of this.#pieces) out.raw(piece)
  }

  #cut(): void {
    if (this.out.pos > 0) this.#pieces.push(this.out.take())
  }
}
