/** The content of a log against the keyspace whose changes it holds. */
import {readdirSync} from 'node:fs'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {NO_EXPIRY, readFrame, RecordWriter} from '../../src/record/codec.ts'
import {IMAGE_FIRST, LOG_IMAGE, LOG_IMAGE_BEGIN, LOG_IMAGE_END, LOG_RECORDS} from '../../src/record/log-entry.ts'
import {partitionOf} from '../../src/datalog/partition-files.ts'
import {rebuildLog, rebuildSavefile} from '../../src/datalog/rebuild.ts'
import {SavefileWriter} from '../../src/node/savefile.ts'
import {Model} from '../core/model.ts'
import {steps, take, type Step} from '../core/commands.ts'
import {START_MS} from '../core/support.ts'
import {makeFolder} from '../node/folder.ts'
import {MemoryLog} from './memory-log.ts'
import {contentOf, logSteps, Recorder, takeLogStep} from './recorder.ts'
import type {LogReader} from '../../src/datalog/types.ts'
import type {RebuildOptions} from '../../src/datalog/rebuild.ts'

const KEYS = ['{t}a', 'x', 'y', '']
/** Each run writes and removes files. */
const RUNS = Number(process.env['KV_TEST_RUNS'] ?? 60)

const mixed = fc
  .tuple(
    steps,
    fc
      .array(fc.tuple(fc.nat(80), logSteps(KEYS.length)), {maxLength: 30})
      .map((list) => list.sort((a, b) => a[0] - b[0])),
  )
  .map(([commands, logs]) => ({commands, logs}))

/** Plays commands and what happens to the log meanwhile; tells what the log should hold at each moment before time passes. */
function play(
  recorder: Recorder,
  {
    commands,
    logs,
  }: {commands: readonly Step[]; logs: readonly (readonly [number, Parameters<typeof takeLogStep>[1]])[]},
): Map<number, Map<number, Buffer | null>> {
  const model = new Model(START_MS)
  const moments = new Map<number, Map<number, Buffer | null>>()
  const left = [...logs]
  commands.forEach((step, i) => {
    while (left.length > 0 && left[0]![0] <= i) takeLogStep(recorder, left.shift()![1])
    if (step.kind === 'time' && step.ms > 0) moments.set(recorder.subject.now, recorder.expected())
    take(step, recorder.subject, model)
    recorder.drain()
  })
  for (const [, step] of left) takeLogStep(recorder, step)
  return moments
}

async function contents(log: LogReader, options: RebuildOptions = {}): Promise<Map<number, Buffer | null>> {
  const rebuilt = await rebuildLog(log, options)
  try {
    const found = new Map<number, Buffer | null>(rebuilt.summary.unknown.map((bucket) => [bucket, null]))
    for (const bucket of rebuilt.summary.known) {
      found.set(bucket, contentOf(await rebuilt.load(partitionOf(bucket)), bucket))
    }
    return found
  } finally {
    await rebuilt.close()
  }
}

async function expectContents(
  log: LogReader,
  expected: Map<number, Buffer | null>,
  options: RebuildOptions = {},
): Promise<void> {
  const found = await contents(log, options)
  for (const [bucket, content] of expected) {
    if (content === null) expect(found.get(bucket)).toBeNull()
    else expect(found.get(bucket)?.equals(content)).toBe(true)
  }
}

/** One record: `key` becomes `value`. */
function setFrames(bucket: number, seq: number, key: string, value: string, time = START_MS, epoch = 1): Buffer {
  const writer = new RecordWriter()
  const [name, bytes] = [Buffer.from(key), Buffer.from(value)]
  writer.set(bucket, epoch, seq, time, name, 0, name.length, bytes, 0, bytes.length, NO_EXPIRY)
  return Buffer.from(writer.frame())
}

/** A log that knows one bucket from its beginning on. */
function wholeLog(bucket = 7): MemoryLog {
  const log = new MemoryLog()
  log.lines(LOG_IMAGE_BEGIN, [{bucket, epoch: 1, seq: 0, code: IMAGE_FIRST}], START_MS)
  log.lines(LOG_IMAGE_END, [{bucket, epoch: 1, seq: 0}], START_MS)
  return log
}

describe('the content of a log', () => {
  test('random commands, images and losses: it is the keyspace, or as far as the log knew it', async () => {
    await fc.assert(
      fc.asyncProperty(mixed, async (script) => {
        const recorder = new Recorder(KEYS)
        play(recorder, script)
        const ids = new Set(recorder.buckets.map(({bucket}) => bucket))
        await expectContents(recorder.log, recorder.expected(), {buckets: ids})
      }),
      {numRuns: RUNS},
    )
  })

  test('--until gives each moment back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(mixed, fc.nat(), async (script, choice) => {
        const recorder = new Recorder(KEYS)
        if (choice % 3 > 0) recorder.follow()
        const moments = [...play(recorder, script)]
        if (moments.length === 0) return
        const [until, expected] = moments[choice % moments.length]!
        const ids = new Set(recorder.buckets.map(({bucket}) => bucket))
        await expectContents(recorder.log, expected, {until, buckets: ids})
      }),
      {numRuns: RUNS},
    )
  })

  test('an image that was never finished does not replace the one before it, and the bucket is named', async () => {
    const log = wholeLog()
    log.append(LOG_RECORDS, setFrames(7, 1, 'a', 'old'), START_MS)
    log.lines(LOG_IMAGE_BEGIN, [{bucket: 7, epoch: 2, seq: 9}], START_MS)
    log.append(LOG_IMAGE, setFrames(7, 9, 'b', 'new', START_MS, 2), START_MS)
    log.append(LOG_RECORDS, setFrames(7, 10, 'a', 'new', START_MS, 2), START_MS)
    const rebuilt = await rebuildLog(log)
    const store = await rebuilt.load(partitionOf(7))
    expect([...store.keys(7)].map(({key, node}) => [key.toString(), store.value(node).toString()])).toEqual([
      ['a', 'old'],
    ])
    expect(rebuilt.summary.unfinished).toEqual([7])
    expect([rebuilt.outline!.epoch[7], rebuilt.outline!.seq[7]]).toEqual([1, 1])
    await rebuilt.close()
  })

  test('--until cuts before a group, not through it, and nothing after it comes back', async () => {
    const log = wholeLog()
    const writer = new RecordWriter()
    const key = Buffer.from('ab')
    writer.beginGroup()
    writer.set(7, 1, 1, START_MS + 10, key, 0, 1, key, 0, 1, NO_EXPIRY)
    writer.set(7, 1, 2, START_MS + 11, key, 1, 1, key, 0, 1, NO_EXPIRY)
    writer.endGroup()
    log.append(LOG_RECORDS, Buffer.from(writer.frame()), START_MS + 11)
    // The clock of the next master is behind.
    log.append(LOG_RECORDS, setFrames(7, 3, 'c', 'v', START_MS + 5), START_MS + 12)
    const keysAt = async (until: number): Promise<number> => {
      const rebuilt = await rebuildLog(log, {until})
      const count = (await rebuilt.load(partitionOf(7))).count(7)
      await rebuilt.close()
      return count
    }
    expect([await keysAt(START_MS + 10), await keysAt(START_MS + 11)]).toEqual([0, 3])
  })

  test('a group that is cut over several batches is one; without its end it is damage', async () => {
    const writer = new RecordWriter(100)
    writer.beginGroup()
    for (let seq = 1; seq <= 20; seq++) {
      const key = Buffer.from(`key ${seq}`)
      writer.set(7, 1, seq, START_MS + seq, key, 0, key.length, key, 0, key.length, NO_EXPIRY)
    }
    writer.endGroup()
    const frames = Buffer.from(writer.frame())
    const countAt = async (until: number): Promise<number> => {
      const log = wholeLog()
      log.append(LOG_RECORDS, frames, START_MS + 20)
      const rebuilt = await rebuildLog(log, {until})
      const count = (await rebuilt.load(0)).count(7)
      await rebuilt.close()
      return count
    }
    expect([await countAt(START_MS + 19), await countAt(START_MS + 20)]).toEqual([0, 20])
    const cut = wholeLog()
    const first = readFrame(frames, 0, frames.length)
    if (first.kind !== 'ok') throw new Error('no batch')
    cut.list.push({...cut.list[0]!, kind: LOG_RECORDS, body: frames.subarray(0, first.frame.end)})
    await expect(rebuildLog(cut)).rejects.toMatchObject({
      code: 'E_LOG_DAMAGED',
      message: expect.stringContaining('a group of records is not whole'),
    })
  })

  test('a missing record is damage; salvage goes on and names the bucket', async () => {
    const log = wholeLog()
    log.append(LOG_RECORDS, setFrames(7, 1, 'a', '1'), START_MS)
    log.append(LOG_RECORDS, setFrames(7, 3, 'c', '3'), START_MS)
    await expect(rebuildLog(log)).rejects.toMatchObject({
      code: 'E_LOG_DAMAGED',
      message: 'The log is damaged: segment 1, byte 3064: record 1.3 of bucket 7 does not follow 1.1.',
    })
    const rebuilt = await rebuildLog(log, {onDamage: () => undefined})
    expect(rebuilt.summary.gaps).toEqual([7])
    expect((await rebuilt.load(partitionOf(7))).count(7)).toBe(2)
    await rebuilt.close()
  })

  test('what is appended while it is read does not count, nor what comes after `end`', async () => {
    const log = wholeLog()
    log.append(LOG_RECORDS, setFrames(7, 1, 'a', '1'), START_MS)
    let reads = 0
    log.onRead = () => {
      if (++reads === 5) log.append(LOG_RECORDS, setFrames(7, 2, 'b', '2'), START_MS)
    }
    const first = await rebuildLog(log)
    expect((await first.load(0)).count(7)).toBe(1)
    const {end} = first.summary
    await first.close()
    const again = await rebuildLog(log, {end: end!})
    expect((await again.load(0)).count(7)).toBe(1)
    await again.close()
    expect(log.list).toHaveLength(4)
  })

  test('leaves no temporary file behind, also if it fails', async () => {
    const tempFolder = makeFolder()
    const rebuilt = await rebuildLog(wholeLog(), {tempFolder})
    expect(readdirSync(tempFolder)).toHaveLength(1)
    await rebuilt.close()
    const log = wholeLog()
    let reads = 0
    log.onRead = () => {
      if (++reads === 4) throw new Error('the disk is gone')
    }
    await expect(rebuildLog(log, {tempFolder})).rejects.toThrow('the disk is gone')
    expect(readdirSync(tempFolder)).toEqual([])
  })

  test('a record larger than all buffers, and many that fill them', async () => {
    const log = wholeLog()
    const large = 'L'.repeat(3_000_000)
    log.append(LOG_RECORDS, setFrames(7, 1, 'large', large), START_MS)
    for (let seq = 2; seq < 400; seq++)
      log.append(LOG_RECORDS, setFrames(7, seq, `k${seq}`, `${seq}`.repeat(1000)), START_MS)
    log.append(LOG_RECORDS, setFrames(7, 400, 'larger', `${large}x`), START_MS)
    const rebuilt = await rebuildLog(log)
    const store = await rebuilt.load(0)
    const sizes = new Map([...store.keys(7)].map(({key, node}) => [key.toString(), store.value(node).length]))
    expect(sizes.size).toBe(400)
    expect([sizes.get('large'), sizes.get('larger'), sizes.get('k399')]).toEqual([3_000_000, 3_000_001, 3000])
    await rebuilt.close()
  })
})

test('a savefile gives its content back in the same way', async () => {
  const path = `${makeFolder()}/kv.save`
  const file = await SavefileWriter.open(path, {
    kind: 'final',
    nodeId: 'a'.repeat(40) as never,
    createdUnixMs: START_MS,
  })
  const writer = new RecordWriter()
  writer.chain(file.previous)
  for (const [bucket, key] of [
    [7, 'a'],
    [9000, 'b'],
    [9000, 'c'],
  ] as const) {
    const bytes = Buffer.from(key)
    writer.set(bucket, 1, 1, START_MS, bytes, 0, 1, bytes, 0, 1, NO_EXPIRY)
  }
  await file.append(writer.frame())
  await file.commit(3)
  const rebuilt = await rebuildSavefile(path, {buckets: new Set([9000])})
  expect(rebuilt.summary).toMatchObject({known: [9000], records: 3, applied: 2})
  expect((await rebuilt.load(partitionOf(9000))).count(9000)).toBe(2)
  expect((await rebuilt.load(0)).count(7)).toBe(0)
  await rebuilt.close()
})
