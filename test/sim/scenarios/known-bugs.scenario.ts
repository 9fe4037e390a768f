/** Bugs of others, each as a scenario: what went wrong there must go right here. */
import {COPY_NONE, COPY_SYNCING} from '../../../src/core/replication/replica.ts'
import {ROLE_HANDING, ROLE_SERVING} from '../../../src/core/replication/roles.ts'
import {HANDOFF_STEPS} from './handoff.scenario.ts'
import {AWAY_MS, SERVED_MS} from './words.ts'
import type {Scenario} from '../../../src/sim/scenario.ts'
import type {Script, Stage} from '../../../src/sim/stage.ts'

const BALLAST = 30
/** Only kinds of which no key is ever deleted, so that a copy with fewer keys than the ballast has lost some. */
const LASTING = {kinds: ['register', 'counter'] as const, keys: 20, ballast: BALLAST}

/** One key that everybody writes as fast as the network lets them. */
const HOT = {keys: 1, kinds: ['register'] as const, pace: 0.05, clients: 24, ballast: 200, workBudget: 4}

function keysMissing(stage: Stage, bucket: number): string | null {
  const i = stage.nodeOf(stage.map.master[bucket]!)
  const count = stage.keyCount(i, bucket)
  return count < BALLAST ? `bucket ${bucket} has ${count} keys of at least ${BALLAST}` : null
}

/** No bucket of the workload has fewer keys than were loaded into it. */
function demandAllKeys(stage: Stage): string | null {
  for (const bucket of stage.sim.workload.buckets) {
    const missing = keysMissing(stage, bucket)
    if (missing !== null) return missing
  }
  return null
}

function* switchDuringMove(stage: Stage): Script {
  const {bucket, source, others} = stage.cast()
  const target = others[0]!
  stage.move(bucket, target)
  yield stage.until('it is parked', () => stage.role(source, bucket) === ROLE_HANDING)
  const restore = stage.lose(source, 'pause')
  yield stage.must('another is master', () => stage.isServedWithout(bucket, [source]), SERVED_MS)
  // The old one goes on in the middle of the move, with its move proposed or about to be.
  restore()
  yield stage.until('the old one knows', () => stage.role(source, bucket) !== ROLE_HANDING)
  yield stage.must('one serves', () => stage.isServedWithout(bucket, []), SERVED_MS)
}

function* targetChangesInTransfer(stage: Stage): Script {
  const {bucket, others} = stage.cast()
  const target = others[0]!
  stage.move(bucket, target)
  yield stage.until('half of its image is there', () => stage.copy(target, bucket) === COPY_SYNCING)
  stage.lose(target, 'kill')()
  yield stage.until('the target is let in', () => stage.member(target)?.incarnation === stage.node(target).incarnation)
  yield* moveTo(stage, bucket, target)
}

/** Orders it until it is there: an order that is given while the bucket goes somewhere else is refused. */
function* moveTo(stage: Stage, bucket: number, target: number): Script {
  let orderedAt = Number.NEGATIVE_INFINITY
  const isThere = (): boolean => {
    if (stage.isServedBy(bucket, target)) return true
    if (stage.now - orderedAt < 100 || stage.leader < 0 || stage.isMaster(bucket, target)) return false
    orderedAt = stage.now
    stage.move(bucket, target)
    return false
  }
  yield stage.until('the target serves', isThere)
}

function* lateMessages(stage: Stage): Script {
  const {bucket, source, others, copies} = stage.cast()
  const target = others[0]!
  const {network, ids} = stage.sim
  stage.move(bucket, target)
  yield stage.until('its image begins', () => stage.copy(target, bucket) === COPY_SYNCING)
  network.holdsBack = true
  network.cut(ids[source]!, ids[target]!)
  stage.propose({type: 'unassign', node: ids[target]!, buckets: String(bucket)})
  yield stage.until('it is not to go there', () => stage.slot(target) !== stage.map.syncing[bucket])
  yield stage.until('the target knows', () => stage.copy(target, bucket) === COPY_NONE)
  yield* moveTo(stage, bucket, copies[0]!)
  yield stage.wait(100)
  network.heal()
  yield stage.wait(AWAY_MS)
  const {map} = stage
  const isMeant = map.isInSync(bucket, stage.slot(target)) || map.syncing[bucket] === stage.slot(target)
  if (!isMeant && stage.copy(target, bucket) !== COPY_NONE) stage.sim.violated('late messages made a copy')
}

function* lostSuccess(stage: Stage): Script {
  const {bucket, source, leader, others} = stage.cast()
  const target = others[0]!
  const {network, ids} = stage.sim
  stage.move(bucket, target)
  yield stage.until('it is parked', () => stage.role(source, bucket) === ROLE_HANDING)
  network.cut(ids[leader]!, ids[source]!)
  yield stage.until('it is moved', () => stage.isMaster(bucket, target))
  network.cut(ids[target]!, ids[source]!)
  yield stage.must('the target serves', () => stage.isServedBy(bucket, target), SERVED_MS)
  yield stage.wait(AWAY_MS)
  if (stage.role(source, bucket) === ROLE_SERVING) stage.sim.violated('two nodes think that they serve')
}

function* failoverOfBothSides(stage: Stage): Script {
  const {bucket, source, others} = stage.cast()
  const target = others[0]!
  const move = {bucket, source, target}
  stage.move(bucket, target)
  yield stage.until('it is parked', () => HANDOFF_STEPS['it is parked'](stage, move))
  stage.lose(source, 'kill')
  yield stage.must('another serves', () => stage.isServedWithout(bucket, [source]), SERVED_MS)
  const next = stage.nodeOf(stage.map.master[bucket]!)
  yield stage.until('its next master knows its copies', () => stage.map.copyCount(bucket) >= 2)
  stage.lose(next, 'kill')
  yield stage.must('a third serves', () => stage.isServedWithout(bucket, [source, next]), SERVED_MS)
}

function* copiesOfTarget(stage: Stage): Script {
  const {bucket, source, others} = stage.cast()
  const target = others[0]!
  stage.move(bucket, target)
  yield stage.until('the target serves', () => stage.isServedBy(bucket, target))
  yield stage.until('it has two copies', () => stage.map.copyCount(bucket) === 2)
  stage.lose(target, 'kill')
  yield stage.must('a copy of it serves', () => stage.isServedWithout(bucket, [target]), SERVED_MS)
  const missing = keysMissing(stage, bucket)
  if (missing !== null) stage.sim.violated(`after the failover from ${target} (it was ${source}'s): ${missing}`)
}

function* moveUnderFire(stage: Stage): Script {
  const bucket = stage.sim.workload.buckets[0]!
  const target = stage.sim.ids.findIndex((_id, i) => !stage.map.isInSync(bucket, stage.slot(i)))
  const before = stage.sim.workload.counts.ok
  const began = stage.now
  stage.move(bucket, target)
  yield stage.must('the target serves', () => stage.isServedBy(bucket, target), 1_000)
  const rate = (stage.sim.workload.counts.ok - before) / (stage.now - began)
  if (rate < 10) stage.sim.violated(`void: only ${rate.toFixed(1)} operations a ms`)
}

function* restartEmpty(stage: Stage): Script {
  const {bucket, source} = stage.cast()
  stage.lose(source, 'kill')()
  yield stage.must('another serves', () => stage.isServedWithout(bucket, [source]), SERVED_MS)
}

function* lateGoodbye(stage: Stage): Script {
  const leaver = stage.sim.ids.findIndex((_id, i) => i !== stage.leader)
  const {network, ids} = stage.sim
  stage.leave(leaver)
  const {cluster} = stage.node(leaver)
  yield stage.until('it holds nothing', () => cluster.holdsNothing && stage.member(leaver) !== null)
  // From here on nothing reaches it, until its next process is there.
  network.holdsBack = true
  for (const id of ids) if (id !== ids[leaver]) network.cut(id, ids[leaver]!)
  yield stage.until('it is removed', () => stage.member(leaver) === null)
  yield stage.wait(300)
  stage.lose(leaver, 'kill')
  stage.begin(leaver)
  yield stage.wait(20)
  network.heal()
  network.holdsBack = false
  const {incarnation} = stage.node(leaver)
  yield stage.until('its next process is let in', () => stage.member(leaver)?.incarnation === incarnation)
  yield stage.wait(AWAY_MS)
  if (stage.node(leaver).cluster.isGone) stage.sim.violated("the old process' goodbye ended the new one")
}

/** A bucket of `from` in the workload that `to` has no copy of, besides `not`. */
function bucketBetween(stage: Stage, from: number, to: number, not = -1): number {
  const {map} = stage
  const isMovable = (bucket: number): boolean => stage.isMaster(bucket, from) && !map.isInSync(bucket, stage.slot(to))
  return stage.sim.workload.buckets.find((bucket) => bucket !== not && isMovable(bucket)) ?? -1
}

function* moveBothWays(stage: Stage): Script {
  const [a, b] = [1, 2] as const
  const there = bucketBetween(stage, a, b)
  const back = bucketBetween(stage, b, a)
  if (there < 0 || back < 0) throw new Error('these two nodes have nothing to exchange: another seed may have')
  stage.move(there, b)
  stage.move(back, a)
  yield stage.must('both have arrived', () => stage.isServedBy(there, b) && stage.isServedBy(back, a), 1_000)
}

/** Packets are lost and doubled, and leaders change: what is counted is counted once. */
function* repeatNothing(stage: Stage): Script {
  const {network} = stage.sim
  network.faults = {...network.faults, loss: 0.1, duplicate: 0.5}
  for (let round = 0; round < 3; round++) {
    const {leader} = stage
    const restore = stage.lose(leader, 'cut')
    yield stage.until('another leads', () => stage.leader >= 0 && stage.leader !== leader)
    yield stage.wait(300)
    restore()
    yield stage.wait(300)
  }
}

/** One failover after the other, each of the bucket's present master. */
function* manyFailovers(stage: Stage): Script {
  const {bucket} = stage.cast()
  for (let round = 0; round < 4; round++) {
    const master = stage.nodeOf(stage.map.master[bucket]!)
    const restore = stage.lose(master, 'kill')
    yield stage.must('another serves', () => stage.isServedWithout(bucket, [master]), SERVED_MS)
    restore()
    yield stage.until('all is well', () => stage.sim.schedule.events % 200 === 0 && stage.unsettled() === null)
  }
}

/** All at once: nothing is left, and that is what clients are told. */
function* restartEverything(stage: Stage): Script {
  const restores = stage.sim.ids.map((_id, i) => stage.lose(i, 'kill'))
  yield stage.wait(20)
  for (const restore of restores) restore()
  yield stage.until('all are let in', () => stage.sim.running().every(({cluster}) => cluster.isAdmitted))
  yield stage.wait(AWAY_MS)
  const served = stage.sim.workload.buckets.find((bucket) => stage.isServedWithout(bucket, []))
  if (served !== undefined) stage.sim.violated(`bucket ${served} is served, and nobody has it`)
}

/** A node joins and another leaves while the leader, and later a minority with masters in it, is cut off. */
function* membersChangeInPartition(stage: Stage): Script {
  const {leader} = stage
  const joiner = stage.sim.ids.length
  const cut = stage.lose(leader, 'cut')
  stage.begin(joiner)
  // It is connected with both sides, as a client of both might be.
  yield stage.until('the joiner is let in by the others', () => stage.member(joiner) !== null)
  const leaver = stage.sim.ids.findIndex((_id, i) => i !== stage.leader && i !== leader && i !== joiner)
  stage.leave(leaver)
  yield stage.until('a node leaves', () => stage.member(leaver)?.isLeaving === true)
  cut()
  yield stage.until('its buckets move', () => {
    const {copier, waitingCount} = stage.node(leaver).cluster.master
    return copier.isBusy || waitingCount > 0
  })
  const again = stage.lose(stage.leader, 'cut')
  yield stage.until('another leads', () => stage.leader >= 0 && !stage.node(stage.leader).isDead && isConnected(stage))
  yield stage.wait(AWAY_MS)
  again()
}

/** The one who leads in the highest term has a majority's ear. */
function isConnected(stage: Stage): boolean {
  const node = stage.node(stage.leader)
  return node.cluster.raft.hasCommittedInTerm && node.cluster.hasLease
}

export const knownBugs: readonly Scenario[] = [
  {
    name: 'vshard#576',
    bug: 'two owners of a bucket after the source was switched during a move',
    script: switchDuringMove,
  },
  {
    name: 'vshard#665',
    bug: "the target's master changed in the middle of a transfer, a batch was lost, and the source deleted the bucket all the same",
    options: LASTING,
    script: targetChangesInTransfer,
    demand: demandAllKeys,
  },
  {name: 'vshard#214', bug: 'a late message revived a bucket that had gone elsewhere', script: lateMessages},
  {
    name: 'kvrocks#3147',
    bug: 'the answer that a move was done was lost, and both sides owned the bucket',
    script: lostSuccess,
  },
  {
    name: 'valkey#2724',
    bug: 'after a failover of either side during a handoff the bucket was nowhere, or in two places',
    options: {nodes: 5},
    script: failoverOfBothSides,
  },
  {
    name: 'valkey#2723',
    bug: 'the copies of a target did not have the keys that were moved to it',
    options: LASTING,
    script: copiesOfTarget,
    demand: demandAllKeys,
  },
  {
    name: 'valkey#4545',
    bug: 'a move did not end while the bucket was written fast',
    options: HOT,
    script: moveUnderFire,
  },
  {
    name: 'valkey#579, KIP-966',
    bug: 'a master that had restarted empty before anybody noticed made its copies empty as well',
    options: LASTING,
    script: restartEmpty,
    demand: demandAllKeys,
  },
  {
    name: 'hazelcast#21428',
    bug: "the answer to an old process' shutdown reached the new one at the same address and ended it",
    script: lateGoodbye,
  },
  {name: 'dragonfly#3319', bug: 'moves from A to B and from B to A at once blocked each other', script: moveBothWays},
  {
    name: 'redisraft#13',
    bug: 'a proxied command was executed twice',
    options: {kinds: ['counter'], clients: 6},
    script: repeatNothing,
  },
  {
    name: 'jepsen redis-raft: failover',
    bug: 'acknowledged writes were lost at any failover',
    options: LASTING,
    script: manyFailovers,
    demand: demandAllKeys,
  },
  {
    name: 'jepsen redis-raft: restart',
    bug: 'reads after a restart found nothing, and did not say that it was lost',
    script: restartEverything,
  },
  {
    name: 'jepsen redis-raft: membership',
    bug: 'updates were lost when members changed in a partition',
    script: membersChangeInPartition,
  },
]
