/**
 * The data log of a node: what the core's recorder hears goes to the files of a folder (src/datalog), and what is durable there is told to the core.
 *
 *   core -> append -> [queue until the cluster's id is known] -> LogWriter -> durable(number) -> core -> acknowledgements to masters
 *
 * A node that joins for the first time does not know yet of which cluster it keeps the log; nothing is heard before it is admitted, so the folder is opened with
 * the first entry. One that comes back opens it at once: where the log is with each bucket is what it tells the masters.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {LOG_NOTE} from '../record/log-entry.ts'
import {LogPositions} from '../record/log-position.ts'
import {KV_VERSION} from '../constants.ts'
import type {KvError} from '../errors.ts'
import {nodeLogFileSystem} from '../datalog/log-fs.ts'
import {clusterOfLog, openLogReader} from '../datalog/log-reader.ts'
import {openLogWriter} from '../datalog/log-writer.ts'
import {listSegments} from '../datalog/segment-files.ts'
import type {DataLogOptions} from './options.ts'
import type {LogDuty} from '../core/cluster/log-duty.ts'
import type {LogSink} from '../core/replication/recorder.ts'
import type {LoggedEntry, LogPlace, LogReader, LogWriter} from '../datalog/types.ts'
import type {NodeLog} from './log.ts'

const END_MS = 2_000
const POLL_MS = 10

export interface DataLogHost {
  /** 40 hex digits; empty while it is not known. */
  clusterId(): string
  /** Entries up to this one are on the disk. */
  durable(mark: number): void
  /** Nothing more will be: the node must stop. Told once. */
  failed(error: Error): void
}

/** Entries of the log, and where the next ones are. */
export interface LogPage {
  readonly next: LogPlace
  readonly lastSegment: number
  readonly entries: readonly LoggedEntry[]
}

export class DataLog implements LogSink {
  readonly #options: DataLogOptions
  readonly #nodeId: string
  readonly #log: NodeLog
  #host: DataLogHost | null = null
  #writer: LogWriter | null = null
  #opening: Promise<void> | null = null
  readonly #waiting: {readonly kind: number; readonly body: Buffer; readonly time: number}[] = []
  #reader: Promise<LogReader> | null = null
  #clusterId = ''
  #count = 0
  /** Entries that the writer was given which the core does not know of. */
  #own = 0

  constructor(options: DataLogOptions, nodeId: string, log: NodeLog) {
    this.#options = options
    this.#nodeId = nodeId
    this.#log = log
  }

  get mode(): 'async' | 'sync' {
    return this.#options.ack
  }

  get dir(): string {
    return this.#options.dir
  }

  /** Where the log is with each bucket. */
  get positions(): LogPositions {
    return this.#writer?.positions ?? new LogPositions()
  }

  /** `clusterId`: of which the node remembers to be, or ''. Errors: E_LOG and its kin. */
  async begin(clusterId: string, host: DataLogHost): Promise<void> {
    this.#host = host
    // What the files say is not forgotten with the node's own folder.
    this.#clusterId = clusterId || ((await clusterOfLog(this.#options.dir)) ?? '')
    if (this.#clusterId !== '') await this.#open(this.#clusterId)
  }

  /** Of which the log is; empty while it has none. */
  get clusterId(): string {
    return this.#clusterId
  }

  async #open(clusterId: string): Promise<void> {
    const {dir, segmentBytes, isDaily, isCompressed, keepBytes, keepDays} = this.#options
    const writer = await openLogWriter(dir, {
      identity: {clusterId, nodeId: this.#nodeId},
      segmentBytes,
      isDaily,
      isCompressing: isCompressed,
      ...(keepBytes !== undefined && {keepBytes}),
      ...(keepDays !== undefined && {keepDays}),
      onTrouble: (error) =>
        this.#log.error({dir, error: error.message}, 'old segments of the data log stay as they are'),
      onDurable: (number) => this.#host?.durable(Math.max(0, number - this.#own)),
      onFailed: (error) => this.#failed(error),
      onCut: (cut) => this.#log.warn(cut, 'the end of the data log was torn, and is cut off'),
    })
    const note = {began: new Date().toISOString(), version: KV_VERSION, ack: this.#options.ack, pid: process.pid}
    writer.append(LOG_NOTE, Buffer.from(JSON.stringify(note)), Date.now())
    this.#own++
    for (const {kind, body, time} of this.#waiting.splice(0)) writer.append(kind, body, time)
    this.#writer = writer
    this.#log.info({dir, clusterId}, 'data log open')
  }

  append(kind: number, body: Buffer): number {
    const time = Date.now()
    if (this.#writer) this.#writer.append(kind, body, time)
    else {
      this.#waiting.push({kind, body, time})
      this.#opening ??= this.#open(this.#host!.clusterId()).catch((error: KvError) => this.#failed(error))
    }
    return ++this.#count
  }

  /** Entries from a place on, about so many bytes of them, as they are in the files. Errors: E_LOG and its kin. */
  async read(from: LogPlace, bytes: number): Promise<LogPage> {
    const {dir} = this.#options
    const lastSegment = (await listSegments(dir, nodeLogFileSystem)).at(-1)?.number ?? 0
    if (lastSegment === 0) return {next: from, lastSegment, entries: []}
    this.#reader ??= openLogReader(dir)
    const reader = await this.#reader
    const entries: LoggedEntry[] = []
    let next = from
    let left = bytes
    if (bytes > 0) {
      for await (const entry of reader.entries(from.segment === 0 ? {} : {from})) {
        entries.push(entry)
        next = {segment: entry.segment, offset: entry.offset + 1}
        left -= entry.body.length
        if (left <= 0) break
      }
    }
    return {next, lastSegment, entries}
  }

  /** What was appended becomes durable first. */
  async close(): Promise<void> {
    await this.#opening
    await this.#writer?.close()
  }

  #failed(error: KvError): void {
    this.#log.error({dir: this.#options.dir, error: error.message}, 'the data log cannot be written: this node stops')
    this.#host?.failed(error)
  }
}

/**
 * A data-log node that stops stays a member, and down: its masters keep for it what they can, and it comes back to what it has. But first nobody waits for it any
 * more; if that is not agreed in time its silence says so.
 */
export async function endDuty(duty: LogDuty, isHasty: () => boolean): Promise<true> {
  const until = performance.now() + END_MS
  while (!duty.end() && !isHasty() && performance.now() < until) await sleep(POLL_MS)
  return true
}
