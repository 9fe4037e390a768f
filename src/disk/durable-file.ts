/**
 * Files that survive a crash. A file is replaced in one step and never seen half-written:
 *
 *   <path>.tmp-<pid>  write ... write, fsync, close  ->  rename to <path>  ->  fsync of the folder
 *
 * A crash before the rename leaves the old file as it was and a temp that the next writer removes; after it, the new
 * file is there whole. Failures are thrown as node gives them (`errno`, `code`): the caller knows what the file is for.
 */
import {constants} from 'node:fs'
import * as fsp from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {getSystemErrorMap} from 'node:util'
import {assert} from '../base/assert.ts'

/** The few calls that durable files need; tests put one in that fails. */
export interface FileSystem {
  /** `flags` as of open(2), by node's names. */
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  readdir(folder: string): Promise<string[]>
  /** Makes renames and removals in the folder durable. */
  syncFolder(folder: string): Promise<void>
}

export interface OpenFile {
  /** Writes at the end; may write less than `bytes` and says how much. */
  write(bytes: Buffer): Promise<number>
  /** Reads up to `length` bytes at `position`; 0 at the end of the file. */
  read(target: Buffer, at: number, length: number, position: number): Promise<number>
  stat(): Promise<{readonly size: number; readonly isFile: boolean}>
  sync(): Promise<void>
  close(): Promise<void>
}

function openFile(handle: fsp.FileHandle): OpenFile {
  return {
    write: async (bytes) => (await handle.write(bytes)).bytesWritten,
    read: async (target, at, length, position) => (await handle.read(target, at, length, position)).bytesRead,
    async stat() {
      const stat = await handle.stat()
      return {size: stat.size, isFile: stat.isFile()}
    },
    sync: () => handle.sync(),
    close: () => handle.close(),
  }
}

export const nodeFileSystem: FileSystem = {
  open: async (path, flags, mode) => openFile(await fsp.open(path, flags, mode)),
  rename: (from, to) => fsp.rename(from, to),
  unlink: (path) => fsp.unlink(path),
  readdir: (folder) => fsp.readdir(folder),
  async syncFolder(folder) {
    const handle = await fsp.open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

/** The operating system's code of a failure ('ENOSPC'), or '' if it is not one. */
export function errnoCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** A failure in words: 'no space left on device (ENOSPC)'. */
export function describeErrno(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined
  if (known !== undefined) return `${known[1]} (${known[0]})`
  return error instanceof Error ? error.message : String(error)
}

/** Opens a file for reading. Not blocked by a pipe of that name; the caller asks `stat` whether it is a file. */
export function openToRead(path: string, fs: FileSystem): Promise<OpenFile> {
  return fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK)
}

/** The file that `path` means, links followed: to replace the link itself would put the data elsewhere than asked. */
async function realTarget(path: string): Promise<string> {
  const real = await fsp.realpath(path).catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT') return null
    throw error
  })
  if (real === null) return path
  if (!(await fsp.stat(real)).isFile()) throw new Error('it is not a file (a folder, a device?)')
  return real
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoCode(error) !== 'ESRCH'
  }
}

/** Temps that this process is writing. */
const ownTemps = new Set<string>()

/**
 * Removes what writers of `target` left that are dead. Our own pid counts as dead: the caller has made sure that we are not
 * writing, so an earlier process had the same pid (in a container that is the rule).
 */
async function removeStaleTemps(target: string, fs: FileSystem): Promise<void> {
  const folder = dirname(target)
  const prefix = `${basename(target)}.tmp-`
  for (const name of await fs.readdir(folder)) {
    const pid = name.slice(prefix.length)
    if (!name.startsWith(prefix) || !/^[1-9]\d{0,9}$/.test(pid)) continue
    if (Number(pid) !== process.pid && isAlive(Number(pid))) continue
    // One that cannot be removed takes room and harms nothing.
    await fs.unlink(join(folder, name)).catch(() => undefined)
  }
}

/** A file being written beside the one that it will replace. After a failure the temp is gone and the old file intact. */
export class DurableFile {
  /** Bytes written so far. */
  size = 0
  readonly #target: string
  readonly #temp: string
  readonly #fs: FileSystem
  readonly #file: OpenFile
  #isOpen = true
  #isRenamed = false

  private constructor(target: string, temp: string, fs: FileSystem, file: OpenFile) {
    this.#target = target
    this.#temp = temp
    this.#fs = fs
    this.#file = file
  }

  /**
   * Begins to replace `path`, which need not exist; its folder must. Removes temps of dead processes. One writer of a path
   * at a time in a process.
   */
  static async create(path: string, fs: FileSystem = nodeFileSystem): Promise<DurableFile> {
    const target = await realTarget(path)
    const temp = join(dirname(target), `${basename(target)}.tmp-${process.pid}`)
    assert(!ownTemps.has(temp), 'a file is replaced by one writer at a time')
    ownTemps.add(temp)
    try {
      await removeStaleTemps(target, fs)
      return new DurableFile(target, temp, fs, await fs.open(temp, 'wx', 0o600))
    } catch (error) {
      ownTemps.delete(temp)
      throw error
    }
  }

  /** Appends all of `bytes`; they must not change until it resolves. */
  async write(bytes: Buffer): Promise<void> {
    await this.#orAbort(async () => {
      for (let done = 0; done < bytes.length;) {
        this.#checkOpen()
        const written = await this.#file.write(done === 0 ? bytes : bytes.subarray(done))
        if (written === 0) throw new Error('the disk takes no more bytes')
        done += written
      }
      this.size += bytes.length
    })
  }

  /** Makes the file durable and puts it in the place of the old one. */
  async commit(): Promise<void> {
    await this.#orAbort(async () => {
      this.#checkOpen()
      // A failed fsync is final: the kernel may have dropped the pages and would report success the next time.
      await this.#file.sync()
      this.#checkOpen()
      this.#isOpen = false
      await this.#file.close()
      await this.#fs.rename(this.#temp, this.#target)
      this.#isRenamed = true
      ownTemps.delete(this.#temp)
      await this.#fs.syncFolder(dirname(this.#target))
    })
  }

  /** True once the new file has taken the old one's place, even if making that durable then failed. */
  get isReplaced(): boolean {
    return this.#isRenamed
  }

  /**
   * Gives up and removes the temp; a call that is under way then fails. Without effect after `commit`. Never throws: what
   * cannot be removed is stale later.
   */
  async abort(): Promise<void> {
    if (this.#isOpen) {
      this.#isOpen = false
      await this.#file.close().catch(() => undefined)
    }
    if (this.#isRenamed || !ownTemps.has(this.#temp)) return
    await this.#fs.unlink(this.#temp).catch(() => undefined)
    ownTemps.delete(this.#temp)
  }

  #checkOpen(): void {
    assert(!this.#isRenamed, 'the file was committed')
    if (!this.#isOpen) throw new Error('it was given up')
  }

  async #orAbort(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      await this.abort()
      throw error
    }
  }
}

/** Replaces a small file in one durable step. */
export async function replaceFile(path: string, bytes: Buffer, fs: FileSystem = nodeFileSystem): Promise<void> {
  const file = await DurableFile.create(path, fs)
  await file.write(bytes)
  await file.commit()
}

/** Renames in one durable step; a file that bears the new name is replaced. Both in one folder. */
export async function renameDurably(from: string, to: string, fs: FileSystem = nodeFileSystem): Promise<void> {
  assert(dirname(from) === dirname(to), 'a rename over folders needs both to be synced')
  await fs.rename(from, to)
  await fs.syncFolder(dirname(to))
}
