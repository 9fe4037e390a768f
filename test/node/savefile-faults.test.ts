/** Every call to the file system fails once, in every place: the old savefile must be intact and the error clear. */
import {readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {KvError} from '../../src/errors.ts'
import {nodeFileSystem, replaceFile, type FileSystem, type OpenFile} from '../../src/disk/durable-file.ts'
import {loadSavefile, markUsed, SavefileWriter, verifySavefile} from '../../src/node/savefile.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {makeRecord, writeRecord} from '../record/make.ts'
import {makeFolder} from './folder.ts'
import {collector, meta, saveRecords, smallSavefile} from './savefile-make.ts'
import {errno, watchedFileSystem, type FsCall} from './watched-fs.ts'

// About a megabyte: several writes of gathered bytes.
const records = Array.from({length: 5000}, (_, seq) => makeRecord({seq, key: `key:${seq}`, value: 'v'.repeat(200)}))

/** Fails one call. A close that fails has closed all the same, as close(2) does. */
function failing(number: number, error: Error): FileSystem {
  const fail = (isAfter: boolean) => (call: FsCall) => {
    if (call.number === number && (call.name === 'close') === isAfter) throw error
  }
  return watchedFileSystem(nodeFileSystem, fail(false), fail(true))
}

async function callsOf(work: (fs: FileSystem) => Promise<unknown>): Promise<string[]> {
  const names: string[] = []
  const fs = watchedFileSystem(nodeFileSystem, (call) => {
    names.push(call.name)
  })
  await work(fs)
  return names
}

async function failureOf(work: Promise<unknown>): Promise<KvError> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof KvError)) throw new Error(`expected a KvError, got ${String(error)}`)
  return error
}

test('save: whichever call fails, the old savefile is intact and the temp is gone', async () => {
  const path = join(makeFolder(), 'data.kvs')
  const names = await callsOf((fs) => saveRecords(path, records, 100, fs))
  expect(names.filter((name) => name === 'write').length).toBeGreaterThan(4)
  expect(names.slice(-4)).toEqual(['sync', 'close', 'rename', 'syncFolder'])

  for (const [i, name] of names.entries()) {
    const folder = makeFolder()
    const target = join(folder, 'data.kvs')
    writeFileSync(target, smallSavefile())
    const error = await failureOf(saveRecords(target, records, 100, failing(i + 1, errno('ENOSPC', -28))))
    expect(error.code).toBe('E_SAVEFILE')
    expect(error.message).toMatch(/cannot write the savefile .*data\.kvs: no space left on device \(ENOSPC\)/)
    expect(error.hint).toMatch(/free some room on the disk/)
    expect(readdirSync(folder)).toEqual(['data.kvs'])
    if (name === 'syncFolder') {
      expect(error.message).toMatch(/the new savefile is in place, but might not survive/)
      expect((await verifySavefile(target)).records).toBe(records.length)
    } else {
      expect(readFileSync(target)).toEqual(smallSavefile())
      if (name !== 'readdir' && name !== 'open') expect(error.message).toMatch(/unchanged/)
    }
  }
})

test('save: after a failure nothing more is written, and all calls say why', async () => {
  const folder = makeFolder()
  const path = join(folder, 'data.kvs')
  const file = await SavefileWriter.open(path, meta, failing(3, errno('EIO', -5)))
  const writer = new RecordWriter()
  writer.chain(file.previous)
  for (const record of records) writeRecord(writer, record)
  const first = await failureOf(file.append(writer.frame()))
  expect(first.message).toMatch(/i\/o error \(EIO\) after 0 bytes/)
  expect(readdirSync(folder)).toEqual([])
  writeRecord(writer, makeRecord())
  expect(await failureOf(file.append(writer.frame()))).toBe(first)
  expect(await failureOf(file.commit(1))).toBe(first)
  await file.abort()
  // The path is free for another try.
  await saveRecords(path, records)
})

test('save: a disk that takes a few bytes at a time gets all of them', async () => {
  const path = join(makeFolder(), 'data.kvs')
  const slow: FileSystem = {
    ...nodeFileSystem,
    async open(name, flags, mode) {
      const file = await nodeFileSystem.open(name, flags, mode)
      return {...file, write: (bytes) => file.write(bytes.subarray(0, 50_001))}
    },
  }
  const summary = await saveRecords(path, records, 100, slow)
  expect(await verifySavefile(path)).toEqual(summary)
})

test('save: given up while a write is under way, it leaves nothing', async () => {
  const folder = makeFolder()
  const path = join(folder, 'data.kvs')
  writeFileSync(path, smallSavefile())
  const names = await callsOf((fs) => saveRecords(join(makeFolder(), 'x'), records, 100, fs))
  for (let number = 3; number <= names.length - 2; number++) {
    let file: SavefileWriter | null = null
    let aborted: Promise<void> | null = null
    const fs = watchedFileSystem(nodeFileSystem, (call) => {
      if (call.number === number) aborted = file!.abort()
    })
    file = await SavefileWriter.open(path, meta, fs)
    const saved = (async () => {
      const writer = new RecordWriter()
      writer.chain(file.previous)
      for (const [i, record] of records.entries()) {
        writeRecord(writer, record)
        if (i % 100 === 99) await file.append(writer.frame())
      }
      await file.commit(records.length)
    })()
    expect((await failureOf(saved)).message).toMatch(/given up/)
    await (aborted as unknown as Promise<void>)
    expect(readdirSync(folder)).toEqual(['data.kvs'])
    expect(readFileSync(path)).toEqual(smallSavefile())
  }
})

test('save: two calls at once are a bug and said to be one', async () => {
  const file = await SavefileWriter.open(join(makeFolder(), 'data.kvs'), meta)
  const writer = new RecordWriter()
  writer.chain(file.previous)
  writeRecord(writer, makeRecord())
  const first = file.append(writer.frame())
  await expect(file.commit(1)).rejects.toThrow('one by one')
  await first
  await file.commit(1)
  await expect(file.commit(1)).rejects.toThrow('committed')
})

test('load: whichever call fails, nothing is applied', async () => {
  const path = join(makeFolder(), 'data.kvs')
  await saveRecords(path, records)
  const calls = await callsOf((fs) => verifySavefile(path, fs))
  for (const [i, name] of calls.entries()) {
    if (name === 'close') continue
    const {records: applied, apply} = collector()
    const error = await failureOf(loadSavefile(path, apply, failing(i + 1, errno('EACCES', -13))))
    expect(error.message).toMatch(/cannot read the savefile .*: permission denied \(EACCES\)/)
    expect(error.hint).toMatch(/needs to read and write/)
    expect(applied).toEqual([])
  }
})

test('load: a file that becomes shorter while it is read is refused', async () => {
  const path = join(makeFolder(), 'data.kvs')
  await saveRecords(path, records)
  const short: FileSystem = {
    ...nodeFileSystem,
    async open(name, flags) {
      const file = await nodeFileSystem.open(name, flags)
      const read: OpenFile['read'] = (target, at, length, position) =>
        file.read(target, at, Math.max(0, Math.min(length, 300_000 - position)), position)
      return {...file, read}
    },
  }
  expect((await failureOf(verifySavefile(path, short))).message).toMatch(
    /byte 300000: it became shorter while it was read/,
  )
})

test('load: an error of the one who applies is passed on as it is', async () => {
  const path = join(makeFolder(), 'data.kvs')
  await saveRecords(path, records)
  const own = new Error('out of memory')
  const load = loadSavefile(path, () => Promise.reject(own))
  await expect(load).rejects.toBe(own)
})

test('used: a rename that fails is an error, the savefile stays', async () => {
  const path = join(makeFolder(), 'data.kvs')
  await saveRecords(path, records)
  for (const number of [1, 2]) {
    const error = await failureOf(markUsed(path, failing(number, errno('EROFS', -30))))
    expect(error.message).toMatch(/cannot rename .*read-only file system \(EROFS\); .*must not be loaded again/)
  }
})

test('durable file: small files are replaced in one step', async () => {
  const folder = makeFolder()
  const path = join(folder, 'node-id')
  await replaceFile(path, Buffer.from('first'))
  await replaceFile(path, Buffer.from('second'))
  for (const name of ['open', 'write', 'sync', 'close', 'rename']) {
    const calls = await callsOf((fs) => replaceFile(join(folder, 'probe'), Buffer.from('x'), fs))
    const fs = failing(calls.indexOf(name) + 1, errno('EIO', -5))
    await expect(replaceFile(path, Buffer.from('third'), fs)).rejects.toThrow('EIO')
    expect(readFileSync(path, 'utf8')).toBe('second')
  }
  expect(readdirSync(folder).sort()).toEqual(['node-id', 'probe'])
})
