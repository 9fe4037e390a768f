/** Compressed segments are read as plain ones are; retention removes what is old or too much, and nothing that the present needs. */
import {promisify} from 'node:util'
import {zstdDecompress} from 'node:zlib'
import {expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {KvError} from '../../src/errors.ts'
import {listLog} from '../../src/datalog/log-list.ts'
import {verifyLog} from '../../src/datalog/log-verify.ts'
import {encodeLogLines, LOG_IMAGE_END, LOG_NOTE} from '../../src/record/log-entry.ts'
import type {FolderWriter, LogWriterOptions} from '../../src/datalog/log-writer.ts'
import type {LoggedEntry} from '../../src/datalog/types.ts'
import {mutate} from '../record/mutate.ts'
import {DIR, LogMaker, openWriter, plain, readAll, T0, untilDurable, writeLog, type PlainEntry} from './make-log.ts'
import {MemoryDisk} from './memory-disk.ts'

const DAY_MS = 86_400_000
const maker = new LogMaker(new Prng(31), [3, 7], 30)
const ENTRIES = Array.from({length: 40}, () => maker.next())

const namesOf = (disk: MemoryDisk): string[] =>
  Object.keys(disk.files())
    .map((path) => path.slice(DIR.length + 1))
    .sort()
const pathOf = (number: number, suffix = '.kvlog'): string => `${DIR}/${String(number).padStart(10, '0')}${suffix}`

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}

/** Enough for what goes on beside: a disk in memory answers at once. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** All sealed segments of a log, compressed. */
async function compressed(files: Record<string, Buffer>): Promise<MemoryDisk> {
  const disk = MemoryDisk.of(files)
  const writer = await openWriter(disk.fs, {isCompressing: true})
  await until(() => namesOf(disk).filter((name) => name.endsWith('.kvlog')).length === 1)
  await writer.close()
  return disk
}

async function sealedLog(): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  await writeLog(disk.fs, ENTRIES, {segmentBytes: 1500})
  return disk
}

test('a compressed log is read, skipped, verified and opened as the plain one, and zstd makes the plain one of it', async () => {
  const before = await sealedLog()
  const after = await compressed(before.files())
  const numbers = namesOf(after).filter((name) => name.endsWith('.zst'))
  expect(numbers.length).toBeGreaterThan(2)
  for (const [i] of numbers.entries()) {
    const packed = after.files()[pathOf(i + 1, '.kvlog.zst')]!
    expect(await promisify(zstdDecompress)(packed)).toEqual(before.files()[pathOf(i + 1)])
  }
  const pick = ({kind, body, segment, offset, time}: LoggedEntry): unknown => ({
    kind,
    body: body.toString('hex'),
    segment,
    offset,
    time,
  })
  const all = await readAll(before.fs)
  for (const options of [
    {},
    {buckets: new Set([7])},
    {since: T0 + 20_000},
    {from: {segment: 2, offset: all[12]!.offset + 1}},
  ]) {
    expect((await readAll(after.fs, options)).map(pick)).toEqual((await readAll(before.fs, options)).map(pick))
  }
  expect(await verifyLog(DIR, {fs: after.fs})).toMatchObject({isOk: true, torn: null})
  const states = (await listLog(DIR, {fs: after.fs})).segments.map(({state}) => state)
  expect(states).toEqual([...numbers.map(() => 'compressed'), 'open'])
})

test('damage in compressed segments is refused or harmless; salvage goes on with the next segment', async () => {
  const files = (await compressed((await sealedLog()).files())).files()
  const all = plain(ENTRIES)
  const prng = new Prng(32)
  let refused = 0
  for (let round = 0; round < 300; round++) {
    const number = 1 + prng.below(3)
    const path = pathOf(number, '.kvlog.zst')
    const disk = MemoryDisk.of({...files, [path]: mutate(prng, files[path]!)})
    let isRefused = false
    try {
      expect(plain(await readAll(disk.fs))).toEqual(all)
    } catch (error) {
      if (!(error instanceof KvError)) throw error
      isRefused = true
      refused++
    }
    const damage: number[] = []
    const left = plain(await readAll(disk.fs, {onDamage: ({segment}) => damage.push(segment)}))
    expect(left.every((entry) => all.includes(entry))).toBe(true)
    if (left.length < all.length) expect(damage.length).toBeGreaterThan(0)
    const others = (await readAll(MemoryDisk.of(files).fs)).filter(({segment}) => segment !== number)
    expect(left.length).toBeGreaterThanOrEqual(others.length)
    if (isRefused && round % 5 === 0) expect((await verifyLog(DIR, {fs: disk.fs})).isOk).toBe(false)
  }
  expect(refused).toBeGreaterThan(100)
})

test('who reads while a segment is compressed reads on', async () => {
  const disk = await sealedLog()
  const {openLogReader} = await import('../../src/datalog/log-reader.ts')
  const reader = await openLogReader(DIR, {fs: disk.fs})
  const seen: PlainEntry[] = []
  const writers: FolderWriter[] = []
  for await (const entry of reader.entries()) {
    seen.push(entry)
    if (seen.length !== 5) continue
    writers.push(await openWriter(disk.fs, {isCompressing: true}))
    await until(() => namesOf(disk).filter((name) => name.endsWith('.kvlog')).length === 1)
  }
  await writers[0]!.close()
  expect(plain(seen)).toEqual(plain(ENTRIES))
})

/** A whole image of a bucket, then notes, one a segment and a day. */
async function dailyLog(options: Partial<LogWriterOptions>, days: number, imageOnDay: number): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const writer = await openWriter(disk.fs, options)
  const image = (code: number): PlainEntry => ({
    kind: code,
    body: encodeLogLines([{bucket: 5, epoch: 1, seq: 1, code: 0}]),
  })
  let count = 0
  for (let day = 0; day < days; day++) {
    const entries =
      day === 0 || day === imageOnDay
        ? [image(3), image(LOG_IMAGE_END)]
        : [{kind: LOG_NOTE, body: Buffer.alloc(100, 'n')}]
    for (const {kind, body} of entries) {
      writer.append(kind, body, T0 + day * DAY_MS)
      await untilDurable(writer, ++count)
    }
  }
  await writer.close()
  // What was still to be removed when it was closed is removed after the next start.
  const next = await openWriter(disk.fs, {...options, now: T0 + (days - 1) * DAY_MS})
  await turns(50)
  await next.close()
  return disk
}

const numbersOf = (disk: MemoryDisk): number[] => namesOf(disk).map((name) => Number(name.slice(0, 10)))

test('retention by days removes what is older, by bytes what is too much', async () => {
  expect(numbersOf(await dailyLog({}, 6, 3))).toEqual([1, 2, 3, 4, 5, 6])
  expect(numbersOf(await dailyLog({keepDays: 2}, 6, 3))).toEqual([4, 5, 6])
  expect(numbersOf(await dailyLog({keepDays: 4}, 6, 3))).toEqual([2, 3, 4, 5, 6])
  expect(numbersOf(await dailyLog({keepBytes: 1}, 6, 3))).toEqual([4, 5, 6])
  const four = await dailyLog({keepBytes: 1500}, 6, 3)
  expect(numbersOf(four).length).toBeLessThan(6)
  expect(Object.values(four.files()).reduce((sum, {length}) => sum + length, 0)).toBeLessThanOrEqual(1500)
  expect(await verifyLog(DIR, {fs: four.fs})).toMatchObject({isOk: true})
})

test('retention keeps the last complete image, though a later one has begun', async () => {
  expect(numbersOf(await dailyLog({keepDays: 0, keepBytes: 0}, 5, Infinity))).toEqual([1, 2, 3, 4, 5])
  const disk = new MemoryDisk()
  const writer = await openWriter(disk.fs, {keepBytes: 0, segmentBytes: 1})
  const line = (kind: number): void => {
    writer.append(kind, encodeLogLines([{bucket: 5, epoch: 1, seq: 1, code: 0}]), T0)
  }
  for (const kind of [LOG_NOTE, 3, LOG_IMAGE_END, LOG_NOTE, 3, LOG_NOTE]) {
    if (kind === LOG_NOTE) writer.append(kind, Buffer.from('note'), T0)
    else line(kind)
  }
  await untilDurable(writer, 6)
  await turns(50)
  expect(numbersOf(disk)).toEqual([2, 3, 4, 5, 6])
  // Only when the second image is whole, and that is durable and sealed, the first one may go.
  line(LOG_IMAGE_END)
  writer.append(LOG_NOTE, Buffer.from('note'), T0)
  writer.append(LOG_NOTE, Buffer.from('note'), T0)
  await until(() => numbersOf(disk)[0] === 5)
  await writer.close()
  expect(numbersOf(disk)).toEqual([5, 6, 7, 8, 9])
})
