/** A log that is written is read as it was written, whatever the segments, the starts between, and whoever reads meanwhile. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {LOG_READ_BYTES} from '../../src/constants.ts'
import {LOG_NOTE, LOG_RECORDS} from '../../src/record/log-entry.ts'
import {nodeLogFileSystem, type LogFileSystem} from '../../src/datalog/log-fs.ts'
import {openLogReader} from '../../src/datalog/log-reader.ts'
import {makeFolder} from '../node/folder.ts'
import {
  DIR,
  identity,
  LogMaker,
  openWriter,
  plain,
  readAll,
  T0,
  untilDurable,
  writeLog,
  type PlainEntry,
} from './make-log.ts'
import {MemoryDisk} from './memory-disk.ts'

function makeEntries(seed: number, count: number, valueBytes?: number): PlainEntry[] {
  const maker = new LogMaker(new Prng(seed), undefined, valueBytes)
  return Array.from({length: count}, () => maker.next())
}

const names = (disk: MemoryDisk): string[] => Object.keys(disk.files()).map((path) => path.slice(DIR.length + 1))

test('log: any entries, any segment size, any restarts are read as they were appended', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.integer({min: 1, max: 60}),
      fc.integer({min: 200, max: 4000}),
      async (seed, count, segmentBytes) => {
        const prng = new Prng(seed)
        const disk = new MemoryDisk()
        const entries = makeEntries(seed, count)
        let writer = await openWriter(disk.fs, {segmentBytes})
        let begun = 0
        for (const [i, {kind, body}] of entries.entries()) {
          writer.append(kind, body, T0 + i)
          if (prng.below(5) !== 0) continue
          const {epoch, seq, state} = writer.positions
          await writer.close()
          expect(writer.durable).toBe(i + 1 - begun)
          begun = i + 1
          writer = await openWriter(disk.fs, {segmentBytes})
          expect(writer.positions).toEqual({epoch, seq, state})
        }
        await writer.close()
        const read = await readAll(disk.fs)
        expect(plain(read)).toEqual(plain(entries))
        read.forEach((entry, i) => expect(entry.time).toBe(T0 + i))
      },
    ),
    {numRuns: 60},
  )
})

test('log: on a real disk, sealed by size, it is read from the beginning and from any place', async () => {
  const dir = makeFolder()
  const entries = makeEntries(1, 400, 400)
  const writer = await openWriter(nodeLogFileSystem, {segmentBytes: 20_000}, dir)
  entries.forEach(({kind, body}, i) => writer.append(kind, body, T0 + i))
  await writer.close()
  const all = await readAll(nodeLogFileSystem, {}, dir)
  expect(plain(all)).toEqual(plain(entries))
  expect(all.at(-1)!.segment).toBeGreaterThan(3)
  for (const i of [0, 1, 57, 200, 399]) {
    const {segment, offset} = all[i]!
    expect(plain(await readAll(nodeLogFileSystem, {from: {segment, offset}}, dir))).toEqual(plain(entries.slice(i)))
    expect(plain(await readAll(nodeLogFileSystem, {from: {segment, offset: offset + 1}}, dir))).toEqual(
      plain(entries.slice(i + 1)),
    )
  }
})

test('log: a new day begins a new segment, an empty one is not sealed', async () => {
  const disk = new MemoryDisk()
  const writer = await openWriter(disk.fs)
  const midnight = Date.UTC(2026, 10, 23)
  for (const time of [midnight, midnight + 1, midnight - 5, midnight + 86_400_000])
    writer.append(LOG_NOTE, Buffer.from('{}'), time)
  await writer.close()
  expect((await readAll(disk.fs)).map(({segment, time}) => [segment, time])).toEqual(
    [
      [1, midnight],
      [2, midnight + 1],
      [2, midnight + 1],
      [3, midnight + 86_400_000],
    ].map(([segment, time]) => [segment, time]),
  )
})

test('log: segments without the wanted buckets or time are passed over by their footers', async () => {
  const disk = new MemoryDisk()
  const maker = new LogMaker(new Prng(3), [1, 2])
  const entries = [maker.begin(1), maker.line(3 + 1, 1), maker.begin(2)]
  await writeLog(disk.fs, entries, {segmentBytes: 1}, 1)
  const read = async (options: object): Promise<number[]> =>
    (await readAll(disk.fs, options)).map(({segment}) => segment)
  expect(await read({})).toEqual([1, 2, 3])
  // The last one has no footer.
  expect(await read({buckets: new Set([1])})).toEqual([1, 2, 3])
  expect(await read({buckets: new Set([2])})).toEqual([3])
  expect(await read({since: T0 + 1000})).toEqual([2, 3])
  expect(await read({until: T0 + 1000})).toEqual([1, 2])
})

test('log: who follows sees what is appended later, over segments and restarts, and ends when told', async () => {
  const dir = makeFolder()
  const entries = makeEntries(5, 60)
  const options = {segmentBytes: 1500}
  const first = await openWriter(nodeLogFileSystem, options, dir)
  const {kind, body} = entries[0]!
  first.append(kind, body, T0)
  await untilDurable(first, 1)
  const stop = new AbortController()
  const reader = await openLogReader(dir)
  const seen: PlainEntry[] = []
  const following = (async () => {
    for await (const entry of reader.entries({follow: stop.signal})) {
      seen.push(entry)
      if (seen.length === entries.length) stop.abort()
    }
  })()
  let writer = first
  for (const [i, entry] of entries.entries()) {
    if (i === 0) continue
    if (i % 20 === 0) {
      await writer.close()
      writer = await openWriter(nodeLogFileSystem, options, dir)
    }
    writer.append(entry.kind, entry.body, T0 + i)
    if (i % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 15))
  }
  await following
  await writer.close()
  expect(plain(seen)).toEqual(plain(entries))
})

test('log: a reader takes no part of an entry that is being written', async () => {
  const disk = new MemoryDisk()
  await writeLog(disk.fs, makeEntries(6, 3))
  const path = `${DIR}/0000000001.kvlog`
  const whole = disk.files()[path]!
  const {offset} = (await readAll(disk.fs))[2]!
  for (let length = offset; length < whole.length - 44; length += 5) {
    expect(await readAll(MemoryDisk.of({[path]: whole.subarray(0, length)}).fs)).toHaveLength(2)
  }
})

test('log: what does not follow is refused by append, before anything is written', async () => {
  const disk = new MemoryDisk()
  const maker = new LogMaker(new Prng(7), [1])
  const writer = await openWriter(disk.fs)
  for (const {kind, body} of [maker.begin(1), maker.line(4, 1)]) writer.append(kind, body, T0)
  maker.records(1)
  const skipped = maker.records(1)
  expect(() => writer.append(LOG_RECORDS, skipped.body, T0)).toThrow('record 1.2 of bucket 1 does not follow 1.0')
  expect(() => writer.append(LOG_RECORDS, Buffer.from('nonsense'), T0)).toThrow('no batch begins here')
  await writer.close()
  expect(await readAll(disk.fs)).toHaveLength(2)
})

test('log: the folder of another cluster, of another writer, of none', async () => {
  const dir = makeFolder()
  await expect(openLogReader(dir)).rejects.toMatchObject({code: 'E_LOG'})
  await expect(openLogReader(`${dir}/none`)).rejects.toMatchObject({code: 'E_LOG'})
  const writer = await openWriter(nodeLogFileSystem, {}, dir)
  await expect(openWriter(nodeLogFileSystem, {}, dir)).rejects.toMatchObject({
    code: 'E_LOG_IN_USE',
    message: expect.stringContaining(`pid ${process.pid}`) as string,
  })
  await writer.close()
  const other = {...identity, clusterId: 'e'.repeat(40)}
  await expect(openWriter(nodeLogFileSystem, {identity: other}, dir)).rejects.toMatchObject({code: 'E_LOG_FOREIGN'})
  // The lock was given back.
  await (await openWriter(nodeLogFileSystem, {}, dir)).close()
})

test('log: segments of two clusters in one folder are refused, by number or by name', async () => {
  const ours = new MemoryDisk()
  await writeLog(ours.fs, makeEntries(8, 20), {segmentBytes: 800})
  const theirs = new MemoryDisk()
  await writeLog(theirs.fs, makeEntries(8, 20), {segmentBytes: 800, identity: {...identity, clusterId: 'e'.repeat(40)}})
  const mixed = MemoryDisk.of({
    ...ours.files(),
    [`${DIR}/0000000002.kvlog`]: theirs.files()[`${DIR}/0000000002.kvlog`]!,
  })
  await expect(readAll(mixed.fs)).rejects.toMatchObject({code: 'E_LOG_FOREIGN'})
})

test('log: a segment that is missing in the middle is named before anything is read', async () => {
  const disk = new MemoryDisk()
  const entries = makeEntries(9, 40)
  await writeLog(disk.fs, entries, {segmentBytes: 800})
  expect(names(disk).length).toBeGreaterThan(4)
  const all = await readAll(disk.fs)
  const files = disk.files()
  delete files[`${DIR}/0000000003.kvlog`]
  const holed = MemoryDisk.of(files)
  await expect(readAll(holed.fs)).rejects.toMatchObject({
    code: 'E_LOG_MISSING',
    message: expect.stringContaining('segment 3 is missing') as string,
  })
  await expect(openWriter(holed.fs)).rejects.toMatchObject({code: 'E_LOG_MISSING'})
  const told: number[] = []
  const rest = await readAll(holed.fs, {onDamage: ({segment}) => told.push(segment)})
  expect(told).toEqual([3])
  expect(plain(rest)).toEqual(plain(all.filter(({segment}) => segment !== 3)))
  // What retention removed at the beginning is not missing, unless it is asked for.
  delete files[`${DIR}/0000000001.kvlog`]
  delete files[`${DIR}/0000000002.kvlog`]
  expect((await readAll(MemoryDisk.of(files).fs))[0]!.segment).toBe(4)
  await expect(readAll(MemoryDisk.of(files).fs, {from: {segment: 2, offset: 0}})).rejects.toMatchObject({
    code: 'E_LOG_MISSING',
  })
})

test('log: entries over the edges of what is read at once, one larger than that; damage loses one of them', async () => {
  const disk = new MemoryDisk()
  const prng = new Prng(10)
  const sizes = [...Array.from({length: 12}, () => prng.below(400_000)), 3 * LOG_READ_BYTES, 5, 400_000, 7]
  const entries = sizes.map((size, i) => ({kind: LOG_NOTE, body: Buffer.alloc(size, i)}))
  await writeLog(disk.fs, entries)
  const path = `${DIR}/0000000001.kvlog`
  const all = await readAll(disk.fs)
  expect(plain(all)).toEqual(plain(entries))
  // In the head of an entry: where the next one begins must be looked for.
  for (const lost of [0, 3, 7, 12, 14]) {
    const bytes = Buffer.from(disk.files()[path]!)
    bytes[all[lost]!.offset + 13]! ^= 1
    const damage: number[] = []
    const left = await readAll(MemoryDisk.of({[path]: bytes}).fs, {onDamage: ({offset}) => damage.push(offset)})
    expect(damage).toEqual([all[lost]!.offset])
    expect(left.map(({offset}) => offset)).toEqual(all.filter((_, i) => i !== lost).map(({offset}) => offset))
  }
})

test('log: a value that is itself a log is not taken for one behind damage', async () => {
  const disk = new MemoryDisk()
  const path = `${DIR}/0000000001.kvlog`
  await writeLog(disk.fs, [{kind: LOG_NOTE, body: Buffer.from('inner')}])
  const inner = disk.files()[path]!
  const outer = new MemoryDisk()
  const entries = [inner, Buffer.from('after')].map((body) => ({kind: LOG_NOTE, body}))
  await writeLog(outer.fs, entries)
  const bytes = Buffer.from(outer.files()[path]!)
  bytes[(await readAll(outer.fs))[0]!.offset + 13]! ^= 1
  const left = await readAll(MemoryDisk.of({[path]: bytes}).fs, {onDamage: () => undefined})
  expect(left.map(({body}) => body.toString())).toEqual(['after'])
})

test('log: a start reads the last segments only, however many there are', async () => {
  const disk = new MemoryDisk()
  await writeLog(disk.fs, makeEntries(12, 60), {segmentBytes: 600})
  const count = names(disk).length
  expect(count).toBeGreaterThan(15)
  const opened: string[] = []
  const fs: LogFileSystem = {
    ...disk.fs,
    open: (path, flags, mode) => {
      opened.push(path.slice(DIR.length + 1))
      return disk.fs.open(path, flags, mode)
    },
  }
  await (await openWriter(fs)).close()
  expect(opened.sort()).toEqual(names(disk).sort().slice(-2))
})
