/**
 * A small cluster with or without a data-log node. Data nodes are pinned to one core, the log node and the load to the other: what the master computes is
 * counted by the kernel for its process alone, whoever else is on the machine.
 */
import {spawnSync} from 'node:child_process'
import {join} from 'node:path'
import {replyText} from '../../../src/client/reply.ts'
import {BUCKET_COUNT, LOG_SEGMENT_BYTES} from '../../../src/constants.ts'
import {ProcessCluster, type NodeProcess} from '../../e2e/processes.ts'
import {tempDir, type TempDir} from '../../support/temp.ts'
import {waitFor} from '../../support/wait.ts'
import {keyIn} from '../cluster/keys.ts'
import {startLoad, type LoadHandle} from '../cluster/load.ts'
import {askRedis, rangesOf} from '../cluster/redis-cluster.ts'
import {cpuUs, LOAD_CORE, SERVER_CORE} from '../processes.ts'

const CALM_TIMEOUT_MS = 120_000
const CONNECTIONS = 48
const PIPELINE = 16
const VALUE = 'v'.repeat(64)
const KEYS_PER_MASTER = 20_000

/** How far a log node is behind a master. */
export interface Lag {
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  /** Buckets that it does not follow yet. */
  readonly buckets: number
}

/** All threads of a process stay on this core. */
export function pin(pid: number, core: string): void {
  const {status, stderr} = spawnSync('taskset', ['-a', '-c', '-p', core, String(pid)], {encoding: 'utf8'})
  if (status !== 0) throw new Error(`taskset failed: ${stderr}`)
}

/** Fields of a section of INFO. */
export async function infoOf(port: number, section: string): Promise<ReadonlyMap<string, string>> {
  const text = replyText(await askRedis(port, ['INFO', section])) ?? ''
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

/** What the master at this port says of its first log node; null: it knows of none. */
export async function lagOf(port: number): Promise<Lag | null> {
  const line = (await infoOf(port, 'datalog')).get('log0')
  if (line === undefined) return null
  const fields = new Map(line.split(',').map((field) => field.split('=') as [string, string]))
  const number = (name: string): number => Number(fields.get(name))
  return {
    records: number('lag_records'),
    bytes: number('lag_bytes'),
    seconds: number('lag_seconds'),
    buckets: number('buckets_behind'),
  }
}

/** Resolves when the log follows every bucket of these masters and has everything. Errors: not within two minutes. */
export async function untilLogged(masters: readonly number[], logPort: number): Promise<void> {
  const isLogged = async (): Promise<boolean> => {
    const whole = Number((await infoOf(logPort, 'datalog')).get('log_buckets_whole'))
    const lags = await Promise.all(masters.map(lagOf))
    return whole === BUCKET_COUNT && lags.every((lag) => lag?.records === 0 && lag.buckets === 0)
  }
  await waitFor('the log has everything', () => isLogged().catch(() => false), {
    timeoutMs: CALM_TIMEOUT_MS,
    intervalMs: 20,
  })
}

export class LoggedCluster {
  readonly #cluster: ProcessCluster
  readonly #folder: TempDir = tempDir('bench-log')
  /** Ports of the data nodes. */
  readonly ports: readonly number[]
  log: NodeProcess | null = null

  private constructor(cluster: ProcessCluster) {
    this.#cluster = cluster
    this.ports = cluster.ports
  }

  /** So many data nodes, each bucket with so many replicas, and a log node (async) that has everything. */
  static async start(count: number, replicas: number, hasLog: boolean): Promise<LoggedCluster> {
    const cluster = await ProcessCluster.start(count, {replicas})
    const logged = new LoggedCluster(cluster)
    try {
      await cluster.settled(replicas + 1, CALM_TIMEOUT_MS)
      if (hasLog) await logged.#addLog()
      for (const pid of logged.dataPids) pin(pid, SERVER_CORE)
      return logged
    } catch (error) {
      await logged.stop()
      throw error
    }
  }

  async #addLog(): Promise<void> {
    const dataLog = {
      dir: this.logDir,
      ack: 'async',
      segmentBytes: LOG_SEGMENT_BYTES,
      isDaily: false,
      isCompressed: false,
    } as const
    this.log = await this.#cluster.add({isVoterOnly: true, dataLog})
    await untilLogged(this.ports, this.log.port)
    pin(this.log.child!.pid, LOAD_CORE)
  }

  get logDir(): string {
    return join(this.#folder.path, 'log')
  }

  get dataPids(): readonly number[] {
    return this.#cluster.nodes.filter((node) => node !== this.log).map(({child}) => child!.pid)
  }

  /** CPU time of the data nodes so far, microseconds. */
  dataCpuUs(): number {
    return this.dataPids.reduce((sum, pid) => sum + cpuUs(pid), 0)
  }

  /** Pipelined SETs of 64-byte values to the masters of keys in all buckets. `rate`: pipelines a second; null: as fast as it goes. */
  async startLoad(rate: number | null): Promise<LoadHandle> {
    const load = await startLoad({
      ...{masters: await this.#keys(), connections: CONNECTIONS, pipeline: PIPELINE, value: VALUE},
      ...{wait: 'never', rate},
    })
    pin(load.pid, LOAD_CORE)
    return load
  }

  async #keys(): Promise<{port: number; keys: string[]}[]> {
    const buckets = new Map<number, number[]>(this.ports.map((port) => [port, []]))
    for (const {first, last, master} of await rangesOf(this.ports[0]!)) {
      for (let bucket = first; bucket <= last; bucket++) buckets.get(master)!.push(bucket)
    }
    return [...buckets].map(([port, list]) => {
      const key = (_: unknown, i: number): string => keyIn(list[i % list.length]!, Math.floor(i / list.length))
      return {port, keys: Array.from({length: KEYS_PER_MASTER}, key)}
    })
  }

  async stop(): Promise<void> {
    await this.#cluster.stop()
    this.#folder.remove()
  }
}
