/** A node is lost at each step of a bucket's move: the source, the target, another copy or the leader; killed, wiped, stopped or cut off. */
import {COPY_SYNCING} from '../../../src/core/replication/replica.ts'
import {ROLE_HANDING, ROLE_SERVING, ROLE_WAITING} from '../../../src/core/replication/roles.ts'
import {LOSSES} from '../../../src/sim/outages.ts'
import {AWAY_MS, SERVED_MS, VERBS} from './words.ts'
import type {Loss} from '../../../src/sim/outages.ts'
import type {Scenario} from '../../../src/sim/scenario.ts'
import type {Script, Stage} from '../../../src/sim/stage.ts'

export interface Move {
  readonly bucket: number
  readonly source: number
  readonly target: number
}

/** How far the move of a bucket is, in its order. */
export const HANDOFF_STEPS = {
  'it is assigned': (s: Stage, {bucket, target}: Move) => s.map.syncing[bucket] === s.slot(target),
  'its image is under way': (s: Stage, {bucket, target}: Move) => s.copy(target, bucket) === COPY_SYNCING,
  'its image is there, not in sync': (s: Stage, {bucket, target}: Move) =>
    s.isWhole(target, bucket) && !s.map.isInSync(bucket, s.slot(target)),
  'the target is in sync': (s: Stage, {bucket, source, target}: Move) =>
    s.map.isInSync(bucket, s.slot(target)) &&
    s.map.target[bucket] === s.slot(target) &&
    s.role(source, bucket) === ROLE_SERVING,
  'it is parked': (s: Stage, {bucket, source}: Move) =>
    s.role(source, bucket) === ROLE_HANDING && s.isMaster(bucket, source),
  'it is moved, unknown to the source': (s: Stage, {bucket, source, target}: Move) =>
    s.isMaster(bucket, target) && s.node(source).cluster.map.master[bucket] === s.slot(source),
  'it is moved, the target not ready': (s: Stage, {bucket, target}: Move) =>
    s.node(target).cluster.map.master[bucket] === s.slot(target) && s.role(target, bucket) === ROLE_WAITING,
  'the target serves': (s: Stage, {bucket, target}: Move) => s.isServedBy(bucket, target),
} as const

export type HandoffStep = keyof typeof HANDOFF_STEPS
const STEPS = Object.keys(HANDOFF_STEPS) as HandoffStep[]
const VICTIMS = ['source', 'target', 'copy', 'leader'] as const

function* loseDuringHandoff(stage: Stage, name: HandoffStep, victim: (typeof VICTIMS)[number], loss: Loss): Script {
  const {bucket, source, copies, leader, others} = stage.cast()
  const target = others[0]!
  const move = {bucket, source, target}
  stage.move(bucket, target)
  yield stage.until(name, () => HANDOFF_STEPS[name](stage, move))
  const lost = {source, target, leader, copy: copies[0]!}[victim]
  const restore = stage.lose(lost, loss)
  yield stage.must('another serves', () => stage.isServedWithout(bucket, [lost]), SERVED_MS)
  yield stage.wait(AWAY_MS)
  yield stage.must('another still serves', () => stage.isServedWithout(bucket, [lost]), SERVED_MS)
  restore()
}

function* moveUndisturbed(stage: Stage): Script {
  const {bucket, source, others} = stage.cast()
  const move = {bucket, source, target: others[0]!}
  stage.move(bucket, move.target)
  for (const name of STEPS) yield stage.until(name, () => HANDOFF_STEPS[name](stage, move))
  yield stage.until('it has two copies again', () => stage.map.copyCount(bucket) === 2)
  if (!stage.isServedBy(bucket, move.target)) stage.sim.violated('the move did not stay')
}

export const handoff: readonly Scenario[] = [
  {name: 'a bucket moves, step by step', script: moveUndisturbed},
  ...STEPS.flatMap((step) =>
    VICTIMS.flatMap((victim) =>
      LOSSES.map((loss) => ({
        name: `the ${victim} ${VERBS[loss]} when ${step}`,
        script: (stage: Stage) => loseDuringHandoff(stage, step, victim, loss),
      })),
    ),
  ),
]
