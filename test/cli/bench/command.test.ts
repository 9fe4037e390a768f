/** `kv bench` as a user runs it. */
import {afterAll, beforeAll, expect, test} from 'vitest'
import {freePort} from '../../support/ports.ts'
import {startRedis} from '../../support/redis.ts'
import type {TestServer} from '../../support/server.ts'
import {startScriptedServer} from '../../client/scripted-server.ts'
import {kv, kvOnTerminal, startKv} from '../kv-command.ts'

let server: TestServer
let node: string
beforeAll(async () => {
  server = await startRedis()
  node = `127.0.0.1:${server.port}`
})
afterAll(() => server.stop())

const bench = (...args: string[]): ReturnType<typeof kv> => kv(['bench', '-n', node, '--keys', '500', ...args])

test('--json has stable names, and the numbers agree with each other', async () => {
  const {exit, stdout, stderr} = await bench(
    '--mix',
    'get:3,hget:1',
    '--requests',
    '2k',
    '-c',
    '4',
    '-P',
    '8',
    '--json',
  )
  expect({exit, stderr}).toEqual({exit: 0, stderr: ''})
  const report = JSON.parse(stdout) as Record<string, unknown> & {operations: Record<string, {requests: number}>}
  const latency = {p50: 0, p90: 0, p99: 0, p999: 0, max: 0, mean: 0}
  const shape = (value: object): object => Object.fromEntries(Object.keys(value).map((name) => [name, 0]))
  expect(report).toMatchObject({
    node,
    masters: 1,
    mix: {get: 3, hget: 1},
    clients: 4,
    pipeline: 8,
    valueBytes: 64,
    keys: 500,
    rate: null,
    requests: 2_000,
    misses: 0,
    errors: 0,
    errorsByWord: {},
    lost: 0,
  })
  expect(shape(report['latencyMs'] as object)).toEqual(latency)
  expect(report.operations['get']!.requests + report.operations['hget']!.requests).toBe(2_000)
})

test('a person gets a table, and a terminal a progress line that goes away', async () => {
  const {stdout} = await bench('--requests', '500')
  expect(stdout).toMatch(/^OPERATION +REQUESTS +PER SECOND +P50 +P90 +P99 +P99\.9 +MAX\nget .*\nset .*\nall +500 /)
  const terminal = await kvOnTerminal(['bench', '-n', node, '--keys', '500', '--seconds', '300ms'])
  expect(terminal.stdout).toContain('requests/s')
  expect(terminal.stdout).toContain('\r\u001b[2K')
})

test('reads of what was not loaded are counted as misses', async () => {
  const {stdout} = await bench('--mix', 'get', '--no-load', '--prefix', 'none:', '--requests', '100', '--json')
  expect(JSON.parse(stdout)).toMatchObject({requests: 100, misses: 100})
})

test('Ctrl-C ends it with what was measured, and exit code 130', async () => {
  const child = startKv(['bench', '-n', node, '--keys', '500', '--seconds', '60s', '--json'])
  setTimeout(() => child.process.kill('SIGINT'), 1_500)
  expect(await child.exited).toBe(130)
  expect((JSON.parse(child.stdout()) as {requests: number}).requests).toBeGreaterThan(0)
})

test('exit 7 when some requests failed, 1 when all did, 5 when nobody is there', async () => {
  let gets = 0
  const flaky = await startScriptedServer(([name]) => {
    if (name === 'CLUSTER') return '-ERR This instance has cluster support disabled\r\n'
    if (name === 'HELLO') return undefined
    return name === 'SET' || ++gets % 2 === 0 ? '-ERR not now\r\n' : '$1\r\na\r\n'
  })
  const run = (mix: string): ReturnType<typeof kv> =>
    kv(['bench', '-n', `:${flaky.address.port}`, '--no-load', '--requests', '100', '--mix', mix])
  const some = await run('get')
  expect(some.exit).toBe(7)
  expect(some.stderr).toContain('50 error replies (the first: ERR not now)')
  expect(await run('set')).toMatchObject({exit: 1})
  await flaky.stop()
  expect(await kv(['bench', '-n', `:${await freePort()}`])).toMatchObject({exit: 5, stdout: ''})
})

test.each([
  ['--keys', '0'],
  ['--requests', '0'],
  ['--rate', 'fast'],
  ['--clients', '0'],
  ['--pipeline', '99999'],
  ['--value-size', '1gb'],
])('%s %s is a usage error', async (flag, value) => {
  expect(await kv(['bench', flag, value])).toMatchObject({exit: 2, stdout: ''})
})
