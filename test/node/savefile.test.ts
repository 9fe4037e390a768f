import fc from 'fast-check'
import {existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {KV_VERSION, SAVEFILE_READ_BYTES} from '../../src/constants.ts'
import {KvError} from '../../src/errors.ts'
import {
  loadSavefile,
  markUsed,
  readSavefile,
  savefileExists,
  SavefileWriter,
  scanSavefile,
  verifySavefile,
} from '../../src/node/savefile.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {arbitraryRecord, makeRecord, writeRecord, type PlainRecord} from '../record/make.ts'
import {makeFolder} from './folder.ts'
import {collector, makeSavefile, memorySource, meta, saveRecords, smallSavefile} from './savefile-make.ts'

function manyRecords(count: number): PlainRecord[] {
  return Array.from({length: count}, (_, seq) => makeRecord({seq, key: `key:${seq}`, value: 'v'.repeat(seq % 200)}))
}

async function errorOf(work: Promise<unknown>): Promise<KvError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof KvError)) throw new Error(`expected a KvError, got ${String(error)}`)
  expect(error.code).toBe('E_SAVEFILE')
  return error
}

test('savefile: what was saved is loaded, and the summary says what it is', async () => {
  const path = join(makeFolder(), 'data.kvs')
  const records = manyRecords(5000)
  const summary = await saveRecords(path, records)
  const {records: loaded, apply} = collector()
  expect(await verifySavefile(path)).toEqual(summary)
  expect(await readSavefile(path, apply)).toEqual(summary)
  expect(loaded).toEqual(records)
  expect(summary).toMatchObject({...meta, kvVersion: KV_VERSION, records: 5000, keys: 5000, batches: 500})
  expect(summary.bytes).toBe(statSync(path).size)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('savefile: any records, any batches', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(arbitraryRecord, {minLength: 1, maxLength: 9}), {maxLength: 9}),
      async (batches) => {
        const {records, apply} = collector()
        const chunk = 1 + (batches.flat().length % 50)
        const result = await scanSavefile(memorySource(makeSavefile(batches), chunk), apply)
        expect(result).toMatchObject({...meta, records: batches.flat().length, batches: batches.length})
        expect(records).toEqual(batches.flat())
      },
    ),
    {numRuns: 200},
  )
})

test('savefile: an empty node has a savefile too; a cluster id is kept', async () => {
  const path = join(makeFolder(), 'data.kvs')
  expect(await savefileExists(path)).toBe(false)
  const clusterId = 'f'.repeat(40)
  const file = await SavefileWriter.open(path, {...meta, kind: 'snapshot', clusterId})
  const summary = await file.commit(0)
  expect(await savefileExists(path)).toBe(true)
  expect(await verifySavefile(path)).toEqual(summary)
  expect(summary).toMatchObject({kind: 'snapshot', clusterId, records: 0, keys: 0, bytes: 128 + 56})
})

test('savefile: groups larger than a batch, values larger than the buffers', async () => {
  const path = join(makeFolder(), 'data.kvs')
  const file = await SavefileWriter.open(path, meta)
  const writer = new RecordWriter()
  writer.chain(file.previous)
  const records = manyRecords(9000)
  writer.beginGroup()
  for (const record of records) writeRecord(writer, record)
  writer.endGroup()
  const huge = makeRecord({key: 'huge', value: 'h'.repeat(3 * SAVEFILE_READ_BYTES)})
  writeRecord(writer, huge)
  writeRecord(writer, makeRecord({key: 'last'}))
  await file.append(writer.frame())
  await file.commit(9002)
  const {records: loaded, apply} = collector()
  expect((await loadSavefile(path, apply)).batches).toBeGreaterThan(4)
  expect(loaded.map(({key}) => key)).toEqual([...records.map(({key}) => key), 'huge', 'last'])
  expect(loaded[9000]!.value === huge.value).toBe(true)
})

test('savefile: is read in bounded memory', async () => {
  const batch = manyRecords(1000)
  const bytes = makeSavefile(Array.from({length: 60}, () => batch))
  expect(bytes.length).toBeGreaterThan(5 * SAVEFILE_READ_BYTES)
  const source = memorySource(bytes)
  let largest = 0
  const watched = {
    size: source.size,
    read: (target: Buffer, at: number, length: number, position: number) => {
      largest = Math.max(largest, target.length)
      return source.read(target, at, length, position)
    },
  }
  expect(await scanSavefile(watched, null)).toMatchObject({batches: 60})
  expect(largest).toBe(SAVEFILE_READ_BYTES)
})

test('savefile: a damaged one is refused before anything is applied, with what, where and the cure', async () => {
  const path = join(makeFolder(), 'data.kvs')
  const good = smallSavefile()
  const flipped = Buffer.from(good)
  flipped[good.length - 57]! ^= 4
  for (const [bytes, words, hint] of [
    [
      flipped,
      /data\.kvs is refused, byte \d+: the \d+ bytes of the batch do not match its CRC/,
      /mv .*data\.kvs\.damaged/,
    ],
    [
      good.subarray(0, good.length - 60),
      /byte 346: it is cut: a batch or the footer that begins at byte 287 is not all there/,
      /good copy/,
    ],
    [Buffer.concat([good, Buffer.from('xyz')]), /byte \d+: 3 bytes follow its end/, /good copy/],
    [Buffer.alloc(0), /byte 0: it is empty/, /start empty/],
    [Buffer.from('REDIS0011\xfa'), /byte 0: it is a Redis RDB file/, /--save-file/],
    [Buffer.from('#!/bin/sh\n'), /byte 0: it is not a savefile of kv/, /--save-file/],
  ] as const) {
    writeFileSync(path, bytes)
    const {records, apply} = collector()
    const error = await errorOf(loadSavefile(path, apply))
    expect(error.message).toMatch(words)
    expect(error.hint).toMatch(hint)
    expect(records).toEqual([])
    await errorOf(verifySavefile(path))
    await errorOf(readSavefile(path, apply))
  }
})

test('savefile: what cannot be opened or is no file is refused', async () => {
  const folder = makeFolder()
  const path = join(folder, 'data.kvs')
  expect((await errorOf(verifySavefile(path))).message).toMatch(/there is no savefile/)
  mkdirSync(path)
  expect((await errorOf(verifySavefile(path))).message).toMatch(/not a file|directory/)
  expect((await errorOf(SavefileWriter.open(path, meta))).message).toMatch(/not a file/)
  expect((await errorOf(SavefileWriter.open('/dev/null', meta))).message).toMatch(/not a file/)
  expect((await errorOf(SavefileWriter.open(join(folder, 'no/such'), meta))).hint).toMatch(/mkdir -p/)
  expect((await errorOf(SavefileWriter.open(join(folder, 'no/such'), meta))).message).toMatch(/no such file.*ENOENT/)
})

test('savefile: is marked as used in place of an older one', async () => {
  const folder = makeFolder()
  const path = join(folder, 'data.kvs')
  writeFileSync(`${path}.used`, 'older')
  await saveRecords(path, manyRecords(3))
  const bytes = readFileSync(path)
  expect(await markUsed(path)).toBe(`${path}.used`)
  expect(readdirSync(folder)).toEqual(['data.kvs.used'])
  expect(readFileSync(`${path}.used`)).toEqual(bytes)
  expect((await errorOf(markUsed(path))).message).toMatch(/must not be loaded again/)
})

test('savefile: temps of dead processes are removed, those of others stay', async () => {
  const folder = makeFolder()
  const path = join(folder, 'data.kvs')
  const temp = (suffix: string): string => `${path}.tmp-${suffix}`
  const dead = ['999999999', String(process.pid)]
  const others = ['1', 'x', `${process.pid}x`, '-1', '0']
  for (const suffix of [...dead, ...others]) writeFileSync(temp(suffix), 'left')
  writeFileSync(join(folder, 'other.kvs.tmp-999999999'), 'left')
  await saveRecords(path, manyRecords(3))
  expect(dead.filter((suffix) => existsSync(temp(suffix)))).toEqual([])
  expect(others.filter((suffix) => !existsSync(temp(suffix)))).toEqual([])
  expect(existsSync(join(folder, 'other.kvs.tmp-999999999'))).toBe(true)
})

test('savefile: a link stays a link, the file behind it is replaced', async () => {
  const folder = makeFolder()
  mkdirSync(join(folder, 'disk'))
  writeFileSync(join(folder, 'disk/real.kvs'), 'old')
  symlinkSync('disk/real.kvs', join(folder, 'link.kvs'))
  const summary = await saveRecords(join(folder, 'link.kvs'), manyRecords(3))
  expect(await verifySavefile(join(folder, 'disk/real.kvs'))).toEqual(summary)
  expect(readdirSync(join(folder, 'disk'))).toEqual(['real.kvs'])
})

test('savefile: frames that no reader would take do not reach the disk', async () => {
  const path = join(makeFolder(), 'data.kvs')
  const file = await SavefileWriter.open(path, meta)
  const writer = new RecordWriter()
  writeRecord(writer, makeRecord())
  await expect(file.append(writer.frame())).rejects.toThrow('chained')
  await expect(file.append(Buffer.from('KVB'))).rejects.toThrow('whole frames')
  await expect(SavefileWriter.open(path, meta)).rejects.toThrow('one writer at a time')
  await file.abort()
  expect(existsSync(path)).toBe(false)
})
