/**
 * What the faults of a run come to: how often each kind fired, how long some key could not be used after it, and what else was under way meanwhile. Bugs live where two things
 * happen at once, so a run that never had two is worth less; the table of phases shows that.
 */
import {median} from './figures.ts'
import type {FaultKind, FaultRecord} from '../driver.ts'
import type {Outage, RunRecord} from '../run-record.ts'

/** Kinds that are drawn alike. */
export const FAULT_GROUPS = {
  processes: ['stop', 'kill', 'kill-in-stop', 'bounce', 'wipe'],
  pauses: ['pause'],
  network: ['partition', 'one-way', 'isolate-leader', 'late', 'slow'],
  members: ['join', 'leave', 'move'],
  'data log': ['log-kill', 'log-pause', 'log-cut'],
} as const satisfies Readonly<Record<string, readonly FaultKind[]>>

export type FaultGroup = keyof typeof FAULT_GROUPS
export const GROUP_NAMES = Object.keys(FAULT_GROUPS) as readonly FaultGroup[]

export const PHASES = ['nothing else', 'a move', 'a join', 'a leave', 'another fault'] as const
export type Phase = (typeof PHASES)[number]

export interface FaultFigures {
  readonly kind: FaultKind
  readonly fired: number
  /** Begun, but it did not work. */
  readonly inVain: number
  /** For each that fired: the longest time that some key could not be used in it or soon after; ms. */
  readonly medianOutageMs: number
  readonly worstOutageMs: number
  readonly phases: Readonly<Record<Phase, number>>
}

/** An outage that begins so long after a fault's end is another's. */
const AFTERMATH_MS = 5_000

export function groupOf(kind: FaultKind): FaultGroup {
  return GROUP_NAMES.find((name) => (FAULT_GROUPS[name] as readonly FaultKind[]).includes(kind)) ?? 'processes'
}

/** One for each kind that occurred, in the order of the groups. */
export function faultFigures({faults, outages, durationMs}: RunRecord): FaultFigures[] {
  const kinds = GROUP_NAMES.flatMap((name) => [...FAULT_GROUPS[name]] as FaultKind[])
  const present = kinds.filter((kind) => faults.some((fault) => fault.kind === kind))
  const real = faults.filter(({error}) => error === '')
  return present.map((kind) => {
    const fired = real.filter((fault) => fault.kind === kind)
    const worst = fired.map((fault) => longestOutage(fault, outages, durationMs))
    const phases = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>
    for (const fault of fired) for (const phase of phasesOf(fault, real, durationMs)) phases[phase]++
    return {
      kind,
      fired: fired.length,
      inVain: faults.filter((fault) => fault.kind === kind && fault.error !== '').length,
      medianOutageMs: median(worst),
      worstOutageMs: Math.max(0, ...worst),
      phases,
    }
  })
}

function longestOutage({kind, beganMs, endedMs}: FaultRecord, outages: readonly Outage[], runMs: number): number {
  const until = (endedMs ?? runMs) + AFTERMATH_MS
  const own = outages.filter((outage) => {
    return outage.during.includes(kind) && outage.endedMs >= beganMs && outage.beganMs <= until
  })
  return own.reduce((longest, outage) => Math.max(longest, outage.endedMs - outage.beganMs), 0)
}

/** What else was under way at some time of the fault. */
function phasesOf(fault: FaultRecord, faults: readonly FaultRecord[], runMs: number): Set<Phase> {
  const phases = new Set<Phase>()
  for (const other of faults) {
    const isApart = other.beganMs > (fault.endedMs ?? runMs) || (other.endedMs ?? runMs) < fault.beganMs
    if (other !== fault && !isApart) phases.add(phaseOf(other.kind))
  }
  return phases.size === 0 ? new Set(['nothing else']) : phases
}

function phaseOf(kind: FaultKind): Phase {
  if (kind === 'move') return 'a move'
  if (kind === 'join') return 'a join'
  return kind === 'leave' ? 'a leave' : 'another fault'
}
