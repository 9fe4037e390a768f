/** `kv log replay` as a user runs it: words, exit codes, and what is in the target then. */
import {readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {describe, expect, onTestFinished, test} from 'vitest'
import {requireTime} from '../../src/cli/log-flags.ts'
import {Recorder} from '../datalog/recorder.ts'
import {folderOf} from '../datalog/log-folder.ts'
import {dumpEngine, dumpServer, plainRedis} from '../datalog/replay-support.ts'
import {liveNode} from '../node/live-node.ts'
import {startRedis} from '../support/redis.ts'
import {waitFor} from '../support/wait.ts'
import {kv, startKv} from './kv-command.ts'

/** A log of all buckets that these keys are in, of some changes, in files. */
async function logOf(count = 20): Promise<{dir: string; recorder: Recorder}> {
  const recorder = new Recorder([...Array.from({length: count}, (_, i) => `k${i}`), 'map'])
  recorder.follow()
  for (let i = 0; i < count; i++) recorder.subject.run('SET', `k${i}`, `value ${i}`)
  recorder.subject.run('HSET', 'map', 'f', '1', 'g', '2')
  recorder.drain()
  // Each segment tells of all buckets, so one for each entry would be mostly that.
  return {dir: await folderOf(recorder.log, count > 50 ? undefined : 2000), recorder}
}

/** Only the buckets that the log knows; the others it has never heard of. */
function known(recorder: Recorder): string {
  return recorder.buckets.map(({bucket}) => bucket).join(',')
}

describe('kv log replay', () => {
  test('brings a log into a node and says so; a second time it is refused', async () => {
    const {dir, recorder} = await logOf()
    const {port} = (await liveNode()).address
    const args = ['log', 'replay', dir, '--to', `127.0.0.1:${port}`, '--only', known(recorder)]
    const first = await kv(args)
    expect(first).toMatchObject({exit: 0, stderr: ''})
    expect(first.stdout).toMatch(/^21 keys written: 20 strings, 1 map with 2 fields, .*\nRead back: 21 keys/s)
    expect(await dumpServer(port)).toEqual(await dumpEngine(recorder.subject))
    const second = await kv([...args, '--json'])
    expect(second.exit).toBe(1)
    expect(JSON.parse(second.stdout)).toMatchObject({
      error: {code: 'E_TARGET', message: expect.stringContaining('21 keys')},
    })
  })

  test('exits 7 and names the buckets of which the log knows nothing', async () => {
    const {dir} = await logOf(1)
    const {port} = (await liveNode()).address
    const done = await kv(['log', 'replay', dir, '--to', `127.0.0.1:${port}`, '--json'])
    expect(done.exit).toBe(7)
    expect(done.stderr).toContain('buckets have no whole image at that point of the log')
    expect(JSON.parse(done.stdout)).toMatchObject({written: {keys: 2}, verified: {keys: 2, differing: {count: 0}}})
  })

  test('exits 8 if what is read back differs', async () => {
    const {dir, recorder} = await logOf()
    const redis = await plainRedis()
    // Somebody else writes meanwhile: the target has a key more in the end than the log.
    const child = startKv([
      'log',
      'replay',
      dir,
      '--to',
      `127.0.0.1:${redis}`,
      '--only',
      known(recorder),
      '--rate',
      '20',
    ])
    const {rawConnection} = await import('../support/raw-connection.ts')
    const connection = await rawConnection(redis)
    onTestFinished(() => connection.close())
    await waitFor('it has begun', async () => !(await connection.call('DBSIZE')).startsWith(':0'))
    await connection.call('SET', 'foreign', '1')
    expect(await child.exited).toBe(8)
    expect(child.stderr()).toContain('the target has 22 keys, not 21: some are not from the log')
  })

  test('Ctrl-C says how to go on, and the same command does', async () => {
    const {dir, recorder} = await logOf(400)
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const args = ['log', 'replay', dir, '--to', `127.0.0.1:${redis.port}`, '--bucket', known(recorder)]
    const child = startKv([...args, '--rate', '1000'])
    await waitFor('some keys are there', async () => (await dumpServer(redis.port, false)).length > 50)
    child.process.kill('SIGINT')
    expect(await child.exited).toBe(130)
    expect(child.stderr()).toMatch(/log\.replay-[0-9a-f]{10}\.json\. Run the same command again to go on/)
    const again = await kv([...args, '--json'])
    expect(again.exit).toBe(0)
    expect(JSON.parse(again.stdout)).toMatchObject({resumed: true, verified: {keys: 401, differing: {count: 0}}})
    expect(await dumpServer(redis.port, false)).toEqual(await dumpEngine(recorder.subject, false))
  })

  test('kill -9 in the middle costs nothing but time', async () => {
    const {dir, recorder} = await logOf(400)
    const {port} = (await liveNode()).address
    const args = ['log', 'replay', dir, '--to', `127.0.0.1:${port}`, '--bucket', known(recorder)]
    const child = startKv([...args, '--rate', '1000'])
    await waitFor('some keys are there', async () => (await dumpServer(port)).length > 50)
    child.process.kill('SIGKILL')
    await child.exited
    expect(await kv(args)).toMatchObject({exit: 0})
    expect(await dumpServer(port)).toEqual(await dumpEngine(recorder.subject))
  })

  test('refuses what it cannot do, in words', async () => {
    const {dir} = await logOf(1)
    const to = ['--to', '127.0.0.1:1']
    const cases: [string[], number, string][] = [
      [['log', 'replay', dir, ...to, '--mode', 'if-newer'], 2, 'No server tells when a key was last written'],
      [['log', 'replay', '/nowhere', ...to], 2, 'There is neither a data log nor a savefile at /nowhere'],
      [['log', 'replay', dir, ...to, '--until', 'yesterday'], 2, '--until wants a time such as'],
      [['log', 'replay', dir, ...to, '--bucket', '16384'], 2, '"16384" is no range of buckets'],
      [['log', 'replay', dir, ...to], 5, '127.0.0.1:1'],
    ]
    for (const [args, code, words] of cases) {
      const done = await kv(args)
      expect({args, code: done.exit, words: done.stderr}).toEqual({args, code, words: expect.stringContaining(words)})
    }
  })

  test('a damaged log is refused before anything is written; --salvage brings the rest and exits 7', async () => {
    const recorder = new Recorder(['{t}'])
    recorder.follow()
    for (let i = 0; i < 9; i++) {
      recorder.subject.run('SET', `{t}${i}`, `value ${i}`)
      recorder.drain()
    }
    const dir = await folderOf(recorder.log)
    const file = `${dir}/${readdirSync(dir).find((name) => name.endsWith('.kvlog'))!}`
    const bytes = readFileSync(file)
    bytes[bytes.indexOf('value 4')]! ^= 1
    writeFileSync(file, bytes)
    const {port} = (await liveNode()).address
    const args = ['log', 'replay', dir, '--to', `127.0.0.1:${port}`, '--only', known(recorder)]
    expect(await kv(args)).toMatchObject({exit: 1, stderr: expect.stringContaining('is damaged at byte')})
    expect(await dumpServer(port)).toEqual([])
    const salvaged = await kv([...args, '--salvage'])
    expect(salvaged.exit).toBe(7)
    expect(salvaged.stderr).toContain(`1 buckets lack records that are damaged or missing: ${known(recorder)}`)
    expect(await dumpServer(port)).toEqual([0, 1, 2, 3, 5, 6, 7, 8].map((i) => `{t}${i} = value ${i} @-1`))
  })

  test('--until before the first image says when that was', async () => {
    const {dir} = await logOf(1)
    const {port} = (await liveNode()).address
    const done = await kv(['log', 'replay', dir, '--to', `127.0.0.1:${port}`, '--until', '2020-01-01'])
    expect(done.exit).toBe(2)
    expect(done.stderr).toContain('has no content at 2020-01-01T00:00:00.000Z: its first image was whole at 2027-01-15')
  })
})

test('times are ISO, in UTC unless they say otherwise, or Unix milliseconds', () => {
  const time = Date.UTC(2026, 10, 22, 10, 0)
  for (const text of ['2026-11-22T10:00:00Z', '2026-11-22 10:00', '2026-11-22T11:00:00+01:00', String(time)]) {
    expect(requireTime('until', text)).toBe(time)
  }
  for (const text of ['', '10:00', '2026-13-45', '1234', 'now'])
    expect(() => requireTime('until', text)).toThrow(/wants a time/)
})
