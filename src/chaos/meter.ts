/**
 * What clients saw, second by second, and when a key could not be used. An outage goes from the first attempt that came to nothing, or had to wait, to the next
 * good answer; only of keys that are tried again and again is it known how long that was. A lost node takes hundreds of keys away at once: outages that begin together are one, for which the worst key stands.
 */
import {CHAOS_OUTAGE_MS, CHAOS_OUTAGE_SPAN_MS} from '../constants.ts'
import type {Ended} from '../workload/operations.ts'
import type {FaultKind, FaultRecord} from './driver.ts'
import type {Outage, Sample} from './run-record.ts'

/** A fault that ended so long before an outage may still be its cause. */
const AFTERMATH_MS = 2_000
/** Between two attempts of an outage. */
const GAP_MS_MAX = 500
/** Faults that are looked through for those at a time; older ones have long ended. */
const FAULTS_LOOKED_AT = 40
/** Outages that a later one may still belong to. */
const OPEN_OUTAGES = 8

interface KeyState {
  okEndMs: number
  /** When the first attempt since then began that came to nothing; Infinity: there was none. */
  failedSinceMs: number
  /** When the last attempt began, and the longest time without one since `failedSinceMs`. */
  triedMs: number
  gapMs: number
}

interface Counters {
  ok: number
  failed: number
  unknown: number
}

export class Meter {
  readonly samples: Sample[] = []
  readonly outages: Outage[] = []
  readonly #faults: () => readonly FaultRecord[]
  readonly #keys = new Map<string, KeyState>()
  #counters: Counters = {ok: 0, failed: 0, unknown: 0}
  #latencies: number[] = []

  constructor(faults: () => readonly FaultRecord[]) {
    this.#faults = faults
  }

  ended({key, outcome, span}: Ended): void {
    this.#counters[outcome]++
    const {startMs = 0, endMs = 0} = span
    let state = this.#keys.get(key)
    if (!state) this.#keys.set(key, (state = {okEndMs: 0, failedSinceMs: Infinity, triedMs: startMs, gapMs: 0}))
    state.gapMs = Math.max(state.gapMs, startMs - state.triedMs)
    state.triedMs = Math.max(state.triedMs, startMs)
    if (outcome !== 'ok') {
      if (state.failedSinceMs === Infinity) state.gapMs = 0
      state.failedSinceMs = Math.min(state.failedSinceMs, Math.max(startMs, state.okEndMs))
      return
    }
    this.#latencies.push(endMs - startMs)
    // Who did not ask for long cannot say that it was away all the time.
    const sinceMs = state.gapMs > GAP_MS_MAX ? startMs : Math.min(state.failedSinceMs, startMs)
    const beganMs = Math.max(sinceMs, state.okEndMs)
    state.okEndMs = endMs
    state.failedSinceMs = Infinity
    state.gapMs = 0
    if (endMs - beganMs >= CHAOS_OUTAGE_MS) this.#outage(key, beganMs, endMs)
  }

  /** Closes a second. */
  sample(atMs: number): Sample {
    const sorted = Float64Array.from(this.#latencies).sort()
    const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))])
    const sample = {atMs: Math.round(atMs), ...this.#counters, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1)}
    this.samples.push(sample)
    this.#counters = {ok: 0, failed: 0, unknown: 0}
    this.#latencies = []
    return sample
  }

  #outage(key: string, beganMs: number, endedMs: number): void {
    const {outages} = this
    for (let i = outages.length - 1; i >= Math.max(0, outages.length - OPEN_OUTAGES); i--) {
      const known = outages[i]!
      if (Math.abs(known.beganMs - beganMs) > CHAOS_OUTAGE_SPAN_MS) continue
      if (endedMs - beganMs > known.endedMs - known.beganMs) outages[i] = this.#describe(key, beganMs, endedMs)
      return
    }
    outages.push(this.#describe(key, beganMs, endedMs))
  }

  #describe(key: string, beganMs: number, endedMs: number): Outage {
    const during = new Set<FaultKind>()
    for (const fault of this.#faults().slice(-FAULTS_LOOKED_AT)) {
      const isOver = fault.endedMs !== null && fault.endedMs + AFTERMATH_MS < beganMs
      if (!isOver && fault.beganMs <= endedMs && fault.error === '') during.add(fault.kind)
    }
    return {beganMs: Math.round(beganMs), endedMs: Math.round(endedMs), key, during: [...during]}
  }
}

function round(ms: number | undefined): number {
  return ms === undefined ? 0 : Math.round(ms * 100) / 100
}
