/** What the planner orders, case by case. */
import {expect, test} from 'vitest'
import {formatBuckets} from '../../../src/core/cluster/bucket-ranges.ts'
import {describeBalance, plan} from '../../../src/core/cluster/planner.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'
import {ALL, addCopies, completeAll, down, leaving, makeMap, makeMember, moveMaster, mustApply, nodeId} from './make.ts'
import type {ClusterMap} from '../../../src/core/cluster/cluster-map.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'

const OPTIONS = {moving: BUCKET_COUNT}
const HALF = BUCKET_COUNT / 2

const range = (first: number, last: number): string =>
  formatBuckets(Array.from({length: last - first + 1}, (_, i) => first + i))

function endBalance(map: ClusterMap): void {
  mustApply(map, {type: 'balanced', revision: map.revision})
}

/** Nodes 0 and 1, one master of the lower half, the other of the upper, both with all copies; and more nodes without any. */
function makePair(count = 2): ClusterMap {
  const map = makeMap(count)
  addCopies(map, ALL, 1)
  moveMaster(map, range(HALF, BUCKET_COUNT - 1), 1)
  endBalance(map)
  return map
}

function planAndApply(map: ClusterMap): readonly MapEntry[] {
  const entries = plan(map, OPTIONS)
  mustApply(map, ...entries)
  return entries
}

test('one node alone is as good as it gets', () => {
  expect(plan(makeMap(), OPTIONS)).toEqual([])
})

test('missing copies are made, nothing is ordered twice, and nothing else happens meanwhile', () => {
  const map = makeMap(2)
  expect(planAndApply(map)).toEqual([{type: 'assign', node: nodeId(1), buckets: ALL}])
  expect(plan(map, OPTIONS)).toEqual([])
})

test('missing copies are made by those who have the fewest', () => {
  const map = makePair(4)
  mustApply(map, {type: 'assign', node: nodeId(2), buckets: '0-99'}, {type: 'replicas', count: 2})
  mustApply(map, ...plan(map, OPTIONS))
  expect(describeBalance(map).map(({syncing}) => syncing)).toEqual([0, 0, HALF, HALF])
})

test('no more than the limit is under way to a node', () => {
  const map = makeMap(2)
  mustApply(map, ...plan(map, {moving: 64}))
  expect(map.syncing.filter((slot) => slot === 1)).toHaveLength(64)
  expect(plan(map, {moving: 64})).toEqual([])
})

test('when everything is in balance it is said once, for the map as it is', () => {
  const map = makePair()
  mustApply(map, {type: 'rebalance'})
  expect(planAndApply(map)).toEqual([{type: 'balanced', revision: map.revision - 1}])
  expect(plan(map, OPTIONS)).toEqual([])
})

test('masters that are uneven are moved while the map is balancing, else not', () => {
  const map = makePair()
  moveMaster(map, '0-99', 1)
  expect(plan(map, OPTIONS)).toEqual([])
  mustApply(map, {type: 'rebalance'})
  const [entry, ...others] = planAndApply(map)
  expect(others).toEqual([])
  expect(entry).toMatchObject({type: 'target', node: nodeId(0)})
  completeAll(map)
  expect(map.master.filter((slot) => slot === 0)).toHaveLength(HALF)
})

test('copies that are uneven are left so while the map is not balancing', () => {
  expect(plan(makePair(3), OPTIONS)).toEqual([])
})

test('a copy for balance comes first; only when it is in sync another is dropped, and not the master', () => {
  const map = makePair(3)
  mustApply(map, {type: 'rebalance'})
  const first = planAndApply(map)
  expect(first).toMatchObject([{type: 'assign', node: nodeId(2)}])
  completeAll(map)
  const masters = map.master.slice()
  const second = planAndApply(map).filter(({type}) => type === 'drop')
  expect(second.map((entry) => ('node' in entry ? entry.node : ''))).toEqual([nodeId(0), nodeId(1)])
  expect(map.master).toEqual(masters)
})

test('where only masters hold copies, they are moved before they are dropped', () => {
  const map = makeMap(2, 0)
  expect(planAndApply(map)).toMatchObject([{type: 'assign', node: nodeId(1)}])
  completeAll(map)
  expect(planAndApply(map)).toMatchObject([{type: 'target', node: nodeId(1)}])
  // While the target is set nothing is dropped.
  expect(plan(map, OPTIONS)).toEqual([])
  completeAll(map)
  expect(planAndApply(map)).toMatchObject([{type: 'drop', node: nodeId(0)}])
  expect(map.copyCount(0) + map.copyCount(BUCKET_COUNT - 1)).toBe(2)
})

test('fewer replicas are wished for: the others go, also while the map is not balancing', () => {
  const map = makePair()
  mustApply(map, {type: 'replicas', count: 0})
  expect(planAndApply(map).map(({type}) => type)).toEqual(['drop', 'drop'])
  expect(plan(map, OPTIONS)).toEqual([])
})

test('a leaving node gives its masters away, is replaced, is dropped, and is removed', () => {
  const map = makePair(3)
  mustApply(map, leaving(1))
  const seen: string[][] = []
  for (let round = 0; map.member(nodeId(1)) !== null && round < 10; round++) {
    seen.push(planAndApply(map).map(({type}) => type))
    completeAll(map)
  }
  // Copies of what it was master of are made once another is master; then the masters are evened out.
  expect(seen).toEqual([['assign', 'target'], ['assign', 'drop'], ['target', 'drop'], ['removed']])
})

test('with nobody to take a leaving node’s place, the rest takes over and one copy is enough', () => {
  const map = makePair()
  mustApply(map, leaving(1))
  expect(planAndApply(map).map(({type}) => type)).toEqual(['target', 'drop'])
  completeAll(map)
  expect(planAndApply(map).map(({type}) => type)).toEqual(['drop'])
  const {incarnation} = map.member(nodeId(1))!
  expect(planAndApply(map)).toEqual([{type: 'removed', node: nodeId(1), incarnation}])
})

test('a leaving node is not dropped before another has its copy', () => {
  const map = makeMap(3, 1)
  addCopies(map, ALL, 1)
  mustApply(map, leaving(0), leaving(1))
  expect(planAndApply(map)).toEqual([{type: 'assign', node: nodeId(2), buckets: ALL}])
  expect(plan(map, OPTIONS)).toEqual([])
})

test('a leaving node is not dropped while the master of the bucket is about to move', () => {
  const map = makePair(3)
  addCopies(map, '0-9', 2)
  mustApply(map, {type: 'target', node: nodeId(1), buckets: '0-4'}, leaving(2))
  expect(plan(map, OPTIONS)).toContainEqual({type: 'drop', node: nodeId(2), buckets: '5-9'})
  completeAll(map)
  expect(plan(map, OPTIONS)).toContainEqual({type: 'drop', node: nodeId(2), buckets: '0-9'})
})

test('the last nodes leave together: one of them keeps everything, the others go', () => {
  const map = makePair()
  mustApply(map, leaving(0), leaving(1))
  for (let round = 0; round < 200 && map.member(nodeId(1)); round++) {
    planAndApply(map)
    completeAll(map)
  }
  expect(map.member(nodeId(1))).toBeNull()
  expect(new Set(map.master)).toEqual(new Set([0]))
  for (const entry of plan(map, OPTIONS)) expect(entry.type).toBe('balanced')
})

test('the last member is not removed, though it is leaving and holds nothing', () => {
  const map = makeMap(2)
  mustApply(map, {type: 'joined', member: makeMember(2, 1, true)}, leaving(2), leaving(1))
  expect(plan(map, OPTIONS)).toMatchObject([
    {type: 'removed', node: nodeId(1)},
    {type: 'removed', node: nodeId(2)},
  ])
  mustApply(map, down(0), {type: 'removed', node: nodeId(0)}, leaving(2, false), {type: 'removed', node: nodeId(1)})
  mustApply(map, leaving(2))
  for (const entry of plan(map, OPTIONS)) expect(entry.type).toBe('balanced')
})

test('what was on its way to a node that leaves is taken back', () => {
  const map = makePair(4)
  mustApply(map, {type: 'assign', node: nodeId(2), buckets: '0-9'})
  mustApply(map, {type: 'target', node: nodeId(1), buckets: '20-29'}, leaving(2))
  expect(plan(map, OPTIONS)).toContainEqual({type: 'unassign', node: nodeId(2), buckets: '0-9'})
  mustApply(map, leaving(1))
  expect(plan(map, OPTIONS)).toContainEqual({type: 'untarget', buckets: '20-29'})
})

test('the only copy of a node that is down is left alone; the others are looked after', () => {
  const map = makeMap(3)
  addCopies(map, '0-99', 1)
  mustApply(map, down(0))
  expect(planAndApply(map)).toEqual([{type: 'assign', node: nodeId(2), buckets: '0-99'}])
  completeAll(map)
  expect(map.copies(5)).toEqual([1, 2])
  expect(map.copies(200)).toEqual([0])
})

test('a node that only votes is given nothing', () => {
  const map = makeMap()
  mustApply(map, {type: 'joined', member: makeMember(1, 1, true)})
  expect(plan(map, OPTIONS)).toEqual([{type: 'balanced', revision: map.revision}])
})

test('a plan changes nothing, and is the same each time', () => {
  const map = makePair(3)
  mustApply(map, {type: 'rebalance'})
  const before = map.toSnapshot()
  expect(plan(map, {moving: 512})).toEqual(plan(map, {moving: 512}))
  expect(map.toSnapshot()).toBe(before)
})

test('masters find their way over others, where no direct way is left', () => {
  // Copies in a ring: 0 and 1, 1 and 2, 2 and 3, 3 and 0. What 0 has too many is what 2, opposite, has too few.
  const map = makeMap(4)
  const [a, b, c, d] = ['0-4095', '4096-8191', '8192-12287', '12288-16383'] as const
  addCopies(map, a, 1)
  addCopies(map, b, 1, 2)
  addCopies(map, c, 2, 3)
  addCopies(map, d, 3)
  moveMaster(map, b, 1)
  moveMaster(map, c, 3)
  mustApply(map, {type: 'drop', node: nodeId(0), buckets: range(4096, 12_287)})
  const mastersNow = (): number[] => describeBalance(map).map(({masters}) => masters)
  expect(mastersNow()).toEqual([8192, 4096, 0, 4096])
  const types = new Set<string>()
  for (let round = 0; map.isBalancing && round < 9; round++) {
    for (const {type} of planAndApply(map)) types.add(type)
    completeAll(map)
  }
  expect(mastersNow()).toEqual([4096, 4096, 4096, 4096])
  expect([...types]).toEqual(['target', 'balanced'])
})
