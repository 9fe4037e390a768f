/** What the process knows of itself: how late the event loop is, how busy, and what the garbage collector took. Runs only with an admin port. */
import {readdirSync, readFileSync} from 'node:fs'
import {constants, monitorEventLoopDelay, performance, PerformanceObserver} from 'node:perf_hooks'
import type {PerformanceEntry} from 'node:perf_hooks'

const RESOLUTION_MS = 10
/** Quantiles of the delay are those of the last whole window, or of the first while it lasts. */
const WINDOW_MS = 60_000
const NS = 1e-9

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
}

export interface Pauses {
  count: number
  seconds: number
}

/** Seconds. */
export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export class ProcessMeter {
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>
  readonly #observer: PerformanceObserver
  readonly #timer: NodeJS.Timeout
  #lastWindow: LoopDelay | null = null
  readonly collections = new Map<string, Pauses>(Object.values(GC_KINDS).map((kind) => [kind, {count: 0, seconds: 0}]))

  /** `onPause`: a garbage collection took so many ms. */
  constructor(onPause: (ms: number) => void) {
    this.#delay = monitorEventLoopDelay({resolution: RESOLUTION_MS})
    this.#delay.enable()
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        this.#collected(entry)
        onPause(entry.duration)
      }
    })
    this.#observer.observe({entryTypes: ['gc']})
    this.#timer = setInterval(() => {
      this.#lastWindow = this.#read()
      this.#delay.reset()
    }, WINDOW_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#delay.disable()
    this.#observer.disconnect()
  }

  get loopDelay(): LoopDelay {
    return this.#lastWindow ?? this.#read()
  }

  /** Since the start, seconds. */
  get loopTime(): {readonly active: number; readonly idle: number} {
    const {active, idle} = performance.eventLoopUtilization()
    return {active: active / 1000, idle: idle / 1000}
  }

  #read(): LoopDelay {
    const {count, max} = this.#delay
    if (count === 0) return {p50: 0, p99: 0, max: 0}
    // The timer's own interval is in what it measures.
    const late = (ns: number): number => Math.max(0, ns * NS - RESOLUTION_MS / 1000)
    return {p50: late(this.#delay.percentile(50)), p99: late(this.#delay.percentile(99)), max: late(max)}
  }

  #collected(entry: PerformanceEntry): void {
    const {kind} = (entry as PerformanceEntry & {readonly detail: {readonly kind: number}}).detail
    const pauses = this.collections.get(GC_KINDS[kind] ?? '')
    if (!pauses) return
    pauses.count++
    pauses.seconds += entry.duration / 1000
  }
}

/** Open file descriptors and how many there may be; null where the system does not say. */
export function fileDescriptors(): {readonly open: number; readonly max: number} | null {
  try {
    const open = readdirSync('/proc/self/fd').length
    const max = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
    return {open, max: max ? Number(max[1]) : Infinity}
  } catch {
    return null
  }
}
