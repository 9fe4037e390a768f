/** `kv bench` as the load generator of the benchmarks here: it works against every server alike, and can hold a rate. */
import {spawnSync} from 'node:child_process'
import {join} from 'node:path'
import {LOAD_CORE} from './processes.ts'
import type {BenchReport} from '../../src/cli/bench/report.ts'

const KV = join(import.meta.dirname, '..', '..', 'bin', 'kv')

/** Runs `kv bench` on the load core and reads its report. */
export function kvBench(port: number, ...args: string[]): BenchReport {
  const words = ['-c', LOAD_CORE, KV, 'bench', '--node', `127.0.0.1:${port}`, '--json', ...args]
  const {stdout, stderr, status} = spawnSync('taskset', words, {encoding: 'utf8', timeout: 600_000})
  if (status !== 0) throw new Error(`kv bench failed: ${stderr}${stdout}`)
  return JSON.parse(stdout) as BenchReport
}
