/**
 * Keeps lanes busy until a run is over.
 *
 * - Closed loop: a lane sends a batch, waits for all its replies, sends the next. It measures what a busy client sees.
 * - Open loop (a rate is given): request k is due at start + k / rate, whatever the server does meanwhile, and its
 *   latency counts from then. If the server stalls for a second, every request that was due in that second shows it.
 *
 *   running --limit reached, or told to stop--> draining --all answered, or too long--> over
 *
 * A lane that loses its connection is opened again while the run lasts; what was in flight on it is counted as lost.
 */
import {CLIENT_REPLY_TIMEOUT_MS} from '../../constants.ts'
import type {KvError} from '../../errors.ts'
import type {Lane} from './lane.ts'

const REOPEN_DELAY_MS = 100
const TICK_INTERVAL_MS = 100
/** Below this the wait for the next due request is spent spinning: timers are only good to a millisecond. */
const SPIN_MS = 2

export interface DriveOptions {
  readonly laneCount: number
  readonly openLane: (index: number) => Promise<Lane>
  /** Requests in one batch of the closed loop. */
  readonly pipeline: number
  /** The run ends when this many requests were sent; each lane also ends with its source. */
  readonly requests: number
  readonly durationMs: number
  /** Requests per second for the open loop; undefined for the closed one. */
  readonly ratePerSecond: number | undefined
  /** Replies so far, over all lanes: how a hung server is noticed. */
  readonly replies: () => number
  /** If a lost connection ends the run. */
  readonly isLossFatal: boolean
  readonly signal: AbortSignal
  readonly onTick: (elapsedMs: number) => void
}

export interface DriveOutcome {
  readonly elapsedMs: number
  /** True if the server fell silent and the run was given up. */
  readonly isHung: boolean
}

/** Resolves when the run is over. Errors: those of `openLane` at the start, and E_CLOSED_MAYBE if a loss is fatal. */
export async function drive(options: DriveOptions): Promise<DriveOutcome> {
  const opened = await Promise.allSettled(
    Array.from({length: options.laneCount}, (_, index) => options.openLane(index)),
  )
  const lanes = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failure = opened.find((result) => result.status === 'rejected')
  if (failure) {
    for (const lane of lanes) lane.close()
    throw failure.reason
  }
  return new Drive(options, lanes).over
}

class Drive {
  readonly over: Promise<DriveOutcome>
  readonly #options: DriveOptions
  readonly #lanes: (Lane | undefined)[]
  readonly #startMs = performance.now()
  #settle!: {resolve: (outcome: DriveOutcome) => void; reject: (error: Error) => void}
  #left: number
  /** Requests that were due so far; open loop only. */
  #dueCount = 0
  #isDraining = false
  #isOver = false
  #lastReplies = 0
  #lastReplyMs = this.#startMs
  readonly #timers: NodeJS.Timeout[] = []

  constructor(options: DriveOptions, lanes: readonly Lane[]) {
    this.#options = options
    this.#lanes = [...lanes]
    this.#left = options.requests
    this.over = new Promise((resolve, reject) => {
      this.#settle = {resolve, reject}
    })
    this.#timers.push(setInterval(() => this.#tick(), TICK_INTERVAL_MS))
    if (Number.isFinite(options.durationMs)) this.#timers.push(setTimeout(() => this.#drain(), options.durationMs))
    options.signal.addEventListener('abort', this.#onAbort)
    for (let index = 0; index < lanes.length; index++) this.#adopt(index, lanes[index]!)
    if (options.ratePerSecond !== undefined) this.#pump()
    if (options.signal.aborted) this.#drain()
  }

  #adopt(index: number, lane: Lane): void {
    this.#lanes[index] = lane
    const isClosedLoop = this.#options.ratePerSecond === undefined
    lane.onReplies = () => {
      if (lane.inFlight > 0) return
      if (isClosedLoop) this.#feed(lane)
      else this.#finishIfDone()
    }
    lane.onLost = (error) => this.#lose(index, error)
    if (isClosedLoop) this.#feed(lane)
  }

  /** Closed loop: the next batch of a lane whose last one is answered. */
  #feed(lane: Lane): void {
    const count = this.#isDraining ? 0 : Math.min(this.#options.pipeline, this.#left, lane.source.remaining)
    if (count === 0) return this.#finishIfDone()
    this.#left -= count
    const nowMs = performance.now()
    lane.send(count, () => nowMs)
  }

  /** Open loop: sends what is due, lane by lane, and comes back for the next. */
  #pump(): void {
    if (this.#isDraining || this.#isOver) return
    const intervalMs = 1_000 / this.#options.ratePerSecond!
    const lanes = this.#lanes.filter((lane) => lane !== undefined)
    let due = Math.min(Math.floor((performance.now() - this.#startMs) / intervalMs) + 1 - this.#dueCount, this.#left)
    for (let index = 0; index < lanes.length && due > 0; index++) {
      const lane = lanes[(this.#dueCount + index) % lanes.length]!
      // A lane whose ring is full leaves its requests due: they go out later and count as late.
      const count = Math.min(Math.ceil(due / (lanes.length - index)), lane.room)
      if (count === 0) continue
      const first = this.#dueCount
      lane.send(count, (place) => this.#startMs + (first + place) * intervalMs)
      this.#dueCount += count
      this.#left -= count
      due -= count
    }
    if (this.#left === 0) return this.#drain()
    const waitMs = this.#startMs + this.#dueCount * intervalMs - performance.now()
    if (waitMs > SPIN_MS) setTimeout(() => this.#pump(), waitMs - 1)
    else setImmediate(() => this.#pump())
  }

  #lose(index: number, error: KvError): void {
    this.#lanes[index] = undefined
    if (this.#options.isLossFatal) return this.#fail(error)
    if (this.#isDraining) return this.#finishIfDone()
    const retry = setTimeout(() => {
      this.#options.openLane(index).then(
        (lane) => (this.#isOver || this.#isDraining ? lane.close() : this.#adopt(index, lane)),
        (reason: unknown) => this.#isOver || this.#lose(index, reason as KvError),
      )
    }, REOPEN_DELAY_MS)
    this.#timers.push(retry)
  }

  #tick(): void {
    const nowMs = performance.now()
    const replies = this.#options.replies()
    if (replies > this.#lastReplies) this.#lastReplyMs = nowMs
    this.#lastReplies = replies
    this.#options.onTick(nowMs - this.#startMs)
    if (nowMs - this.#lastReplyMs > CLIENT_REPLY_TIMEOUT_MS && this.#isWaiting()) this.#finish(true)
  }

  /** True if somebody waits for the server: a reply is due, or a connection is gone. */
  #isWaiting(): boolean {
    return this.#lanes.some((lane) => lane === undefined || lane.inFlight > 0)
  }

  readonly #onAbort = (): void => this.#drain()

  #drain(): void {
    this.#isDraining = true
    this.#finishIfDone()
  }

  #finishIfDone(): void {
    const hasMore = !this.#isDraining && this.#left > 0 && this.#lanes.some((lane) => lane && lane.source.remaining > 0)
    if (hasMore || this.#lanes.some((lane) => lane && lane.inFlight > 0)) return
    // While all connections are gone, one that comes back goes on with the run.
    const isCutOff = !this.#isDraining && this.#left > 0 && this.#lanes.includes(undefined)
    if (!isCutOff) this.#finish(false)
  }

  #finish(isHung: boolean): void {
    if (this.#isOver) return
    const elapsedMs = performance.now() - this.#startMs
    this.#end()
    this.#settle.resolve({elapsedMs, isHung})
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#end()
    this.#settle.reject(error)
  }

  #end(): void {
    this.#isOver = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    for (const lane of this.#lanes) lane?.close()
  }
}
