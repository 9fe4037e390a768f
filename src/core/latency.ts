/**
 * How long things take. The core reads no clock: the driver times what it does, a chunk of a client's input, a slice of background work, a
 * turn of the loop, and tells. So what is known of a command is known by sample, one for each chunk (see slowlog.ts): its own time where
 * a client waits for each reply, its share of the pipeline's where it does not.
 *
 *   LatencyHistogram   of one command: LATENCY HISTOGRAM, INFO latencystats
 *   LatencyMonitor     events that took longer than `latency-monitor-threshold`: LATENCY LATEST, HISTORY, DOCTOR
 */

/** Each doubling of the time has so many steps: a percentile is right to a fifth. */
const STEPS = 4
const STEP_BITS = 2
/** 2^30 us = 18 minutes; what took longer counts there. */
const DOUBLINGS = 31
/** What took longer than 2^24 us = 17 s is not told apart where steps are listed. */
const MERGED_DOUBLINGS = 24
const CELLS = DOUBLINGS * STEPS

/** Counts by logarithmic steps; 1 KB. Times in whole microseconds, from 1. */
export class LatencyHistogram {
  readonly #cells = new Float64Array(CELLS)
  count = 0
  sumUs = 0

  add(us: number): void {
    const whole = us < 1 ? 1 : us > 2 ** 30 ? 2 ** 30 : us | 0
    const doubling = 31 - Math.clz32(whole)
    const step = doubling < STEP_BITS ? 0 : (whole >>> (doubling - STEP_BITS)) & (STEPS - 1)
    this.#cells[doubling * STEPS + step]! += 1
    this.count++
    this.sumUs += us
  }

  /** The time that this share (0..1) of the samples did not exceed, us; 0 without samples. */
  percentile(share: number): number {
    const wanted = Math.ceil(share * this.count)
    let seen = 0
    for (let cell = 0; cell < CELLS && this.count > 0; cell++) {
      seen += this.#cells[cell]!
      if (seen >= wanted) return upperBound(cell)
    }
    return 0
  }

  /** Of all of these together, how many took no longer than 1, 3, 7 ... us and, at last, at all; every step, so that the bounds are the same each time. */
  static merge(histograms: readonly LatencyHistogram[]): [us: number, count: number][] {
    const rows: [number, number][] = []
    let seen = 0
    for (let doubling = 0; doubling < DOUBLINGS; doubling++) {
      for (const one of histograms) seen += one.#inDoubling(doubling)
      if (doubling < MERGED_DOUBLINGS) rows.push([2 ** (doubling + 1) - 1, seen])
    }
    return [...rows, [Infinity, seen]]
  }

  /** How many took no longer than 1, 3, 7, 15 ... us; only those steps in which there are some. */
  cumulative(): [us: number, count: number][] {
    const rows: [number, number][] = []
    let seen = 0
    for (let doubling = 0; doubling < DOUBLINGS; doubling++) {
      const here = this.#inDoubling(doubling)
      seen += here
      if (here > 0) rows.push([2 ** (doubling + 1) - 1, seen])
    }
    return rows
  }

  #inDoubling(doubling: number): number {
    let count = 0
    for (let step = 0; step < STEPS; step++) count += this.#cells[doubling * STEPS + step]!
    return count
  }
}

/** The longest time that falls into the cell. */
function upperBound(cell: number): number {
  const doubling = Math.floor(cell / STEPS)
  if (doubling < STEP_BITS) return 2 ** (doubling + 1) - 1
  return 2 ** doubling + ((cell % STEPS) + 1) * 2 ** (doubling - STEP_BITS) - 1
}

/** Samples that are kept of each event, one a second at most, as in Redis. */
const SAMPLES_MAX = 160
/** Kinds of events that are kept; there are a handful. */
const EVENTS_MAX = 16

export interface LatencySample {
  /** Unix seconds. */
  readonly time: number
  /** Whole ms, the worst of that second. */
  readonly ms: number
}

export class LatencyEvent {
  readonly name: string
  samples: LatencySample[] = []
  /** The worst ever, ms. */
  maxMs = 0

  constructor(name: string) {
    this.name = name
  }

  get latest(): LatencySample {
    return this.samples[this.samples.length - 1]!
  }

  add(time: number, ms: number): void {
    this.maxMs = Math.max(this.maxMs, ms)
    const last = this.samples.at(-1)
    if (last?.time === time) this.samples[this.samples.length - 1] = {time, ms: Math.max(last.ms, ms)}
    else this.samples.push({time, ms})
    if (this.samples.length > SAMPLES_MAX) this.samples.shift()
  }
}

export class LatencyMonitor {
  /** Events shorter than this are not kept; 0: none is. */
  thresholdMs = 0
  readonly #events = new Map<string, LatencyEvent>()

  get events(): readonly LatencyEvent[] {
    return [...this.#events.values()]
  }

  event(name: string): LatencyEvent | undefined {
    return this.#events.get(name)
  }

  /** Something took so long. `name`: one of `ADVICE`. */
  note(name: string, unixMs: number, ms: number): void {
    if (this.thresholdMs === 0 || ms < this.thresholdMs) return
    const event = this.#events.get(name) ?? new LatencyEvent(name)
    if (!this.#events.has(name) && this.#events.size >= EVENTS_MAX) return
    this.#events.set(name, event)
    event.add(Math.floor(unixMs / 1000), Math.round(ms))
  }

  /** Forgets these events, or all; returns how many there were. */
  reset(names: readonly string[]): number {
    const wanted = names.length === 0 ? [...this.#events.keys()] : names
    return wanted.filter((name) => this.#events.delete(name)).length
  }
}

/** What each event means, for LATENCY DOCTOR. */
export const ADVICE: Readonly<Record<string, string>> = {
  command:
    'Commands took long. SLOWLOG GET shows which: large maps read whole, KEYS, FLUSHALL, or long pipelines, whose time counts as one.',
  'fast-command':
    'Commands that are always quick took long: the process did not get its core, or very long values were sent.',
  'background-work': 'Expiry, eviction, freeing or copying of buckets held the loop up.',
  'loop-stall': 'The event loop was held up by anything at all: look which other event has the same times.',
  gc: 'The garbage collector of the JavaScript heap stopped the process. Data is not kept there: many clients or long pipelines are.',
}
