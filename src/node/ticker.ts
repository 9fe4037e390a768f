/**
 * The engine's heartbeat: a tick ten times a second, and background work in slices of well under a ms between turns of the
 * loop while there is any.
 */
import type {Engine} from '../core/engine.ts'
import type {Collector} from './collector.ts'

const TICK_MS = 100
/** Nodes per slice of background work. */
const WORK_BUDGET = 1000

export class Ticker {
  readonly #engine: Engine
  readonly #collector: Collector
  #timer: NodeJS.Timeout | null = null
  #isScheduled = false
  #isStopped = false
  /** Commands per second over the last second. */
  operationsPerSecond = 0
  #sampledAt = 0
  #sampledCommands = 0
  /** When the last tick came, monotonic ms. */
  #tickedAt = 0

  constructor(engine: Engine, collector: Collector) {
    this.#engine = engine
    this.#collector = collector
  }

  start(): void {
    this.#tickedAt = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer) clearInterval(this.#timer)
  }

  requestWork(): void {
    if (this.#isScheduled || this.#isStopped) return
    this.#isScheduled = true
    setImmediate(this.#work)
  }

  readonly #work = (): void => {
    this.#isScheduled = false
    if (this.#isStopped) return
    const engine = this.#engine
    engine.setTime(Date.now())
    const began = performance.now()
    if (engine.work(WORK_BUDGET)) this.requestWork()
    const ended = performance.now()
    engine.latency.note('background-work', engine.now, ended - began)
    engine.cluster?.flush(ended)
  }

  #tick(): void {
    const now = Date.now()
    const monotonic = performance.now()
    // A tick that is late waited for something that held the loop up.
    this.#engine.latency.note('loop-stall', now, monotonic - this.#tickedAt - TICK_MS)
    this.#tickedAt = monotonic
    this.#engine.tick(now)
    this.#collector.tick(now)
    if (now - this.#sampledAt < 1000) return
    const {commandsProcessed} = this.#engine.stats
    const elapsed = now - this.#sampledAt
    this.operationsPerSecond = Math.max(0, Math.round(((commandsProcessed - this.#sampledCommands) * 1000) / elapsed))
    this.#sampledAt = now
    this.#sampledCommands = commandsProcessed
  }
}
