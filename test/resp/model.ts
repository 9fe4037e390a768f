/**
 * What a request decoder must make of bytes that are all there, said as plainly as possible and independently of src/resp:
 * after Redis' networking.c (processMultibulkBuffer, processInlineBuffer) and sds.c (sdssplitargs).
 */
import type {Verdict} from './feed.ts'

const LINE_MAX = 64 * 1024
const ARGS_MAX = 1024 * 1024
const BULK_MAX = 512 * 1024 * 1024

class Broken extends Error {}

/** `text`: the bytes as Latin-1. */
export function modelDecode(text: string): Verdict {
  const requests: string[][] = []
  let at = 0
  try {
    while (at < text.length) {
      const one = text[at] === '*' ? multibulk(text, at) : inline(text, at)
      if (one === null) break
      requests.push(one.args)
      at = one.end
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    return {requests, error: `Protocol error: ${error.message}`}
  }
  return {requests, error: null}
}

interface One {
  readonly args: string[]
  readonly end: number
}

/** A header line's text and where the next one begins; null if it is not all there. */
function line(text: string, at: number, what: string): {readonly text: string; readonly end: number} | null {
  const cr = text.indexOf('\r', at)
  if (cr < 0 ? text.length - at > LINE_MAX : cr - at > LINE_MAX) throw new Broken(`too big ${what} count string`)
  if (cr < 0 || cr + 1 >= text.length) return null
  return {text: text.slice(at + 1, cr), end: cr + 2}
}

function int64(text: string): number {
  if (!/^(0|-?[1-9][0-9]{0,18})$/.test(text)) return NaN
  const value = BigInt(text)
  return value === BigInt.asIntN(64, value) ? Number(value) : NaN
}

function multibulk(text: string, from: number): One | null {
  const header = line(text, from, 'mbulk')
  if (header === null) return null
  const count = int64(header.text)
  if (Number.isNaN(count) || count > ARGS_MAX) throw new Broken('invalid multibulk length')
  const args: string[] = []
  let at = header.end
  while (args.length < count) {
    const head = line(text, at, 'bulk')
    if (head === null) return null
    if (text[at] !== '$') throw new Broken(`expected '$', got '${text[at]}'`)
    const length = int64(head.text)
    if (!(length >= 0 && length <= BULK_MAX)) throw new Broken('invalid bulk length')
    if (head.end + length + 2 > text.length) return null
    args.push(text.slice(head.end, head.end + length))
    at = head.end + length + 2
  }
  return {args, end: at}
}

function inline(text: string, from: number): One | null {
  const lf = text.indexOf('\n', from)
  if ((lf < 0 ? text.length : lf) - from > LINE_MAX) throw new Broken('too big inline request')
  if (lf < 0) return null
  const args = modelSplit(text.slice(from, lf).replace(/\r$/, ''))
  if (args === null) throw new Broken('unbalanced quotes in request')
  return {args, end: lf + 1}
}

/** sdssplitargs: the words of a line, or null if its quotes do not match. */
export function modelSplit(text: string): string[] | null {
  const words: string[] = []
  let rest = text
  for (;;) {
    rest = rest.replace(/^[ \t\n\v\f\r]+/, '')
    if (rest === '') return words
    let word = ''
    while (rest !== '' && !/^[ \n\r\t]/.test(rest)) {
      const piece =
        /^"((?:\\[^]|[^"\\])*)"(?=[ \t\n\v\f\r]|$)|^'((?:\\'|(?!\\')[^'])*)'(?=[ \t\n\v\f\r]|$)|^[^"' \n\r\t]/.exec(
          rest,
        )
      if (piece === null) return null
      const [all, double, single] = piece
      rest = rest.slice(all.length)
      word += double === undefined ? (single === undefined ? all : single.replaceAll("\\'", "'")) : unescape(double)
      // A quote that is closed ends the word, whatever blank follows.
      if (double !== undefined || single !== undefined) break
    }
    words.push(word)
  }
}

function unescape(text: string): string {
  const named: Record<string, string> = {n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07'}
  return text.replace(/\\x([0-9a-fA-F]{2})|\\([^])/g, (_, hex: string | undefined, letter: string) =>
    hex === undefined ? (named[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
