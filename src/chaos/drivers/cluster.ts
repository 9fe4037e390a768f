/** What faults need of a cluster of processes, whatever they are. */
import {setTimeout as sleep} from 'node:timers/promises'
import {KvError} from '../../errors.ts'
import type {DriverOptions} from '../driver.ts'
import type {Prng} from '../../base/prng.ts'
import type {BudgetFacts} from '../budget.ts'
import type {FaultPlan} from './fault-book.ts'
import type {ProcessPlace} from './place.ts'
import type {LinkEffect, LinkName} from './proxy.ts'

export interface FaultyCluster {
  readonly places: readonly ProcessPlace[]
  /** What SIGTERM makes a process do: give away what it has, or only end; and how long that takes, about. */
  readonly stopping: {readonly isHandover: boolean; readonly ms: number}
  /** What the budget is judged by now, or null if too little is known. `also`: counts as up though something is being done to it. */
  facts(also?: ProcessPlace): Promise<BudgetFacts | null>
  /** Resolves when it serves. */
  start(place: ProcessPlace): Promise<void>
  /** The node that was at this place lost its disk: the cluster forgets it, and the new one takes its part. */
  replace(place: ProcessPlace, formerId: string): Promise<void>
  /** The place that leads, if there is such a thing and it is known. */
  leader(): Promise<ProcessPlace | undefined>
  /** Lays an effect on links; returns what ends it. */
  disturb(effect: LinkEffect, links: readonly LinkName[]): () => void
}

/** What a planner of faults has to do with. */
export interface FaultTools<Cluster extends FaultyCluster = FaultyCluster> {
  readonly cluster: Cluster
  readonly prng: Prng
  readonly replicas: number
  /** Data nodes at the beginning. */
  readonly nodes: number
  /** Something happened that a reader of the report wants to know. */
  event(text: string): void
}

/** Gives a plan, or null if the fault must not be now. */
export type Planner<Cluster extends FaultyCluster = FaultyCluster> = (
  tools: FaultTools<Cluster>,
) => Promise<FaultPlan | null>

/** Data nodes that run and of which nobody does anything. */
export function freeData({places}: FaultyCluster): ProcessPlace[] {
  return places.filter(({role, state, isBusy}) => role === 'data' && state === 'up' && !isBusy)
}

const POLL_MS = 100

/** Resolves when nothing ails the cluster that is starting. Errors: E_TIMEOUT after `timeoutMs`. */
export async function untilWell(
  ailments: () => Promise<readonly string[]>,
  now: () => number,
  timeoutMs: number,
): Promise<void> {
  const until = now() + timeoutMs
  for (;;) {
    const left = await ailments()
    if (left.length === 0) return
    if (now() > until) throw new KvError('E_TIMEOUT', `The cluster did not come up: ${left.join(' ')}`)
    await sleep(POLL_MS)
  }
}

/** Starts what is down. What cannot be started is told of, and an ailment from then on. */
export async function startAgain(
  cluster: FaultyCluster,
  places: readonly ProcessPlace[],
  event: DriverOptions['event'],
): Promise<void> {
  const starting = places.map(async (place) => {
    try {
      await cluster.start(place)
    } catch (error) {
      event(error instanceof Error ? error.message : `${place.name} does not start`)
    }
  })
  await Promise.all(starting)
}
