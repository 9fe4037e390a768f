/** What a run of the tester leaves: report.json as it is, and what report.html shows. */
import type {CheckerTotals, Finding} from '../checker/history.ts'
import type {FaultKind, FaultRecord} from './driver.ts'

export type Verdict = 'pass' | 'violation' | 'void'

/** One second of the run, as clients saw it. */
export interface Sample {
  /** Monotonic ms since the run began, of its end. */
  readonly atMs: number
  readonly ok: number
  readonly failed: number
  readonly unknown: number
  /** Latency of what was answered; ms; 0 without any. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Time in which no operation on some key succeeded though one was tried, longer than is usual. */
export interface Outage {
  readonly beganMs: number
  readonly endedMs: number
  readonly key: string
  /** Faults that were under way, or had just ended. */
  readonly during: readonly FaultKind[]
}

/** Something that was looked at besides the answers: at the end, mostly. */
export interface Check {
  /** "every ledger key is read through every node". */
  readonly what: string
  readonly result: 'ok' | 'wrong' | 'skipped'
  /** Figures, or what is wrong, or why it was skipped. */
  readonly detail: string
}

export interface RunRecord {
  readonly verdict: Verdict
  /** Why it is void, or what is wrong; empty for a pass. */
  readonly reasons: readonly string[]
  readonly kvVersion: string
  readonly system: string
  readonly systemVersion: string
  readonly machine: string
  readonly seed: number
  /** To run it again. */
  readonly command: string
  readonly startedAt: string
  readonly durationMs: number
  /** Nodes, replicas, clients, keys, rate ...: as they were asked for. */
  readonly settings: Readonly<Record<string, string | number | boolean>>
  readonly totals: CheckerTotals
  readonly samples: readonly Sample[]
  readonly faults: readonly FaultRecord[]
  readonly outages: readonly Outage[]
  readonly checks: readonly Check[]
  readonly findings: readonly Finding[]
  /** Tester's own resident memory, MB, with the time of each sample, ms. */
  readonly memory: readonly (readonly [number, number])[]
  /** What was kept of the cluster when an answer was wrong. */
  readonly evidence?: unknown
  /** Events for people: joins, failovers, what the driver said. */
  readonly events: readonly {readonly atMs: number; readonly text: string}[]
}
