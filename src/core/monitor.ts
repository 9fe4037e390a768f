/** How MONITOR and SLOWLOG show requests: text that is safe to print, and no secrets. */
import {copyRequest} from '../resp/request-decoder.ts'
import type {Request} from '../resp/request-decoder.ts'

const SHOWN_SECRET = '(redacted)'
/** Redis shows everything; but a line is text in memory, one for each monitor, and a request may have a gigabyte. */
const LINE_BYTES_MAX = 64 * 1024
const UNPRINTABLE = /[^ -~]|["\\]/g
const ESCAPES: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
}

/** The line that monitors get, as Redis writes it. */
export function monitorLine(unixMs: number, address: string, request: Request): string {
  const hidden = secretArguments(request)
  let line = `${(unixMs / 1000).toFixed(6)} [0 ${address}]`
  let left = LINE_BYTES_MAX
  for (let i = 0; i < request.argc; i++) {
    if (left <= 0) return `${line} ... (${request.argc - i} more arguments)`
    const length = request.len[i]!
    const shown = Math.min(length, left)
    left -= shown + 1
    line += hidden.has(i) ? ` "${SHOWN_SECRET}"` : ` ${quoted(request.buf, request.off[i]!, shown)}`
    if (shown < length) line += `... (${length - shown} more bytes)`
  }
  return line
}

/** As Redis' sdscatrepr. */
function quoted(bytes: Buffer, from: number, length: number): string {
  return `"${bytes.toString('latin1', from, from + length).replace(UNPRINTABLE, escaped)}"`
}

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  return ESCAPES[code] ?? `\\x${code.toString(16).padStart(2, '0')}`
}

/** The request with passwords made unreadable; itself if it has none. */
export function withoutSecrets(request: Request): Request {
  const hidden = secretArguments(request)
  if (hidden.size === 0) return request
  const shown = copyRequest(request)
  const end = shown.buf.length
  shown.buf = Buffer.concat([shown.buf, Buffer.from(SHOWN_SECRET)])
  for (const i of hidden) {
    shown.off[i] = end
    shown.len[i] = SHOWN_SECRET.length
  }
  return shown
}

/** Which arguments nobody else may read: those of AUTH, of HELLO's AUTH, and the password that CONFIG sets. */
function secretArguments(request: Request): ReadonlySet<number> {
  const hidden = new Set<number>()
  if (isWord(request, 0, 'auth')) for (let i = 1; i < request.argc; i++) hidden.add(i)
  if (isWord(request, 0, 'hello')) {
    for (let i = 2; i < request.argc; i++) if (isWord(request, i, 'auth')) hidden.add(i + 1).add(i + 2)
  }
  if (isWord(request, 0, 'config') && isWord(request, 1, 'set')) {
    for (let i = 2; i < request.argc; i += 2) if (isWord(request, i, 'requirepass')) hidden.add(i + 1)
  }
  return hidden
}

function isWord(request: Request, i: number, word: string): boolean {
  if (i >= request.argc || request.len[i] !== word.length) return false
  const from = request.off[i]!
  return request.buf.toString('latin1', from, from + word.length).toLowerCase() === word
}
