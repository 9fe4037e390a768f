/**
 * What is shown of a log: the records and lines of its entries that somebody asked for, in order. Where the entries come from is behind
 * `TailSource`: a folder now; a running data-log node could be another.
 *
 * Hot path: a record that is not wanted costs its numbers being read, no object is made; those that are go to the sink at the cursor.
 */
import {matchesGlobAt} from '../base/glob.ts'
import {RecordCursor, walkFrames} from '../record/codec.ts'
import {
  decodeLogLines,
  IMAGE_GAP,
  LOG_EPOCH,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_NOTE,
  LOG_RECORDS,
} from '../record/log-entry.ts'
import {OP_NAMES} from '../record/op.ts'
import {damaged} from './groups.ts'
import {NEVER} from './outline.ts'
import type {LogLine} from '../record/log-entry.ts'
import type {LoggedEntry, LogPlace, ReadOptions} from './types.ts'

/** Where entries come from. */
export interface TailSource {
  entries(options: ReadOptions): AsyncIterable<LoggedEntry>
}

/** What is no record, by the kind of its entry. */
export const LINE_NAMES: Readonly<Record<number, string>> = {
  [LOG_IMAGE_BEGIN]: 'image-begin',
  [LOG_IMAGE_END]: 'image-end',
  [LOG_EPOCH]: 'epoch',
  [LOG_NOTE]: 'note',
}

/** Everything that `ops` of a filter may name. */
export const TAIL_OPS: readonly string[] = [...OP_NAMES.slice(1), ...Object.values(LINE_NAMES)]

export interface TailFilter {
  readonly buckets?: ReadonlySet<number> | undefined
  /** Glob. Lines and notes, which have no key, are not shown then unless `ops` names them. */
  readonly key?: Buffer | undefined
  /** Of TAIL_OPS. */
  readonly ops?: ReadonlySet<string> | undefined
  /** Unix ms at which the change was made (a line or note: was written). */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** Images too: their records, and where they begin and end. Without it only those that begin after a gap are told. */
  readonly images: boolean
}

export interface TailSink {
  /** The record at which the cursor stands. `isImage`: part of an image, no change of that moment. */
  record(record: RecordCursor, isImage: boolean, entry: LoggedEntry): void
  /** Lines of one entry, at least one; those of one call have the same code. */
  lines(name: string, lines: readonly LogLine[], entry: LoggedEntry): void
  note(text: string, entry: LoggedEntry): void
}

export class Tail {
  readonly #filter: TailFilter
  readonly #sink: TailSink
  readonly #cursor = new RecordCursor()
  readonly #isOpWanted: boolean[]
  readonly #since: number
  readonly #until: number

  constructor(filter: TailFilter, sink: TailSink) {
    this.#filter = filter
    this.#sink = sink
    this.#isOpWanted = OP_NAMES.map((name) => filter.ops?.has(name) ?? true)
    this.#since = filter.since ?? -NEVER
    this.#until = filter.until ?? NEVER
  }

  /** Shows what is wanted of an entry. Errors: E_LOG_DAMAGED. */
  take(entry: LoggedEntry): void {
    if (entry.kind === LOG_RECORDS) this.#takeRecords(entry, false)
    else if (entry.kind === LOG_IMAGE) {
      if (this.#filter.images) this.#takeRecords(entry, true)
    } else if (this.#isLineWanted(entry)) this.#takeOther(entry)
  }

  #takeRecords(entry: LoggedEntry, isImage: boolean): void {
    const {body, segment, offset} = entry
    const fault = walkFrames(body, this.#cursor, (record) => {
      if (this.#isWanted(record)) this.#sink.record(record, isImage, entry)
    })
    if (fault !== null) throw damaged(segment, offset, fault)
  }

  #isWanted(record: RecordCursor): boolean {
    const {buckets, key} = this.#filter
    if (!this.#isOpWanted[record.op] || record.time < this.#since || record.time > this.#until) return false
    if (buckets?.has(record.bucket) === false) return false
    if (key === undefined) return true
    return matchesGlobAt(key, 0, key.length, record.buf, record.keyOff, record.keyOff + record.keyLen, false)
  }

  #isLineWanted({kind, time}: LoggedEntry): boolean {
    const {ops, key} = this.#filter
    if (time < this.#since || time > this.#until) return false
    return ops ? ops.has(LINE_NAMES[kind] ?? '') : key === undefined
  }

  #takeOther(entry: LoggedEntry): void {
    const {kind, body, segment, offset} = entry
    if (kind === LOG_NOTE) return this.#sink.note(body.toString(), entry)
    const lines = decodeLogLines(body)
    if (lines === null) throw damaged(segment, offset, 'its lines cannot be read')
    const {buckets, images, ops} = this.#filter
    const byCode = new Map<number, LogLine[]>()
    for (const line of lines) {
      if (buckets?.has(line.bucket) === false) continue
      const isShown = kind === LOG_EPOCH || images || ops !== undefined
      if (!isShown && !(kind === LOG_IMAGE_BEGIN && line.code === IMAGE_GAP)) continue
      const some = byCode.get(line.code)
      if (some) some.push(line)
      else byCode.set(line.code, [line])
    }
    for (const some of byCode.values()) this.#sink.lines(LINE_NAMES[kind]!, some, entry)
  }
}

/** The place right behind an entry. */
export function placeAfter({segment, offset}: LoggedEntry): LogPlace {
  return {segment, offset: offset + 1}
}
