import {afterEach, describe, expect, test} from 'vitest'
import {formatAddress} from '../../../src/base/address.ts'
import {keyBucket} from '../../../src/base/crc16.ts'
import {runBench, type BenchOutcome, type BenchPlan} from '../../../src/cli/bench/bench.ts'
import {parseMix} from '../../../src/cli/bench/mix.ts'
import {benchReport, benchTrouble} from '../../../src/cli/bench/report.ts'
import {startScriptedServer, type Script, type ScriptedServer} from '../../client/scripted-server.ts'

const servers: ScriptedServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

async function serve(script: Script): Promise<ScriptedServer> {
  const server = await startScriptedServer(script)
  servers.push(server)
  return server
}

const slots = (first: number, last: number, {address}: ScriptedServer): string =>
  `*3\r\n:${first}\r\n:${last}\r\n*2\r\n+${address.host}\r\n:${address.port}\r\n`

/** Answers GET and SET; a node that serves everything. */
const plain: Script = ([name]) =>
  name === 'CLUSTER' ? '-ERR This instance has cluster support disabled\r\n' : name === 'HELLO' ? undefined : '+OK\r\n'

function run(server: ScriptedServer, changes: Partial<BenchPlan> = {}, signal?: AbortSignal): Promise<BenchOutcome> {
  return runBench(planFor(server, changes), {signal: signal ?? new AbortController().signal, onProgress: () => {}})
}

function planFor(server: ScriptedServer, changes: Partial<BenchPlan>): BenchPlan {
  return {
    node: server.address,
    password: undefined,
    mix: parseMix('get:1,set:1'),
    clients: 4,
    pipeline: 2,
    valueBytes: 8,
    space: {prefix: 'b:', size: 50},
    requests: 200,
    durationMs: 10_000,
    ratePerSecond: undefined,
    isLoading: false,
    ...changes,
  }
}

/** Requests that the load put on a server: not those of the client that looked around first. */
const loadOf = (server: ScriptedServer): (readonly string[])[] =>
  server.requests.filter(([name]) => name === 'GET' || name === 'SET')

describe('closed loop', () => {
  test('sends exactly the requests that were asked for', async () => {
    const server = await serve(plain)
    const {stats, isHung} = await run(server, {requests: 201})
    expect({replies: stats.replies, lost: stats.lost, errors: stats.errorCount, isHung}).toEqual({
      replies: 201,
      lost: 0,
      errors: 0,
      isHung: false,
    })
    expect(loadOf(server)).toHaveLength(201)
  })

  test('ends after its time and waits for what is in flight', async () => {
    const server = await serve(plain)
    const {stats, elapsedMs} = await run(server, {requests: Infinity, durationMs: 150})
    expect(elapsedMs).toBeGreaterThanOrEqual(149)
    expect(stats.lost).toBe(0)
    expect(loadOf(server)).toHaveLength(stats.replies)
  })

  test('ends when it is told to', async () => {
    const server = await serve(plain)
    const {stats, elapsedMs} = await run(server, {requests: Infinity}, AbortSignal.timeout(100))
    expect(elapsedMs).toBeLessThan(5_000)
    expect(stats.replies).toBeGreaterThan(0)
  })

  test('loads each element once before it reads', async () => {
    const server = await serve(plain)
    await run(server, {mix: parseMix('get'), isLoading: true, requests: 10})
    const written = loadOf(server)
      .filter(([name]) => name === 'SET')
      .map(([, key]) => key)
    expect(written).toHaveLength(50)
    expect(new Set(written).size).toBe(50)
  })

  test('each master is asked for its own keys only', async () => {
    const script =
      (): Script =>
      ([name]) => {
        if (name === 'CLUSTER') return `*2\r\n${slots(0, 8191, a)}${slots(8192, 16_383, b)}`
        return name === 'HELLO' ? undefined : '+OK\r\n'
      }
    const a = await serve((request, socket) => script()(request, socket))
    const b = await serve((request, socket) => script()(request, socket))
    const {stats, masters} = await run(a, {requests: 400, isLoading: true})
    expect({masters, replies: stats.replies}).toEqual({masters: 2, replies: 400})
    const isLow = ([, key]: readonly string[]): boolean => keyBucket(Buffer.from(key!), 0, key!.length) < 8192
    expect(loadOf(a).every(isLow)).toBe(true)
    expect(loadOf(b).some(isLow)).toBe(false)
    expect(loadOf(a).length + loadOf(b).length).toBe(450)
  })
})

describe('trouble is counted and told', () => {
  test('error replies by their first word', async () => {
    const server = await serve((request, socket) =>
      request[0] === 'SET' ? '-OOM command not allowed\r\n' : plain(request, socket),
    )
    const plan = planFor(server, {mix: parseMix('set'), requests: 20})
    const outcome = await run(server, plan)
    const report = benchReport(plan, outcome)
    expect(report).toMatchObject({
      requests: 20,
      errors: 20,
      errorsByWord: {OOM: 20},
      node: formatAddress(server.address),
    })
    expect(benchTrouble(report, outcome.stats.firstError)).toBe('20 error replies (the first: OOM command not allowed)')
  })

  test('a lane that is cut off loses what was in flight and comes back', async () => {
    let seen = 0
    const server = await serve((request, socket) => {
      if (request[0] === 'GET' && ++seen === 50) socket.destroy()
      return plain(request, socket)
    })
    const {stats} = await run(server, {mix: parseMix('get'), clients: 1, requests: 200})
    expect(stats.lost).toBeGreaterThan(0)
    expect(stats.replies + stats.lost).toBe(200)
    expect(stats.replies).toBeGreaterThan(100)
  })

  test('a load that fails ends the run before it begins', async () => {
    const server = await serve((request, socket) =>
      request[0] === 'SET' ? '-OOM command not allowed\r\n' : plain(request, socket),
    )
    await expect(run(server, {isLoading: true})).rejects.toThrow('The keys could not be loaded: OOM')
  })

  test('a wrong password is said before any load', async () => {
    const server = await serve((request, socket) =>
      request[0] === 'HELLO' ? '-WRONGPASS no\r\n' : plain(request, socket),
    )
    await expect(run(server, {password: 'x'})).rejects.toMatchObject({code: 'E_AUTH'})
  })
})

describe('open loop', () => {
  test('keeps the rate that was asked for', async () => {
    const server = await serve(plain)
    const {stats, elapsedMs} = await run(server, {ratePerSecond: 2_000, requests: 600})
    expect(stats.replies).toBe(600)
    expect(elapsedMs).toBeGreaterThan(290)
    expect(elapsedMs).toBeLessThan(600)
  })

  test('a stall shows in every request that it delayed, not in one for each client', async () => {
    let stalledUntil = 0
    const server = await serve((request, socket) => {
      if (request[0] !== 'GET') return plain(request, socket)
      if (stalledUntil === 0) stalledUntil = performance.now() + 400
      if (performance.now() >= stalledUntil) return '+OK\r\n'
      setTimeout(() => socket.write('+OK\r\n'), stalledUntil - performance.now())
      return undefined
    })
    // 400 requests were due during the stall: half of all. A closed loop would have seen four.
    const {stats} = await run(server, {mix: parseMix('get'), ratePerSecond: 1_000, requests: 800})
    const {p50, p90, max} = stats.overall()
    expect(stats.replies).toBe(800)
    expect(max).toBeGreaterThan(350)
    expect(p90).toBeGreaterThan(250)
    expect(p50).toBeLessThan(250)
  })
})
