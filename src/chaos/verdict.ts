/**
 * What a run proves. A violation is an answer or a state that cannot be right. A run in which too little happened is void, which is not a pass: a tester that
 * was looking the other way has seen no bug either.
 */
import {CHAOS_OPERATIONS_MIN, CHAOS_RATE_SHARE_MIN} from '../constants.ts'
import type {CheckerTotals, Finding} from '../checker/history.ts'
import type {FaultKind, FaultRecord} from './driver.ts'
import type {Check, Verdict} from './run-record.ts'

export interface Evidence {
  readonly findings: readonly Finding[]
  readonly checks: readonly Check[]
  readonly totals: CheckerTotals
  /** Kinds that were asked for, and what was done. */
  readonly kinds: readonly FaultKind[]
  readonly faults: readonly FaultRecord[]
  /** Of all clients together, and how long they worked, ms. */
  readonly rate: number
  readonly workedMs: number
  /** Why it did not get to its end, or ''. */
  readonly cutShort: string
}

export function judgeRun(evidence: Evidence): {readonly verdict: Verdict; readonly reasons: readonly string[]} {
  const wrong = wrongs(evidence)
  if (wrong.length > 0) return {verdict: 'violation', reasons: wrong}
  const empty = voids(evidence)
  return empty.length > 0 ? {verdict: 'void', reasons: empty} : {verdict: 'pass', reasons: []}
}

function wrongs({findings, checks}: Evidence): string[] {
  const found = findings.map(({key, reason}) => `${key}: ${reason}`)
  const failed = checks.filter(({result}) => result === 'wrong').map(({what, detail}) => `Not so: ${what}. ${detail}`)
  return [...found, ...failed]
}

function voids({totals, kinds, faults, rate, workedMs, cutShort}: Evidence): string[] {
  const reasons: string[] = cutShort === '' ? [] : [cutShort]
  const wanted = Math.max(CHAOS_OPERATIONS_MIN, Math.round(CHAOS_RATE_SHARE_MIN * rate * (workedMs / 1000)))
  if (totals.ok < wanted) reasons.push(`only ${totals.ok} operations were answered; ${wanted} would be the least`)
  if (totals.reads === 0) reasons.push('no read was answered')
  const fired = new Set(faults.filter(({error}) => error === '').map(({kind}) => kind))
  const silent = kinds.filter((kind) => !fired.has(kind))
  if (silent.length > 0) reasons.push(`never came about: ${silent.join(', ')}`)
  return reasons
}
