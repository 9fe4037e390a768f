/**
 * A disk in memory that forgets what was not synced, fails or stops at any call, and can be copied. Paths are flat: one folder of files. Contents are never
 * changed in place, so copies are cheap.
 */
import {FolderInUse} from '../../src/disk/folder-lock.ts'
import type {OpenFile} from '../../src/disk/durable-file.ts'
import type {LogFileSystem, SegmentFile} from '../../src/datalog/log-fs.ts'
import {errno} from '../node/watched-fs.ts'

const EMPTY = Buffer.alloc(0)

interface Inode {
  data: Buffer
  durable: Buffer
}

/** A call that changes something; `bytes` is what a write would write. Throw to fail it. */
export interface DiskCall {
  readonly name: 'create' | 'write' | 'append' | 'sync' | 'rename' | 'unlink' | 'syncFolder' | 'cut'
  readonly number: number
  readonly path: string
}

/** What a hook may say instead of throwing: how many of the bytes are written before the call fails. */
export type Hook = (call: DiskCall) => void

export class Killed extends Error {}

export class MemoryDisk {
  entries = new Map<string, Inode>()
  durableEntries = new Map<string, Inode>()
  hook: Hook = () => undefined
  calls = 0
  /** All calls fail from now on, and change nothing. */
  isDead = false
  /** Of the write that dies, so much is written. */
  deadShare = 0
  #isLocked = false

  static of(files: Readonly<Record<string, Buffer>>): MemoryDisk {
    const disk = new MemoryDisk()
    for (const [path, data] of Object.entries(files)) disk.entries.set(path, {data, durable: data})
    disk.durableEntries = new Map(disk.entries)
    return disk
  }

  /** All files as they are now. */
  files(): Record<string, Buffer> {
    return Object.fromEntries([...this.entries].map(([path, {data}]) => [path, data]))
  }

  /** As the process left it: the system lives on and so does what it was given. */
  afterKill(): MemoryDisk {
    return MemoryDisk.of(this.files())
  }

  /** As the power left it: what was synced, and of the rest what `keep` says (of a file's unsynced bytes). */
  afterPowerCut(keep: (unsynced: Buffer) => Buffer): MemoryDisk {
    const files: Record<string, Buffer> = {}
    for (const [path, {data, durable}] of this.durableEntries) {
      const isAppended = data.length > durable.length && data.subarray(0, durable.length).equals(durable)
      files[path] = isAppended ? Buffer.concat([durable, keep(data.subarray(durable.length))]) : durable
    }
    return MemoryDisk.of(files)
  }

  async #call(
    name: DiskCall['name'],
    path: string,
    work: () => void,
    partial: () => void = () => undefined,
  ): Promise<void> {
    if (this.isDead) throw new Killed('dead')
    try {
      this.hook({name, number: ++this.calls, path})
    } catch (error) {
      if (error instanceof Killed) {
        this.isDead = true
        partial()
      }
      throw error
    }
    work()
  }

  #inode(path: string): Inode {
    const inode = this.entries.get(path)
    if (inode === undefined) throw errno('ENOENT', -2)
    return inode
  }

  #file(path: string, inode: Inode): OpenFile & SegmentFile {
    const add = (bytes: Buffer): void => {
      inode.data = Buffer.concat([inode.data, bytes])
    }
    const write = (name: 'write' | 'append', bytes: Buffer): Promise<void> =>
      this.#call(
        name,
        path,
        () => add(bytes),
        () => add(bytes.subarray(0, Math.floor(bytes.length * this.deadShare))),
      )
    return {
      write: async (bytes) => {
        await write('write', bytes)
        return bytes.length
      },
      append: (buffers) => write('append', Buffer.concat(buffers)),
      read: async (target, at, length, position) => inode.data.copy(target, at, position, position + length),
      stat: async () => ({size: inode.data.length, isFile: true}),
      sync: () => this.#call('sync', path, () => (inode.durable = inode.data)),
      close: async () => undefined,
    }
  }

  readonly fs: LogFileSystem = {
    open: async (path, flags) => {
      if (typeof flags === 'number' || !flags.startsWith('w')) return this.#file(path, this.#inode(path))
      const inode: Inode = {data: EMPTY, durable: EMPTY}
      await this.#call('create', path, () => this.entries.set(path, inode))
      return this.#file(path, inode)
    },
    openSegment: async (path) => this.#file(path, this.#inode(path)),
    rename: (from, to) =>
      this.#call('rename', from, () => {
        const inode = this.#inode(from)
        this.entries.delete(from)
        this.entries.set(to, inode)
      }),
    unlink: (path) => this.#call('unlink', path, () => void (this.#inode(path) && this.entries.delete(path))),
    readdir: async (folder) => {
      const prefix = folder.endsWith('/') ? folder : `${folder}/`
      return [...this.entries.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length))
    },
    syncFolder: (folder) => this.#call('syncFolder', folder, () => (this.durableEntries = new Map(this.entries))),
    makeFolder: async () => undefined,
    cut: (path, bytes) =>
      this.#call('cut', path, () => {
        const inode = this.#inode(path)
        inode.data = inode.durable = inode.data.subarray(0, bytes)
      }),
    lock: async (dir) => {
      if (this.#isLocked) throw new FolderInUse(dir, 1234)
      this.#isLocked = true
      return async () => {
        this.#isLocked = false
      }
    },
  }
}
