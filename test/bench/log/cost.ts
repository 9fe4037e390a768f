/**
 * What an asynchronous data log costs the masters: CPU time of the data nodes for each write at full speed, in two clusters that differ only in that one has a
 * log node. They get the load in turns (A B B A ...), so that a noisy neighbour hits both alike. Once with one data node and no replica, where all that a record
 * costs is the log's; once as clusters are by default, two copies of each bucket, where the record is made for the replica anyway.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {median} from '../processes.ts'
import {figure, printTable, verdict, type Cell, type PartOptions} from '../cluster/report.ts'
import {lagOf, LoggedCluster} from './logged-cluster.ts'

const WARM_UP_MS = 700
const ADDED_PERCENT_MAX = 10

interface Sample {
  readonly cpuUsPerWrite: number
  readonly writesPerSecond: number
}

interface Case {
  readonly name: string
  readonly dataNodes: number
  readonly replicas: number
}

const CASES: readonly Case[] = [
  {name: '1 data node, no replica', dataNodes: 1, replicas: 0},
  {name: '2 data nodes, 1 replica', dataNodes: 2, replicas: 1},
]

async function measure(cluster: LoggedCluster, forMs: number): Promise<Sample> {
  const load = await cluster.startLoad(null)
  try {
    await sleep(WARM_UP_MS)
    await load.take()
    const beforeUs = cluster.dataCpuUs()
    await sleep(forMs)
    const usedUs = cluster.dataCpuUs() - beforeUs
    const {writes, seconds, firstError} = await load.take()
    if (firstError !== null) throw new Error(`the load failed: ${firstError}`)
    return {cpuUsPerWrite: usedUs / writes, writesPerSecond: writes / seconds}
  } finally {
    await load.stop()
  }
}

/** Samples without and with a log node, and the largest lag of the log node after any round. */
async function compare({name, dataNodes, replicas}: Case, rounds: number, forMs: number): Promise<Cell[]> {
  const clusters: LoggedCluster[] = []
  try {
    for (const hasLog of [false, true]) clusters.push(await LoggedCluster.start(dataNodes, replicas, hasLog))
    const samples: [Sample[], Sample[]] = [[], []]
    let lagRecords = 0
    for (let round = 0; round < rounds; round++) {
      for (const which of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const cluster = clusters[which]!
        samples[which]!.push(await measure(cluster, forMs))
        for (const port of which === 1 ? cluster.ports : [])
          lagRecords = Math.max(lagRecords, (await lagOf(port))!.records)
      }
      const [without, withLog] = samples.map((list) => list.at(-1)!.cpuUsPerWrite)
      console.error(
        `  cost ${round + 1}: ${name} ${figure(without!)} us without, ${figure(withLog!)} us with a log node`,
      )
    }
    return row(name, samples, lagRecords)
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()))
  }
}

function row(name: string, samples: readonly [readonly Sample[], readonly Sample[]], lagRecords: number): Cell[] {
  const of = (which: 0 | 1, pick: (sample: Sample) => number): number => median(samples[which].map(pick))
  const [without, withLog] = [of(0, (sample) => sample.cpuUsPerWrite), of(1, (sample) => sample.cpuUsPerWrite)]
  const added = (withLog / without - 1) * 100
  const rates = ([0, 1] as const).map((which) => Math.round(of(which, (sample) => sample.writesPerSecond)))
  const bar = verdict(added <= ADDED_PERCENT_MAX, `<= ${ADDED_PERCENT_MAX} %`)
  return [name, without, withLog, `${figure(added)} %`, bar, ...rates, lagRecords]
}

/** Runs the part and prints its table. */
export async function runCost({isQuick, rounds = 7}: PartOptions): Promise<void> {
  const rows: Cell[][] = []
  for (const one of CASES) rows.push(await compare(one, isQuick ? 2 : rounds, isQuick ? 300 : 2_500))
  printTable(
    'Data log, cost: CPU us of the data nodes for each SET of 64 bytes, pipelines of 16 at full speed; medians',
    ['', 'without', 'with a log', 'added', 'bar', 'writes/s without', 'with', 'lag, records'],
    rows,
  )
}
