/** The calls to the disk that a data log needs; tests put in ones that fail, forget or end the process. */
import * as fsp from 'node:fs/promises'
import {dirname} from 'node:path'
import {nodeFileSystem, type FileSystem} from '../disk/durable-file.ts'
import {lockFolder} from '../disk/folder-lock.ts'

/** In the folder of a log; a node that uses the same folder as its data dir has a lock of its own. */
const LOCK = 'log-lock'

/** The open segment. */
export interface SegmentFile {
  /** Appends all of the bytes, in order; they must not change until it resolves. */
  append(buffers: readonly Buffer[]): Promise<void>
  /** fdatasync(2). */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface LogFileSystem extends FileSystem {
  /** Makes a folder that survives a crash, if it is not there. */
  makeFolder(path: string): Promise<void>
  openSegment(path: string): Promise<SegmentFile>
  /** Cuts a file to so many bytes (or leaves it) and makes all of it durable. */
  cut(path: string, bytes: number): Promise<void>
  /** Keeps other writers out; returns what lets them in again. Errors: FolderInUse. */
  lock(dir: string): Promise<() => Promise<void>>
}

export const nodeLogFileSystem: LogFileSystem = {
  ...nodeFileSystem,
  async makeFolder(path) {
    const made = await fsp.mkdir(path, {recursive: true})
    if (made !== undefined) await nodeFileSystem.syncFolder(dirname(made))
  },
  async openSegment(path) {
    const handle = await fsp.open(path, 'a')
    return {append: (buffers) => appendAll(handle, buffers), sync: () => handle.datasync(), close: () => handle.close()}
  },
  async cut(path, bytes) {
    const handle = await fsp.open(path, 'r+')
    try {
      if ((await handle.stat()).size > bytes) await handle.truncate(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  lock: (dir) => lockFolder(dir, LOCK),
}

/** writev(2) until all is written: it may take less than it is given. */
async function appendAll(handle: fsp.FileHandle, buffers: readonly Buffer[]): Promise<void> {
  let rest = buffers
  for (;;) {
    let {bytesWritten} = await handle.writev(rest)
    const next = rest.findIndex((buffer) => (bytesWritten -= buffer.length) < 0)
    if (next < 0) return
    if (bytesWritten + rest[next]!.length === 0 && next === 0) throw new Error('the disk takes no more bytes')
    rest = [rest[next]!.subarray(bytesWritten + rest[next]!.length), ...rest.slice(next + 1)]
  }
}
