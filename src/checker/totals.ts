/** Figures of several checkers, or of none. */
import type {CheckerTotals, Rule} from './history.ts'

export const NO_TOTALS: CheckerTotals = {
  operations: {register: 0, ledger: 0, cell: 0, counter: 0, pair: 0},
  ok: 0,
  failed: 0,
  unknown: 0,
  reads: 0,
  undecided: 0,
  findings: 0,
}

export function sumTotals(a: CheckerTotals, b: CheckerTotals): CheckerTotals {
  const operations = {...a.operations}
  for (const rule of Object.keys(operations) as Rule[]) operations[rule] += b.operations[rule]
  return {
    operations,
    ok: a.ok + b.ok,
    failed: a.failed + b.failed,
    unknown: a.unknown + b.unknown,
    reads: a.reads + b.reads,
    undecided: a.undecided + b.undecided,
    findings: a.findings + b.findings,
  }
}

/** Operations of all rules. */
export function operationCount({operations}: CheckerTotals): number {
  return Object.values(operations).reduce((sum, count) => sum + count, 0)
}
