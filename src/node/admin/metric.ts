/** What a metric is made of, and what all lists of them share. */
import type {ClusterView} from '../../core/cluster/view.ts'
import type {Command} from '../../core/command/command.ts'
import type {Engine} from '../../core/engine.ts'
import type {HostFacts} from '../../core/host.ts'
import type {Family, Point} from './metrics-text.ts'
import type {ProcessMeter} from './process-meter.ts'

/** Where numbers come from: gathered once for each answer. */
export interface Sources {
  readonly engine: Engine
  readonly facts: HostFacts
  readonly view: ClusterView
  readonly meter: ProcessMeter
  /** Connected clients. */
  readonly clients: number
}

export interface Metric {
  readonly name: string
  readonly type: Family['type']
  readonly help: string
  /** Names of its labels, for the documentation. */
  readonly labels?: string
  /** Null, or no points: it cannot be said here. */
  readonly read: (sources: Sources) => number | readonly Point[] | null
}

export function flag(isSo: boolean): number {
  return isSo ? 1 : 0
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Subcommands included. */
export function commandsOf(engine: Engine): Command[] {
  return [...engine.table.byName.values()].flatMap((command) => [command, ...(command.subcommands?.values() ?? [])])
}
