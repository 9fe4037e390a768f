/**
 * Flipped bits and cuts over copies of a small log: each is detected, or harmless. Harmless means that the same entries are read; a cut of the last segment,
 * which is open, may also look like a crash before the rest was written, which nobody can tell apart.
 */
import {expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {KvError} from '../../src/errors.ts'
import {verifyLog} from '../../src/datalog/log-verify.ts'
import {BLOCK_HEAD, BLOCK_HEAD_BYTES, encodeBlockHead} from '../../src/datalog/segment-format.ts'
import {LOG_EPOCH, LOG_IMAGE_END, LOG_NOTE} from '../../src/record/log-entry.ts'
import type {LogDamage} from '../../src/datalog/types.ts'
import {mutate} from '../record/mutate.ts'
import {DIR, LogMaker, openWriter, plain, readAll, T0, writeLog} from './make-log.ts'
import {MemoryDisk} from './memory-disk.ts'

const maker = new LogMaker(new Prng(11), [3, 7], 10)
const ENTRIES = Array.from({length: 25}, () => maker.next())
const PLAIN = plain(ENTRIES)
const SEGMENT_BYTES = 1000
const disk = new MemoryDisk()
await writeLog(disk.fs, ENTRIES, {segmentBytes: SEGMENT_BYTES})
const FILES = disk.files()
const PATHS = Object.keys(FILES)
const LAST = PATHS.at(-1)!

type Outcome = 'same' | 'shorter' | 'refused' | 'WRONG'

/** What a reader makes of the files. */
async function outcomeOf(files: Record<string, Buffer>): Promise<Outcome> {
  try {
    const read = plain(await readAll(MemoryDisk.of(files).fs))
    if (read.length === PLAIN.length && read.every((entry, i) => entry === PLAIN[i])) return 'same'
    return read.every((entry, i) => entry === PLAIN[i]) ? 'shorter' : 'WRONG'
  } catch (error) {
    if (error instanceof KvError && error.code.startsWith('E_LOG')) return 'refused'
    throw error
  }
}

/** How many entries salvage does not give back; fails if it gives any that are not of the log, or loses some without telling. */
async function lostBySalvage(files: Record<string, Buffer>): Promise<number> {
  const damage: LogDamage[] = []
  const read = plain(await readAll(MemoryDisk.of(files).fs, {onDamage: (found) => damage.push(found)}))
  let at = -1
  for (const entry of read) {
    at = PLAIN.indexOf(entry, at + 1)
    expect(at).toBeGreaterThanOrEqual(0)
  }
  if (read.length < PLAIN.length) expect(damage.length).toBeGreaterThan(0)
  return PLAIN.length - read.length
}

/** What is read, or null if that is refused. */
async function readOrRefuse(on: MemoryDisk): Promise<string[] | null> {
  try {
    return plain(await readAll(on.fs))
  } catch (error) {
    if (error instanceof KvError && error.code.startsWith('E_LOG')) return null
    throw error
  }
}

/** A writer refuses the files, or goes on from what a reader reads, and heals nothing unseen. Says whether it went on. */
async function checkWriter(files: Record<string, Buffer>): Promise<boolean> {
  const before = await readOrRefuse(MemoryDisk.of(files))
  const copy = MemoryDisk.of(files)
  const more = {kind: LOG_NOTE, body: Buffer.from('more')}
  try {
    const writer = await openWriter(copy.fs, {segmentBytes: SEGMENT_BYTES})
    writer.append(more.kind, more.body, 0)
    await writer.close()
  } catch (error) {
    if (error instanceof KvError && error.code.startsWith('E_LOG')) return false
    throw error
  }
  expect(await readOrRefuse(copy)).toEqual(before && [...before, ...plain([more])])
  return true
}

test('the log is small, has sealed segments and an open one with several entries, and is good', async () => {
  expect(PATHS.length).toBeGreaterThanOrEqual(4)
  expect(Object.values(FILES).reduce((sum, {length}) => sum + length, 0)).toBeLessThan(8000)
  expect((await readAll(disk.fs)).filter(({segment}) => segment === PATHS.length).length).toBeGreaterThan(1)
  expect(await outcomeOf(FILES)).toBe('same')
  expect(await lostBySalvage(FILES)).toBe(0)
  expect(await verifyLog(DIR, {fs: disk.fs})).toMatchObject({isOk: true, findings: [], torn: null})
})

test('a flipped bit anywhere is refused or harmless; salvage loses at most the entry it is in, and says so', async () => {
  const outcomes = {same: 0, shorter: 0, refused: 0, WRONG: 0}
  const prng = new Prng(12)
  for (const path of PATHS) {
    for (let i = 0; i < 2 * FILES[path]!.length; i++) {
      const bytes = Buffer.from(FILES[path]!)
      bytes[i >> 1]! ^= 1 << prng.below(8)
      const files = {...FILES, [path]: bytes}
      const outcome = await outcomeOf(files)
      outcomes[outcome]++
      if (outcome === 'shorter' || outcome === 'WRONG') throw new Error(`byte ${i >> 1} of ${path}: ${outcome}`)
      if (i % 5 === 0) expect(await lostBySalvage(files)).toBeLessThanOrEqual(1)
      if (i % 20 !== 0) continue
      const report = await verifyLog(DIR, {fs: MemoryDisk.of(files).fs})
      if (outcome === 'refused') expect(report.isOk).toBe(false)
      if (report.isOk) expect(report.torn).not.toBeNull()
      if (path === LAST && outcome === 'refused') expect(await checkWriter(files)).toBe(false)
    }
  }
  expect(outcomes.refused + outcomes.same).toBeGreaterThan(6000)
  // Only the mark at the end may go unnoticed, as a torn tail.
  expect(outcomes.same).toBeLessThanOrEqual(2 * BLOCK_HEAD_BYTES)
})

test('a cut anywhere is refused or harmless, and the writer goes on from what is left', async () => {
  let cases = 0
  for (const path of PATHS) {
    for (let length = 0; length < FILES[path]!.length; length += path === LAST ? 1 : 2) {
      const files = {...FILES, [path]: FILES[path]!.subarray(0, length)}
      const outcome = await outcomeOf(files)
      cases++
      const isHeadLess = path !== LAST || length < FILES[LAST]!.indexOf('KVLB', 1)
      if (isHeadLess) expect([path, length, outcome]).toEqual([path, length, 'refused'])
      else expect(['same', 'shorter']).toContain(outcome)
      if (path === LAST && length % 3 === 0) expect(await checkWriter(files)).toBe(!isHeadLess)
      if (length % 9 !== 0) continue
      const report = await verifyLog(DIR, {fs: MemoryDisk.of(files).fs})
      if (isHeadLess) expect(report.isOk).toBe(false)
    }
  }
  expect(cases).toBeGreaterThan(1500)
})

test('bytes cut, doubled, moved and overwritten: never an entry that was not written; the writer heals nothing unseen', async () => {
  const prng = new Prng(13)
  let wentOn = 0
  for (let round = 0; round < 2500; round++) {
    const path = PATHS[prng.below(PATHS.length)]!
    const files = {...FILES, [path]: mutate(prng, FILES[path]!)}
    expect(await outcomeOf(files)).not.toBe('WRONG')
    if (round % 5 === 0 && (await checkWriter(files))) wentOn++
  }
  expect(wentOn).toBeGreaterThan(20)
})

test('what verify says of a lost record: where, of which bucket, and which', async () => {
  const bucket = 7
  const small = new LogMaker(new Prng(14), [bucket])
  const entries = [
    small.begin(bucket),
    small.line(LOG_IMAGE_END, bucket),
    small.records(2),
    small.records(3),
    small.records(1),
  ]
  const ours = new MemoryDisk()
  await writeLog(ours.fs, entries)
  const path = `${DIR}/0000000001.kvlog`
  const at = (await readAll(ours.fs))[3]!.offset
  const bytes = Buffer.from(ours.files()[path]!)
  bytes[at + 60]! ^= 4
  const report = await verifyLog(DIR, {fs: MemoryDisk.of({[path]: bytes}).fs})
  const end = (await readAll(ours.fs))[4]!.offset
  expect(report.findings).toMatchObject([
    {segment: 1, file: path, offset: at, end, words: expect.stringMatching(/do not match its CRC/) as string},
    {segment: 1, offset: end, bucket, missing: {first: {epoch: 1, seq: 3}, last: {epoch: 1, seq: 5}}},
  ])
  expect(report.totals).toMatchObject({segments: 1, blocks: 4, records: 3, images: 1, gaps: 0})
  await expect(readAll(MemoryDisk.of({[path]: bytes}).fs)).rejects.toMatchObject({code: 'E_LOG_DAMAGED'})
})

test('verify tells of a lost segment what was in it, by the tables around it', async () => {
  const bucket = 7
  const small = new LogMaker(new Prng(15), [bucket])
  const entries = [
    small.begin(bucket),
    small.line(LOG_IMAGE_END, bucket),
    small.records(4),
    small.records(2),
    small.line(LOG_EPOCH, bucket),
  ]
  const ours = new MemoryDisk()
  await writeLog(ours.fs, entries, {segmentBytes: 1}, 1)
  const files = ours.files()
  delete files[`${DIR}/0000000003.kvlog`]
  delete files[`${DIR}/0000000004.kvlog`]
  const {findings} = await verifyLog(DIR, {fs: MemoryDisk.of(files).fs})
  expect(findings).toMatchObject([
    {segment: 3, words: 'segments 3 to 4 are missing'},
    {segment: 5, offset: 0, bucket, missing: {first: {epoch: 1, seq: 1}, last: {epoch: 1, seq: 6}}},
  ])
})

test('verify tells of an image of which a part is lost', async () => {
  const bucket = 7
  const small = new LogMaker(new Prng(16), [bucket])
  const ours = new MemoryDisk()
  await writeLog(ours.fs, [
    small.begin(bucket),
    small.image(bucket),
    small.line(LOG_IMAGE_END, bucket),
    small.records(1),
  ])
  const path = `${DIR}/0000000001.kvlog`
  const bytes = Buffer.from(ours.files()[path]!)
  bytes[(await readAll(ours.fs))[1]!.offset + 50]! ^= 1
  const {findings} = await verifyLog(DIR, {fs: MemoryDisk.of({[path]: bytes}).fs})
  expect(findings.map(({bucket, words}) => [bucket ?? null, words])).toEqual([
    [null, expect.stringMatching(/CRC/)],
    [bucket, 'a part of its image may be missing, that ends at 1.0'],
  ])
})

test('a format of a later kv is said to be one', async () => {
  const path = `${DIR}/0000000001.kvlog`
  const ours = new MemoryDisk()
  await writeLog(ours.fs, [])
  const bytes = Buffer.from(ours.files()[path]!)
  const body = bytes.subarray(BLOCK_HEAD_BYTES)
  body.writeUInt16LE(2, 0)
  body.fill(0, 44, 76).write('9.9.9', 44)
  const {head} = encodeBlockHead({kind: BLOCK_HEAD, time: T0, segment: 1, offset: 0, previous: 0, synced: 0}, body)
  const later = MemoryDisk.of({[path]: Buffer.concat([head, body])})
  const error = {code: 'E_LOG_FORMAT', message: expect.stringContaining('newer kv (9.9.9) in format 2') as string}
  await expect(readAll(later.fs)).rejects.toMatchObject(error)
  await expect(openWriter(later.fs)).rejects.toMatchObject(error)
  await expect(verifyLog(DIR, {fs: later.fs})).rejects.toMatchObject(error)
})
