/**
 * What synchronous replication costs: pipelined SETs as fast as they go, and latency at a fixed moderate rate, with one replica and with none,
 * beside Redis without a promise and Redis where `WAIT 1` follows (each write, as one that wants ours' promise has to do it; and once for each
 * pipeline, which is the cheapest way to nearly the same). All clusters run all the time; one after the other gets the load.
 *
 *   npm run bench:cluster -- replication [--rounds 3]
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {cpuUs, median} from '../processes.ts'
import {keyIn} from './keys.ts'
import {startLoad, type LoadOptions, type LoadReport} from './load.ts'
import {startOurCluster} from './our-cluster.ts'
import {RedisCluster, rangesOf} from './redis-cluster.ts'
import {figure, printTable, verdict, type Cell, type PartOptions} from './report.ts'

const VALUE = 'v'.repeat(64)
const CONNECTIONS = 48
const PIPELINE = 16
/** Writes a second, unpipelined, for the latencies. */
const RATE = 3_000
const KEYS_PER_MASTER = 20_000
const WARM_UP_MS = 1_000

interface Cluster {
  readonly ports: readonly number[]
  pids(): readonly number[]
  stop(): Promise<void>
}

interface Case {
  readonly name: string
  readonly cluster: Cluster
  readonly wait: LoadOptions['wait']
  readonly full: Sample[]
  readonly steady: Sample[]
}

interface Sample extends LoadReport {
  readonly cpuUsPerWrite: number
}

async function startOurs(replicas: number): Promise<Cluster> {
  const cluster = await startOurCluster(replicas)
  return {ports: cluster.ports, pids: () => cluster.nodes.map(({child}) => child!.pid), stop: () => cluster.stop()}
}

async function startRedis(): Promise<Cluster> {
  const cluster = await RedisCluster.start()
  return {ports: cluster.ports, pids: () => cluster.pids, stop: () => cluster.stop()}
}

/** The keys of each master, spread over its buckets. */
async function keysByMaster(port: number): Promise<{port: number; keys: string[]}[]> {
  const buckets = new Map<number, number[]>()
  for (const {first, last, master} of await rangesOf(port)) {
    const list = buckets.get(master) ?? []
    for (let bucket = first; bucket <= last; bucket++) list.push(bucket)
    buckets.set(master, list)
  }
  return [...buckets].map(([master, list]) => {
    const keys = Array.from({length: KEYS_PER_MASTER}, (_, i) =>
      keyIn(list[i % list.length]!, Math.floor(i / list.length)),
    )
    return {port: master, keys}
  })
}

async function measure({cluster, wait}: Case, rate: number | null, forMs: number): Promise<Sample> {
  const masters = await keysByMaster(cluster.ports[0]!)
  const pipeline = rate === null ? PIPELINE : 1
  const load = await startLoad({masters, connections: CONNECTIONS, pipeline, wait, value: VALUE, rate})
  const spentUs = (): number => cluster.pids().reduce((sum, pid) => sum + cpuUs(pid), 0)
  try {
    await sleep(WARM_UP_MS)
    await load.take()
    const startedCpuUs = spentUs()
    await sleep(forMs)
    const usedUs = spentUs() - startedCpuUs
    const report = await load.take()
    if (report.firstError !== null) throw new Error(`the load failed: ${report.firstError}`)
    return {...report, cpuUsPerWrite: usedUs / report.writes}
  } finally {
    await load.stop()
  }
}

/** Runs the part and prints its tables. */
export async function runReplication({isQuick, rounds = 3}: PartOptions): Promise<void> {
  const clusters: Cluster[] = []
  const started = async (starting: Promise<Cluster>): Promise<Cluster> => {
    const cluster = await starting
    clusters.push(cluster)
    return cluster
  }
  try {
    const alone = await started(startOurs(0))
    const twofold = await started(startOurs(1))
    const redis = await started(startRedis())
    const cases: readonly Case[] = [
      {name: 'kv, no replica', cluster: alone, wait: 'never', full: [], steady: []},
      {name: 'kv, 1 replica', cluster: twofold, wait: 'never', full: [], steady: []},
      {name: 'redis, WAIT 1 after each write', cluster: redis, wait: 'each', full: [], steady: []},
      {name: 'redis, WAIT 1 after each pipeline', cluster: redis, wait: 'pipeline', full: [], steady: []},
      {name: 'redis, asynchronous', cluster: redis, wait: 'never', full: [], steady: []},
    ]
    const forMs = isQuick ? 500 : 5_000
    for (let number = 1; number <= (isQuick ? 1 : rounds); number++) {
      for (const one of cases) {
        one.full.push(await measure(one, null, forMs))
        one.steady.push(await measure(one, RATE, forMs))
        const rate = one.full.at(-1)!.writes / one.full.at(-1)!.seconds
        const {p99} = one.steady.at(-1)!
        console.error(
          `  replication ${number}: ${one.name} ${figure(Math.round(rate))} writes/s, p99 ${figure(p99)} ms`,
        )
      }
    }
    print(cases)
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()))
  }
}

function print(cases: readonly Case[]): void {
  printTable(
    `Replication: SET of ${VALUE.length} bytes, ${CONNECTIONS} connections, pipelines of ${PIPELINE} at full speed, single ones at ${figure(RATE)}/s; medians`,
    ['', 'writes/s', 'CPU us/write', 'p50 ms', 'p99 ms', `p50 at ${RATE}/s`, 'p99', 'CPU us/write'],
    cases.map(row),
  )
  const [alone, twofold, redis] = cases
  const rates = [throughput(twofold!), throughput(redis!)] as const
  const tails = [tail(twofold!), tail(redis!)] as const
  printTable(
    'Bars',
    ['', 'is', 'bar'],
    [
      [
        'writes/s with 1 replica against Redis with WAIT 1',
        `${figure(rates[0] / rates[1])} x`,
        verdict(rates[0] > rates[1], '> 1 x'),
      ],
      [
        'p99 with 1 replica against Redis with WAIT 1',
        `${figure(tails[0] / tails[1])} x`,
        verdict(tails[0] < tails[1], '< 1 x'),
      ],
      ['writes/s with 1 replica against none', `${figure(rates[0] / throughput(alone!))} x`, ''],
      ['p99 with 1 replica against none', `${figure(tails[0] / tail(alone!))} x`, ''],
    ],
  )
}

function throughput({full}: Case): number {
  return median(full.map(({writes, seconds}) => writes / seconds))
}

function tail({steady}: Case): number {
  return median(steady.map(({p99}) => p99))
}

function row(one: Case): Cell[] {
  const of = (samples: readonly Sample[], pick: (sample: Sample) => number): number => median(samples.map(pick))
  return [
    one.name,
    Math.round(throughput(one)),
    of(one.full, (sample) => sample.cpuUsPerWrite),
    of(one.full, (sample) => sample.p50),
    of(one.full, (sample) => sample.p99),
    of(one.steady, (sample) => sample.p50),
    tail(one),
    of(one.steady, (sample) => sample.cpuUsPerWrite),
  ]
}
