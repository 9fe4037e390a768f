/**
 * What reads a whole log: replay into an empty cluster of three nodes, then compaction, of one log of five million changes of a million keys. Replay comes first,
 * because compaction leaves another log. Both run as a user runs them (`bin/kv`), so seconds and memory are those of the whole process.
 */
import {join} from 'node:path'
import {tempDir} from '../../support/temp.ts'
import {startOurCluster} from '../cluster/our-cluster.ts'
import {figure, printTable, verdict, type Cell, type PartOptions} from '../cluster/report.ts'
import {makeLog} from './make-log.ts'
import {runKv, type Took} from './measured.ts'
import {bytesOf} from './sustained.ts'

const MB = 1024 * 1024
const PEAK_BYTES_MAX = 512 * MB

async function replayed(dir: string, keys: number): Promise<Took> {
  const cluster = await startOurCluster()
  try {
    const took = await runKv(['log', 'replay', dir, '--to', `127.0.0.1:${cluster.ports[0]}`, '--json'])
    const {written} = JSON.parse(took.stdout) as {written: {keys: number}}
    if (written.keys !== keys) throw new Error(`${written.keys} of ${keys} keys were replayed`)
    return took
  } finally {
    await cluster.stop()
  }
}

async function compacted(dir: string, keys: number): Promise<Took> {
  const took = await runKv(['log', 'compact', dir, '--json'])
  const report = JSON.parse(took.stdout) as {keys: number}
  if (report.keys !== keys) throw new Error(`${report.keys} of ${keys} keys are left`)
  return took
}

/** Runs the part and prints its table. */
export async function runContent({isQuick}: PartOptions): Promise<void> {
  const folder = tempDir('bench-log')
  try {
    const dir = join(folder.path, 'log')
    const records = isQuick ? 50_000 : 5_000_000
    const keys = await makeLog(dir, {records, keys: records / 5, valueBytes: 64})
    const before = await bytesOf(dir)
    console.error(`  content: ${figure(records)} records of ${figure(keys)} keys, ${figure(before / MB)} MB`)
    const replay = await replayed(dir, keys)
    const compact = await compacted(dir, keys)
    const after = await bytesOf(dir)
    printTable(
      `Data log, ${figure(records)} records of ${figure(keys)} keys: compaction (${figure(before / MB)} MB to ${figure(after / MB)} MB), and replay into 3 nodes with every key read back`,
      ['', 'seconds', 'CPU s', 'records/s', 'keys/s', 'peak RSS MB', 'bar'],
      [row('kv log compact', compact, records, keys), row('kv log replay', replay, records, keys)],
    )
  } finally {
    folder.remove()
  }
}

function row(name: string, {seconds, cpuSeconds, peakBytes}: Took, records: number, keys: number): Cell[] {
  const bar = verdict(peakBytes <= PEAK_BYTES_MAX, `<= ${PEAK_BYTES_MAX / MB} MB`)
  return [name, seconds, cpuSeconds, Math.round(records / seconds), Math.round(keys / seconds), peakBytes / MB, bar]
}
