/** What the parts of the data log agree on: who writes segments, who reads them, and who makes something of what is read. */
import type {LogEntry} from '../record/log-entry.ts'
import type {LogPositions} from '../record/log-position.ts'

/** Of a folder with a log: the cluster that it is of. */
export interface LogIdentity {
  /** 40 hex digits. */
  readonly clusterId: string
  /** 40 hex digits: of the data-log node. */
  readonly nodeId: string
}

/** An entry with where and when it was written. */
export interface LoggedEntry extends LogEntry {
  /** Number of the segment, from 1. */
  readonly segment: number
  /** Of the entry in the (uncompressed) segment. */
  readonly offset: number
  /** Unix ms at which it was written; never falls within a log. */
  readonly time: number
}

/** Damage that a reader went around (`salvage`), or at which it stopped. */
export interface LogDamage {
  readonly segment: number
  /** Path of the file. */
  readonly file: string
  readonly offset: number
  /** For a person. */
  readonly words: string
}

/** A place from which reading can go on. */
export interface LogPlace {
  readonly segment: number
  readonly offset: number
}

export interface ReadOptions {
  /** Where to begin: with the first entry at or behind it (so an entry's offset + 1 means: after it). Default the beginning of the log. */
  readonly from?: LogPlace
  /** Skip what has nothing for these buckets or this time, as far as the footers of segments say so. Entries for others may still come. */
  readonly buckets?: ReadonlySet<number>
  /** Unix ms, of entries as they were written (`LoggedEntry.time`). */
  readonly since?: number
  readonly until?: number
  /** Go on after damage: it is told, and reading begins again at the next entry or segment that is whole. Else damage is thrown as KvError E_LOG_DAMAGED. */
  readonly onDamage?: (damage: LogDamage) => void
  /** At the end of the log, wait for more, until it is aborted. */
  readonly follow?: AbortSignal
}

/** Reads a folder's entries in order. Memory is bounded by one entry and one (decompressed) segment. */
export interface LogReader {
  readonly identity: LogIdentity
  entries(options?: ReadOptions): AsyncIterable<LoggedEntry>
  close(): Promise<void>
}

/** Writes a folder's entries. One process at a time: the folder is locked. */
export interface LogWriter {
  readonly identity: LogIdentity
  /** What the log had when it was opened, and what was appended since: kept up to date by `append`. */
  readonly positions: LogPositions
  /** Appends in order; the body is the writer's now. Returns the number of the append: 1, 2, 3 ... */
  append(kind: number, body: Buffer, time: number): number
  /** The number of the last append that is durable (group commit: a sync begins as soon as the one before has ended). */
  readonly durable: number
  /** Flushes, seals nothing, gives the lock back. */
  close(): Promise<void>
}
