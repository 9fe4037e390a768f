/**
 * What one log node takes: one master at full write load for some seconds; records and bytes that the log node has put on its disk, from the first sample to
 * the one at which it has everything again. The lag on the way is shown: a rate that is reached by falling behind is none.
 */
import {readdir, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {cpuUs} from '../processes.ts'
import {printTable, verdict, type Cell, type PartOptions} from '../cluster/report.ts'
import {infoOf, lagOf, LoggedCluster, untilLogged} from './logged-cluster.ts'

const WARM_UP_MS = 1_000
const SAMPLE_MS = 250
const MB = 1e6
/** Of a log node that keeps up: what is written in half a second at a high rate. */
const LAG_RECORDS_MAX = 500_000

interface Point {
  readonly ms: number
  readonly records: number
  readonly bytes: number
  readonly cpuUs: number
}

async function pointOf(cluster: LoggedCluster): Promise<Point> {
  const {port, child} = cluster.log!
  const records = Number((await infoOf(port, 'datalog')).get('log_records_total'))
  return {ms: performance.now(), records, bytes: await bytesOf(cluster.logDir), cpuUs: cpuUs(child!.pid)}
}

/** Bytes of the segments in a folder. */
export async function bytesOf(dir: string): Promise<number> {
  const names = (await readdir(dir)).filter((name) => name.includes('.kvlog'))
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dir, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Runs the part and prints its table. */
export async function runSustained({isQuick}: PartOptions): Promise<void> {
  const cluster = await LoggedCluster.start(1, 0, true)
  try {
    const [master] = cluster.ports
    const load = await cluster.startLoad(null)
    await sleep(WARM_UP_MS)
    const begin = await pointOf(cluster)
    const lags: number[] = []
    for (const untilMs = begin.ms + (isQuick ? 1_000 : 15_000); performance.now() < untilMs;) {
      await sleep(SAMPLE_MS)
      lags.push((await lagOf(master!))!.records)
    }
    await load.stop()
    const endLag = (await lagOf(master!))!.records
    await untilLogged(cluster.ports, cluster.log!.port)
    const end = await pointOf(cluster)
    const gaps = Number((await infoOf(cluster.log!.port, 'datalog')).get('log_gaps_total'))
    print(begin, end, lags, endLag, gaps)
  } finally {
    await cluster.stop()
  }
}

function print(begin: Point, end: Point, lags: readonly number[], endLag: number, gaps: number): void {
  const seconds = (end.ms - begin.ms) / 1_000
  const records = end.records - begin.records
  const lagMax = Math.max(...lags)
  const row: Cell[] = [
    '1 log node, 1 master',
    Math.round(records / seconds),
    (end.bytes - begin.bytes) / seconds / MB,
    (end.cpuUs - begin.cpuUs) / records,
    lagMax,
    endLag,
    verdict(lagMax <= LAG_RECORDS_MAX && gaps === 0, 'keeps up, no gap'),
    seconds,
  ]
  printTable(
    'Data log, sustained: SETs of 64 bytes at full speed, until the log has everything',
    ['', 'records/s', 'MB/s', 'CPU us/record of the log node', 'lag max, records', 'lag at the end', '', 'seconds'],
    [row],
  )
}
