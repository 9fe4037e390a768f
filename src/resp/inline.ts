/**
 * Inline requests: a line of words as one types them into telnet. Words may be quoted; "..." knows \n \r \t \b \a \xHH and \c,
 * '...' knows \'. As Redis' sdssplitargs, its oddity included: a vertical tab or form feed parts words only where blanks are
 * skipped. A zero byte, at which Redis stops to see the line, is a byte like others.
 */
import type {Request} from './request-decoder.ts'

const QUOTE = 34
const APOSTROPHE = 39
const BACKSLASH = 92
const ESCAPES: Readonly<Record<number, number>> = {110: 10, 114: 13, 116: 9, 98: 8, 97: 7}

/** Splits `bytes[from, to)` into `request`'s arguments (copied); false if the quotes do not match. An empty line has no arguments. */
export function splitInline(bytes: Buffer, from: number, to: number, request: Request): boolean {
  const out = Buffer.allocUnsafe(to - from)
  let length = 0
  let argc = 0
  let i = from
  for (;;) {
    while (i < to && isSpace(bytes[i]!)) i++
    if (i >= to) break
    const start = length
    while (i < to && !isBlank(bytes[i]!)) {
      const byte = bytes[i]!
      if (byte !== QUOTE && byte !== APOSTROPHE) {
        out[length++] = byte
        i++
        continue
      }
      const next = byte === QUOTE ? quoted(bytes, i + 1, to, out, length) : apostrophed(bytes, i + 1, to, out, length)
      if (next === null || (next.at < to && !isSpace(bytes[next.at]!))) return false
      i = next.at
      length = next.length
      break
    }
    request.off[argc] = start
    request.len[argc] = length - start
    argc++
  }
  request.buf = out
  request.argc = argc
  return true
}

interface Quoted {
  /** Where the line goes on. */
  readonly at: number
  /** Bytes in the output. */
  readonly length: number
}

function quoted(bytes: Buffer, from: number, to: number, out: Buffer, start: number): Quoted | null {
  let length = start
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    if (byte === QUOTE) return {at: i + 1, length}
    if (byte !== BACKSLASH || i + 1 >= to) {
      out[length++] = byte
      continue
    }
    const hex = bytes[i + 1] === 120 && i + 3 < to ? hexByte(bytes, i + 2) : -1
    if (hex >= 0) {
      out[length++] = hex
      i += 3
    } else {
      out[length++] = ESCAPES[bytes[i + 1]!] ?? bytes[i + 1]!
      i++
    }
  }
  return null
}

function apostrophed(bytes: Buffer, from: number, to: number, out: Buffer, start: number): Quoted | null {
  let length = start
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    if (byte === APOSTROPHE) return {at: i + 1, length}
    if (byte === BACKSLASH && bytes[i + 1] === APOSTROPHE && i + 1 < to) {
      out[length++] = APOSTROPHE
      i++
    } else {
      out[length++] = byte
    }
  }
  return null
}

function hexByte(bytes: Buffer, at: number): number {
  const text = bytes.toString('latin1', at, at + 2)
  return /^[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text, 16) : -1
}

/** As C's isspace. */
function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13)
}

/** What ends a word that is not quoted. */
function isBlank(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9
}
