/**
 * Faults of our own that the model of the protocol found (test/model/handoff.pml), as scenarios. All are mended; each scenario failed before.
 */
import {RAFT_COMPACT_ENTRIES} from '../../../src/constants.ts'
import {COPY_NONE, COPY_SYNCING} from '../../../src/core/replication/replica.ts'
import {ROLE_WAITING} from '../../../src/core/replication/roles.ts'
import {SERVED_MS} from './words.ts'
import type {Scenario} from '../../../src/sim/scenario.ts'
import type {Script, Stage} from '../../../src/sim/stage.ts'

const NOBODY = 'f'.repeat(40)

/** The map names a copy as in sync, and that node has none that is whole. */
function demandWhole(stage: Stage, bucket: number, i: number): void {
  if (stage.map.isInSync(bucket, stage.slot(i)) && !stage.isWhole(i, bucket)) {
    stage.sim.violated('a copy that is not whole is in sync')
  }
}

/** Unassigned and assigned again, as the leader may do; `between` entries of no effect stand between the two. */
function* assignAnew(stage: Stage, bucket: number, target: number, between: number): Script {
  const order = {node: stage.sim.ids[target]!, buckets: String(bucket)}
  stage.propose({type: 'unassign', ...order})
  for (let i = 0; i < between; i++) stage.propose({type: 'removed', node: NOBODY})
  stage.propose({type: 'assign', ...order})
  stage.propose({type: 'target', ...order})
  const slot = stage.slot(target)
  yield stage.until('it is assigned anew', () => {
    const {map} = stage.node(stage.leader).cluster
    return map.syncing[bucket] === slot && map.target[bucket] === slot
  })
}

/** The source's proposal about the first copy is held up until the second one is under way. */
function* lateProposal(stage: Stage): Script {
  const {bucket, source, leader, others} = stage.cast()
  const target = others[0]!
  const {network, ids} = stage.sim
  stage.move(bucket, target)
  yield stage.until('the first copy is there', () => stage.isWhole(target, bucket))
  network.holdsBack = true
  network.cut(ids[source]!, ids[leader]!)
  yield stage.wait(20)
  yield* assignAnew(stage, bucket, target, 0)
  yield stage.until('the second copy is under way', () => stage.copy(target, bucket) === COPY_SYNCING)
  network.heal()
  yield stage.wait(50)
  demandWhole(stage, bucket, target)
}

/** The source, cut off from the leader for a moment, learns of both orders at once: from a snapshot of the map. */
function* newsBySnapshot(stage: Stage): Script {
  const {bucket, source, leader, others} = stage.cast()
  const target = others[0]!
  const {network, ids} = stage.sim
  stage.move(bucket, target)
  yield stage.until('the first copy is there', () => stage.isWhole(target, bucket))
  network.cut(ids[source]!, ids[leader]!)
  network.cut(ids[leader]!, ids[source]!)
  yield* assignAnew(stage, bucket, target, 2 * RAFT_COMPACT_ENTRIES)
  yield stage.until('the first copy is dropped', () => stage.copy(target, bucket) === COPY_NONE)
  network.heal()
  const {cluster} = stage.node(source)
  const {appliedIndex} = stage.node(leader).cluster
  yield stage.until('the source knows', () => cluster.appliedIndex >= appliedIndex)
  yield stage.wait(300)
  demandWhole(stage, bucket, target)
}

/** Two copies are apart when their master dies; the next master finds that out, and dies before it is agreed on. */
function* dropTooEarly(stage: Stage): Script {
  const {bucket, source, copies, leader} = stage.cast()
  const [one, other] = copies as [number, number]
  const {network, ids} = stage.sim
  const seqOf = (i: number): number => stage.node(i).engine.effects.seq[bucket]!
  network.cut(ids[source]!, ids[other]!)
  yield stage.until('one copy has more than the other', () => seqOf(one) > seqOf(other))
  stage.lose(source, 'kill')
  network.heal()
  const isWaiting = (i: number): boolean => stage.isMaster(bucket, i) && stage.role(i, bucket) === ROLE_WAITING
  yield stage.until('the next master waits', () => copies.some(isWaiting))
  const next = copies.find(isWaiting)!
  const last = copies.find((i) => i !== next)!
  // What it hears it cannot tell the leader any more: the map keeps the last copy in sync.
  network.cut(ids[next]!, ids[leader]!)
  const hasAnswered = (): boolean => stage.node(last).cluster.replica.fence[bucket] === stage.map.epoch[bucket]
  yield stage.until('the last copy has been asked', hasAnswered)
  yield stage.wait(0.2)
  if (stage.map.isInSync(bucket, stage.slot(last))) {
    stage.lose(next, 'kill')
    yield stage.must('the last copy serves', () => stage.isServedBy(bucket, last), SERVED_MS)
  }
}

export const ownFaults: readonly Scenario[] = [
  {
    name: 'LATEADD',
    bug: 'a late proposal counted for a newer copy of the same node',
    options: {ballast: 200, workBudget: 4},
    script: lateProposal,
  },
  {
    name: 'SNAPSHOT',
    bug: 'a master that learned of a new assignment through a snapshot went on with the old copy',
    options: {clients: 0},
    script: newsBySnapshot,
  },
  {
    name: 'FORGET',
    bug: 'a copy that differed was dropped while the map had it in sync, and then nothing was left',
    // Many clients: those who wait for the copy that is cut off do not hold up the rest.
    options: {nodes: 5, replicas: 2, keys: 20, clients: 30},
    script: dropTooEarly,
  },
]
