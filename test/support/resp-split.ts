/**
 * Where does one reply end? An independent RESP2/RESP3 reader for tests: it shares no code with src/resp,
 * so a mistake there cannot hide itself. Two halves:
 *
 *   replyEnd(bytes)  -> length of the first reply, or -1 if more bytes are needed
 *   parseReply(raw)  -> a tree that keeps each node's type, for normalisers and readable diffs
 *
 * Both refuse anything that is not strict RESP: lengths must be plain decimals, lines must end in CRLF.
 */

export type Reply =
  | {readonly type: '+' | '-' | ',' | '(' | '#'; readonly text: string}
  | {readonly type: ':'; readonly text: string}
  | {readonly type: '$' | '!' | '='; readonly bytes: Buffer}
  | {readonly type: 'null'; readonly wire: '$-1' | '*-1' | '_'}
  | {readonly type: '*' | '~' | '>'; readonly items: readonly Reply[]}
  | {readonly type: '%' | '|'; readonly items: readonly Reply[]}

const CR = 13
const LF = 10

export class MalformedReply extends Error {
  override readonly name = 'MalformedReply'
}

interface Line {
  readonly type: string
  readonly text: string
  readonly next: number
}

function readLine(bytes: Buffer, at: number): Line | undefined {
  if (at >= bytes.length) return undefined
  const lf = bytes.indexOf(LF, at)
  if (lf === -1) return undefined
  if (bytes[lf - 1] !== CR || lf - 1 <= at) throw new MalformedReply(`line without CRLF at ${at}`)
  return {type: String.fromCharCode(bytes[at]!), text: bytes.toString('latin1', at + 1, lf - 1), next: lf + 1}
}

function length(line: Line): number {
  if (!/^(-1|0|[1-9]\d*)$/.test(line.text)) throw new MalformedReply(`bad length ${line.type}${line.text}`)
  return Number(line.text)
}

/** Nodes that follow the header: a map and an attribute count pairs; an attribute is followed by the reply it adorns. */
function childCount(line: Line): number {
  const n = Math.max(0, length(line))
  if (line.type === '%') return n * 2
  if (line.type === '|') return n * 2 + 1
  return n
}

/** Finds the end of one reply, and picks up where it stopped when more bytes have come: a large reply is read once. */
export class ReplyScanner {
  #pending = 1
  #offset = 0

  /** `bytes` starts with the reply, and only ever grows. Gives the reply's length, or -1 if more bytes are needed. */
  scan(bytes: Buffer): number {
    while (this.#pending > 0) {
      const line = readLine(bytes, this.#offset)
      if (line === undefined) return -1
      const next = endOfNode(bytes, line)
      if (next === -1) return -1
      this.#pending += AGGREGATES.includes(line.type) ? childCount(line) - 1 : -1
      this.#offset = next
    }
    return this.#offset
  }
}

const AGGREGATES = '*~>%|'

/** End of a node without its children; -1 if more bytes are needed. */
function endOfNode(bytes: Buffer, line: Line): number {
  if (AGGREGATES.includes(line.type) || '+-:,(#_'.includes(line.type)) return line.next
  if (!'$!='.includes(line.type)) throw new MalformedReply(`unknown reply type ${JSON.stringify(line.type)}`)
  const n = length(line)
  if (n === -1) return line.next
  const end = line.next + n
  if (bytes.length < end + 2) return -1
  if (bytes[end] !== CR || bytes[end + 1] !== LF) throw new MalformedReply(`bulk of ${n} not ended`)
  return end + 2
}

/** Length of the reply that `bytes` starts with, or -1 if more bytes are needed. */
export function replyEnd(bytes: Buffer): number {
  return new ReplyScanner().scan(bytes)
}

function parseAt(bytes: Buffer, at: number): {reply: Reply; next: number} {
  const line = readLine(bytes, at)
  if (line === undefined) throw new MalformedReply('incomplete')
  switch (line.type) {
    case '$':
    case '!':
    case '=': {
      const n = length(line)
      if (n === -1) return {reply: {type: 'null', wire: '$-1'}, next: line.next}
      return {reply: {type: line.type, bytes: bytes.subarray(line.next, line.next + n)}, next: line.next + n + 2}
    }
    case '*':
    case '~':
    case '>':
    case '%':
    case '|': {
      if (line.text === '-1') return {reply: {type: 'null', wire: '*-1'}, next: line.next}
      const items: Reply[] = []
      let next = line.next
      for (let i = childCount(line); i > 0; i--) {
        const child = parseAt(bytes, next)
        items.push(child.reply)
        next = child.next
      }
      return {reply: {type: line.type, items}, next}
    }
    case '_':
      return {reply: {type: 'null', wire: '_'}, next: line.next}
    case '+':
    case '-':
    case ',':
    case '(':
    case '#':
    case ':':
      return {reply: {type: line.type, text: line.text}, next: line.next}
    default:
      throw new MalformedReply(`unknown reply type ${JSON.stringify(line.type)}`)
  }
}

/** The tree of one complete raw reply. */
export function parseReply(raw: Buffer): Reply {
  const {reply, next} = parseAt(raw, 0)
  if (next !== raw.length) throw new MalformedReply(`${raw.length - next} bytes after the reply`)
  return reply
}

function encodedHeader(reply: {type: string; items: readonly Reply[]}): string {
  if (reply.type === '%') return `%${reply.items.length / 2}\r\n`
  if (reply.type === '|') return `|${(reply.items.length - 1) / 2}\r\n`
  return `${reply.type}${reply.items.length}\r\n`
}

/** The bytes of a tree: `encodeReply(parseReply(raw))` equals `raw`. */
export function encodeReply(reply: Reply): Buffer {
  if (reply.type === 'null') return Buffer.from(`${reply.wire}\r\n`)
  if ('items' in reply) return Buffer.concat([Buffer.from(encodedHeader(reply)), ...reply.items.map(encodeReply)])
  if ('bytes' in reply) {
    return Buffer.concat([Buffer.from(`${reply.type}${reply.bytes.length}\r\n`), reply.bytes, Buffer.from('\r\n')])
  }
  return Buffer.from(`${reply.type}${reply.text}\r\n`, 'latin1')
}
