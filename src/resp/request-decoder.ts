/**
 * Reads requests of one connection, in place and piece by piece.
 *
 * `next` looks at bytes from outside (the read buffer that all connections share). A complete request is described by
 * `request.buf / off / len / argc` with no copy. An incomplete one is kept in a buffer of the connection's own, at offset 0, together
 * with how far it was read, so that no byte is looked at twice however the request is cut.
 *
 * Texts of protocol errors are Redis' own (networking.c). Everything is bounded: see constants.ts.
 *
 * Hot path: measured by `npm run bench`.
 */
import {BULK_BYTES_MAX, INLINE_BYTES_MAX, REQUEST_ARGS_MAX, REQUEST_BYTES_MAX} from '../constants.ts'
import {splitInline} from './inline.ts'

const CR = 13
const LF = 10
const STAR = 42
const DOLLAR = 36
const MINUS = 45
const ZERO = 48
const KEEP_ARGS_MAX = 1024

/** One request: the i-th argument is `buf[off[i], off[i] + len[i])`; argument 0 is the command's name. */
export class Request {
  buf: Buffer = Buffer.alloc(0)
  argc = 0
  off: number[] = [0, 0, 0, 0]
  len: number[] = [0, 0, 0, 0]
  /** Bucket and hash of argument 1, if someone formed them already (the engine's look-ahead); bucket -1 = not yet. */
  bucket = -1
  hash = 0
}

/** Drops the room that one request with very many arguments left behind. */
export function trimRequest(request: Request): void {
  if (request.off.length <= KEEP_ARGS_MAX) return
  request.off = [0, 0, 0, 0]
  request.len = [0, 0, 0, 0]
}

/** A copy with its own bytes, for a request that must outlive the call it came with. */
export function copyRequest(request: Request): Request {
  const copy = new Request()
  const last = request.argc - 1
  const from = request.off[0]!
  copy.buf = Buffer.from(request.buf.subarray(from, request.off[last]! + request.len[last]!))
  copy.argc = request.argc
  copy.off = request.off.slice(0, request.argc).map((offset) => offset - from)
  copy.len = request.len.slice(0, request.argc)
  return copy
}

export const NEED_MORE = 0
export const COMPLETE = 1
export const BAD = 2

export class RequestDecoder {
  request = new Request()
  /** Why `next` said BAD, without the leading `ERR`. */
  error = ''
  /** After `next`: where the bytes that were not used begin in the buffer that was given. */
  used = 0
  /** Before AUTH: larger requests are refused, as Redis does. */
  isRestricted = false

  /** Arguments announced by `*N`; -1 = the header was not read yet. */
  #expected = -1
  #argc = 0
  /** Where reading goes on in the request, from its start. */
  #at = 0
  /** Length announced by `$N` of the argument that is being read, or -1. */
  #bulk = -1
  /** How far the line that is not all there was searched for its end, from the request's start. */
  #scanned = 0
  #held: Buffer | null = null
  #heldBytes = 0

  /** Bytes of an incomplete request that are kept. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Reads one request from `bytes[from, end)`, after what is held. COMPLETE: `request` is valid until the next call;
   * `used` says where to go on. NEED_MORE: all bytes were taken. BAD: `error` says why, and the connection is to be closed.
   */
  next(bytes: Buffer, from: number, end: number): number {
    if (this.#heldBytes > 0) return this.#nextHeld(bytes, from, end)
    const result = this.#read(bytes, from, end)
    if (result === NEED_MORE) {
      this.used = end
      if (end > from && !this.#hold(bytes, from, end)) return this.#fail('Protocol error: too big request')
    }
    return result
  }

  /** Continues a request whose beginning is held: appends, and gives back what lies behind its end. */
  #nextHeld(bytes: Buffer, from: number, end: number): number {
    const before = this.#heldBytes
    if (!this.#append(bytes, from, end)) return this.#fail('Protocol error: too big request')
    const result = this.#read(this.#held!, 0, this.#heldBytes)
    if (result === COMPLETE) {
      // What was appended behind the request still lies in `bytes`.
      this.used = from + (this.used - before)
      // The request is a view of the held buffer, and may be executed after the next one was read: leave it to it.
      this.dropHeld()
      return COMPLETE
    }
    this.used = end
    return result
  }

  /** Forgets the bytes of an incomplete request, for a caller that keeps them itself. */
  dropHeld(): void {
    this.#held = null
    this.#heldBytes = 0
    this.#reset()
  }

  /** Gives the request that was read and goes on with `spare`: so several can be read before the first is executed. */
  swap(spare: Request): Request {
    const read = this.request
    this.request = spare
    return read
  }

  #hold(bytes: Buffer, from: number, end: number): boolean {
    this.#heldBytes = 0
    const off = this.request.off
    for (let i = 0; i < this.#argc; i++) off[i] = off[i]! - from
    return this.#append(bytes, from, end)
  }

  /** Keeps bytes; false if the request has too many, for us or for the memory that there is. */
  #append(bytes: Buffer, from: number, end: number): boolean {
    const size = this.#heldBytes + end - from
    if (size > REQUEST_BYTES_MAX) return false
    if (!this.#held || this.#held.length < size) {
      // At most twice what really came, whatever length was announced.
      const larger = allocate(Math.max(1024, Math.min(size * 2, this.#announced(size))))
      if (larger === null) return false
      if (this.#held) this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    bytes.copy(this.#held, this.#heldBytes, from, end)
    this.#heldBytes = size
    return true
  }

  #announced(size: number): number {
    const known = this.#bulk >= 0 ? this.#at + this.#bulk + 2 : 0
    return known > size ? known : size * 2
  }

  /** Reads on at `start + #at`; offsets of arguments are absolute in `bytes`. */
  #read(bytes: Buffer, start: number, end: number): number {
    if (this.#expected < 0) {
      if (start >= end) return NEED_MORE
      if (bytes[start] !== STAR) return this.#readInline(bytes, start, end)
      const result = this.#readHeader(bytes, start, end)
      if (result !== COMPLETE) return result
    }
    const request = this.request
    const off = request.off
    const len = request.len
    const expected = this.#expected
    let argc = this.#argc
    let at = start + this.#at
    while (argc < expected) {
      let length = this.#bulk
      if (length < 0) {
        // Fast path: `$`, one or two digits, CR LF, all there.
        if (at + 5 <= end && bytes[at] === DOLLAR && bytes[at + 2] === CR && isDigit(bytes[at + 1]!)) {
          length = bytes[at + 1]! - ZERO
          at += 4
        } else if (
          at + 6 <= end &&
          bytes[at] === DOLLAR &&
          bytes[at + 3] === CR &&
          isDigit(bytes[at + 1]!) &&
          isDigit(bytes[at + 2]!) &&
          bytes[at + 1] !== ZERO
        ) {
          length = (bytes[at + 1]! - ZERO) * 10 + bytes[at + 2]! - ZERO
          at += 5
        } else {
          this.#at = at - start
          this.#argc = argc
          const next = this.#readBulkHeader(bytes, start, end)
          if (next < 0) return next === -1 ? NEED_MORE : BAD
          length = this.#bulk
          at = next
        }
      }
      if (at + length + 2 > end) {
        this.#bulk = length
        this.#argc = argc
        this.#at = at - start
        return NEED_MORE
      }
      off[argc] = at
      len[argc] = length
      argc++
      at += length + 2
      this.#bulk = -1
    }
    request.buf = bytes
    request.argc = argc
    request.bucket = -1
    this.used = at
    this.#reset()
    return COMPLETE
  }

  #reset(): void {
    this.#expected = -1
    this.#argc = 0
    this.#at = 0
    this.#bulk = -1
    this.#scanned = 0
  }

  /** `*N CR LF`: sets #expected and #at. A count of 0 or less is an empty request. */
  #readHeader(bytes: Buffer, start: number, end: number): number {
    const lineEnd = this.#findCr(bytes, start, start, end)
    if (lineEnd < 0) {
      return end - start > INLINE_BYTES_MAX ? this.#fail('Protocol error: too big mbulk count string') : NEED_MORE
    }
    if (lineEnd + 1 >= end) return NEED_MORE
    const count = parseLength(bytes, start + 1, lineEnd)
    if (Number.isNaN(count) || count > REQUEST_ARGS_MAX) return this.#fail('Protocol error: invalid multibulk length')
    if (this.isRestricted && count > 10) return this.#fail('Protocol error: unauthenticated multibulk length')
    this.#expected = Math.max(count, 0)
    this.#at = lineEnd + 2 - start
    return COMPLETE
  }

  /** `$N CR LF` at `start + #at`: sets #bulk and returns where the argument begins; -1 = need more, -2 = bad. */
  #readBulkHeader(bytes: Buffer, start: number, end: number): number {
    const at = start + this.#at
    const lineEnd = this.#findCr(bytes, start, at, end)
    if (lineEnd < 0) {
      if (end - at <= INLINE_BYTES_MAX) return -1
      this.#fail('Protocol error: too big bulk count string')
      return -2
    }
    if (lineEnd + 1 >= end) return -1
    if (bytes[at] !== DOLLAR) {
      this.#fail(`Protocol error: expected '$', got '${printable(bytes[at]!)}'`)
      return -2
    }
    const length = parseLength(bytes, at + 1, lineEnd)
    if (Number.isNaN(length) || length < 0 || length > BULK_BYTES_MAX) {
      this.#fail('Protocol error: invalid bulk length')
      return -2
    }
    if (this.isRestricted && length > 16_384) {
      this.#fail('Protocol error: unauthenticated bulk length')
      return -2
    }
    this.#bulk = length
    return lineEnd + 2
  }

  #readInline(bytes: Buffer, start: number, end: number): number {
    const found = bytes.indexOf(LF, start + this.#scanned)
    const newline = found < 0 || found >= end ? -1 : found
    // However the line was cut: one that is too long is refused, its end in sight or not.
    if ((newline < 0 ? end : newline) - start > INLINE_BYTES_MAX) {
      return this.#fail('Protocol error: too big inline request')
    }
    if (newline < 0) {
      this.#scanned = end - start
      return NEED_MORE
    }
    const lineEnd = newline > start && bytes[newline - 1] === CR ? newline - 1 : newline
    if (!splitInline(bytes, start, lineEnd, this.request))
      return this.#fail('Protocol error: unbalanced quotes in request')
    this.request.bucket = -1
    this.used = newline + 1
    this.#reset()
    return COMPLETE
  }

  /** The CR that ends the line at `from`, or -1; looks at no byte a second time when more have come. */
  #findCr(bytes: Buffer, start: number, from: number, end: number): number {
    const limit = Math.min(end, from + INLINE_BYTES_MAX + 1)
    for (let i = Math.max(from, start + this.#scanned); i < limit; i++) if (bytes[i] === CR) return i
    this.#scanned = limit - start
    return -1
  }

  #fail(error: string): number {
    this.error = error
    return BAD
  }
}

function allocate(bytes: number): Buffer | null {
  try {
    return Buffer.allocUnsafeSlow(bytes)
  } catch {
    return null
  }
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

/**
 * A decimal integer as Redis' string2ll takes it: 64 bits, no sign but `-`, no leading zero, no blank. NaN = not one. Beyond
 * 2^53 it is not exact, and as a length out of any range.
 */
function parseLength(bytes: Buffer, from: number, to: number): number {
  let i = from
  const isNegative = bytes[i] === MINUS
  if (isNegative) i++
  if (i >= to || to - i > 19) return Number.NaN
  if (bytes[i] === ZERO && (to - i > 1 || isNegative)) return Number.NaN
  let value = 0
  for (; i < to; i++) {
    const byte = bytes[i]!
    if (!isDigit(byte)) return Number.NaN
    value = value * 10 + byte - ZERO
  }
  if (value > Number.MAX_SAFE_INTEGER) {
    const exact = BigInt(bytes.toString('latin1', from, to))
    if (exact !== BigInt.asIntN(64, exact)) return Number.NaN
  }
  return isNegative ? -value : value
}

function printable(byte: number): string {
  return String.fromCharCode(byte)
}
