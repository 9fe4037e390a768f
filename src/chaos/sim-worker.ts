/** One thread of `kv chaos --driver sim`: it is sent seeds, and sends back what came of each. */
import {parentPort} from 'node:worker_threads'
import {runSeed} from '../sim/simulation.ts'
import {assert} from '../base/assert.ts'
import {ALL_KINDS} from '../workload/kinds.ts'
import type {CheckerTotals} from '../checker/history.ts'

export interface SeedTask {
  readonly seed: number
  /** Virtual seconds with faults. */
  readonly seconds: number
  readonly plants: readonly string[]
  readonly nodes?: number
  readonly replicas?: number
  readonly isTraced: boolean
}

export interface SeedResult {
  readonly seed: number
  readonly violations: readonly string[]
  readonly checked: CheckerTotals
  readonly faults: Readonly<Record<string, number>>
  readonly events: number
  /** Every event with its virtual time, if it was asked for. */
  readonly trace: readonly string[]
}

assert(parentPort !== null, 'this file is the body of a worker')
const port = parentPort
port.on('message', (task: SeedTask) => {
  const {seed, seconds, plants, nodes, replicas, isTraced} = task
  const trace: string[] = []
  const {violations, checked, faults, events} = runSeed(seed, {
    seconds,
    kinds: ALL_KINDS,
    plants: new Set(plants),
    ...(nodes !== undefined && {nodes}),
    ...(replicas !== undefined && {replicas}),
    ...(isTraced && {trace: (line: string) => void trace.push(line)}),
  })
  port.postMessage({seed, violations, checked, faults, events, trace} satisfies SeedResult)
})
