/** A node is lost at each step of a join: the joiner itself, the leader, or a node that gives it buckets. */
import {NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {COPY_SYNCING} from '../../../src/core/replication/replica.ts'
import {LOSSES} from '../../../src/sim/outages.ts'
import {AWAY_MS, SERVED_MS, VERBS} from './words.ts'
import type {Loss} from '../../../src/sim/outages.ts'
import type {Scenario} from '../../../src/sim/scenario.ts'
import type {Script, Stage} from '../../../src/sim/stage.ts'

const OPTIONS = {nodes: 3}
const JOINER = 3

/** A bucket that the joiner is being given, as the newest map has it. */
function bucketOnItsWay(stage: Stage): number | undefined {
  const slot = stage.slot(JOINER)
  return stage.sim.bucketsInPlay.find((bucket) => slot >= 0 && stage.map.syncing[bucket] === slot)
}

/** How far the join is, in its order. */
const STEPS = {
  'the joiner has asked': (s: Stage) => s.hasAsked(JOINER) && s.member(JOINER) === null,
  'the joiner is admitted': (s: Stage) => s.member(JOINER) !== null,
  'the joiner is assigned its first bucket': (s: Stage) => bucketOnItsWay(s) !== undefined,
  "the joiner's first image is under way": (s: Stage) =>
    s.sim.workload.buckets.some((bucket) => s.copy(JOINER, bucket) === COPY_SYNCING),
} as const
type JoinStep = keyof typeof STEPS
const VICTIMS = ['joiner', 'leader', 'giver'] as const

function giverOf(stage: Stage): number {
  const giving = stage.map.master[bucketOnItsWay(stage) ?? -1] ?? NO_NODE
  const giver = stage.nodeOf(giving)
  return giver >= 0 && giver !== stage.leader ? giver : [0, 1, 2].find((i) => i !== stage.leader)!
}

function* loseDuringJoin(stage: Stage, name: JoinStep, victim: (typeof VICTIMS)[number], loss: Loss): Script {
  stage.begin(JOINER)
  yield stage.until(name, () => STEPS[name](stage))
  const lost = {joiner: JOINER, leader: stage.leader, giver: giverOf(stage)}[victim]
  stage.lose(lost, loss)
  const buckets = stage.sim.workload.buckets
  yield stage.must(
    'the others serve',
    () => buckets.every((bucket) => stage.isServedWithout(bucket, [lost])),
    SERVED_MS,
  )
  yield stage.wait(AWAY_MS)
}

/** The joiner has its share at the end, whatever happened. */
function demandShare(stage: Stage): string | null {
  const {map} = stage
  const slot = stage.slot(JOINER)
  const masters = stage.sim.bucketsInPlay.filter((bucket) => map.master[bucket] === slot)
  return masters.length === 0 ? 'the joiner is master of nothing' : null
}

export const join: readonly Scenario[] = (Object.keys(STEPS) as JoinStep[]).flatMap((step) =>
  VICTIMS.flatMap((victim) =>
    LOSSES.map((loss) => ({
      name: `the ${victim} ${VERBS[loss]} when ${step}`,
      options: OPTIONS,
      script: (stage: Stage) => loseDuringJoin(stage, step, victim, loss),
      demand: demandShare,
    })),
  ),
)
