/**
 * Hand-written replies, for commands that the reference server is too old for. The notation names the kind of reply,
 * and becomes the bytes of either protocol:
 *
 *   +OK   :1   "bulk" or bulk   nil   nil*   #t   ,1.5   [:1 nil]   {field value}   -ERR to the end of the line
 *
 * `~text` is compared with what a normaliser made of the reply.
 */
import {tokenise} from './script.ts'
import type {Protocol} from './run.ts'

interface Cursor {
  readonly words: readonly {readonly bytes: Buffer; readonly quoted: boolean}[]
  at: number
}

const bulk = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
const line = (text: string): Buffer => Buffer.from(`${text}\r\n`)

function group(cursor: Cursor, close: string, protocol: Protocol): Buffer[] {
  const parts: Buffer[] = []
  for (;;) {
    const word = cursor.words[cursor.at]
    if (word === undefined) throw new Error(`missing ${close}`)
    if (!word.quoted && word.bytes.toString() === close) {
      cursor.at += 1
      return parts
    }
    parts.push(one(cursor, protocol))
  }
}

function one(cursor: Cursor, protocol: Protocol): Buffer {
  const word = cursor.words[cursor.at++]
  if (word === undefined) throw new Error('an empty expectation')
  const text = word.bytes.toString()
  if (word.quoted) return bulk(word.bytes)
  if (text === 'nil') return line(protocol === 3 ? '_' : '$-1')
  if (text === 'nil*') return line(protocol === 3 ? '_' : '*-1')
  if (text === '#t' || text === '#f') return line(protocol === 3 ? text : `:${text === '#t' ? 1 : 0}`)
  if (/^[+:]./.test(text)) return line(text)
  if (/^,./.test(text)) return protocol === 3 ? line(text) : bulk(Buffer.from(text.slice(1)))
  if (text === '[') {
    const parts = group(cursor, ']', protocol)
    return Buffer.concat([line(`*${parts.length}`), ...parts])
  }
  if (text === '{') {
    const parts = group(cursor, '}', protocol)
    return Buffer.concat([line(protocol === 3 ? `%${parts.length / 2}` : `*${parts.length}`), ...parts])
  }
  return bulk(word.bytes)
}

/** Comparable text of an expectation: bytes as latin1, as `normalise` gives them. */
export function expectedText(notation: string, protocol: Protocol): string {
  if (notation.startsWith('-')) return `${notation}\r\n`
  if (notation.startsWith('~')) return notation.slice(1)
  // Brackets stand on their own, so that [:1 :2] reads naturally.
  const spaced = notation.replace(/"(?:\\.|[^"\\])*"|[[\]{}]/g, (found) =>
    found.startsWith('"') ? found : ` ${found} `,
  )
  const cursor: Cursor = {words: tokenise(spaced), at: 0}
  const bytes = one(cursor, protocol)
  if (cursor.at !== cursor.words.length) throw new Error(`more than one reply: ${notation}`)
  return bytes.toString('latin1')
}
