/** Server processes for benchmarks: pinned to a core, measured from outside. */
import {spawn, spawnSync} from 'node:child_process'
import {readFileSync, mkdtempSync, rmSync} from 'node:fs'
import {createServer, connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {ChildProcess} from 'node:child_process'

export const SERVER_CORE = '0'
export const LOAD_CORE = '1'
const TICK_US = 10_000

export interface BenchServer {
  readonly name: string
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

const NODE = process.execPath
const KV_MAIN = join(import.meta.dirname, 'kv-server.ts')

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

/** redis-server or valkey-server, alone, nothing on disk. */
export async function startRedisLike(name: string, program: string): Promise<BenchServer> {
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'kv-bench-'))
  const args = [
    '-c',
    SERVER_CORE,
    program,
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    dir,
  ]
  return ready(name, port, spawn('taskset', args, {stdio: 'ignore'}), () => rmSync(dir, {recursive: true, force: true}))
}

/** A whole `kv` server process, as `kv node start` runs it. */
export async function startKv(name = 'kv', main = KV_MAIN): Promise<BenchServer> {
  const port = await freePort()
  return ready(
    name,
    port,
    spawn('taskset', ['-c', SERVER_CORE, NODE, main, String(port)], {stdio: ['ignore', 'ignore', 'inherit']}),
    () => undefined,
  )
}

async function ready(name: string, port: number, child: ChildProcess, clean: () => void): Promise<BenchServer> {
  for (let tries = 0; !(await canConnect(port)); tries++) {
    if (child.exitCode !== null || tries > 200) throw new Error(`${name} did not start`)
    await sleep(50)
  }
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null) {
      child.kill('SIGKILL')
      await ended
    }
    clean()
  }
  return {name, port, pid: child.pid!, stop}
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** CPU time of the process so far, user and system, microseconds. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}

export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

export interface LoadResult {
  readonly operationsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** redis-benchmark, pinned to the other core. `command`: words of a command, with __rand_int__ for a number below `keys`. */
export function redisBenchmark(
  port: number,
  requests: number,
  pipeline: number,
  keys: number,
  command: readonly string[],
): LoadResult {
  const args = [
    '-c',
    LOAD_CORE,
    'redis-benchmark',
    '-p',
    String(port),
    '-c',
    '50',
    '-n',
    String(requests),
    '-r',
    String(keys),
    '-P',
    String(pipeline),
    '--csv',
    ...command,
  ]
  const {stdout} = spawnSync('taskset', args, {encoding: 'utf8', timeout: 120_000})
  const fields = (stdout.trim().split('\n').at(-1) ?? '').split(',').map((field) => Number(field.replaceAll('"', '')))
  return {operationsPerSecond: fields[1] ?? 0, p50Ms: fields[4] ?? 0, p99Ms: fields[6] ?? 0}
}

/** Of an even number the mean of the two in the middle: the larger one alone would be the worst of two rounds. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2
}
