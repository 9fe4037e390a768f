/** One key's history as lines of kind, value, start, end; and what the on-line checker says of it. */
import {OnlineChecker} from '../../src/checker/online-checker.ts'
import type {CheckerTotals, Finding, Operation, Rule} from '../../src/checker/history.ts'

export type Line = readonly [
  kind: Operation['kind'],
  value: Operation['value'],
  start: number,
  end: number,
  more?: Partial<Operation>,
]

export function make(rule: Rule, ...lines: readonly Line[]): Operation[] {
  return lines.map(([kind, value, start, end, more]) => ({
    rule,
    key: 'k',
    kind,
    value,
    start,
    end,
    hasFailed: false,
    ...more,
  }))
}

export function check(
  history: readonly Operation[],
  waysMax?: number,
): {findings: readonly Finding[]; totals: CheckerTotals} {
  const checker = new OnlineChecker(waysMax)
  for (const operation of history) checker.take(operation)
  checker.finish()
  return {findings: checker.findings, totals: checker.totals}
}

/** The reason why one history is wrong; '' if it is right. */
export function faultOf(rule: Rule, ...lines: readonly Line[]): string {
  return check(make(rule, ...lines))
    .findings.map(({reason}) => reason)
    .join()
}

/** What else there is to say of a line. */
export const failed = {hasFailed: true}
export const found = (expected: string | null): Partial<Operation> => ({expected})
