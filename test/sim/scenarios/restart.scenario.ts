/** A process dies and another takes its place: before anybody noticed, while it is declared down, while its buckets fail over, twice in a row, with an empty disk. */
import {ROLE_WAITING} from '../../../src/core/replication/roles.ts'
import {SERVED_MS} from './words.ts'
import type {Loss} from '../../../src/sim/outages.ts'
import type {Scenario} from '../../../src/sim/scenario.ts'
import type {Cast, Script, Stage} from '../../../src/sim/stage.ts'

const VICTIMS = ['master', 'copy', 'leader'] as const
type Victim = (typeof VICTIMS)[number]

function victimOf({source, copies, leader}: Cast, victim: Victim): number {
  return {master: source, copy: copies[0]!, leader}[victim]
}

/** The process of node `i` that runs now is in the newest map. */
function isAdmitted(stage: Stage, i: number): boolean {
  const {isDead, incarnation} = stage.node(i)
  return !isDead && stage.member(i)?.incarnation === incarnation
}

function* served(stage: Stage, buckets: readonly number[]): Script {
  yield stage.must('all is served', () => buckets.every((bucket) => stage.isServedWithout(bucket, [])), SERVED_MS)
}

/** Back within `ms`: whoever looks at addresses or ids only sees nothing of it. */
function* comeBackAtOnce(stage: Stage, victim: Victim, loss: Loss, ms: number): Script {
  const restore = stage.lose(victimOf(stage.cast(), victim), loss)
  yield stage.wait(ms)
  restore()
  yield* served(stage, stage.sim.workload.buckets)
}

function* comeBackWhenDown(stage: Stage, victim: Victim, loss: Loss): Script {
  const restore = stage.lose(victimOf(stage.cast(), victim), loss)
  yield stage.until('it is declared down', () => stage.map.members.some((member) => member?.isDown))
  restore()
  yield* served(stage, stage.sim.workload.buckets)
}

/** Two other copies, so that the next master has somebody to agree with. */
function* comeBackInFailover(stage: Stage, loss: Loss): Script {
  const {bucket, source} = stage.cast()
  const restore = stage.lose(source, loss)
  const isWaiting = (): boolean => {
    const next = stage.nodeOf(stage.map.master[bucket]!)
    return next >= 0 && next !== source && stage.role(next, bucket) === ROLE_WAITING
  }
  yield stage.until('its bucket fails over', isWaiting)
  restore()
  yield* served(stage, stage.sim.workload.buckets)
}

function* comeBackTwice(stage: Stage, victim: Victim, loss: Loss, isAdmittedBetween: boolean): Script {
  const i = victimOf(stage.cast(), victim)
  stage.lose(i, loss)()
  if (isAdmittedBetween) yield stage.until('it is let in', () => isAdmitted(stage, i))
  else yield stage.until('it has asked to be let in', () => stage.hasAsked(i))
  const restore = stage.lose(i, loss)
  yield stage.wait(20)
  restore()
  yield stage.until('it is let in again', () => isAdmitted(stage, i))
  yield* served(stage, stage.sim.workload.buckets)
}

/** Every node in turn, each when the one before has its copies back. */
function* restartAll(stage: Stage, loss: Loss): Script {
  for (let i = 0; i < stage.sim.options.nodes; i++) {
    const restore = stage.lose(i, loss)
    yield stage.wait(20)
    restore()
    yield stage.until(`${i} is let in`, () => isAdmitted(stage, i))
    yield stage.until(
      `all is well after ${i}`,
      () => stage.sim.schedule.events % 200 === 0 && stage.unsettled() === null,
    )
  }
}

const KINDS = [
  ['kill', ''],
  ['wipe', ', wiped,'],
] as const

export const restart: readonly Scenario[] = KINDS.flatMap(([loss, wiped]) => [
  ...VICTIMS.flatMap((victim) => [
    ...[1, 15, 50].map((ms) => ({
      name: `a ${victim} is back${wiped} after ${ms} ms`,
      script: (stage: Stage) => comeBackAtOnce(stage, victim, loss, ms),
    })),
    {
      name: `a ${victim} is back${wiped} when it is declared down`,
      script: (stage: Stage) => comeBackWhenDown(stage, victim, loss),
    },
    {
      name: `a ${victim} dies again${wiped} before it is let in`,
      script: (stage: Stage) => comeBackTwice(stage, victim, loss, false),
    },
    {
      name: `a ${victim} dies again${wiped} when it has just been let in`,
      script: (stage: Stage) => comeBackTwice(stage, victim, loss, true),
    },
  ]),
  {
    name: `a master is back${wiped} when its bucket fails over`,
    options: {replicas: 2, nodes: 5, keys: 20},
    script: (stage: Stage) => comeBackInFailover(stage, loss),
  },
  {name: `all nodes are restarted${wiped} one by one`, script: (stage: Stage) => restartAll(stage, loss)},
])
