/** A run of simulated clusters as a record like any other: the same verdict, the same report. */
import {CHAOS_OPERATIONS_MIN} from '../constants.ts'
import {formatCount} from '../cli/units.ts'
import type {ChaosPlan} from './plan.ts'
import type {Check, RunRecord} from './run-record.ts'
import type {SimTotals} from './sim-run.ts'

type About = Pick<RunRecord, 'kvVersion' | 'machine' | 'startedAt' | 'durationMs'>

export function simRecord(
  totals: SimTotals,
  plan: ChaosPlan,
  about: About,
  again: string,
  isInterrupted: boolean,
): RunRecord {
  const {failure, checked} = totals
  const {settings, target, command} = plan
  const voids: string[] = []
  if (isInterrupted) voids.push('it was interrupted')
  if (checked.ok < CHAOS_OPERATIONS_MIN) voids.push(`only ${checked.ok} operations were answered`)
  if (checked.reads === 0) voids.push('no read was answered')
  const reasons = failure ? failure.violations.map((text) => `seed ${failure.seed}, ${text}`) : voids
  return {
    ...about,
    verdict: failure ? 'violation' : voids.length > 0 ? 'void' : 'pass',
    reasons,
    system: 'sim',
    systemVersion: `kv ${about.kvVersion}, simulated`,
    seed: failure?.seed ?? settings.seed,
    command: failure ? again : command,
    settings: {
      seeds: totals.seeds,
      firstSeed: settings.seed,
      simulatedFaults: Object.values(totals.faults).reduce((sum, count) => sum + count, 0),
      seedSeconds: target.kind === 'sim' ? target.seedSeconds : 0,
      ...(settings.plants.length > 0 && {plants: settings.plants.join(',')}),
    },
    totals: checked,
    samples: [],
    faults: [],
    outages: [],
    checks: checksOf(totals),
    findings: [],
    memory: [],
    events: [],
  }
}

function checksOf({seeds, events, failure, faults}: SimTotals): Check[] {
  const kinds = Object.entries(faults).sort(([, a], [, b]) => b - a)
  const count = kinds.reduce((sum, [, one]) => sum + one, 0)
  return [
    {
      what: 'every simulated cluster holds its invariants after every event, heals, and has given no wrong answer',
      result: failure ? 'wrong' : 'ok',
      detail: failure
        ? `seed ${failure.seed} does not`
        : `${formatCount(seeds)} clusters, ${formatCount(events)} events`,
    },
    {
      what: 'faults came about',
      result: count > 0 ? 'ok' : 'skipped',
      detail: kinds.map(([kind, one]) => `${kind} ${formatCount(one)}`).join(', '),
    },
  ]
}
