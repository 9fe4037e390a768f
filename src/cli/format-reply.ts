/**
 * Replies as redis-cli prints them, so that eyes and scripts that know it feel at home: spread out with types and
 * indexes for a terminal, raw bytes for a pipe, plain values for JSON.
 */
import {isList, isTagged, type Reply} from '../client/reply.ts'

/** For a terminal: `(integer) 3`, `"quoted"`, numbered and indented elements. Without a line end. */
export function formatReply(reply: Reply, indent = ''): string {
  if (reply === null) return '(nil)'
  if (reply === true) return '(true)'
  if (reply === false) return '(false)'
  if (typeof reply === 'string') return reply
  if (typeof reply === 'number' || typeof reply === 'bigint') return `(integer) ${reply}`
  if (Buffer.isBuffer(reply)) return quoteBytes(reply)
  if (!isTagged(reply)) return formatItems(reply, ')', 'array', indent)
  switch (reply.kind) {
    case 'error':
      return `(error) ${reply.text}`
    case 'double':
      return `(double) ${doubleText(reply.value)}`
    case 'bigNumber':
      return `(big number) ${reply.value}`
    case 'verbatim':
      return reply.data.toString()
    case 'set':
      return formatItems(reply.items, '~', 'set', indent)
    case 'map':
      return formatEntries(reply.entries, indent)
  }
}

function formatItems(items: readonly Reply[], mark: string, name: string, indent: string): string {
  if (items.length === 0) return `(empty ${name})`
  const width = String(items.length).length
  return items
    .map((item, index) => numbered(index, width, mark, indent, (inner) => formatReply(item, inner)))
    .join('\n')
}

function formatEntries(entries: readonly (readonly [Reply, Reply])[], indent: string): string {
  if (entries.length === 0) return '(empty hash)'
  const width = String(entries.length).length
  return entries
    .map(([key, value], index) =>
      numbered(index, width, '#', indent, (inner) => {
        const name = formatReply(key, inner)
        return `${name} => ${formatReply(value, inner)}`
      }),
    )
    .join('\n')
}

/** One element behind its number; all but the first begin on a line of their own, under the first. */
function numbered(
  index: number,
  width: number,
  mark: string,
  indent: string,
  format: (inner: string) => string,
): string {
  const head = `${String(index + 1).padStart(width)}${mark} `
  const inner = indent + ' '.repeat(head.length)
  return `${index === 0 ? '' : indent}${head}${format(inner)}`
}

/** A bulk string in quotes, with everything that is not printable ASCII escaped. */
function quoteBytes(bytes: Buffer): string {
  const named: Readonly<Record<number, string>> = {
    7: '\\a',
    8: '\\b',
    9: '\\t',
    10: '\\n',
    13: '\\r',
    34: '\\"',
    92: '\\\\',
  }
  let text = ''
  for (const byte of bytes) {
    const isPrintable = byte >= 32 && byte < 127
    text += named[byte] ?? (isPrintable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`)
  }
  return `"${text}"`
}

/** For a pipe: values only, one a line, bytes untouched; null is an empty line. Without the last line end. */
export function rawReply(reply: Reply): Buffer {
  if (Buffer.isBuffer(reply)) return reply
  if (reply === null) return Buffer.alloc(0)
  if (isList(reply)) return joinLines(reply.map(rawReply))
  if (!isTagged(reply)) return Buffer.from(String(reply))
  switch (reply.kind) {
    case 'error':
      return Buffer.from(reply.text)
    case 'double':
      return Buffer.from(doubleText(reply.value))
    case 'bigNumber':
      return Buffer.from(String(reply.value))
    case 'verbatim':
      return reply.data
    case 'set':
      return joinLines(reply.items.map(rawReply))
    case 'map':
      return joinLines(reply.entries.flat().map(rawReply))
  }
}

function joinLines(lines: readonly Buffer[]): Buffer {
  return Buffer.concat(lines.flatMap((line, index) => (index === 0 ? [line] : [Buffer.from('\n'), line])))
}

/**
 * For `--json`. Strings that are UTF-8 become strings, other bytes `{"base64": "..."}`; integers past 2^53 and doubles
 * that JSON has no number for become strings; a map becomes an object if all its keys are strings, else a list of
 * pairs.
 */
export function jsonReply(reply: Reply): unknown {
  if (reply === null || typeof reply === 'boolean' || typeof reply === 'number' || typeof reply === 'string')
    return reply
  if (typeof reply === 'bigint') return String(reply)
  if (Buffer.isBuffer(reply)) return jsonBytes(reply)
  if (!isTagged(reply)) return reply.map(jsonReply)
  switch (reply.kind) {
    case 'error':
      return {error: reply.text}
    case 'double':
      return Number.isFinite(reply.value) ? reply.value : doubleText(reply.value)
    case 'bigNumber':
      return String(reply.value)
    case 'verbatim':
      return jsonBytes(reply.data)
    case 'set':
      return reply.items.map(jsonReply)
    case 'map':
      return jsonEntries(reply.entries.map(([key, value]) => [jsonReply(key), jsonReply(value)]))
  }
}

function jsonEntries(pairs: readonly [unknown, unknown][]): unknown {
  const hasStringKeys = pairs.every(([key]) => typeof key === 'string')
  return hasStringKeys ? Object.fromEntries(pairs as [string, unknown][]) : pairs
}

function jsonBytes(bytes: Buffer): unknown {
  const text = bytes.toString()
  // A byte that is no UTF-8 was replaced, so the way back does not give the same bytes.
  return Buffer.from(text).equals(bytes) ? text : {base64: bytes.toString('base64')}
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? 'inf' : '-inf'
}
