/**
 * Writes replies of RESP2 and RESP3 into one growing buffer that is used again and again: no object and no string
 * per reply. What RESP2 lacks is written as RESP2 clients know it (a map as a flat array, a double as a bulk string ...),
 * so commands say what they mean once.
 *
 * `count`-taking methods announce elements; the caller then writes that many (for `map`, that many pairs).
 *
 * Hot path: measured by `npm run bench`.
 */
import {assert} from '../base/assert.ts'
import {REPLY_BYTES_MAX} from '../constants.ts'

const INITIAL_BYTES = 64 * 1024
const KEEP_BYTES_MAX = 1024 * 1024
const CR = 13
const LF = 10
const ZERO = 48

const OK = Buffer.from('+OK\r\n')
const PONG = Buffer.from('+PONG\r\n')
const QUEUED = Buffer.from('+QUEUED\r\n')
const NULL_BULK = Buffer.from('$-1\r\n')
const NULL_ARRAY = Buffer.from('*-1\r\n')
const NULL_RESP3 = Buffer.from('_\r\n')
const TRUE_RESP3 = Buffer.from('#t\r\n')
const FALSE_RESP3 = Buffer.from('#f\r\n')
const LOOP_MAX = 80

/** A reply would pass REPLY_BYTES_MAX, or the memory that there is. What was written is worthless then. */
export class ReplyTooLargeError extends Error {
  override readonly name = 'ReplyTooLargeError'
}

export class ReplyWriter {
  buf: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  /** Bytes written: the replies are `buf[0, pos)`. */
  pos = 0
  /** Protocol of the client that is being answered. */
  proto: 2 | 3 = 2

  /** Forgets what was written; lets go of a buffer that one large reply left behind. */
  clear(): void {
    this.pos = 0
    if (this.buf.length > KEEP_BYTES_MAX) this.buf = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  }

  /** Leaves the buffer to whoever still reads from it and goes on with a new one. */
  abandon(): void {
    this.pos = 0
    this.buf = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  }

  /** Gives away what was written, with its buffer; goes on with a new one. */
  take(): Buffer {
    const written = this.buf.subarray(0, this.pos)
    this.abandon()
    return written
  }

  /** Takes back what was written after `pos`, for a reply that turned out to be another. */
  rewind(pos: number): void {
    assert(pos <= this.pos, 'a writer rewinds only')
    this.pos = pos
  }

  reserve(bytes: number): void {
    if (this.pos + bytes > this.buf.length) this.#grow(bytes)
  }

  #grow(bytes: number): void {
    const wanted = this.pos + bytes
    if (wanted > REPLY_BYTES_MAX) throw new ReplyTooLargeError(`a reply of ${wanted} bytes or more`)
    let size = this.buf.length * 2
    while (size < wanted) size *= 2
    const larger = allocate(size)
    this.buf.copy(larger, 0, 0, this.pos)
    this.buf = larger
  }

  raw(bytes: Buffer): void {
    this.#copy(bytes, 0, bytes.length)
  }

  rawRange(bytes: Buffer, from: number, length: number): void {
    this.#copy(bytes, from, length)
  }

  ok(): void {
    this.raw(OK)
  }

  pong(): void {
    this.raw(PONG)
  }

  queued(): void {
    this.raw(QUEUED)
  }

  /** A simple string, as `error` writes it. */
  simple(text: string): void {
    this.#line('+', oneLine(text))
  }

  /** An error, in Latin-1: its first word is its code. Line breaks become spaces, what Latin-1 lacks a question mark. */
  error(text: string): void {
    this.#line('-', oneLine(text))
  }

  integer(value: number): void {
    this.reserve(24)
    this.#head(58, value)
  }

  /** A 64-bit integer beyond the safe range of a number. */
  bigint(value: bigint): void {
    this.#line(':', value.toString())
  }

  bulk(bytes: Buffer, from: number, length: number): void {
    this.reserve(length + 32)
    this.#head(36, length)
    const buf = this.buf
    let pos = this.pos
    if (length <= LOOP_MAX) for (let i = 0; i < length; i++) buf[pos + i] = bytes[from + i]!
    else bytes.copy(buf, pos, from, from + length)
    pos += length
    buf[pos] = CR
    buf[pos + 1] = LF
    this.pos = pos + 2
  }

  bulkBuffer(bytes: Buffer): void {
    this.bulk(bytes, 0, bytes.length)
  }

  /** A string of any characters, as UTF-8. */
  bulkString(text: string): void {
    const bytes = Buffer.byteLength(text)
    this.reserve(bytes + 32)
    this.#head(36, bytes)
    this.buf.write(text, this.pos, 'utf8')
    this.pos += bytes
    this.#crlf()
  }

  bulkInteger(value: number): void {
    this.bulkString(String(value))
  }

  /** "No value": a null bulk string, RESP3 null. */
  null(): void {
    this.raw(this.proto === 3 ? NULL_RESP3 : NULL_BULK)
  }

  /** "No array": RESP3 null. */
  nullArray(): void {
    this.raw(this.proto === 3 ? NULL_RESP3 : NULL_ARRAY)
  }

  array(count: number): void {
    this.reserve(24)
    this.#head(42, count)
  }

  map(pairs: number): void {
    this.reserve(24)
    if (this.proto === 3) this.#head(37, pairs)
    else this.#head(42, pairs * 2)
  }

  set(count: number): void {
    this.reserve(24)
    this.#head(this.proto === 3 ? 126 : 42, count)
  }

  /** An out-of-band message; an array for RESP2. */
  push(count: number): void {
    this.reserve(24)
    this.#head(this.proto === 3 ? 62 : 42, count)
  }

  double(value: number): void {
    const text = formatDouble(value)
    if (this.proto === 3) this.#line(',', text)
    else this.bulkString(text)
  }

  /** RESP2: integer 1 or 0. */
  boolean(value: boolean): void {
    if (this.proto === 3) this.raw(value ? TRUE_RESP3 : FALSE_RESP3)
    else this.integer(value ? 1 : 0)
  }

  /** Text with a three-letter format (`txt`, `mkd`); a plain bulk string for RESP2. */
  verbatim(format: string, text: string): void {
    if (this.proto !== 3) return this.bulkString(text)
    const bytes = Buffer.byteLength(text)
    this.reserve(bytes + 32)
    this.#head(61, bytes + 4)
    this.pos += this.buf.write(`${format}:${text}`, this.pos, 'utf8')
    this.#crlf()
  }

  #line(prefix: string, text: string): void {
    const line = `${prefix}${text}`
    this.reserve(line.length + 2)
    this.pos += this.buf.write(line, this.pos, 'latin1')
    this.#crlf()
  }

  #crlf(): void {
    this.buf[this.pos] = CR
    this.buf[this.pos + 1] = LF
    this.pos += 2
  }

  /** Prefix byte, decimal number, CR LF; the room is reserved. */
  #head(prefix: number, value: number): void {
    const buf = this.buf
    let pos = this.pos
    buf[pos++] = prefix
    if (value >= 0 && value < 10) {
      buf[pos++] = ZERO + value
    } else if (value >= 0 && value < 0x7fffffff) {
      pos = writeDigits(buf, pos, value | 0)
    } else {
      pos += buf.write(String(value), pos, 'latin1')
    }
    buf[pos] = CR
    buf[pos + 1] = LF
    this.pos = pos + 2
  }

  #copy(bytes: Buffer, from: number, length: number): void {
    this.reserve(length)
    const buf = this.buf
    const pos = this.pos
    if (length <= LOOP_MAX) for (let i = 0; i < length; i++) buf[pos + i] = bytes[from + i]!
    else bytes.copy(buf, pos, from, from + length)
    this.pos = pos + length
  }
}

function allocate(bytes: number): Buffer {
  try {
    return Buffer.allocUnsafeSlow(bytes)
  } catch {
    throw new ReplyTooLargeError(`no memory for a reply of ${bytes} bytes`)
  }
}

/** The text's low bytes are what is written: U+010A would become a line feed and break the protocol. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ').replace(/[^\0-\xff]/gu, '?')
}

function writeDigits(buf: Buffer, at: number, value: number): number {
  let digits = 1
  for (let limit = 10; value >= limit && digits < 10; limit *= 10) digits++
  let left = value
  for (let i = at + digits - 1; i >= at; i--) {
    const rest = (left / 10) | 0
    buf[i] = ZERO + (left - rest * 10)
    left = rest
  }
  return at + digits
}

/** As Redis 7.2 writes a double: the shortest that reads back the same. */
export function formatDouble(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return 'inf'
  if (value === Number.NEGATIVE_INFINITY) return '-inf'
  if (Number.isNaN(value)) return 'nan'
  return Object.is(value, -0) ? '-0' : String(value)
}
