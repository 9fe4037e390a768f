/** What a run measures: how many, how long, and what went wrong. One histogram for each operation of the mix. */
import {createHistogram, type RecordableHistogram} from 'node:perf_hooks'

/** Histograms hold nanoseconds, from one to an hour, to three digits. */
const RANGE = {lowest: 1, highest: 3_600_000_000_000, figures: 3} as const
const NS_PER_MS = 1_000_000

export interface Latency {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly mean: number
}

export class Stats {
  /** Replies that came, errors included. */
  replies = 0
  /** Requests whose connection ended, or the run, before their reply. */
  lost = 0
  /** Null replies: reads that found nothing. */
  misses = 0
  /** Error replies by their first word. */
  readonly errors = new Map<string, number>()
  firstError: string | undefined
  readonly #histograms: readonly RecordableHistogram[]

  constructor(operations: number) {
    this.#histograms = Array.from({length: operations}, () => createHistogram(RANGE))
  }

  get errorCount(): number {
    let count = 0
    for (const number of this.errors.values()) count += number
    return count
  }

  /** Hot path: one call a reply. */
  record(operation: number, latencyMs: number): void {
    this.replies++
    const ns = Math.round(latencyMs * NS_PER_MS)
    this.#histograms[operation]!.record(ns < 1 ? 1 : ns > RANGE.highest ? RANGE.highest : ns)
  }

  /** Takes over what a lane's counter saw. */
  addReplies(counter: {
    readonly nulls: number
    readonly errors: ReadonlyMap<string, number>
    readonly firstError: string | undefined
  }): void {
    this.misses += counter.nulls
    this.firstError ??= counter.firstError
    for (const [word, count] of counter.errors) this.errors.set(word, (this.errors.get(word) ?? 0) + count)
  }

  /** Replies and latencies of one operation; milliseconds. */
  of(operation: number): {readonly replies: number; readonly latency: Latency} {
    const histogram = this.#histograms[operation]!
    return {replies: histogram.count, latency: latencyOf(histogram)}
  }

  /** Latencies of all operations together; milliseconds. */
  overall(): Latency {
    const sum = createHistogram(RANGE)
    for (const histogram of this.#histograms) sum.add(histogram)
    return latencyOf(sum)
  }
}

function latencyOf(histogram: RecordableHistogram): Latency {
  if (histogram.count === 0) return {p50: 0, p90: 0, p99: 0, p999: 0, max: 0, mean: 0}
  const ms = (ns: number): number => Math.round(ns / 1_000) / 1_000
  return {
    p50: ms(histogram.percentile(50)),
    p90: ms(histogram.percentile(90)),
    p99: ms(histogram.percentile(99)),
    p999: ms(histogram.percentile(99.9)),
    max: ms(histogram.max),
    mean: ms(histogram.mean),
  }
}
