/** Logs for tests: random entries that follow each other as a data-log node would write them, and what a reader gives back. */
import {
  encodeLogLines,
  IMAGE_FIRST,
  IMAGE_GAP,
  LOG_EPOCH,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_NOTE,
  LOG_RECORDS,
} from '../../src/record/log-entry.ts'
import {openLogReader} from '../../src/datalog/log-reader.ts'
import {openLogWriter, type FolderWriter, type LogWriterOptions} from '../../src/datalog/log-writer.ts'
import type {LogFileSystem} from '../../src/datalog/log-fs.ts'
import type {LogIdentity, LoggedEntry, ReadOptions} from '../../src/datalog/types.ts'
import type {Prng} from '../../src/base/prng.ts'
import type {LogLine} from '../../src/record/log-entry.ts'
import {makeFrame, makeRecord} from '../record/make.ts'

export const DIR = '/memory/log'
export const T0 = Date.UTC(2026, 10, 22, 12)
export const identity: LogIdentity = {clusterId: 'c'.repeat(40), nodeId: 'd'.repeat(40)}

export interface PlainEntry {
  readonly kind: number
  readonly body: Buffer
}

interface Position {
  epoch: number
  seq: number
  state: 'none' | 'begun' | 'whole'
}

/** Makes entries for a few buckets; each follows the ones before it. */
export class LogMaker {
  readonly #prng: Prng
  readonly #buckets: readonly number[]
  readonly #valueBytes: number
  readonly at = new Map<number, Position>()

  constructor(prng: Prng, buckets: readonly number[] = [3, 7, 12_000], valueBytes = 20) {
    this.#prng = prng
    this.#buckets = buckets
    this.#valueBytes = valueBytes
    for (const bucket of buckets) this.at.set(bucket, {epoch: 1, seq: 0, state: 'none'})
  }

  next(): PlainEntry {
    const bucket = this.#buckets[this.#prng.below(this.#buckets.length)]!
    const position = this.at.get(bucket)!
    const roll = this.#prng.below(20)
    if (roll === 0) return {kind: LOG_NOTE, body: Buffer.from(JSON.stringify({note: this.#prng.next32()}))}
    if (position.state === 'none' || roll === 1) return this.begin(bucket)
    if (position.state === 'begun' && roll < 8) return roll < 5 ? this.image(bucket) : this.line(LOG_IMAGE_END, bucket)
    if (position.state === 'whole' && roll === 2) return this.line(LOG_EPOCH, bucket)
    return this.records(1 + this.#prng.below(4))
  }

  begin(bucket: number): PlainEntry {
    const position = this.at.get(bucket)!
    const code = position.state === 'none' ? IMAGE_FIRST : IMAGE_GAP
    if (code === IMAGE_GAP) position.seq += 5
    position.state = 'begun'
    return {kind: LOG_IMAGE_BEGIN, body: encodeLogLines([{bucket, epoch: position.epoch, seq: position.seq, code}])}
  }

  image(bucket: number): PlainEntry {
    const {epoch, seq} = this.at.get(bucket)!
    return {kind: LOG_IMAGE, body: this.#frame([{bucket, epoch, seq}])}
  }

  line(kind: number, bucket: number): PlainEntry {
    const position = this.at.get(bucket)!
    if (kind === LOG_IMAGE_END) position.state = 'whole'
    else position.epoch++
    const line: LogLine = {bucket, epoch: position.epoch, seq: position.seq, code: 0}
    return {kind, body: encodeLogLines([line])}
  }

  /** Changes of the buckets of which there is something, and sometimes of one that the log knows nothing of. */
  records(count: number): PlainEntry {
    const changes = Array.from({length: count}, () => {
      const bucket = this.#buckets[this.#prng.below(this.#buckets.length)]!
      const position = this.at.get(bucket)!
      if (position.state !== 'none') position.seq++
      return {bucket, epoch: position.epoch, seq: position.state === 'none' ? 77 : position.seq}
    })
    return {kind: LOG_RECORDS, body: this.#frame(changes)}
  }

  #frame(places: readonly {bucket: number; epoch: number; seq: number}[]): Buffer {
    const value = 'v'.repeat(this.#prng.below(this.#valueBytes))
    return makeFrame(places.map((place) => makeRecord({...place, key: `k${this.#prng.below(9)}`, value})))
  }
}

export function openWriter(
  fs: LogFileSystem,
  options: Partial<LogWriterOptions> = {},
  dir: string = DIR,
): Promise<FolderWriter> {
  return openLogWriter(dir, {identity, now: T0, fs, ...options})
}

/** The entries and where they end: plain values that compare. */
export async function readAll(fs: LogFileSystem, options: ReadOptions = {}, dir = DIR): Promise<LoggedEntry[]> {
  const reader = await openLogReader(dir, {fs})
  const entries: LoggedEntry[] = []
  for await (const entry of reader.entries(options)) entries.push(entry)
  await reader.close()
  return entries
}

export function plain(entries: readonly PlainEntry[]): string[] {
  return entries.map(({kind, body}) => `${kind}:${body.toString('base64')}`)
}

/** Writes entries and closes. `pause`: after so many, waits until they are durable. */
export async function writeLog(
  fs: LogFileSystem,
  entries: readonly PlainEntry[],
  options: Partial<LogWriterOptions> = {},
  pause = 3,
): Promise<void> {
  const writer = await openWriter(fs, options)
  for (const [i, {kind, body}] of entries.entries()) {
    writer.append(kind, body, T0 + i * 1000)
    if (i % pause === pause - 1) await untilDurable(writer, i + 1)
  }
  await writer.close()
}

export async function untilDurable(writer: FolderWriter, number: number): Promise<void> {
  while (writer.durable < number) await new Promise((resolve) => setImmediate(resolve))
}
