/** A file system that tells of every call, so that a test can fail it or end the process there. */
import type {FileSystem, OpenFile} from '../../src/disk/durable-file.ts'

/** A call of the file system, in order: its name, and the bytes of a write. */
export interface FsCall {
  readonly name: string
  readonly number: number
}

/** Calls `before` (and `after`) each call that changes something on the disk; a throw there is the call's failure. */
export function watchedFileSystem(
  fs: FileSystem,
  before: (call: FsCall) => void | Promise<void>,
  after: (call: FsCall) => void = () => undefined,
): FileSystem {
  let number = 0
  const watch = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const call = {name, number: ++number}
    await before(call)
    const result = await work()
    after(call)
    return result
  }
  const watchFile = (file: OpenFile): OpenFile => ({
    write: (bytes) => watch('write', () => file.write(bytes)),
    read: (target, at, length, position) => watch('read', () => file.read(target, at, length, position)),
    stat: () => file.stat(),
    sync: () => watch('sync', () => file.sync()),
    close: () => watch('close', () => file.close()),
  })
  return {
    open: (path, flags, mode) => watch('open', async () => watchFile(await fs.open(path, flags, mode))),
    rename: (from, to) => watch('rename', () => fs.rename(from, to)),
    unlink: (path) => fs.unlink(path),
    readdir: (folder) => watch('readdir', () => fs.readdir(folder)),
    syncFolder: (folder) => watch('syncFolder', () => fs.syncFolder(folder)),
  }
}

/** A failure as node reports it. */
export function errno(code: string, number: number): Error {
  return Object.assign(new Error(`${code}: injected`), {code, errno: number})
}
