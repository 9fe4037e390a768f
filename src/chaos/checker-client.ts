/**
 * The run's end of the checker, which works in a thread of its own (checker-worker.ts). Operations go there in batches: one at a time would cost more than to check them.
 *
 * What the thread has not come to yet waits in its queue. How many that are is counted (`behind`): the run lets no client begin another operation while they are too many.
 */
import {Worker} from 'node:worker_threads'
import {CHECKER_BATCH_MS, CHECKER_BATCH_OPERATIONS} from '../constants.ts'
import type {CheckerTotals, Finding, HistorySink, Operation} from '../checker/history.ts'
import type {CheckerAnswer, CheckerRequest} from './checker-worker.ts'

/** Beside this file, in the sources as in what was built of them. */
const WORKER = new URL(`./checker-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export interface CheckerEvents {
  /** Something is wrong with what was answered; at once, the first within a batch of its last operation. */
  onFinding?(finding: Finding): void
  /** The checker died: from here on nothing is checked, the run is void. Not called for what `finish` rejects with. */
  onFailure?(error: Error): void
}

export interface CheckerOutcome {
  readonly totals: CheckerTotals
  readonly findings: readonly Finding[]
}

const NOTHING: CheckerTotals = {
  operations: {register: 0, ledger: 0, cell: 0, counter: 0, pair: 0},
  ok: 0,
  failed: 0,
  unknown: 0,
  reads: 0,
  undecided: 0,
  findings: 0,
}

export class CheckerClient implements HistorySink {
  readonly #worker: Worker
  readonly #events: CheckerEvents
  #batch: Operation[] = []
  #floor = 0
  #sentFloor = 0
  #timer: NodeJS.Timeout | null = null
  #totals = NOTHING
  #heapBytes = 0
  #behind = 0
  #behindMost = 0
  readonly #findings: Finding[] = []
  #failure: Error | null = null
  #isEnding = false
  readonly #outcome = Promise.withResolvers<CheckerOutcome>()
  #isAwaited = false

  /** `worker`: another file to run in the thread, for tests of what happens when it fails. */
  constructor(events: CheckerEvents = {}, worker: URL = WORKER) {
    this.#events = events
    // The flags of this process are not the thread's: a test runner's or a profiler's would break it.
    this.#worker = new Worker(worker, {execArgv: [], name: 'checker'})
    this.#worker.on('message', (answer: CheckerAnswer) => this.#answered(answer))
    this.#worker.on('messageerror', (error) => this.#fail(error))
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('exit', (code) => this.#fail(new Error(`the checker ended by itself (${code})`)))
    // Nobody may be waiting for it yet when it fails.
    this.#outcome.promise.catch(() => undefined)
  }

  /** Of all that was checked so far. */
  get totals(): CheckerTotals {
    return this.#totals
  }

  /** So far; at most one for each key. */
  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** Heap that the checker's thread uses, bytes; garbage included. */
  get heapBytes(): number {
    return this.#heapBytes
  }

  /** Operations that were taken and are not checked yet. */
  get behind(): number {
    return this.#behind
  }

  /** The most there ever were. */
  get behindMost(): number {
    return this.#behindMost
  }

  take(operation: Operation): void {
    this.#batch.push(operation)
    this.#behind++
    if (this.#behind > this.#behindMost) this.#behindMost = this.#behind
    if (this.#batch.length >= CHECKER_BATCH_OPERATIONS) this.#send(false)
    else this.#timer ??= setTimeout(() => this.#send(false), CHECKER_BATCH_MS).unref()
  }

  advance(floor: number): void {
    // It holds for what is taken after it, so what waits in the batch is sent along with it.
    this.#floor = Math.max(this.#floor, floor)
    if (this.#floor > this.#sentFloor) this.#timer ??= setTimeout(() => this.#send(false), CHECKER_BATCH_MS).unref()
  }

  /** Nothing comes any more; resolves when all is checked. Rejects if the checker died, now or before. */
  finish(): Promise<CheckerOutcome> {
    if (!this.#isAwaited) {
      this.#isAwaited = true
      if (this.#failure === null) this.#send(true)
    }
    return this.#outcome.promise
  }

  /** Stops the thread, whatever it is doing; may be called at any time, twice too. What was not checked stays unchecked. */
  async end(): Promise<void> {
    this.#isEnding = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#outcome.reject(new Error('the checker was stopped'))
    await this.#worker.terminate()
  }

  #send(isLast: boolean): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const request: CheckerRequest = {operations: this.#batch, floor: this.#floor, isLast}
    this.#batch = []
    this.#sentFloor = this.#floor
    if (this.#failure === null && !this.#isEnding) this.#worker.postMessage(request)
  }

  #answered({taken, totals, findings, heapBytes, isLast}: CheckerAnswer): void {
    this.#behind -= taken
    this.#totals = totals
    this.#heapBytes = heapBytes
    for (const finding of findings) {
      this.#findings.push(finding)
      this.#events.onFinding?.(finding)
    }
    if (!isLast) return
    this.#outcome.resolve({totals, findings: this.#findings})
    this.#isEnding = true
    void this.#worker.terminate()
  }

  #fail(error: Error): void {
    if (this.#isEnding || this.#failure !== null) return
    this.#failure = error
    this.#outcome.reject(error)
    if (!this.#isAwaited) this.#events.onFailure?.(error)
  }
}
