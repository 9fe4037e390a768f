/** A data log in memory: what its files would hold, for tests of what is made of it. */
import {LogPositions} from '../../src/record/log-position.ts'
import {
  decodeLogLines,
  encodeLogLines,
  LOG_EPOCH,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_NOTE,
  LOG_RECORDS,
} from '../../src/record/log-entry.ts'
import {GroupReader} from '../../src/datalog/groups.ts'
import type {LogLine} from '../../src/record/log-entry.ts'
import type {LoggedEntry, LogReader, LogWriter, ReadOptions} from '../../src/datalog/types.ts'

export class MemoryLog implements LogReader, LogWriter {
  readonly identity = {clusterId: 'c'.repeat(40), nodeId: 'd'.repeat(40)}
  readonly positions = new LogPositions()
  list: LoggedEntry[] = []
  durable = 0
  /** Entries in one segment. */
  entriesPerSegment = 100
  /** Called before each entry is read. */
  onRead: (entry: LoggedEntry) => void = () => undefined
  readonly #groups = new GroupReader()
  #appended = 0

  append(kind: number, body: Buffer, time: number): number {
    const last = this.list.at(-1)
    if (last && time < last.time) throw new Error('the time of a log never falls')
    const number = this.#appended++
    const segment = 1 + Math.floor(number / this.entriesPerSegment)
    const offset = 64 + (number % this.entriesPerSegment) * 1000
    const entry = {kind, body: Buffer.from(body), time, segment, offset}
    if (kind === LOG_RECORDS) this.#followRecords(entry)
    else if (kind !== LOG_NOTE) this.#followLines(entry)
    this.list.push(entry)
    return (this.durable = number + 1)
  }

  lines(kind: number, lines: readonly Partial<LogLine>[], time: number): void {
    this.append(kind, encodeLogLines(lines.map((line) => ({bucket: 0, epoch: 0, seq: 0, code: 0, ...line}))), time)
  }

  async *entries({from, onDamage: _}: ReadOptions = {}): AsyncGenerator<LoggedEntry> {
    for (const entry of this.list) {
      if (from && (entry.segment - from.segment || entry.offset - from.offset) < 0) continue
      this.onRead(entry)
      yield entry
    }
  }

  async close(): Promise<void> {}

  #followRecords(entry: LoggedEntry): void {
    this.#groups.each(entry, (group) => {
      for (let i = 0; i < group.count; i++) this.positions.record(group.bucket[i]!, group.epoch[i]!, group.seq[i]!)
    })
  }

  #followLines({kind, body}: LoggedEntry): void {
    if (kind !== LOG_IMAGE_BEGIN && kind !== LOG_IMAGE_END && kind !== LOG_EPOCH) return
    for (const line of decodeLogLines(body)!) {
      if (!this.positions.line(kind, line)) throw new Error(`position ${JSON.stringify(line)} does not follow`)
    }
  }
}
