/**
 * `kv chaos --driver sim`: seeds of the simulator, with the same workload and checker as real clusters, on as many threads as there are cores. A seed is its own
 * reproduction; one that fails is run once more, for its trace.
 */
import {availableParallelism} from 'node:os'
import {Worker} from 'node:worker_threads'
import {NO_TOTALS, sumTotals} from '../checker/totals.ts'
import type {CheckerTotals} from '../checker/history.ts'
import type {SeedResult, SeedTask} from './sim-worker.ts'

/** Same name, whether this runs from source or was compiled. */
const WORKER = new URL(`./sim-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export interface SimPlan {
  readonly firstSeed: number
  /** Infinity: until the time is over. */
  readonly seeds: number
  /** Real time, ms; Infinity: until the seeds are through. */
  readonly durationMs: number
  /** Virtual, of each seed. */
  readonly seconds: number
  readonly plants: readonly string[]
  readonly nodes?: number
  readonly replicas?: number
  readonly signal: AbortSignal
}

export interface SimTotals {
  seeds: number
  events: number
  checked: CheckerTotals
  readonly faults: Record<string, number>
  /** The first seed that failed, with its trace. */
  failure: SeedResult | null
}

/** Runs seed after seed until one fails, all are through, the time is over or somebody has enough. `onSeed` is told after each. */
export async function runSeeds(plan: SimPlan, onSeed: (totals: SimTotals) => void): Promise<SimTotals> {
  const totals: SimTotals = {
    seeds: 0,
    events: 0,
    checked: NO_TOTALS,
    faults: {},
    failure: null,
  }
  const untilMs = performance.now() + plan.durationMs
  let next = plan.firstSeed
  const isOver = (): boolean =>
    totals.failure !== null ||
    plan.signal.aborted ||
    next >= plan.firstSeed + plan.seeds ||
    performance.now() >= untilMs
  const count = Math.min(availableParallelism(), plan.seeds)
  await Promise.all(
    Array.from({length: count}, async () => {
      const worker = new Worker(WORKER)
      try {
        while (!isOver()) {
          const result = await ask(worker, taskOf(plan, next++, false), plan.signal)
          if (!result) break
          add(totals, result)
          onSeed(totals)
        }
      } finally {
        await worker.terminate()
      }
    }),
  )
  if (totals.failure) totals.failure = (await again(plan, totals.failure.seed)) ?? totals.failure
  return totals
}

/** The same seed once more, with its trace. */
async function again(plan: SimPlan, seed: number): Promise<SeedResult | undefined> {
  const worker = new Worker(WORKER)
  try {
    return await ask(worker, taskOf(plan, seed, true), plan.signal)
  } finally {
    await worker.terminate()
  }
}

function taskOf({seconds, plants, nodes, replicas}: SimPlan, seed: number, isTraced: boolean): SeedTask {
  return {
    seed,
    seconds,
    plants,
    isTraced,
    ...(nodes !== undefined && {nodes}),
    ...(replicas !== undefined && {replicas}),
  }
}

/** Undefined if somebody has enough. Errors: those of the worker. */
function ask(worker: Worker, task: SeedTask, signal: AbortSignal): Promise<SeedResult | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      worker.removeAllListeners()
      signal.removeEventListener('abort', abort)
      end()
    }
    const abort = (): void => settle(() => resolve(undefined))
    worker.once('message', (result: SeedResult) => settle(() => resolve(result)))
    worker.once('error', (error) => settle(() => reject(error)))
    worker.once('exit', () => settle(() => reject(new Error(`the thread of seed ${task.seed} ended`))))
    signal.addEventListener('abort', abort, {once: true})
    if (signal.aborted) abort()
    else worker.postMessage(task)
  })
}

function add(totals: SimTotals, result: SeedResult): void {
  const {violations, checked, faults, events} = result
  totals.seeds++
  totals.events += events
  totals.checked = sumTotals(totals.checked, checked)
  for (const [kind, count] of Object.entries(faults)) totals.faults[kind] = (totals.faults[kind] ?? 0) + count
  if (violations.length > 0) totals.failure ??= result
}
