/** Where the history goes while the tester works: a checker on its own thread (checker-client.ts), or, in tests, one in this thread. */
import type {CheckerTotals, Finding, HistorySink} from '../checker/history.ts'

export interface Judge extends HistorySink {
  /** As far as it has come. */
  readonly totals: CheckerTotals
  /** Operations that were taken and not looked at yet. */
  readonly backlog: number
  /** What is kept by the checker, MB; 0 if unknown. */
  readonly memoryMb: number
  /** Called with the first finding as soon as it is there. */
  onFinding: (finding: Finding) => void
  /** It cannot go on; why. */
  onDeath: (why: string) => void
  /** Judges what is left, and ends. */
  finish(): Promise<{readonly totals: CheckerTotals; readonly findings: readonly Finding[]}>
}

export const NO_TOTALS: CheckerTotals = {
  operations: {register: 0, ledger: 0, cell: 0, counter: 0, pair: 0},
  ok: 0,
  failed: 0,
  unknown: 0,
  reads: 0,
  undecided: 0,
  findings: 0,
}
