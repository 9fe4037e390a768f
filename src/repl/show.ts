/**
 * Replies as a person wants to see them: maps as tables, the rest as redis-cli shows it, text of any language as text, and
 * never more than a screen can stand. What is cut off is said, with what shows it whole. Pure.
 */
import type {ChalkInstance} from 'chalk'
import {formatReply} from '../cli/format-reply.ts'
import {renderTable} from '../cli/table.ts'
import {counted, formatCount} from '../cli/units.ts'
import {isError, isList, isTagged, type Reply} from '../client/reply.ts'
import {REPL_SHOWN_BYTES_MAX, REPL_SHOWN_ITEMS_MAX} from '../constants.ts'

export interface Screen {
  readonly style: ChalkInstance
  /** Characters in a line. */
  readonly columns: number
}

/** Between the columns of a table. */
const GAP = 2
const FIELD_CHARS_MIN = 8
const CUT = '…'

/** Without a line end. */
export function showReply(reply: Reply, {style, columns}: Screen): string {
  if (isError(reply)) return style.red(`(error) ${reply.text}`)
  const cut = new Cut()
  const shown = cut.reply(reply)
  const rows = tableRows(shown)
  const text = rows ? showTable(rows, style, columns) : formatReply(shown)
  return cut.notes.length === 0 ? text : `${text}\n${style.dim(cut.notes.join('\n'))}`
}

/** Takes from a reply what is too much, and notes what that was. */
class Cut {
  readonly #notes = new Set<string>()

  get notes(): readonly string[] {
    return [...this.#notes]
  }

  reply(reply: Reply): Reply {
    if (Buffer.isBuffer(reply)) return this.#bytes(reply)
    if (isList(reply)) return this.#items(reply, 'item').map((item) => this.reply(item))
    if (!isTagged(reply)) return reply
    if (reply.kind === 'verbatim') return {...reply, data: this.#bytes(reply.data)}
    if (reply.kind === 'set') return {...reply, items: this.#items(reply.items, 'item').map((item) => this.reply(item))}
    if (reply.kind !== 'map') return reply
    const entries = this.#items(reply.entries, 'field')
    return {...reply, entries: entries.map(([key, value]) => [this.reply(key), this.reply(value)] as const)}
  }

  #bytes(bytes: Buffer): Buffer {
    if (bytes.length <= REPL_SHOWN_BYTES_MAX) return bytes
    this.#notes.add(`${CUT} ${counted(bytes.length, 'byte')} in all; add \`> FILE\` to have them in a file.`)
    return bytes.subarray(0, REPL_SHOWN_BYTES_MAX)
  }

  #items<T>(items: readonly T[], noun: string): readonly T[] {
    if (items.length <= REPL_SHOWN_ITEMS_MAX) return items
    const more = items.length - REPL_SHOWN_ITEMS_MAX
    this.#notes.add(`${CUT} ${counted(more, noun)} more; add \`| less\` to see them all.`)
    return items.slice(0, REPL_SHOWN_ITEMS_MAX)
  }
}

/** Rows of a map whose values are plain; undefined for anything else. */
function tableRows(reply: Reply): readonly (readonly [string, string])[] | undefined {
  if (!isTagged(reply) || reply.kind !== 'map' || reply.entries.length === 0) return undefined
  const rows: [string, string][] = []
  for (const [key, value] of reply.entries) {
    const [field, shown] = [cellOf(key), cellOf(value)]
    if (field === undefined || shown === undefined) return undefined
    rows.push([field, shown])
  }
  return rows
}

function cellOf(value: Reply): string | undefined {
  if (Buffer.isBuffer(value)) return plainText(value)
  if (value === null) return '(nil)'
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'boolean') return String(value)
  return isTagged(value) && value.kind === 'double' ? String(value.value) : undefined
}

/** The bytes as they are, if they are text that moves no cursor; else quoted. */
export function plainText(bytes: Buffer): string {
  const text = bytes.toString()
  const isPlain = text !== '' && !/\p{C}/u.test(text) && Buffer.from(text).equals(bytes)
  return isPlain ? text : formatReply(bytes)
}

function showTable(rows: readonly (readonly [string, string])[], style: ChalkInstance, columns: number): string {
  const widest = Math.max(...rows.map(([field]) => field.length), FIELD_CHARS_MIN)
  const fieldChars = Math.min(widest, Math.max(FIELD_CHARS_MIN, Math.floor(columns / 2) - GAP))
  const valueChars = Math.max(FIELD_CHARS_MIN, columns - fieldChars - GAP)
  const cells = rows.map(([field, value]) => [style.cyan(fit(field, fieldChars)), fit(value, valueChars)])
  return renderTable([{title: 'FIELD'}, {title: 'VALUE'}], cells, style.bold)
}

function fit(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1)}${CUT}`
}

/** Under what is added up over nodes. */
export function nodesNote(count: number): string {
  return `(${formatCount(count)} ${count === 1 ? 'node' : 'nodes'})`
}
