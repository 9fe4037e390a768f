/**
 * Compaction: of a log that nobody writes, only the last state of each key is kept.
 *
 *   segments 1 .. n           S ..
 *   | old entries          |  | NOTE, for each bucket IMAGE_BEGIN (compacted), its keys, IMAGE_END | what comes later
 *                          `- sealed here
 *
 * The images are appended like any others, in new segments; when all of them are durable and were read back, the segments before S are
 * removed, the oldest first. So at every moment the folder is a log with the same content, and a kill, a full disk or a power cut leaves
 * one too: an image that was not finished does not count, and a log may begin with any segment. A temporary copy that takes the
 * place of the folder would need two renames, and between them there would be no log. What an interrupted run has
 * appended is removed by the next one.
 *
 * An image has the position that its bucket has in the log, so what is appended later goes on from it. An image begins empty: deletes need no
 * trace of their own, and an older image that could bring a deleted key back is gone with its segment. What a bucket was in between is given up.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {join} from 'node:path'
import {assert} from '../base/assert.ts'
import {COMPACT_PENDING_BYTES_MAX, REBUILD_PARTITIONS} from '../constants.ts'
import {BucketImage} from '../core/keyspace/image.ts'
import {errnoCode, openToRead} from '../disk/durable-file.ts'
import {KvError} from '../errors.ts'
import {RecordWriter} from '../record/codec.ts'
import {
  encodeLogLines,
  IMAGE_COMPACTED,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_NOTE,
} from '../record/log-entry.ts'
import {OP_DELETE} from '../record/op.ts'
import {logError} from './log-errors.ts'
import {nodeLogFileSystem, type LogFileSystem} from './log-fs.ts'
import {openLogReader} from './log-reader.ts'
import {openLogWriter, type FolderWriter} from './log-writer.ts'
import {damaged} from './groups.ts'
import {BUCKET_WHOLE, outlineLog, type LogOutline} from './outline.ts'
import {bucketsOf} from './partition-files.ts'
import {rebuildLog, type Rebuilt} from './rebuild.ts'
import {COMPRESSED_SUFFIX, listSegments, PLAIN_SUFFIX, segmentStem} from './segment-files.ts'
import type {BucketStore} from './bucket-store.ts'
import type {LogReader, LogWriter} from './types.ts'

/** Records written before the image is put into the log. */
const RECORDS_PER_STEP = 1_000
const APPEND_BYTES = 256 * 1024
const WAIT_MS = 2

export interface CompactOptions {
  readonly signal: AbortSignal
  readonly onProgress?: (phase: 'read' | 'write' | 'check', done: number) => void
  /** Of the segments that are written. */
  readonly segmentBytes?: number
  readonly tempFolder?: string
  /** Planted bug `compact-drops-tombstone`: deleted keys come back. */
  readonly dropsTombstones?: boolean
  /** For tests: a disk that fails or ends the process. */
  readonly fs?: LogFileSystem
}

export interface LogSize {
  readonly segments: number
  readonly bytes: number
}

export interface CompactReport {
  readonly before: LogSize
  readonly after: LogSize
  /** Buckets with an image now, and keys in them. */
  readonly buckets: number
  readonly keys: number
  /** Records that were looked at, and that are left. */
  readonly recordsBefore: number
  readonly recordsAfter: number
  /** Buckets whose newest image was never finished: they have the state before it. */
  readonly unfinished: readonly number[]
}

/**
 * Compacts the log in a folder. Errors: E_LOG and its kin, E_LOG_IN_USE while a process writes it, E_TEMP_FILE, E_INTERRUPTED. Whatever the
 * error, the log has the same content as before.
 */
export async function compactLog(dir: string, options: CompactOptions): Promise<CompactReport> {
  const {fs = nodeLogFileSystem} = options
  const reader = await openLogReader(dir, {fs})
  const before = await sizeOf(dir, fs)
  const isCompressing = (await listSegments(dir, fs)).some((name) => name.isCompressed)
  const first = await beginSegment(dir, reader, fs)
  const {writer, failure} = await openWriter(dir, reader, {...options, isCompressing})
  let report: Omit<CompactReport, 'before' | 'after'>
  try {
    report = await replaceSegments(dir, first, reader, writer, failure, options)
  } finally {
    await writer.close()
  }
  // What was not compressed by then is by whoever writes the log next.
  return {...report, before, after: await sizeOf(dir, fs)}
}

/** The writer has the lock, so what is read does not change. */
async function replaceSegments(
  dir: string,
  first: number,
  reader: LogReader,
  writer: FolderWriter,
  failure: () => KvError | null,
  options: CompactOptions,
): Promise<Omit<CompactReport, 'before' | 'after'>> {
  const rebuilt = await rebuildLog(reader, {
    signal: options.signal,
    tempFolder: options.tempFolder,
    onProgress: (_, entries) => options.onProgress?.('read', entries),
  })
  try {
    const {outline, summary} = rebuilt
    assert(outline !== null, 'a log has an outline')
    if (options.dropsTombstones) rebuilt.ignoredOp = OP_DELETE
    const images = new ImageAppender(writer, outline, failure, options)
    await images.append(rebuilt)
    await untilDurable(writer, images.appended, failure)
    await checkImages(reader, first, rebuilt, outline, options)
    await removeBefore(dir, first, options.fs ?? nodeLogFileSystem)
    const {known, records, unfinished} = summary
    const counts = {buckets: known.length, keys: images.keys, recordsBefore: records, recordsAfter: images.records}
    return {...counts, unfinished}
  } finally {
    await rebuilt.close()
  }
}

/**
 * Seals the last segment and begins another one, whose number is returned. With a limit of one byte each entry that does not stand
 * first in its segment begins a new one.
 */
async function beginSegment(dir: string, reader: LogReader, fs: LogFileSystem): Promise<number> {
  const {writer, failure} = await openWriter(dir, reader, {fs, segmentBytes: 1})
  try {
    await untilDurable(writer, writer.append(LOG_NOTE, Buffer.from(JSON.stringify({compaction: 'begun'})), 0), failure)
  } finally {
    await writer.close()
  }
  return (await listSegments(dir, fs)).at(-1)!.number
}

async function openWriter(
  dir: string,
  {identity}: LogReader,
  {
    fs = nodeLogFileSystem,
    segmentBytes,
    isCompressing = false,
  }: Pick<CompactOptions, 'fs' | 'segmentBytes'> & {
    readonly isCompressing?: boolean
  },
): Promise<{writer: FolderWriter; failure: () => KvError | null}> {
  const failed: KvError[] = []
  const writer = await openLogWriter(dir, {
    ...{identity, fs, isDaily: false, isCompressing},
    // What is appended has the time of the last entry, not that of the compaction: the content is as of then.
    now: 0,
    ...(segmentBytes !== undefined && {segmentBytes}),
    onFailed: (error) => failed.push(error),
  })
  return {writer, failure: () => failed[0] ?? null}
}

/** Errors: that of the disk. */
async function untilDurable(writer: LogWriter, appended: number, failure: () => KvError | null): Promise<void> {
  while (writer.durable < appended) {
    const error = failure()
    if (error !== null) throw error
    await sleep(WAIT_MS)
  }
}

/** Appends an image of every bucket of which the log has the content. */
class ImageAppender {
  readonly #writer: FolderWriter
  readonly #outline: LogOutline
  readonly #failure: () => KvError | null
  readonly #options: CompactOptions
  readonly #records = new RecordWriter()
  appended = 0
  keys = 0
  records = 0

  constructor(writer: FolderWriter, outline: LogOutline, failure: () => KvError | null, options: CompactOptions) {
    this.#writer = writer
    this.#outline = outline
    this.#failure = failure
    this.#options = options
  }

  async append(rebuilt: Rebuilt): Promise<void> {
    const known = new Set(rebuilt.summary.known)
    for (let partition = 0; partition < REBUILD_PARTITIONS; partition++) {
      const {from, to} = bucketsOf(partition)
      const buckets = Array.from({length: to - from}, (_, i) => from + i).filter((bucket) => known.has(bucket))
      const store = await rebuilt.load(partition)
      this.#lines(
        LOG_IMAGE_BEGIN,
        buckets.filter((bucket) => store.count(bucket) === 0),
      )
      this.#lines(
        LOG_IMAGE_END,
        buckets.filter((bucket) => store.count(bucket) === 0),
      )
      for (const bucket of buckets) if (store.count(bucket) > 0) await this.#image(store, bucket)
    }
  }

  /** One bucket after the other: a kill leaves one image unfinished at most. */
  async #image(store: BucketStore, bucket: number): Promise<void> {
    const {effects} = store
    effects.epoch[bucket] = this.#outline.epoch[bucket]!
    effects.seq[bucket] = this.#outline.seq[bucket]!
    effects.time = this.#outline.lastTime
    this.#lines(LOG_IMAGE_BEGIN, [bucket])
    const image = new BucketImage(effects, bucket, this.#records, false)
    while (image.step(RECORDS_PER_STEP) <= 0) await this.#put(APPEND_BYTES)
    await this.#put(0)
    this.#lines(LOG_IMAGE_END, [bucket])
    this.keys += store.count(bucket)
    this.#options.onProgress?.('write', this.keys)
  }

  #lines(kind: number, buckets: readonly number[]): void {
    if (buckets.length === 0) return
    const {epoch, seq} = this.#outline
    const code = kind === LOG_IMAGE_BEGIN ? IMAGE_COMPACTED : 0
    const lines = buckets.map((bucket) => ({bucket, epoch: epoch[bucket]!, seq: seq[bucket]!, code}))
    this.appended = this.#writer.append(kind, encodeLogLines(lines), this.#outline.lastTime)
  }

  /** Records that are written go to the log, if they are more than so many bytes; waits while the disk is behind. */
  async #put(above: number): Promise<void> {
    if (this.#records.pendingBytes > above) {
      this.records += this.#records.recordCount
      for (const frames of this.#records.frames()) {
        this.appended = this.#writer.append(LOG_IMAGE, frames, this.#outline.lastTime)
      }
    }
    do {
      const error = this.#failure()
      if (error !== null) throw error
      if (this.#options.signal.aborted) throw interrupted()
      if (this.#writer.pendingBytes > COMPACT_PENDING_BYTES_MAX) await sleep(WAIT_MS)
    } while (this.#writer.pendingBytes > COMPACT_PENDING_BYTES_MAX)
  }
}

/** What was written is read again before what it stands for is removed. Errors: E_LOG_DAMAGED. */
async function checkImages(
  reader: LogReader,
  first: number,
  {summary}: Rebuilt,
  {epoch, seq}: LogOutline,
  {signal, onProgress}: CompactOptions,
): Promise<void> {
  const entries = reader.entries({from: {segment: first, offset: 0}})
  const check = await outlineLog(entries)
  onProgress?.('check', check.entries)
  if (signal.aborted) throw interrupted()
  for (const bucket of summary.known) {
    const isThere = check.stateOf(bucket) === BUCKET_WHOLE
    if (isThere && check.epoch[bucket] === epoch[bucket] && check.seq[bucket] === seq[bucket]) continue
    throw damaged(first, 0, `the image of bucket ${bucket} is not what was written`)
  }
}

function interrupted(): KvError {
  return new KvError(
    'E_INTERRUPTED',
    'Interrupted: the log has the same content as before, and for now takes more room.',
    'Run the same command again; it removes what this run has written.',
  )
}

/** The oldest first, so that what is left is a log without a hole at every moment. Errors: E_LOG. */
async function removeBefore(dir: string, first: number, fs: LogFileSystem): Promise<void> {
  try {
    for (const {number} of await listSegments(dir, fs)) {
      if (number >= first) break
      for (const suffix of [COMPRESSED_SUFFIX, PLAIN_SUFFIX]) {
        await fs.unlink(join(dir, segmentStem(number) + suffix)).catch((error: unknown) => {
          if (errnoCode(error) !== 'ENOENT') throw error
        })
      }
      // One by one, so that no power cut brings back an older one without the one after it.
      await fs.syncFolder(dir)
    }
  } catch (error) {
    throw logError(dir, error)
  }
}

async function sizeOf(dir: string, fs: LogFileSystem): Promise<LogSize> {
  try {
    const names = await listSegments(dir, fs)
    let bytes = 0
    for (const {file: path} of names) {
      const file = await openToRead(path, fs)
      bytes += (await file.stat()).size
      await file.close()
    }
    return {segments: names.length, bytes}
  } catch (error) {
    throw logError(dir, error)
  }
}
