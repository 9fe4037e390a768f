/**
 * Encodes requests one behind the other, so that those of one turn leave in one write. Hot path; `npm run bench:client` measures it.
 *
 * Bytes go into a slab and stay where they are: the socket may go on reading what `take` handed out, while later requests are written behind it. A slab
 * that is full is left to the garbage collector. Short strings are mostly ASCII: their characters are copied one by one, which is
 * faster than a call into C++, and only one that proves to be something else is encoded properly.
 */
import {CLIENT_WRITE_SLAB_BYTES} from '../constants.ts'
import {KvError} from '../errors.ts'
import type {Argument} from './encoder.ts'

const ASTERISK = 0x2a
const DOLLAR = 0x24
const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
/** Longer ones are written by Node. */
const SHORT_CHARS = 48
/** Above this the exact size is worth a look before room is made: three bytes for each character would be a lot. */
const LONG_CHARS = 4096
/** `$` and a length, and the line ends around the argument. */
const FRAME_BYTES = 24

export class RequestWriter {
  #slab = Buffer.allocUnsafeSlow(0)
  /** What was not taken yet: [start, at) of the slab, behind `#full`. */
  #start = 0
  #at = 0
  #full: Buffer[] = []

  get isEmpty(): boolean {
    return this.#at === this.#start && this.#full.length === 0
  }

  /** Adds one request. Errors: E_USAGE for an argument of a type that cannot be sent; then nothing is added. */
  write(args: readonly Argument[]): void {
    for (const arg of args) if (typeof arg !== 'string' && !isSendable(arg)) throw wrongArgument(args, arg)
    this.#reserve(FRAME_BYTES)
    this.#header(ASTERISK, args.length)
    for (const arg of args) {
      if (typeof arg === 'string') this.#text(arg)
      else if (typeof arg === 'object') this.#bytes(arg)
      else this.#text(String(arg))
    }
  }

  /** Everything since the last call, in order. */
  take(): readonly Buffer[] {
    const parts = this.#full
    if (this.#at > this.#start) parts.push(this.#slab.subarray(this.#start, this.#at))
    this.#full = []
    this.#start = this.#at
    return parts
  }

  #text(text: string): void {
    const chars = text.length
    if (chars <= SHORT_CHARS) {
      this.#reserve(FRAME_BYTES + SHORT_CHARS * 3)
      if (this.#ascii(text)) return
    } else {
      this.#reserve(FRAME_BYTES + (chars > LONG_CHARS ? Buffer.byteLength(text) : chars * 3))
    }
    this.#header(DOLLAR, Buffer.byteLength(text))
    this.#at += this.#slab.write(text, this.#at)
    this.#lineEnd()
  }

  /** Writes a short text if it is ASCII; else returns false and has written nothing. */
  #ascii(text: string): boolean {
    const before = this.#at
    this.#header(DOLLAR, text.length)
    const slab = this.#slab
    let at = this.#at
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) {
        this.#at = before
        return false
      }
      slab[at++] = code
    }
    this.#at = at
    this.#lineEnd()
    return true
  }

  #bytes(bytes: Uint8Array): void {
    this.#reserve(FRAME_BYTES + bytes.length)
    this.#header(DOLLAR, bytes.length)
    this.#slab.set(bytes, this.#at)
    this.#at += bytes.length
    this.#lineEnd()
  }

  #header(type: number, count: number): void {
    const slab = this.#slab
    slab[this.#at++] = type
    if (count < 10) slab[this.#at++] = ZERO + count
    else if (count < 100) {
      const tens = (count / 10) | 0
      slab[this.#at++] = ZERO + tens
      slab[this.#at++] = ZERO + count - tens * 10
    } else this.#at += slab.write(String(count), this.#at, 'latin1')
    this.#lineEnd()
  }

  #lineEnd(): void {
    this.#slab[this.#at++] = CR
    this.#slab[this.#at++] = LF
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#slab.length) return
    if (this.#at > this.#start) this.#full.push(this.#slab.subarray(this.#start, this.#at))
    this.#slab = Buffer.allocUnsafeSlow(Math.max(CLIENT_WRITE_SLAB_BYTES, bytes))
    this.#start = this.#at = 0
  }
}

function isSendable(arg: unknown): boolean {
  return typeof arg === 'number' || typeof arg === 'bigint' || arg instanceof Uint8Array
}

function wrongArgument(args: readonly Argument[], arg: unknown): KvError {
  const name = typeof args[0] === 'string' ? args[0] : 'a request'
  const index = args.indexOf(arg as Argument)
  const what = arg === null ? 'null' : typeof arg === 'object' ? 'an object' : typeof arg
  return new KvError(
    'E_USAGE',
    `Argument ${index} of ${name} is ${what}.`,
    'Give a string, a number, a bigint or a Uint8Array; turn anything else into one of these first.',
  )
}
