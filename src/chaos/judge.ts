/** Where the history goes while the tester works: a checker on a thread of its own (checker-client.ts), or, in tests, one in this thread. */
import type {CheckerTotals, Finding, HistorySink} from '../checker/history.ts'

export interface JudgeEvents {
  /** Something is wrong with what was answered. */
  onFinding(finding: Finding): void
  /** The checker died: nothing is checked from here on. */
  onFailure(error: Error): void
}

export interface Judge extends HistorySink {
  /** As far as it has come. */
  readonly totals: CheckerTotals
  /** Operations that were taken and not looked at yet. */
  readonly behind: number
  /** Judges what is left. Rejects if the checker died. */
  finish(): Promise<{readonly totals: CheckerTotals; readonly findings: readonly Finding[]}>
}
