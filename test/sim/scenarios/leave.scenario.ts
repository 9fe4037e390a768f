/** A node is lost at each step of a leave: the leaver itself, a node that gets its buckets, or the leader. */
import {NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {AWAY_MS, SERVED_MS, VERBS} from './words.ts'
import type {Loss} from '../../../src/sim/outages.ts'
import type {Scenario} from '../../../src/sim/scenario.ts'
import type {Script, Stage} from '../../../src/sim/stage.ts'

/** A bucket of the leaver that is on its way to another. */
function bucketOnItsWay({map, sim}: Stage, slot: number): number | undefined {
  return sim.bucketsInPlay.find((bucket) => slot >= 0 && map.master[bucket] === slot && map.target[bucket] !== NO_NODE)
}

/** How far the leave is, in its order. */
const STEPS = {
  'it has asked': (s: Stage, leaver: number) => s.member(leaver)?.isLeaving === true,
  'its buckets move': (s: Stage, leaver: number) => bucketOnItsWay(s, s.slot(leaver)) !== undefined,
  'it holds nothing but is in the map': (s: Stage, leaver: number) =>
    s.node(leaver).cluster.holdsNothing && s.member(leaver) !== null,
  'it is removed': (s: Stage, leaver: number) => s.member(leaver) === null,
} as const
type LeaveStep = keyof typeof STEPS
const VICTIMS = ['leaver', 'receiver', 'leader'] as const
/** Not wiped: while a node leaves voters become fewer step by step, and each step needs the disks of those that are left. */
const LOSSES_HERE: readonly Loss[] = ['kill', 'pause', 'cut']

function receiverOf(stage: Stage, leaver: number): number {
  const bucket = bucketOnItsWay(stage, stage.slot(leaver))
  const receiver = stage.nodeOf(bucket === undefined ? NO_NODE : stage.map.target[bucket]!)
  return receiver >= 0 && receiver !== stage.leader
    ? receiver
    : stage.sim.ids.findIndex((_id, i) => i !== leaver && i !== stage.leader)
}

function* loseDuringLeave(stage: Stage, name: LeaveStep, victim: (typeof VICTIMS)[number], loss: Loss): Script {
  const leaver = stage.sim.ids.findIndex((_id, i) => i !== stage.leader)
  stage.leave(leaver)
  yield stage.until(name, () => STEPS[name](stage, leaver))
  const lost = {leaver, leader: stage.leader, receiver: receiverOf(stage, leaver)}[victim]
  stage.lose(lost, loss)
  const buckets = stage.sim.workload.buckets
  yield stage.must(
    'the others serve',
    () => buckets.every((bucket) => stage.isServedWithout(bucket, [lost])),
    SERVED_MS,
  )
  yield stage.wait(AWAY_MS)
}

/** The leader leaves: another leads first. */
function* leaderLeaves(stage: Stage): Script {
  const {leader} = stage
  stage.leave(leader)
  yield stage.until('another leads', () => stage.leader >= 0 && stage.leader !== leader)
  yield stage.until('it is removed', () => stage.member(leader) === null)
}

/** All but one: what is left is a cluster of one that has everything. */
function* allButOneLeave(stage: Stage): Script {
  const [last, ...leavers] = stage.sim.ids.map((_id, i) => i)
  for (const leaver of leavers) {
    stage.leave(leaver)
    yield stage.wait(20)
  }
  for (const leaver of leavers) yield stage.until(`${leaver} is removed`, () => stage.member(leaver) === null)
  const buckets = stage.sim.bucketsInPlay
  yield stage.until('the last one serves', () => buckets.every((bucket) => stage.isServedBy(bucket, last!)))
}

/** A process that was not killed while it left is gone in the end, and holds nothing. */
function demandGone(stage: Stage): string | null {
  const left = [...stage.sim.nodes.values()].filter(({cluster}) => cluster.isGone)
  return left.length === 0 ? 'nobody has left' : null
}

export const leave: readonly Scenario[] = [
  {name: 'the leader leaves', script: leaderLeaves, demand: demandGone},
  {name: 'all but one leave at once', script: allButOneLeave, demand: demandGone},
  ...(Object.keys(STEPS) as LeaveStep[]).flatMap((step) =>
    VICTIMS.flatMap((victim) =>
      LOSSES_HERE.map((loss) => ({
        name: `a node leaves, and the ${victim} ${VERBS[loss]} when ${step}`,
        script: (stage: Stage) => loseDuringLeave(stage, step, victim, loss),
        // A leaver that was killed comes back as a process that has not been asked to leave.
        ...(victim === 'leaver' && loss === 'kill' ? {} : {demand: demandGone}),
      })),
    ),
  ),
]
