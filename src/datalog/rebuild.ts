/**
 * The content of a log (or of a savefile) at a point: its end, or a time. The log is read twice in bounded memory:
 *
 *   1. outline.ts        between which entries does each bucket's content stand?
 *   2. partition-files   the records between them, spread over files by bucket
 *      bucket-store      one partition after the other in memory, as often as it is asked for
 *
 * `until` cuts between groups: a bucket's content ends before its first group that was made later, and nothing after that group is
 * taken, whatever its own time says (the clocks of two masters may differ); so it is always a state that the bucket has been in. An image
 * counts from the moment at which it was whole in the log; what came with it is taken with it.
 */
import {setImmediate as nextTurn} from 'node:timers/promises'
import {BUCKET_COUNT, REBUILD_PARTITIONS} from '../constants.ts'
import {KvError} from '../errors.ts'
import {RecordCursor} from '../record/codec.ts'
import {LOG_IMAGE, LOG_RECORDS} from '../record/log-entry.ts'
import {readSavefile, verifySavefile} from '../node/savefile.ts'
import {BucketStore} from './bucket-store.ts'
import {GroupReader} from './groups.ts'
import {BUCKET_UNFINISHED, BUCKET_UNKNOWN, isAfter, NEVER, outlineLog} from './outline.ts'
import {bucketsOf, PartitionFiles} from './partition-files.ts'
import type {Group} from './groups.ts'
import type {LogOutline} from './outline.ts'
import type {LogDamage, LoggedEntry, LogPlace, LogReader, ReadOptions} from './types.ts'

export interface RebuildOptions {
  /** Default: all. */
  readonly buckets?: ReadonlySet<number> | undefined
  /** Unix ms. */
  readonly until?: number | undefined
  /** The last entry that counts, as an earlier rebuild named it; default: the last one there is. */
  readonly end?: LogPlace | undefined
  /** Go around damage and gaps; each is told. */
  readonly onDamage?: ((damage: LogDamage) => void) | undefined
  /** Folder for temporary files; default that of the system. */
  readonly tempFolder?: string | undefined
  /** Stops it: E_INTERRUPTED. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((phase: 'outline' | 'spread', entries: number) => void) | undefined
}

/** What was found in the log, before any key is looked at. */
export interface RebuildSummary {
  /** Buckets whose content is known, of those asked for. */
  readonly known: readonly number[]
  /** Buckets of which the log has no whole image at that point. */
  readonly unknown: readonly number[]
  /** Buckets that are known, but older than that point: a newer image was begun and not finished. */
  readonly unfinished: readonly number[]
  /** Buckets in which records are missing (with `onDamage` only). */
  readonly gaps: readonly number[]
  /** Places at which the log is damaged, that were gone around (with `onDamage` only). */
  readonly damages: number
  /** Records that were looked at, and those of them that make up the content. */
  readonly records: number
  readonly applied: number
  /** The last entry that counted; null: a savefile. */
  readonly end: LogPlace | null
  /** Unix ms of the last entry, or at which the savefile was begun. */
  readonly lastTime: number
}

/** Rebuilt content: `load` brings one partition after the other into memory. `close` it in the end. */
export class Rebuilt {
  readonly summary: RebuildSummary
  /** The outline of the log; null: a savefile. */
  readonly outline: LogOutline | null
  readonly #files: PartitionFiles
  #store: BucketStore | null = null
  /** Planted bug `compact-drops-tombstone`: an op that `load` passes over. */
  ignoredOp = -1

  constructor(summary: RebuildSummary, outline: LogOutline | null, files: PartitionFiles) {
    this.summary = summary
    this.outline = outline
    this.#files = files
  }

  /** Records that make up the partition. */
  records(partition: number): number {
    return this.#files.records(partition)
  }

  /** The partition's buckets in memory; those of the one before are gone then. Errors: E_TEMP_FILE. */
  async load(partition: number): Promise<BucketStore> {
    this.#store ??= new BucketStore()
    const store = this.#store
    store.clear()
    const {ignoredOp} = this
    await this.#files.read(partition, (record) => {
      if (record.op !== ignoredOp) store.apply(record)
    })
    return store
  }

  /** Calls `visit` with each record of the partition, in order. Errors: E_TEMP_FILE. */
  each(partition: number, visit: (record: RecordCursor) => void): Promise<void> {
    return this.#files.read(partition, visit)
  }

  /** Removes the temporary files. Never throws. */
  close(): Promise<void> {
    this.#store = null
    return this.#files.close()
  }
}

const ENTRIES_PER_TURN = 64

/** Rebuilds the content of a log. Errors: E_LOG_DAMAGED, E_TEMP_FILE, E_INTERRUPTED, those of the reader. */
export async function rebuildLog(log: LogReader, options: RebuildOptions = {}): Promise<Rebuilt> {
  const {until, end, onDamage} = options
  const isSalvage = onDamage !== undefined
  let damages = 0
  const tell = (damage: LogDamage): void => {
    damages++
    onDamage?.(damage)
  }
  const reading: ReadOptions = isSalvage ? {onDamage: tell} : {}
  const outline = await outlineLog(watched(log.entries(reading), 'outline', options), {until, end, isSalvage})
  const files = await PartitionFiles.create(options.tempFolder)
  try {
    // What is damaged has been told.
    const again: ReadOptions = onDamage ? {onDamage: () => undefined} : {}
    const spread = new Spread(outline, files, options)
    for await (const entry of watched(log.entries(again), 'spread', options)) {
      if (outline.end === null || isAfter(entry, outline.end)) break
      spread.take(entry)
      if (files.isFull) await files.flush()
    }
    await files.seal()
    return new Rebuilt({...summaryOf(outline, spread.applied, options.buckets), damages}, outline, files)
  } catch (error) {
    await files.close()
    throw error
  }
}

/** Lets others run now and then, tells how far it is, and ends it when it is to end. */
async function* watched(
  entries: AsyncIterable<LoggedEntry>,
  phase: 'outline' | 'spread',
  {signal, onProgress}: RebuildOptions,
): AsyncGenerator<LoggedEntry> {
  let count = 0
  for await (const entry of entries) {
    if (++count % ENTRIES_PER_TURN === 0) {
      onProgress?.(phase, count)
      await nextTurn()
    }
    if (signal?.aborted) throw new KvError('E_INTERRUPTED', 'Interrupted while the log was read; nothing was changed.')
    yield entry
  }
}

/** The second reading: which records are content, and where do they go? */
class Spread {
  readonly #outline: LogOutline
  readonly #files: PartitionFiles
  readonly #until: number
  readonly #buckets: ReadonlySet<number> | undefined
  readonly #reader = new GroupReader()
  /** The bucket's content has come to `until`. */
  readonly #isCut = new Uint8Array(BUCKET_COUNT)
  #entry = 0
  applied = 0

  constructor(outline: LogOutline, files: PartitionFiles, {until, buckets}: RebuildOptions) {
    this.#outline = outline
    this.#files = files
    this.#until = until ?? NEVER
    this.#buckets = buckets
  }

  take(entry: LoggedEntry): void {
    if (entry.kind === LOG_RECORDS || entry.kind === LOG_IMAGE) {
      this.#reader.each(entry, (group) => this.#takeGroup(group))
    }
    this.#entry++
  }

  #takeGroup(group: Group): void {
    const isLate = group.time > this.#until
    for (let i = 0; i < group.count; i++) {
      const bucket = group.bucket[i]!
      if (!this.#isContent(bucket) || (isLate && this.#cut(bucket))) continue
      this.applied++
      this.#files.add(bucket, group.buf, group.off[i]!, group.end[i]!)
    }
  }

  #isContent(bucket: number): boolean {
    if (this.#isCut[bucket] === 1 || this.#buckets?.has(bucket) === false) return false
    return this.#entry >= this.#outline.begin[bucket]! && this.#entry < this.#outline.stop[bucket]!
  }

  /** A group is too late: the bucket ends before it, unless it belongs to the image. */
  #cut(bucket: number): boolean {
    if (this.#entry < this.#outline.whole[bucket]!) return false
    this.#isCut[bucket] = 1
    return true
  }
}

function summaryOf(
  outline: LogOutline,
  applied: number,
  buckets?: ReadonlySet<number>,
): Omit<RebuildSummary, 'damages'> {
  const known: number[] = []
  const unknown: number[] = []
  const unfinished: number[] = []
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (buckets?.has(bucket) === false) continue
    const state = outline.stateOf(bucket)
    if (state === BUCKET_UNKNOWN) unknown.push(bucket)
    else known.push(bucket)
    if (state === BUCKET_UNFINISHED) unfinished.push(bucket)
  }
  const gaps = [...outline.gaps].filter((bucket) => buckets?.has(bucket) !== false).sort((a, b) => a - b)
  const {records, end, lastTime} = outline
  return {known, unknown, unfinished, gaps, records, applied, end, lastTime}
}

/** Rebuilds the content of a savefile, which has all of its buckets as of one moment. Errors: E_SAVEFILE, E_TEMP_FILE, E_INTERRUPTED. */
export async function rebuildSavefile(path: string, options: RebuildOptions = {}): Promise<Rebuilt> {
  const {createdUnixMs} = await verifySavefile(path)
  const files = await PartitionFiles.create(options.tempFolder)
  try {
    const cursor = new RecordCursor()
    let records = 0
    let applied = 0
    await readSavefile(path, async (buf, frame) => {
      if (options.signal?.aborted) throw new KvError('E_INTERRUPTED', 'Interrupted while the savefile was read.')
      for (cursor.openFrame(buf, frame); cursor.next(); records++) {
        if (options.buckets?.has(cursor.bucket) === false) continue
        applied++
        files.add(cursor.bucket, buf, cursor.recordOff, cursor.recordEnd)
      }
      if (files.isFull) await files.flush()
    })
    await files.seal()
    const known = Array.from({length: BUCKET_COUNT}, (_, bucket) => bucket).filter(
      (bucket) => options.buckets?.has(bucket) !== false,
    )
    const none = {unknown: [], unfinished: [], gaps: [], damages: 0, end: null}
    return new Rebuilt({...none, known, records, applied, lastTime: createdUnixMs}, null, files)
  } catch (error) {
    await files.close()
    throw error
  }
}

/** Errors: E_USAGE if nothing at all is known at that point. `path`: of the log. */
export function requireContent({summary, outline}: Rebuilt, path: string, until?: number): void {
  if (summary.known.length > 0) return
  const first = outline?.firstWholeTime ?? NEVER
  if (until !== undefined && first !== NEVER && until < first) {
    const [wanted, begin] = [new Date(until).toISOString(), new Date(first).toISOString()]
    throw new KvError('E_USAGE', `The log ${path} has no content at ${wanted}: its first image was whole at ${begin}.`)
  }
  const whose = outline === null || first === NEVER ? '' : ' of these buckets'
  throw new KvError('E_USAGE', `The log ${path} has no whole image${whose}: there is no content in it.`)
}

/** The numbers of partitions that have any of these buckets. */
export function partitionsWith(buckets: readonly number[]): number[] {
  const wanted = new Set(buckets)
  const partitions: number[] = []
  for (let partition = 0; partition < REBUILD_PARTITIONS; partition++) {
    const {from, to} = bucketsOf(partition)
    for (let bucket = from; bucket < to; bucket++) {
      if (!wanted.has(bucket)) continue
      partitions.push(partition)
      break
    }
  }
  return partitions
}
