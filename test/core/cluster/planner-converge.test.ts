/** The planner reaches its goal from wherever it is, with few moves, and stays there. */
import {expect, test} from 'vitest'
import {NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {checkMap} from '../../../src/core/cluster/map-strike.ts'
import {formatBuckets} from '../../../src/core/cluster/bucket-ranges.ts'
import {describeBalance, plan} from '../../../src/core/cluster/planner.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'
import {seededRandom} from '../../support/random.ts'
import {completions, down, leaving, makeMap, makeMember, mustApply, nodeId, up} from './make.ts'
import {expectBalanced, expectEnoughCopies, settle} from './settle.ts'
import type {ClusterMap, Member} from '../../../src/core/cluster/cluster-map.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'
import type {Random} from '../../support/random.ts'

const NODES = 12
const OPTIONS = {moving: 4000, roundsMax: 150}

/** A cluster of nodes 0..count-1 that is in balance. */
function makeBalanced(count: number, replicas: number, random: Random): ClusterMap {
  const map = makeMap(count, replicas)
  expect(settle(map, random, OPTIONS).isDone).toBe(true)
  return map
}

/** What happens to a cluster; null if it cannot happen now. Of those that are usable at least one stays. */
function randomEvent(map: ClusterMap, random: Random): MapEntry | null {
  const n = random.below(NODES)
  const member = map.member(nodeId(n))
  const usable = map.members.filter((_member, slot) => map.isUsable(slot)).length
  if (!member) return {type: 'joined', member: makeMember(n, 1, random.chance(0.1))}
  const {id, incarnation, slot} = member
  const isSpare = !map.isUsable(slot) || usable > 1
  switch (random.below(4)) {
    case 0:
      return isSpare && !member.isDown ? {type: 'down', node: id, incarnation} : null
    case 1:
      return isSpare ? {type: 'leaving', node: id, incarnation, isLeaving: !member.isLeaving} : null
    case 2:
      return {type: 'replicas', count: random.below(4)}
    default:
      return member.isDown ? {type: 'up', node: id, incarnation} : null
  }
}

/** Everybody is back, and what was lost begins again somewhere. */
function heal(map: ClusterMap): void {
  const members = map.members.filter((member): member is Member => member !== null)
  for (const {id, incarnation, isDown} of members) if (isDown) mustApply(map, {type: 'up', node: id, incarnation})
  const lost = Array.from({length: BUCKET_COUNT}, (_, i) => i).filter((bucket) => map.master[bucket] === NO_NODE)
  const heir = members.find(({slot}) => map.isUsable(slot))!
  if (lost.length > 0) mustApply(map, {type: 'accept-loss', node: heir.id, buckets: formatBuckets(lost)})
  if (!map.isBalancing) mustApply(map, {type: 'rebalance'})
}

test.each([1, 2, 3, 4])('joins, leaves, downs and ups in any order end in balance (seed %i)', (seed) => {
  const random = seededRandom(seed)
  const map = makeMap(1 + random.below(4), random.below(3))
  const moving = 300 + random.below(8000)
  const finish = (): void => {
    expect(settle(map, random, {moving, roundsMax: 500}).isDone).toBe(true)
    expectEnoughCopies(map)
  }
  for (let i = 0; i < 14; i++) {
    const event = randomEvent(map, random)
    const isPossible = event !== null && map.apply(event).changed
    // Mostly the next thing happens while the last is still being dealt with.
    if (isPossible) settle(map, random, {moving, roundsMax: random.below(8)})
    if (i === 7) finish()
  }
  finish()
  expect(plan(map, OPTIONS)).toEqual([])
  heal(map)
  finish()
  expectBalanced(map)
})

test.each([1, 2])('orders that come late, twice, or for a map that has changed, do no harm (seed %i)', (seed) => {
  const random = seededRandom(seed)
  const map = makeBalanced(4, 1, random)
  mustApply(map, {type: 'joined', member: makeMember(4)}, leaving(1))
  const late: MapEntry[] = []
  for (let i = 0; i < 25; i++) {
    const wanted = map.wantedCopies()
    for (const entry of late.splice(0, random.below(late.length + 1))) map.apply(entry)
    // Nobody went down, so nothing but a drop that should have been refused could have done this.
    const fewest = Math.min(...Array.from({length: BUCKET_COUNT}, (_, bucket) => map.copyCount(bucket)))
    expect(fewest).toBeGreaterThanOrEqual(wanted)
    const orders = plan(map, {moving: 2000})
    late.push(...orders, ...orders.filter(() => random.chance(0.3)))
    late.push(...completions(map, () => random.chance(0.6)))
    if (i === 5) mustApply(map, {type: 'joined', member: makeMember(5)})
  }
  checkMap(map)
  for (const entry of late) map.apply(entry)
  expect(settle(map, random, OPTIONS).isDone).toBe(true)
  expectBalanced(map)
})

test.each([
  [1, 0],
  [1, 1],
  [2, 1],
  [4, 1],
  [8, 2],
])('a node that joins %i others (%i replicas) moves no more copies than it gets, or a few', (count, replicas) => {
  const random = seededRandom(count * 10 + replicas)
  const map = makeBalanced(count, replicas, random)
  mustApply(map, {type: 'joined', member: makeMember(count)})
  const {isDone, copied} = settle(map, random, OPTIONS)
  expect(isDone).toBe(true)
  expectBalanced(map)
  const ideal = (BUCKET_COUNT * Math.min(replicas + 1, count + 1)) / (count + 1)
  expect(copied).toBeGreaterThanOrEqual(Math.floor(ideal))
  expect(copied).toBeLessThanOrEqual(ideal * 1.1)
})

test('a node that leaves ends with nothing, and is removed; the others have its share', () => {
  const random = seededRandom(1)
  const map = makeBalanced(5, 1, random)
  const {copies} = describeBalance(map)[2]!
  mustApply(map, leaving(2))
  const {isDone, copied} = settle(map, random, OPTIONS)
  expect(isDone).toBe(true)
  expect(map.member(nodeId(2))).toBeNull()
  expectBalanced(map)
  expect(copied).toBeLessThanOrEqual(copies * 1.3)
})

test('several leave at once, though every copy of a bucket is among them', () => {
  const random = seededRandom(2)
  const map = makeBalanced(5, 4, random)
  for (let n = 5; n < 10; n++) mustApply(map, {type: 'joined', member: makeMember(n)})
  for (let n = 0; n < 5; n++) mustApply(map, leaving(n))
  expect(settle(map, random, {...OPTIONS, roundsMax: 300}).isDone).toBe(true)
  expectBalanced(map)
  expect(describeBalance(map).map(({id}) => id)).toEqual([5, 6, 7, 8, 9].map(nodeId))
})

test('a hundred nodes find their balance', () => {
  const random = seededRandom(3)
  const map = makeMap(100, 2)
  expect(settle(map, random, OPTIONS).isDone).toBe(true)
  expectBalanced(map)
})

test('a small limit of what may be under way only takes longer', () => {
  const random = seededRandom(4)
  const map = makeBalanced(6, 1, random)
  mustApply(map, {type: 'joined', member: makeMember(6)})
  const few = settle(map, random, {moving: 250, roundsMax: 100})
  expect(few.isDone).toBe(true)
  expectBalanced(map)
})

test('a node that was down and is back gets its share again', () => {
  const random = seededRandom(5)
  const map = makeBalanced(4, 1, random)
  mustApply(map, down(1))
  expect(settle(map, random, OPTIONS).isDone).toBe(true)
  expectEnoughCopies(map)
  mustApply(map, up(1))
  expect(settle(map, random, OPTIONS).isDone).toBe(true)
  expectBalanced(map)
})
