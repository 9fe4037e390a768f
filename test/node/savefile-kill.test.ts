/** A process that saves is killed with SIGKILL at many points: the savefile is the old one or the new one, always whole. */
import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {expect, onTestFinished, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {nodeFileSystem} from '../../src/disk/durable-file.ts'
import {verifySavefile} from '../../src/node/savefile.ts'
import {makeRecord} from '../record/make.ts'
import {makeFolder} from './folder.ts'
import {saveRecords, smallSavefile} from './savefile-make.ts'
import {watchedFileSystem} from './watched-fs.ts'

const CHILD = join(import.meta.dirname, 'savefile-kill-child.ts')
const RECORDS = 1200

function startChild(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--no-warnings', CHILD, ...args], {stdio: ['ignore', 'pipe', 'inherit']})
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

/** Kills at one call and says what is there then. */
async function killAt(number: number, moment: string): Promise<'old' | 'new' | 'finished'> {
  const folder = makeFolder()
  const path = join(folder, 'data.kvs')
  writeFileSync(path, smallSavefile())
  const child = startChild(path, String(RECORDS), 'call', String(number), moment)
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  const isOld = readFileSync(path).equals(smallSavefile())
  const summary = await verifySavefile(path)
  if (!isOld) expect(summary).toMatchObject({records: RECORDS, keys: RECORDS})
  // Whatever it left behind does not trouble the next one.
  await saveRecords(path, [makeRecord()])
  expect(readdirSync(folder)).toEqual(['data.kvs'])
  if (signal === null) return 'finished'
  return isOld ? 'old' : 'new'
}

test('save: killed before, in the middle of and after every call, it leaves a whole savefile', async () => {
  const names: string[] = []
  const fs = watchedFileSystem(nodeFileSystem, (call) => {
    names.push(call.name)
  })
  const value = 'v'.repeat(1000)
  const records = Array.from({length: RECORDS}, (_, seq) => makeRecord({seq, value}))
  await saveRecords(join(makeFolder(), 'probe'), records, 200, fs)
  const rename = names.indexOf('rename')
  expect(names.length).toBeGreaterThan(10)

  let points = 0
  for (const [i, name] of names.entries()) {
    for (const moment of name === 'write' ? ['before', 'middle', 'after'] : ['before', 'after']) {
      const isNew = i > rename || (i === rename && moment === 'after')
      expect([name, moment, await killAt(i + 1, moment)]).toEqual([name, moment, isNew ? 'new' : 'old'])
      points++
    }
  }
  expect(points).toBeGreaterThanOrEqual(25)
  expect(await killAt(names.length + 1, 'before')).toBe('finished')
})

test('save: killed at random times, it leaves a whole savefile', async () => {
  const folder = makeFolder()
  const path = join(folder, 'data.kvs')
  writeFileSync(path, smallSavefile())
  const prng = new Prng(5)
  for (let round = 0; round < 10; round++) {
    const child = startChild(path, String(RECORDS), 'loop')
    await once(child.stdout!, 'data')
    await sleep(prng.below(60))
    child.kill('SIGKILL')
    await once(child, 'exit')
    await verifySavefile(path)
    // At most the temp of the one that was just killed.
    expect(readdirSync(folder).length).toBeLessThanOrEqual(2)
  }
})
