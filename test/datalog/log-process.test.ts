/** Two processes and one log: a writer that is killed again and again, a second writer that is kept out, a reader that follows. */
import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {expect, onTestFinished, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {nodeLogFileSystem} from '../../src/datalog/log-fs.ts'
import {openLogReader} from '../../src/datalog/log-reader.ts'
import {verifyLog} from '../../src/datalog/log-verify.ts'
import {makeFolder} from '../node/folder.ts'
import {openWriter} from './make-log.ts'

const CHILD = join(import.meta.dirname, 'log-writer-child.ts')

interface Writer {
  readonly child: ChildProcess
  /** The last entry that it said is durable. */
  acknowledged(): number
}

async function startWriter(dir: string): Promise<Writer> {
  const child = spawn(process.execPath, ['--no-warnings', CHILD, dir], {stdio: ['ignore', 'pipe', 'inherit']})
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-100)))
  await once(child.stdout, 'data')
  // The last line may be cut.
  return {child, acknowledged: () => Number(text.split('\n').at(-2) ?? 0)}
}

const numberOf = (body: Buffer): number => (JSON.parse(body.toString()) as {n: number}).n

test('a writer in another process keeps others out by its pid, and is followed over its deaths', async () => {
  const dir = makeFolder()
  const prng = new Prng(41)
  let writer = await startWriter(dir)
  await expect(openWriter(nodeLogFileSystem, {}, dir)).rejects.toMatchObject({
    code: 'E_LOG_IN_USE',
    message: expect.stringContaining(`pid ${writer.child.pid}`) as string,
  })
  const stop = new AbortController()
  const seen: number[] = []
  const following = (async () => {
    const reader = await openLogReader(dir)
    for await (const {body} of reader.entries({follow: stop.signal})) seen.push(numberOf(body))
  })()
  let acknowledged = 0
  for (let round = 0; round < 4; round++) {
    await sleep(60 + prng.below(100))
    const exited = once(writer.child, 'exit')
    writer.child.kill('SIGKILL')
    await exited
    acknowledged = writer.acknowledged()
    expect(acknowledged).toBeGreaterThan(0)
    writer = await startWriter(dir)
  }
  writer.child.kill('SIGKILL')
  await once(writer.child, 'exit')
  await (await openWriter(nodeLogFileSystem, {}, dir)).close()
  const all: number[] = []
  for await (const {body} of (await openLogReader(dir)).entries()) all.push(numberOf(body))
  expect(all).toEqual(all.map((_, i) => i + 1))
  expect(all.length).toBeGreaterThanOrEqual(acknowledged)
  for (let wait = 0; seen.length < all.length && wait < 200; wait++) await sleep(20)
  stop.abort()
  await following
  expect(seen).toEqual(all)
  expect((await verifyLog(dir)).isOk).toBe(true)
})
