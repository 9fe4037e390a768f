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
      const worker = new SeedWorker()
      try {
        while (!isOver()) {
          const result = await worker.run(taskOf(plan, next++, false), plan.signal)
          if (!result) break
          add(totals, result)
          onSeed(totals)
        }
      } finally {
        await worker.end()
      }
    }),
  )
  if (totals.failure) totals.failure = (await again(plan, totals.failure.seed)) ?? totals.failure
  return totals
}

/** The same seed once more, with its trace. */
async function again(plan: SimPlan, seed: number): Promise<SeedResult | undefined> {
  const worker = new SeedWorker()
  try {
    return await worker.run(taskOf(plan, seed, true), plan.signal)
  } finally {
    await worker.end()
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

/** A thread that runs one seed at a time. */
class SeedWorker {
  readonly #worker = new Worker(WORKER, {execArgv: []})
  #answer = Promise.withResolvers<SeedResult>()

  constructor() {
    this.#worker.on('message', (result: SeedResult) => this.#answer.resolve(result))
    this.#worker.on('error', (error) => this.#answer.reject(error))
    this.#worker.on('exit', (code) => this.#answer.reject(new Error(`a thread of the simulator ended (${code})`)))
  }

  /** Undefined if somebody has enough. Errors: those of the thread. */
  async run(task: SeedTask, signal: AbortSignal): Promise<SeedResult | undefined> {
    this.#answer = Promise.withResolvers()
    // Nobody may be waiting for it any more when the thread ends.
    this.#answer.promise.catch(() => undefined)
    const enough = Promise.withResolvers<undefined>()
    const abort = (): void => enough.resolve(undefined)
    signal.addEventListener('abort', abort, {once: true})
    try {
      if (signal.aborted) return undefined
      this.#worker.postMessage(task)
      return await Promise.race([this.#answer.promise, enough.promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}

function add(totals: SimTotals, result: SeedResult): void {
  const {violations, checked, faults, events} = result
  totals.seeds++
  totals.events += events
  totals.checked = sumTotals(totals.checked, checked)
  for (const [kind, count] of Object.entries(faults)) totals.faults[kind] = (totals.faults[kind] ?? 0) + count
  if (violations.length > 0) totals.failure ??= result
}
