/**
 * What happens to segments after they are sealed, beside the writing: they are compressed, and removed when they are too old or too many.
 *
 *   compress   <n>.kvlog  ->  temp, fsync, rename to <n>.kvlog.zst, fsync of the folder  ->  <n>.kvlog is removed
 *   retention  the oldest is removed first, one at a time, each made durable: a log is never left with a hole
 *
 * Killed at any moment, there is the plain segment, or the compressed one, or both; of both the next writer removes the compressed one and begins again.
 * zstd works on threads of its own. A failure here loses nothing: it is told, and tried again after the next seal.
 *
 * A segment is removed only if the present can be rebuilt without it: for every bucket the segment in which its last complete image begins stays, and all
 * after it.
 */
import {promisify} from 'node:util'
import {zstdCompress} from 'node:zlib'
import {AssertionError} from '../base/assert.ts'
import {DurableFile, errnoCode, openToRead} from '../disk/durable-file.ts'
import {logError} from './log-errors.ts'
import {
  COMPRESSED_SUFFIX,
  listSegments,
  PLAIN_SUFFIX,
  segmentFiles,
  SegmentSource,
  zstdChunkBytes,
  type SegmentName,
} from './segment-files.ts'
import {skippableHead} from './segment-format.ts'
import {decodeFoot} from './segment-table.ts'
import type {KvError} from '../errors.ts'
import type {LogFileSystem} from './log-fs.ts'

const DAY_MS = 86_400_000
const compress = promisify(zstdCompress)

export interface UpkeepOptions {
  /** Compress sealed segments with zstd. Default false. */
  readonly isCompressing?: boolean
  /** Remove the oldest segments while all files together are larger. Default: keep all. */
  readonly keepBytes?: number
  /** Remove segments whose last entry is older than so many days. Default: keep all. */
  readonly keepDays?: number
  /** Compression or removal failed; the log itself goes on. */
  readonly onTrouble?: (error: KvError) => void
}

/** Where the log is when upkeep begins. */
export interface Standing {
  /** The open segment. */
  readonly open: number
  /** The first one that is needed to rebuild what is durable. */
  readonly neededFrom: number
  /** Unix ms. */
  readonly now: number
}

export class LogUpkeep {
  readonly #dir: string
  readonly #fs: LogFileSystem
  readonly #options: UpkeepOptions
  #next: Standing | null = null
  #running: Promise<void> | null = null
  #isStopped = false

  constructor(dir: string, fs: LogFileSystem, options: UpkeepOptions) {
    this.#dir = dir
    this.#fs = fs
    this.#options = options
  }

  /** A segment was sealed, or the log was opened. */
  begin(standing: Standing): void {
    const {isCompressing, keepBytes, keepDays} = this.#options
    if (this.#isStopped || (isCompressing !== true && keepBytes === undefined && keepDays === undefined)) return
    this.#next = standing
    this.#running ??= this.#run()
  }

  /** Resolves when what is under way has ended; nothing else is begun. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#next !== null && !this.#isStopped) {
      const standing = this.#next
      this.#next = null
      try {
        if (this.#options.isCompressing === true) await this.#compressAll(standing)
        await this.#removeOld(standing)
      } catch (error) {
        if (error instanceof AssertionError) throw error
        this.#options.onTrouble?.(logError(this.#dir, error))
      }
    }
    this.#running = null
  }

  async #compressAll({open}: Standing): Promise<void> {
    for (const name of await listSegments(this.#dir, this.#fs)) {
      if (this.#isStopped) return
      if (!name.isCompressed && name.number < open) await this.#compress(name)
    }
  }

  async #compress(name: SegmentName): Promise<void> {
    const source = await SegmentSource.open(name, this.#fs)
    try {
      const {foot, bytes} = source
      // It stays as it is, for who reads it to tell.
      if (foot === null) return
      const all = await source.read(0, bytes)
      const packed = await compress(all, {chunkSize: zstdChunkBytes(bytes)})
      const target = name.file.slice(0, -PLAIN_SUFFIX.length) + COMPRESSED_SUFFIX
      const file = await DurableFile.create(target, this.#fs)
      await file.write(packed)
      await file.write(skippableHead(foot.end - foot.offset))
      await file.write(all.subarray(foot.offset))
      await file.commit()
    } finally {
      await source.close()
    }
    await this.#fs.unlink(name.file)
    await this.#fs.syncFolder(this.#dir)
  }

  async #removeOld({open, neededFrom, now}: Standing): Promise<void> {
    const {keepBytes = Infinity, keepDays = Infinity} = this.#options
    if (keepBytes === Infinity && keepDays === Infinity) return
    const names = await listSegments(this.#dir, this.#fs)
    const sizes = await Promise.all(names.map(async ({file}) => this.#sizeOf(file)))
    let total = sizes.reduce((sum, size) => sum + size, 0)
    for (const [i, name] of names.entries()) {
      if (this.#isStopped || name.number >= Math.min(open, neededFrom)) return
      const isTooMuch = total > keepBytes
      if (!isTooMuch && !(await this.#isOlder(name, now - keepDays * DAY_MS))) return
      await this.#remove(name.number)
      total -= sizes[i]!
    }
  }

  /** In both forms: a compression that failed may have left both. */
  async #remove(number: number): Promise<void> {
    for (const path of segmentFiles(this.#dir, number)) {
      await this.#fs.unlink(path).catch((error: unknown) => {
        if (errnoCode(error) !== 'ENOENT') throw error
      })
    }
    await this.#fs.syncFolder(this.#dir)
  }

  async #sizeOf(path: string): Promise<number> {
    const file = await openToRead(path, this.#fs)
    try {
      return (await file.stat()).size
    } finally {
      await file.close()
    }
  }

  async #isOlder(name: SegmentName, time: number): Promise<boolean> {
    if (time === -Infinity) return false
    const source = await SegmentSource.open(name, this.#fs)
    await source.close()
    const foot = source.foot === null ? null : decodeFoot(source.foot.body)
    return foot !== null && foot.to < time
  }
}
