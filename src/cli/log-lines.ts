/**
 * Records of a data log as lines: one for a person,
 *
 *   2026-11-22T10:00:00.123Z  7365 3.51 map-set "user:1" "name" "ada"  expires 2026-11-22T11:00:00.000Z
 *
 * or one JSON object for a machine. Hot path of `kv log tail` into a pipe, so plain text is recognised by one regular expression
 * and only the rest is looked at byte by byte. What a value holds can never move the cursor of a terminal or begin a line of its own.
 */
import {formatBuckets} from '../base/bucket-ranges.ts'
import {NO_EXPIRY, type RecordCursor} from '../record/codec.ts'
import {IMAGE_COMPACTED, IMAGE_FIRST, IMAGE_GAP, type LogLine} from '../record/log-entry.ts'
import {
  OP_FIELD_EXPIRE_AT,
  OP_FIELD_PERSIST,
  OP_MAP_DELETE,
  OP_MAP_SET,
  OP_CLEAR,
  OP_NAMES,
  OP_SET,
} from '../record/op.ts'
import {formatCount} from './units.ts'
import type {LoggedEntry} from '../datalog/types.ts'
import type {TailSink} from '../datalog/tail.ts'

/** Bytes of a key, field or value that a person is shown. */
const SHOWN_BYTES = 64
const PLAIN = /^[ !#-[\]-~]*$/
/** What a terminal would not show, or not where it stands: controls, what is no UTF-8, and marks that turn the direction of writing. */
const UNSHOWABLE = /[\u0000-\u001f\u007f-\u009f\ufffd\u2028-\u202e\u2066-\u2069"\\]/

const HAS_FIELD = OP_NAMES.map((_, op) =>
  [OP_MAP_SET, OP_MAP_DELETE, OP_FIELD_EXPIRE_AT, OP_FIELD_PERSIST].includes(op),
)
const HAS_VALUE = OP_NAMES.map((_, op) => op === OP_SET || op === OP_MAP_SET)
const REASONS: Readonly<Record<number, string>> = {
  [IMAGE_FIRST]: 'first',
  [IMAGE_GAP]: 'gap',
  [IMAGE_COMPACTED]: 'compacted',
}

/** Takes finished lines, without line ends. */
export type TakeLine = (line: string) => void

/** Unix ms in ISO; the last one is remembered, because neighbours share it. A time that no calendar has is shown as its number. */
class Times {
  #time = Number.NaN
  #text = ''

  text(time: number): string {
    if (time !== this.#time) {
      this.#time = time
      this.#text = Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : `${time}`
    }
    return this.#text
  }
}

/** Lines for a person. */
export class PersonLines implements TailSink {
  readonly #take: TakeLine
  readonly #times = new Times()

  constructor(take: TakeLine) {
    this.#take = take
  }

  record(record: RecordCursor, isImage: boolean): void {
    const {op, buf, bucket, epoch, seq, time} = record
    let line = `${this.#times.text(time)} ${String(bucket).padStart(5)} ${epoch}.${seq} ${isImage ? 'image/' : ''}${OP_NAMES[op]}`
    if (op !== OP_CLEAR) line += ` ${shown(buf, record.keyOff, record.keyLen)}`
    if (HAS_FIELD[op]) line += ` ${shown(buf, record.fieldOff, record.fieldLen)}`
    if (HAS_VALUE[op]) line += ` ${shown(buf, record.valueOff, record.valueLen)}`
    if (record.expireAt !== NO_EXPIRY) line += `  expires ${new Times().text(record.expireAt)}`
    this.#take(line)
  }

  lines(name: string, lines: readonly LogLine[], {time}: LoggedEntry): void {
    const code = name === 'image-begin' ? ` (${REASONS[lines[0]!.code] ?? lines[0]!.code})` : ''
    const [{bucket, epoch, seq}] = lines as [LogLine]
    const where =
      lines.length === 1
        ? `${String(bucket).padStart(5)} ${epoch}.${seq} ${name}${code}`
        : `    - - ${name}${code} ${formatCount(lines.length)} buckets: ${formatBuckets(sorted(lines))}`
    this.#take(`${this.#times.text(time)} ${where}`)
  }

  note(text: string, {time}: LoggedEntry): void {
    const bytes = Buffer.from(text)
    this.#take(`${this.#times.text(time)}     - - note ${shown(bytes, 0, bytes.length, 1_000)}`)
  }
}

function sorted(lines: readonly LogLine[]): number[] {
  return [...new Set(lines.map(({bucket}) => bucket))].sort((a, b) => a - b)
}

/** Quoted, escaped, and cut after some bytes, never within a character. */
export function shown(buf: Buffer, off: number, length: number, bytesMax = SHOWN_BYTES): string {
  let end = off + Math.min(length, bytesMax)
  const isCut = end < off + length
  if (isCut) while (end > off && (buf[end]! & 0xc0) === 0x80) end--
  const ascii = buf.toString('latin1', off, end)
  const text = PLAIN.test(ascii) ? ascii : escaped(buf, off, end)
  return isCut ? `"${text}"... (${formatCount(length)} bytes)` : `"${text}"`
}

function escaped(buf: Buffer, off: number, end: number): string {
  const utf8 = buf.toString('utf8', off, end)
  if (!UNSHOWABLE.test(utf8)) return utf8
  let text = ''
  for (let i = off; i < end; i++) {
    const byte = buf[i]!
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte)
    else text += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return text
}

/** One JSON object a line; keys, fields and values whole. Bytes that are no UTF-8 are `{"base64": ...}`. */
export class JsonLines implements TailSink {
  readonly #take: TakeLine

  constructor(take: TakeLine) {
    this.#take = take
  }

  record(record: RecordCursor, isImage: boolean, {segment, offset}: LoggedEntry): void {
    const {op, buf, bucket, epoch, seq, time, expireAt} = record
    let line = `{"time":${time},"bucket":${bucket},"epoch":${epoch},"seq":${seq},"op":"${OP_NAMES[op]}"`
    if (op !== OP_CLEAR) line += `,"key":${json(buf, record.keyOff, record.keyLen)}`
    if (HAS_FIELD[op]) line += `,"field":${json(buf, record.fieldOff, record.fieldLen)}`
    if (HAS_VALUE[op]) line += `,"value":${json(buf, record.valueOff, record.valueLen)}`
    if (expireAt !== NO_EXPIRY) line += `,"expireAt":${expireAt}`
    if (!record.isGroupEnd) line += ',"more":true'
    if (isImage) line += ',"image":true'
    this.#take(`${line},"segment":${segment},"offset":${offset}}`)
  }

  lines(name: string, lines: readonly LogLine[], {time, segment, offset}: LoggedEntry): void {
    for (const {bucket, epoch, seq, code} of lines) {
      const reason = name === 'image-begin' ? {reason: REASONS[code] ?? String(code)} : {}
      this.#take(JSON.stringify({time, bucket, epoch, seq, op: name, ...reason, segment, offset}))
    }
  }

  note(text: string, {time, segment, offset}: LoggedEntry): void {
    this.#take(JSON.stringify({time, op: 'note', note: text, segment, offset}))
  }
}

function json(buf: Buffer, off: number, length: number): string {
  const ascii = buf.toString('latin1', off, off + length)
  if (PLAIN.test(ascii)) return `"${ascii}"`
  const text = buf.toString('utf8', off, off + length)
  const isText = !text.includes('\ufffd') || Buffer.from(text).equals(buf.subarray(off, off + length))
  return isText ? JSON.stringify(text) : `{"base64":"${buf.toString('base64', off, off + length)}"}`
}
