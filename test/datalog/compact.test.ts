/** Compaction: the same content before, after, and whenever it is cut short. */
import {readdirSync} from 'node:fs'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {compactLog, type CompactReport} from '../../src/datalog/compact.ts'
import {openLogReader} from '../../src/datalog/log-reader.ts'
import {openLogWriter} from '../../src/datalog/log-writer.ts'
import {partitionOf} from '../../src/datalog/partition-files.ts'
import {rebuildLog} from '../../src/datalog/rebuild.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {LOG_RECORDS} from '../../src/record/log-entry.ts'
import {makeFolder} from '../node/folder.ts'
import {errno} from '../node/watched-fs.ts'
import {kv} from '../cli/kv-command.ts'
import {folderOf} from './log-folder.ts'
import {Killed, MemoryDisk} from './memory-disk.ts'
import {contentOf, logSteps, Recorder, takeLogStep} from './recorder.ts'
import {steps, take} from '../core/commands.ts'
import {Model} from '../core/model.ts'
import {START_MS} from '../core/support.ts'
import type {LogFileSystem} from '../../src/datalog/log-fs.ts'

const KEYS = ['{t}a', 'x', 'y', '']
const RUNS = Number(process.env['KV_TEST_RUNS'] ?? 40)
const DIR = '/log'

/** Content and position of every bucket of which the log has the content. */
async function stateOf(dir: string, fs?: LogFileSystem): Promise<Map<number, string>> {
  const reader = await openLogReader(dir, fs && {fs})
  const rebuilt = await rebuildLog(reader)
  try {
    const state = new Map<number, string>()
    for (const bucket of rebuilt.summary.known) {
      const content = contentOf(await rebuilt.load(partitionOf(bucket)), bucket).toString('hex')
      state.set(bucket, `${rebuilt.outline!.epoch[bucket]}.${rebuilt.outline!.seq[bucket]} ${content}`)
    }
    return state
  } finally {
    await rebuilt.close()
  }
}

function compact(dir: string, fs?: LogFileSystem, segmentBytes?: number): Promise<CompactReport> {
  const {signal} = new AbortController()
  return compactLog(dir, {signal, ...(fs && {fs}), ...(segmentBytes !== undefined && {segmentBytes})})
}

/** Some changes of some buckets; an image that was not finished; an older one. */
function recorded(): Recorder {
  const recorder = new Recorder(['{t}a', 'x', 'y', 'never', 'unfinished'])
  for (let index = 0; index < 3; index++) {
    recorder.begin(index)
    recorder.finish(index)
  }
  const {subject} = recorder
  for (let i = 0; i < 30; i++) subject.run('SET', `{t}${i % 5}`, `value ${i}`.repeat(20))
  subject.run('HSET', 'x', ...Array.from({length: 400}, (_, i) => `f${i}`))
  subject.run('HPEXPIRE', 'x', '90000', 'FIELDS', '1', 'f0')
  subject.run('SET', 'y', '1')
  subject.run('DEL', 'y')
  recorder.drain()
  recorder.raise(0)
  subject.run('SET', '{t}a', 'last')
  recorder.drain()
  recorder.begin(4)
  return recorder
}

async function diskOf(recorder: Recorder): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  const writer = await openLogWriter(DIR, {
    ...{identity: recorder.log.identity, now: 0, segmentBytes: 2000, isDaily: false, fs: disk.fs},
  })
  for (const {kind, body, time} of recorder.log.list) writer.append(kind, Buffer.from(body), time)
  await writer.close()
  return disk
}

describe('compaction', () => {
  test('random commands, images and losses: the content and the positions stay', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.array(logSteps(KEYS.length), {maxLength: 20}), async (commands, logs) => {
        const recorder = new Recorder(KEYS)
        const model = new Model(START_MS)
        commands.forEach((step, i) => {
          const log = logs[Math.floor((i * logs.length) / commands.length)]
          if (log && i % 4 === 0) takeLogStep(recorder, log)
          take(step, recorder.subject, model)
          recorder.drain()
        })
        if (recorder.log.list.length === 0) return
        const disk = await diskOf(recorder)
        const before = await stateOf(DIR, disk.fs)
        await compact(DIR, disk.fs)
        expect(await stateOf(DIR, disk.fs)).toEqual(before)
        await compact(DIR, disk.fs)
        expect(await stateOf(DIR, disk.fs)).toEqual(before)
      }),
      {numRuns: RUNS},
    )
  })

  test.each([false, true])(
    'some deletes: the content stays, but not with compact-drops-tombstone planted (%s)',
    async (isPlanted) => {
      const disk = await diskOf(recorded())
      const before = await stateOf(DIR, disk.fs)
      const {signal} = new AbortController()
      await compactLog(DIR, {signal, fs: disk.fs, dropsTombstones: isPlanted})
      const after = await stateOf(DIR, disk.fs)
      if (isPlanted) expect(after).not.toEqual(before)
      else expect(after).toEqual(before)
    },
  )

  test('a log becomes small, keeps what it knows, and goes on', async () => {
    const recorder = recorded()
    const dir = await folderOf(recorder.log, 2000)
    const before = await stateOf(dir)
    const report = await compact(dir)
    expect(await stateOf(dir)).toEqual(before)
    expect(report).toMatchObject({buckets: 3, keys: 7, unfinished: []})
    expect(report.recordsAfter).toBeLessThan(report.recordsBefore)
    expect(report.after.bytes).toBeLessThan(report.before.bytes)
    expect(readdirSync(dir).filter((name) => name.endsWith('.kvlog'))).toHaveLength(report.after.segments)
    // The next change follows.
    const {bucket} = recorder.buckets[0]!
    const {epoch, seq} = recorder.subject.engine.effects
    const writer = await openLogWriter(dir, {identity: recorder.log.identity})
    const records = new RecordWriter()
    const key = Buffer.from('{t}new')
    records.set(bucket, epoch[bucket]!, seq[bucket]! + 1, START_MS, key, 0, 6, key, 0, 6, Infinity)
    writer.append(LOG_RECORDS, Buffer.from(records.frame()), START_MS)
    await writer.close()
    const after = await stateOf(dir)
    expect(after.get(bucket)).toContain(`${epoch[bucket]}.${seq[bucket]! + 1} `)
    expect(after.get(bucket)).toContain(key.toString('hex'))
  })

  test('images larger than a segment', async () => {
    const recorder = recorded()
    const dir = await folderOf(recorder.log, 2000)
    const before = await stateOf(dir)
    const report = await compact(dir, undefined, 1500)
    expect(report.after.segments).toBeGreaterThan(2)
    expect(await stateOf(dir)).toEqual(before)
  })

  test('the segments of a compressed log are replaced like others', async () => {
    const recorder = recorded()
    const dir = `${makeFolder()}/log`
    const writer = await openLogWriter(dir, {
      ...{identity: recorder.log.identity, now: 0, segmentBytes: 2000, isDaily: false, isCompressing: true},
    })
    for (const {kind, body, time} of recorder.log.list) writer.append(kind, Buffer.from(body), time)
    const compressed = (): string[] => readdirSync(dir).filter((name) => name.endsWith('.zst'))
    await expect.poll(() => compressed().length).toBeGreaterThan(2)
    await writer.close()
    const old = compressed()
    const before = await stateOf(dir)
    await compact(dir, undefined, 1500)
    for (const name of old) expect(compressed()).not.toContain(name)
    expect(await stateOf(dir)).toEqual(before)
  })

  test('a log that is being written is refused and not touched', async () => {
    const recorder = recorded()
    const dir = await folderOf(recorder.log)
    const writer = await openLogWriter(dir, {identity: recorder.log.identity})
    const names = readdirSync(dir)
    await expect(compact(dir)).rejects.toMatchObject({code: 'E_LOG_IN_USE'})
    expect(readdirSync(dir)).toEqual(names)
    await writer.close()
  })

  test('a bucket whose newest image was never finished keeps the state before it, and is named', async () => {
    const recorder = recorded()
    recorder.begin(0)
    const dir = await folderOf(recorder.log)
    const before = await stateOf(dir)
    const report = await compact(dir)
    expect(report.unfinished).toEqual([recorder.buckets[0]!.bucket])
    expect(await stateOf(dir)).toEqual(before)
  })
})

describe('cut short', () => {
  /** Runs a compaction that dies or fails at its n-th call to the disk; null: it had fewer. */
  async function cutAt(base: MemoryDisk, number: number, error: () => Error): Promise<MemoryDisk | null> {
    const disk = base.afterKill()
    disk.deadShare = (number % 3) / 2
    disk.hook = (call) => {
      if (call.number === number) throw error()
    }
    const done = await compact(DIR, disk.fs, 3000).then(
      () => true,
      () => false,
    )
    return done && disk.calls < number ? null : disk
  }

  test.each([
    ['a kill', 2, () => new Killed(), (disk: MemoryDisk) => disk.afterKill()],
    ['a power cut', 3, () => new Killed(), (disk: MemoryDisk) => disk.afterPowerCut(() => Buffer.alloc(0))],
    ['a full disk', 5, () => errno('ENOSPC', -28), (disk: MemoryDisk) => disk.afterKill()],
  ])('%s at any moment leaves the same content, and the next run the same again', async (_, stride, error, after) => {
    const base = await diskOf(recorded())
    const before = await stateOf(DIR, base.fs)
    let cuts = 0
    for (let number = 1; ; number += stride) {
      const cut = await cutAt(base, number, error)
      if (cut === null) break
      cuts++
      const disk = after(cut)
      expect(await stateOf(DIR, disk.fs)).toEqual(before)
      if (cuts % 3 > 0) continue
      const report = await compact(DIR, disk.fs)
      expect(await stateOf(DIR, disk.fs)).toEqual(before)
      expect(report.after.segments).toBe(1)
    }
    expect(cuts).toBeGreaterThan(5)
  })

  test('Ctrl-C says that nothing is lost', async () => {
    const dir = await folderOf(recorded().log)
    const before = await stateOf(dir)
    const abort = new AbortController()
    const stopped = compactLog(dir, {signal: abort.signal, onProgress: () => abort.abort()})
    await expect(stopped).rejects.toMatchObject({code: 'E_INTERRUPTED'})
    expect(await stateOf(dir)).toEqual(before)
    await compact(dir)
    expect(await stateOf(dir)).toEqual(before)
  })
})

describe('kv log compact', () => {
  test('tells the sizes before and after', async () => {
    const dir = await folderOf(recorded().log, 2000)
    const done = await kv(['log', 'compact', dir])
    expect(done).toMatchObject({exit: 0, stderr: ''})
    expect(done.stdout).toMatch(
      /^[\d.]+ KB in \d+ segments before, [\d.]+ KB in 1 segment after\.\n7 keys of 3 buckets; /,
    )
    const again = await kv(['log', 'compact', dir, '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({keys: 7, after: {segments: 1}, unfinished: ''})
  })

  test('refuses a folder without a log, and makes none', async () => {
    const dir = makeFolder()
    expect(await kv(['log', 'compact', dir])).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('there is no data log'),
    })
    expect(readdirSync(dir)).toEqual([])
  })
})
