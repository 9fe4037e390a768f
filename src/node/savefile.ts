/**
 * The savefile: written beside the old one and put in its place in one step (disk/durable-file.ts), read only after all of it
 * was checked. The bytes are described in savefile-format.ts, what makes a file good in savefile-scan.ts.
 *
 * Writing:  open -> append(frames) ... -> commit | abort
 * Loading:  verifySavefile(path), then readSavefile(path, apply), then markUsed(path); or the first two as loadSavefile.
 *
 * Every failure is a KvError E_SAVEFILE that names the file, what is wrong, at which byte, and what to do.
 */
import * as fsp from 'node:fs/promises'
import {dirname} from 'node:path'
import {assert, AssertionError} from '../base/assert.ts'
import {KV_VERSION, SAVEFILE_READ_BYTES, SAVEFILE_WRITE_BYTES} from '../constants.ts'
import {KvError} from '../errors.ts'
import {FrameChain, readFrame, type Fault, type Frame} from '../record/codec.ts'
import {
  describeErrno,
  DurableFile,
  errnoCode,
  nodeFileSystem,
  openToRead,
  renameDurably,
  type FileSystem,
  type OpenFile,
} from '../disk/durable-file.ts'
import {
  encodeFooter,
  encodeHeader,
  SAVEFILE_FOOTER_BYTES,
  SAVEFILE_HEADER_BYTES,
  type SavefileMeta,
} from './savefile-format.ts'
import {SavefileScanner, type SavefileSummary} from './savefile-scan.ts'

export type {SavefileKind, SavefileMeta} from './savefile-format.ts'
export type {SavefileSummary} from './savefile-scan.ts'

/** Called for each batch, in order. The bytes are valid until it returns (resolves). */
export type ApplyFrame = (buf: Buffer, frame: Frame) => void | Promise<void>

/** What a savefile is read from; a buffer in tests. */
export interface ByteSource {
  readonly size: number
  /** Reads up to `length` bytes at `position` into `target` at `at`; 0 at the end. */
  read(target: Buffer, at: number, length: number, position: number): Promise<number>
}

/** Cures by the code of the operating system. */
function hintFor(error: unknown, path: string): string {
  switch (errnoCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `free some room on the disk of ${dirname(path)}, then save again`
    case 'ENOENT':
    case 'ENOTDIR':
      return `make the folder first: mkdir -p ${dirname(path)}`
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `the user that runs kv needs to read and write ${path} and its folder`
    default:
      return `check the disk of ${dirname(path)}, or name another file with --save-file`
  }
}

export class SavefileWriter {
  readonly path: string
  readonly #file: DurableFile
  readonly #meta: SavefileMeta
  readonly #headerCrc: number
  readonly #chain: FrameChain
  readonly #buffer = Buffer.allocUnsafeSlow(SAVEFILE_WRITE_BYTES)
  #buffered = 0
  #records = 0
  #batches = 0
  #isBusy = false
  #failure: KvError | null = null

  private constructor(path: string, file: DurableFile, meta: SavefileMeta, header: Buffer) {
    this.path = path
    this.#file = file
    this.#meta = meta
    this.#headerCrc = header.readUInt32LE(header.length - 4)
    this.#chain = new FrameChain(this.#headerCrc)
    this.#buffered = header.copy(this.#buffer)
  }

  /** Begins a savefile that will replace the one at `path`, if any; until `commit` that one stays as it is. */
  static async open(path: string, meta: SavefileMeta, fs: FileSystem = nodeFileSystem): Promise<SavefileWriter> {
    const header = encodeHeader(meta)
    try {
      return new SavefileWriter(path, await DurableFile.create(path, fs), meta, header)
    } catch (error) {
      throw new KvError(
        'E_SAVEFILE',
        `cannot write the savefile ${path}: ${describeErrno(error)}`,
        hintFor(error, path),
      )
    }
  }

  /** What the next frame must name as the one before it: `recordWriter.chain(savefile.previous)` once, at the start. */
  get previous(): number {
    const {previous} = this.#chain
    assert(previous !== null, 'the batches of a savefile are chained')
    return previous
  }

  /** Bytes appended so far, the header included. */
  get size(): number {
    return this.#file.size + this.#buffered
  }

  /**
   * Appends what `RecordWriter.frame()` gave: whole frames, chained on from `previous`. The bytes are the caller's again when
   * it resolves; memory stays bounded as long as each call is awaited, and one that is not is a bug.
   */
  async append(frames: Buffer): Promise<void> {
    this.#accept(frames)
    await this.#exclusive(async () => {
      if (this.#buffered + frames.length > this.#buffer.length) await this.#flush()
      if (frames.length >= this.#buffer.length) return this.#file.write(frames)
      this.#buffered += frames.copy(this.#buffer, this.#buffered)
    })
  }

  /** Writes the footer, makes all of it durable and puts it in the place of the old file. `keys`: how many it holds. */
  async commit(keys: number): Promise<SavefileSummary> {
    assert(!this.#chain.isGroupOpen, 'a savefile ends with a whole group')
    const totals = {records: this.#records, keys, batches: this.#batches}
    await this.#exclusive(async () => {
      if (this.#buffered + SAVEFILE_FOOTER_BYTES > this.#buffer.length) await this.#flush()
      this.#buffered += encodeFooter(totals, this.size, this.previous).copy(this.#buffer, this.#buffered)
      await this.#flush()
      await this.#file.commit()
    })
    return {...this.#meta, ...totals, kvVersion: KV_VERSION, crc: this.#headerCrc, bytes: this.size}
  }

  /** Gives up, even while a call is under way: the temp is removed, the old savefile stays. Never throws. */
  async abort(): Promise<void> {
    this.#failure ??= new KvError('E_SAVEFILE', `the savefile ${this.path} was given up`)
    await this.#file.abort()
  }

  /** A frame that a reader would refuse must not reach the disk: it is our bug, and better met while the data still exists. */
  #accept(frames: Buffer): void {
    for (let off = 0; off < frames.length;) {
      const verdict = readFrame(frames, off, frames.length)
      assert(verdict.kind === 'ok', 'only whole frames are appended to a savefile')
      const fault = this.#chain.accept(verdict.frame)
      assert(fault === null, 'the frames of a savefile are chained, from its header on')
      this.#records += verdict.frame.count
      this.#batches++
      off = verdict.frame.end
    }
  }

  async #flush(): Promise<void> {
    await this.#file.write(this.#buffer.subarray(0, this.#buffered))
    this.#buffered = 0
  }

  /** One piece of work at a time; the first failure ends the savefile and is what all later calls report. */
  async #exclusive(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    assert(!this.#isBusy, 'calls of a savefile writer are awaited one by one')
    this.#isBusy = true
    try {
      await work()
    } catch (error) {
      if (error instanceof AssertionError) throw error
      const state = this.#file.isReplaced
        ? 'the new savefile is in place, but might not survive a power cut'
        : 'a savefile that was there before is unchanged'
      const words = `cannot write the savefile ${this.path}: ${describeErrno(error)} after ${this.#file.size} bytes`
      this.#failure ??= new KvError('E_SAVEFILE', `${words}; ${state}`, hintFor(error, this.path))
      throw this.#failure
    } finally {
      this.#isBusy = false
    }
  }
}

/** Is there something to load at `path`? A missing file is no error. */
export async function savefileExists(path: string): Promise<boolean> {
  try {
    await fsp.stat(path)
    return true
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return false
    throw cannotRead(path, error)
  }
}

/** Checks all of a savefile: every byte, every record, the totals. Throws KvError E_SAVEFILE if anything is wrong. */
export function verifySavefile(path: string, fs: FileSystem = nodeFileSystem): Promise<SavefileSummary> {
  return withSource(path, fs, (source) => scanOrThrow(path, source, null))
}

/**
 * Reads a savefile in bounded memory and gives each batch to `apply`, checked once more. It finds damage only when it gets
 * there, with a part already applied: verify first, unless a half-applied file does no harm.
 */
export function readSavefile(
  path: string,
  apply: ApplyFrame,
  fs: FileSystem = nodeFileSystem,
): Promise<SavefileSummary> {
  return withSource(path, fs, (source) => scanOrThrow(path, source, apply))
}

/** Verifies all of it, then reads it, through one open file: what is applied is what was verified, whatever is renamed. */
export function loadSavefile(
  path: string,
  apply: ApplyFrame,
  fs: FileSystem = nodeFileSystem,
): Promise<SavefileSummary> {
  return withSource(path, fs, async (source) => {
    await scanOrThrow(path, source, null)
    return scanOrThrow(path, source, apply)
  })
}

/**
 * Renames a savefile that was loaded to `<path>.used` (an older one is replaced) and returns that name: a later crash cannot
 * bring its data back.
 */
export async function markUsed(path: string, fs: FileSystem = nodeFileSystem): Promise<string> {
  const used = `${path}.used`
  try {
    await renameDurably(path, used, fs)
  } catch (error) {
    const words = `cannot rename the savefile ${path} to ${used}: ${describeErrno(error)}`
    const why = 'it was loaded and must not be loaded again, over newer data, by a later start'
    throw new KvError('E_SAVEFILE', `${words}; ${why}`, hintFor(error, path))
  }
  return used
}

function cannotRead(path: string, error: unknown): KvError {
  return new KvError('E_SAVEFILE', `cannot read the savefile ${path}: ${describeErrno(error)}`, hintFor(error, path))
}

async function withSource<T>(path: string, fs: FileSystem, work: (source: ByteSource) => Promise<T>): Promise<T> {
  let file: OpenFile
  try {
    file = await openToRead(path, fs)
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw cannotRead(path, error)
    throw new KvError('E_SAVEFILE', `there is no savefile ${path}`)
  }
  try {
    const stat = await file.stat().catch((error: unknown) => Promise.reject(cannotRead(path, error)))
    if (!stat.isFile) throw cannotRead(path, new Error('it is not a file (a folder, a device?)'))
    const read: ByteSource['read'] = (target, at, length, position) =>
      file.read(target, at, length, position).catch((error: unknown) => Promise.reject(cannotRead(path, error)))
    return await work({size: stat.size, read})
  } finally {
    await file.close().catch(() => undefined)
  }
}

async function scanOrThrow(path: string, source: ByteSource, apply: ApplyFrame | null): Promise<SavefileSummary> {
  const result = await scanSavefile(source, apply)
  if (!('words' in result)) return result
  const hint =
    result.code === 'version'
      ? 'start that version of kv with it, or move the file away to start empty'
      : result.code === 'foreign'
        ? 'name another file with --save-file'
        : `put a good copy in its place, or start empty: mv ${path} ${path}.damaged`
  throw new KvError('E_SAVEFILE', `savefile ${path} is refused, byte ${result.offset}: ${result.words}`, hint)
}

/** Runs the scanner over a source, in bounded memory: one buffer, larger only for a batch that really is. */
export async function scanSavefile(source: ByteSource, apply: ApplyFrame | null): Promise<SavefileSummary | Fault> {
  const scanner = new SavefileScanner(source.size)
  let buf = Buffer.allocUnsafe(Math.min(source.size, SAVEFILE_READ_BYTES))
  let start = 0
  let end = 0
  for (;;) {
    const step = scanner.step(buf, start, end)
    if (step.kind === 'done') return step.summary
    if (step.kind === 'bad') return step.fault
    if (step.kind === 'batch' && apply !== null) await apply(buf, step.frame)
    if (step.kind !== 'need') {
      start = step.kind === 'header' ? start + SAVEFILE_HEADER_BYTES : step.frame.end
      continue
    }
    const capacity = Math.min(source.size - scanner.offset, Math.max(SAVEFILE_READ_BYTES, step.bytes))
    const next = capacity > buf.length ? Buffer.allocUnsafe(capacity) : buf
    buf.copy(next, 0, start, end)
    end -= start
    start = 0
    buf = next
    while (end < step.bytes) {
      const length = Math.min(buf.length - end, source.size - scanner.offset - end)
      const read = await source.read(buf, end, length, scanner.offset + end)
      if (read === 0) return {code: 'cut', offset: scanner.offset + end, words: 'it became shorter while it was read'}
      end += read
    }
  }
}
