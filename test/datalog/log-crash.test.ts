/**
 * A writer dies at every call to the disk: while it appends, seals, begins a segment, compresses and removes. With the process only, or with the power and all
 * that was not synced. Whoever comes next finds every entry that was acknowledged, no other, in order; and what is needed to rebuild the present.
 */
import {expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {LOG_NOTE} from '../../src/record/log-entry.ts'
import {verifyLog} from '../../src/datalog/log-verify.ts'
import type {LogCut} from '../../src/datalog/log-recovery.ts'
import type {LogWriterOptions} from '../../src/datalog/log-writer.ts'
import {errno} from '../node/watched-fs.ts'
import {DIR, LogMaker, openWriter, plain, readAll, T0, untilDurable, type PlainEntry} from './make-log.ts'
import {Killed, MemoryDisk, type DiskCall} from './memory-disk.ts'

const SEGMENT_BYTES = 1000
const OPTIONS: Partial<LogWriterOptions> = {segmentBytes: SEGMENT_BYTES, isCompressing: true, keepBytes: 1500}

function makeEntries(): PlainEntry[] {
  const maker = new LogMaker(new Prng(21), [3, 7], 10)
  const entries = Array.from({length: 12}, () => maker.next())
  // Images of both buckets, so that retention has something to remove.
  for (const bucket of [3, 7]) entries.push(maker.begin(bucket), maker.image(bucket), maker.line(4, bucket))
  return [...entries, ...Array.from({length: 10}, () => maker.records(2))]
}

const ENTRIES = makeEntries()
const PLAIN = plain(ENTRIES)

interface Life {
  readonly disk: MemoryDisk
  readonly calls: readonly string[]
  /** Entries that the writer said are durable. */
  readonly durable: number
}

/** Writes the log until the call of that number, which kills. */
async function liveUntil(killAt: number, deadShare = 0): Promise<Life> {
  const disk = new MemoryDisk()
  const calls: string[] = []
  disk.deadShare = deadShare
  disk.hook = ({name, number}: DiskCall) => {
    calls.push(name)
    if (number === killAt) throw new Killed('killed')
  }
  let durable = 0
  try {
    const writer = await openWriter(disk.fs, {...OPTIONS, onDurable: (number) => (durable = number)})
    for (const [i, {kind, body}] of ENTRIES.entries()) {
      writer.append(kind, body, T0 + i)
      if (i % 3 === 2 && !disk.isDead) await Promise.race([untilDurable(writer, i + 1), untilDead(disk)])
    }
    await untilRemoved(disk)
    await writer.close()
  } catch (error) {
    if (!disk.isDead) throw error
  }
  return {disk, calls, durable}
}

/** Compression and removal go on beside the writing. */
async function untilRemoved(disk: MemoryDisk): Promise<void> {
  const isThere = (): boolean => Object.keys(disk.files()).some((path) => path.includes('/0000000001.'))
  while (!disk.isDead && isThere()) await new Promise((resolve) => setImmediate(resolve))
}

async function untilDead(disk: MemoryDisk): Promise<void> {
  while (!disk.isDead) await new Promise((resolve) => setImmediate(resolve))
}

/** What a reader and a next writer make of the disk. */
async function checkNext(disk: MemoryDisk, durable: number): Promise<LogCut | null> {
  let cut: LogCut | null = null
  // Removes nothing while it is read.
  const first = await openWriter(disk.fs, {segmentBytes: SEGMENT_BYTES, onCut: (found) => (cut = found)})
  const before = plain(await readAll(disk.fs))
  await first.close()
  // From some entry on (older segments may have been removed), without a hole, at least to the last one that was acknowledged.
  const start = before.length === 0 ? 0 : PLAIN.indexOf(before[0]!)
  expect(before).toEqual(PLAIN.slice(start, start + before.length))
  expect(start + before.length).toBeGreaterThanOrEqual(durable)
  expect(start).toBeLessThanOrEqual(neededEntry(start + before.length))
  const writer = await openWriter(disk.fs, OPTIONS)
  for (const {kind, body} of ENTRIES.slice(start + before.length)) writer.append(kind, body, T0)
  await writer.close()
  const after = plain(await readAll(disk.fs))
  expect(after).toEqual(PLAIN.slice(PLAIN.length - after.length))
  expect(PLAIN.length - after.length).toBeLessThanOrEqual(neededEntry(PLAIN.length))
  expect(await verifyLog(DIR, {fs: disk.fs})).toMatchObject({isOk: true, torn: null})
  expect(Object.keys(disk.files()).filter((path) => path.includes('.tmp-'))).toEqual([])
  return cut
}

/** The first entry that a rebuild of the present needs, if the log ends before entry `end`: nothing after it may be removed. */
function neededEntry(end: number): number {
  const kinds = ENTRIES.slice(0, end).map(({kind, body}, i) => ({
    kind,
    bucket: kind >= 3 && kind <= 5 ? body.readUInt16LE(0) : -1,
    i,
  }))
  const needed = [3, 7].map((bucket) => {
    const ends = kinds.filter((entry) => entry.bucket === bucket && entry.kind === 4)
    const last = ends.at(-1)?.i ?? Infinity
    const begins = kinds.filter((entry) => entry.bucket === bucket && entry.kind === 3 && entry.i < last)
    return (last === Infinity ? begins[0] : begins.at(-1))?.i ?? end
  })
  return Math.min(...needed)
}

const whole = await liveUntil(Infinity)

test('the life that is cut short seals, compresses and removes', async () => {
  expect(whole.durable).toBe(ENTRIES.length)
  for (const call of ['append', 'sync', 'create', 'write', 'rename', 'syncFolder', 'unlink'])
    expect(whole.calls).toContain(call)
  const names = Object.keys(whole.disk.files()).map((path) => path.slice(DIR.length + 1))
  expect(names.some((name) => name.endsWith('.kvlog.zst'))).toBe(true)
  expect(names.filter((name) => name.startsWith('0000000001'))).toEqual([])
  expect(await checkNext(whole.disk, ENTRIES.length)).toBeNull()
})

test('killed at any call, in front of it or in the middle, what was acknowledged is there and the next writer goes on', async () => {
  let cuts = 0
  for (let at = 1; at <= whole.calls.length; at++) {
    for (const share of at % 2 === 0 ? [0.6] : [0, 1]) {
      const {disk, durable} = await liveUntil(at, share)
      if (!disk.isDead) continue
      if ((await checkNext(disk.afterKill(), durable)) !== null) cuts++
    }
  }
  expect(cuts).toBeGreaterThan(5)
})

test('the power fails at any call, and what was not synced is there in part, in disorder, or not', async () => {
  const prng = new Prng(22)
  const ways: ((unsynced: Buffer) => Buffer)[] = [
    () => Buffer.alloc(0),
    (unsynced) => unsynced.subarray(0, prng.below(unsynced.length + 1)),
    (unsynced) => Buffer.alloc(unsynced.length),
    // The end reached the disk, the beginning did not.
    (unsynced) => Buffer.from(unsynced).fill(0, 0, prng.below(unsynced.length + 1)),
  ]
  let cuts = 0
  for (let at = 1; at <= whole.calls.length; at++) {
    const {disk, durable} = await liveUntil(at, 1)
    if (!disk.isDead) continue
    for (const keep of [ways[at % 3]!, ways[3]!])
      if ((await checkNext(disk.afterPowerCut(keep), durable)) !== null) cuts++
  }
  expect(cuts).toBeGreaterThan(20)
})

test('a torn tail is put aside whole, and told; twice at the same place, both are kept', async () => {
  const path = `${DIR}/0000000001.kvlog`
  const disk = new MemoryDisk()
  const writer = await openWriter(disk.fs)
  writer.append(LOG_NOTE, Buffer.from('one'), T0)
  await writer.close()
  const good = disk.files()[path]!
  const tail = Buffer.from('KVLBhalf of something')
  let torn = MemoryDisk.of({[path]: Buffer.concat([good, tail])})
  for (const kept of [`${path}.torn-${good.length}`, `${path}.torn-${good.length}.2`]) {
    const cuts: LogCut[] = []
    await (await openWriter(torn.fs, {onCut: (cut) => cuts.push(cut)})).close()
    expect(cuts).toMatchObject([{segment: 1, file: path, offset: good.length, kept, bytes: tail.length}])
    expect(torn.files()[kept]).toEqual(tail)
    expect(torn.files()[path]).toEqual(good)
    torn = MemoryDisk.of({...torn.files(), [path]: Buffer.concat([good, tail])})
  }
})

test('damage before what was synced is no torn tail: the writer refuses it and changes nothing', async () => {
  const path = `${DIR}/0000000001.kvlog`
  const disk = new MemoryDisk()
  const writer = await openWriter(disk.fs)
  for (let i = 1; i <= 3; i++) {
    writer.append(LOG_NOTE, Buffer.from('entry'), T0)
    await untilDurable(writer, i)
  }
  // Not closed: the mark is missing, but the second and third entry vouch for the first.
  const files = disk.afterKill().files()
  const bytes = Buffer.from(files[path]!)
  bytes[(await readAll(disk.fs))[0]!.offset + 46]! ^= 1
  const damaged = MemoryDisk.of({[path]: bytes})
  await expect(openWriter(damaged.fs)).rejects.toMatchObject({code: 'E_LOG_DAMAGED'})
  expect(damaged.files()).toEqual({[path]: bytes})
})

test('a disk error is told once, nothing is acknowledged after it, fsync is not tried again; the folder is good for a new start', async () => {
  for (const failing of ['append', 'sync', 'rename'] as const) {
    const disk = new MemoryDisk()
    const failures: string[] = []
    let durable = 0
    const writer = await openWriter(disk.fs, {
      segmentBytes: 1000,
      onDurable: (number) => (durable = number),
      onFailed: ({code, message}) => failures.push(`${code} ${message}`),
    })
    for (const [i, {kind, body}] of ENTRIES.slice(0, 4).entries()) writer.append(kind, body, T0 + i)
    await untilDurable(writer, 4)
    let callsAfter = 0
    disk.hook = ({name}) => {
      if (failures.length > 0) callsAfter++
      if (name === failing) throw errno('ENOSPC', -28)
    }
    for (const [i, {kind, body}] of ENTRIES.slice(4).entries()) writer.append(kind, body, T0 + i)
    while (failures.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const acknowledged = durable
    writer.append(LOG_NOTE, Buffer.from('late'), T0)
    await writer.close()
    expect(failures).toEqual([expect.stringMatching(/^E_LOG .*no space left on device \(ENOSPC\)/)])
    expect(durable).toBe(acknowledged)
    expect(callsAfter).toBeLessThanOrEqual(failing === 'rename' ? 1 : 0)
    await checkNext(disk.afterKill(), durable)
  }
})

test('compression that fails is told and tried again, the log goes on', async () => {
  const disk = new MemoryDisk()
  const troubles: string[] = []
  let isFull = true
  disk.hook = ({name, path}) => {
    if (isFull && name === 'create' && path.includes('.zst')) throw errno('ENOSPC', -28)
  }
  const writer = await openWriter(disk.fs, {
    segmentBytes: 1000,
    isCompressing: true,
    onTrouble: ({code}) => troubles.push(code),
  })
  for (const [i, {kind, body}] of ENTRIES.entries()) {
    writer.append(kind, body, T0 + i)
    await untilDurable(writer, i + 1)
    if (i === ENTRIES.length - 6) isFull = false
  }
  await writer.close()
  expect(troubles.length).toBeGreaterThan(0)
  await (await openWriter(disk.fs, {isCompressing: true})).close()
  expect(plain(await readAll(disk.fs))).toEqual(PLAIN)
})
