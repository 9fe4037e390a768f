/**
 * How long a log node takes to be back, with a gigabyte of sealed segments: from the start of the process (`bin/kv log start`) to its line "data log open", after
 * an orderly stop and after kill -9, and until it has everything again. And what of the folder is opened for that: only its end, whatever its size.
 */
import {readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {nodeLogFileSystem, type LogFileSystem} from '../../../src/datalog/log-fs.ts'
import {openLogReader} from '../../../src/datalog/log-reader.ts'
import {openLogWriter} from '../../../src/datalog/log-writer.ts'
import {freePort} from '../../support/ports.ts'
import {REPO_ROOT} from '../../support/kv.ts'
import {startChild, type Child} from '../../support/child.ts'
import {tempDir} from '../../support/temp.ts'
import {waitFor} from '../../support/wait.ts'
import {figure, printTable, verdict, type Cell, type PartOptions} from '../cluster/report.ts'
import {cpuUs, median, redisBenchmark} from '../processes.ts'
import {ProcessCluster} from '../../e2e/processes.ts'
import {untilLogged} from './logged-cluster.ts'
import {bytesOf} from './sustained.ts'

const MB = 1024 * 1024
const VALUE = 'v'.repeat(1024)
const KEYS = 50_000
const WRITES_PER_STEP = 50_000
const RESTART_SECONDS_MAX = 2
const START_TIMEOUT_MS = 60_000

interface Restart {
  readonly openSeconds: number
  readonly openCpuSeconds: number
  readonly wholeSeconds: number
}

class LogProcess {
  readonly #masters: readonly number[]
  readonly dir: string
  readonly #port: number
  readonly #peerPort: number
  #child: Child | null = null

  constructor(masters: readonly number[], dir: string, port: number, peerPort: number) {
    this.#masters = masters
    this.dir = dir
    this.#port = port
    this.#peerPort = peerPort
  }

  /** Starts it, and waits until it has everything. */
  async start(): Promise<Restart> {
    const startedMs = performance.now()
    const ports = ['--port', `${this.#port}`, '--peer-port', `${this.#peerPort}`]
    const args = ['log', 'start', '--dir', this.dir, '--join', `127.0.0.1:${this.#masters[0]}`, ...ports]
    const child = startChild(`${REPO_ROOT}bin/kv`, args)
    this.#child = child
    const isOpen = (): boolean => {
      if (child.process.exitCode !== null) throw new Error(`kv log start ended: ${child.stdout()}${child.stderr()}`)
      return child.stderr().includes('data log open')
    }
    await waitFor('the log is open', isOpen, {timeoutMs: START_TIMEOUT_MS, intervalMs: 2})
    const openSeconds = (performance.now() - startedMs) / 1_000
    const openCpuSeconds = cpuUs(child.pid) / 1e6
    await this.untilLogged()
    return {openSeconds, openCpuSeconds, wholeSeconds: (performance.now() - startedMs) / 1_000}
  }

  untilLogged(): Promise<void> {
    return untilLogged(this.#masters, this.#port)
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child!.process.kill(signal)
    await this.#child!.exited
  }
}

/** Real writes, until the segments hold so many bytes. */
async function fill(log: LogProcess, master: number, bytes: number): Promise<void> {
  while ((await bytesOf(log.dir)) < bytes) {
    redisBenchmark(master, WRITES_PER_STEP, 16, KEYS, ['set', 'key:__rand_int__', VALUE])
    await log.untilLogged()
  }
}

interface Opened {
  readonly files: number
  readonly readBytes: number
  readonly seconds: number
}

/** Opens the folder as the node does, with a file system that counts. */
async function countOpened(dir: string): Promise<Opened> {
  const paths = new Set<string>()
  let readBytes = 0
  const fs: LogFileSystem = {
    ...nodeLogFileSystem,
    async open(path, flags, mode) {
      paths.add(path)
      const file = await nodeLogFileSystem.open(path, flags, mode)
      return {
        ...file,
        async read(target, at, length, position) {
          const count = await file.read(target, at, length, position)
          readBytes += count
          return count
        },
      }
    },
    openSegment(path) {
      paths.add(path)
      return nodeLogFileSystem.openSegment(path)
    },
  }
  const reader = await openLogReader(dir)
  const {identity} = reader
  await reader.close()
  const startedMs = performance.now()
  const writer = await openLogWriter(dir, {identity, isDaily: false, fs})
  const seconds = (performance.now() - startedMs) / 1_000
  await writer.close()
  return {files: paths.size, readBytes, seconds}
}

/** Runs the part and prints its table. */
export async function runRestart({isQuick, rounds = 3}: PartOptions): Promise<void> {
  const folder = tempDir('bench-log')
  const cluster = await ProcessCluster.start(1, {replicas: 0})
  try {
    const [master] = cluster.ports
    const log = new LogProcess(cluster.ports, join(folder.path, 'log'), await freePort(), await freePort())
    await log.start()
    await fill(log, master!, (isQuick ? 96 : 1_024) * MB)
    const rows: Cell[][] = []
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const restarts: Restart[] = []
      for (let round = 0; round < rounds; round++) {
        await log.end(signal)
        restarts.push(await log.start())
      }
      rows.push(row(signal === 'SIGTERM' ? 'after an orderly stop' : 'after kill -9', restarts))
    }
    await log.end('SIGTERM')
    await print(log.dir, rows)
  } finally {
    await cluster.stop()
    folder.remove()
  }
}

function row(name: string, restarts: readonly Restart[]): Cell[] {
  const of = (pick: (restart: Restart) => number): number => median(restarts.map(pick))
  const open = of(({openSeconds}) => openSeconds)
  const bar = verdict(open <= RESTART_SECONDS_MAX, `<= ${RESTART_SECONDS_MAX} s`)
  return [name, open, bar, of(({openCpuSeconds}) => openCpuSeconds), of(({wholeSeconds}) => wholeSeconds)]
}

async function print(dir: string, rows: readonly Cell[][]): Promise<void> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.kvlog')).sort()
  const last = (await stat(join(dir, names.at(-1)!))).size / MB
  const size = (await bytesOf(dir)) / MB
  const {files, readBytes, seconds} = await countOpened(dir)
  printTable(
    `Data log, restart: ${names.length} segments, ${figure(size)} MB, of which the open one ${figure(last)} MB; medians`,
    ['', 's to "data log open"', 'bar', 'CPU s until then', 's until it has everything'],
    rows,
  )
  const opened = `${files} files opened, ${figure(readBytes / MB)} MB read`
  console.log(`Opening the folder alone takes ${figure(seconds)} s: ${opened}.`)
}
