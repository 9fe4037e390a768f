/** A master dies, and at each step of what follows another node is lost as well: the next master, the other copy, or the leader. */
import {NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {ROLE_WAITING} from '../../../src/core/replication/roles.ts'
import {LOSSES} from '../../../src/sim/outages.ts'
import {AWAY_MS, SERVED_MS, VERBS} from './words.ts'
import type {Loss} from '../../../src/sim/outages.ts'
import type {Scenario} from '../../../src/sim/scenario.ts'
import type {Cast, Script, Stage} from '../../../src/sim/stage.ts'

/** How far the failover of a bucket is, in its order. */
const STEPS = {
  'it has just died': () => true,
  'it is declared down': (s: Stage) => s.map.members.some((member) => member?.isDown),
  'the next master waits for agreement': (s: Stage, {bucket}: Cast) => {
    const next = s.nodeOf(s.map.master[bucket]!)
    return next >= 0 && s.role(next, bucket) === ROLE_WAITING && s.node(next).cluster.master.reign[bucket]! > 1
  },
  'the next master serves': (s: Stage, {bucket, source}: Cast) => s.isServedWithout(bucket, [source]),
} as const
type FailoverStep = keyof typeof STEPS
const VICTIMS = ['next master', 'other copy', 'leader'] as const

/** Two other copies, so that one is left when two nodes of three are lost. */
const OPTIONS = {nodes: 5, replicas: 2, keys: 8}

/** Who is to be lost: before it is known who the next master is, the first of the other copies stands for it. */
function victimOf(stage: Stage, cast: Cast, victim: (typeof VICTIMS)[number]): number {
  if (victim === 'leader') return cast.leader
  const master = stage.nodeOf(stage.map.master[cast.bucket] ?? NO_NODE)
  const next = cast.copies.includes(master) ? master : cast.copies[0]!
  return victim === 'next master' ? next : cast.copies.find((i) => i !== next)!
}

function* loseDuringFailover(stage: Stage, name: FailoverStep, victim: (typeof VICTIMS)[number], loss: Loss): Script {
  const cast = stage.cast()
  const {bucket, source} = cast
  stage.lose(source, 'kill')
  yield stage.until(name, () => STEPS[name](stage, cast))
  const lost = victimOf(stage, cast, victim)
  stage.lose(lost, loss)
  yield stage.must('a third node serves', () => stage.isServedWithout(bucket, [source, lost]), SERVED_MS)
  yield stage.wait(AWAY_MS)
  yield stage.must('a third node still serves', () => stage.isServedWithout(bucket, [source, lost]), SERVED_MS)
}

/** The master is not dead, only not to be heard of: it comes back and must not serve. */
function* masterComesBack(stage: Stage, name: FailoverStep, loss: Loss): Script {
  const cast = stage.cast()
  const {bucket, source} = cast
  const restore = stage.lose(source, loss)
  yield stage.until(name, () => STEPS[name](stage, cast))
  restore()
  yield stage.must('it is served', () => stage.isServedWithout(bucket, []), SERVED_MS)
}

export const failover: readonly Scenario[] = [
  ...(Object.keys(STEPS) as FailoverStep[]).flatMap((step) => [
    ...VICTIMS.flatMap((victim) =>
      LOSSES.map((loss) => ({
        name: `a master dies, and the ${victim} ${VERBS[loss]} when ${step}`,
        options: OPTIONS,
        script: (stage: Stage) => loseDuringFailover(stage, step, victim, loss),
      })),
    ),
    ...LOSSES.map((loss) => ({
      name: `a master ${VERBS[loss]} and is back when ${step}`,
      options: OPTIONS,
      script: (stage: Stage) => masterComesBack(stage, step, loss),
    })),
  ]),
]
