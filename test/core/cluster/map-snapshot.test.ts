/** The map as text: nothing is lost on the way, and nonsense is not believed. */
import {expect, test} from 'vitest'
import {ClusterMap} from '../../../src/core/cluster/cluster-map.ts'
import {checkMap} from '../../../src/core/cluster/map-strike.ts'
import {addCopies, down, leaving, makeMap, makeMember, moveMaster, mustApply, nodeId} from './make.ts'

/** A map with something of everything. */
function makeFullMap(): ClusterMap {
  const map = makeMap(4, 2)
  mustApply(map, {type: 'joined', member: makeMember(4, 1, true)}, {type: 'removed', node: nodeId(3)})
  addCopies(map, '0-99', 1, 2)
  moveMaster(map, '50-80', 2)
  mustApply(map, {type: 'assign', node: nodeId(1), buckets: '200-300'})
  mustApply(map, {type: 'target', node: nodeId(1), buckets: '90,250'}, down(2), leaving(1))
  return map
}

test('a snapshot read back is the same map, and goes on as the same map', () => {
  const map = makeFullMap()
  const copy = ClusterMap.fromSnapshot(map.toSnapshot())
  checkMap(copy)
  expect(copy.toSnapshot()).toBe(map.toSnapshot())
  expect(copy.members).toEqual(map.members)
  const entry = {type: 'joined', member: makeMember(0, 2)} as const
  expect(copy.apply(entry)).toEqual(map.apply(entry))
  expect(copy.toSnapshot()).toBe(map.toSnapshot())
})

test('a map without a cluster can be kept as well', () => {
  const text = new ClusterMap().toSnapshot()
  expect(ClusterMap.fromSnapshot(text).toSnapshot()).toBe(text)
})

test('neighbours with the same line are one item', () => {
  const map = makeMap(2)
  addCopies(map, '100-199', 1)
  const {runs} = JSON.parse(map.toSnapshot()) as {runs: unknown[]}
  expect(runs).toHaveLength(3)
})

const TEXT = makeFullMap().toSnapshot()

type Snapshot = Record<string, unknown> & {members: Record<string, unknown>[]; runs: unknown[][]}

const damages: readonly [string, (snapshot: Snapshot) => void][] = [
  ['no cluster id', (s) => delete s['clusterId']],
  ['a revision that is no number', (s) => (s['revision'] = '7')],
  ['no word on whether it is balancing', (s) => delete s['isBalancing']],
  ['members that are no list', (s) => (s.members = {} as never)],
  ['too many members', (s) => (s.members = Array.from({length: 251}, () => null) as never)],
  ['a member in the wrong slot', (s) => s.members.reverse()],
  ['a member with a bad id', (s) => (s.members[0]!['id'] = 'x')],
  ['a member that may be down or not', (s) => (s.members[0]!['isDown'] = 1)],
  ['buckets that are missing at the end', (s) => s.runs.pop()],
  ['buckets that are missing within', (s) => s.runs.splice(1, 1)],
  ['a bucket beyond the last', (s) => (s.runs.at(-1)![1] = 16_384)],
  ['a run backwards', (s) => (s.runs[0]![1] = -1)],
  ['an epoch that is no number', (s) => (s.runs[0]![2] = 'x')],
  ['an epoch below zero', (s) => (s.runs[0]![2] = -1)],
  ['a copy on an unknown slot', (s) => (s.runs[0]![3] = [0, 9])],
  ['a copy on a slot that is free', (s) => (s.runs[0]![3] = [3])],
  ['a copy of nobody', (s) => (s.runs[0]![3] = [255, 1])],
  ['a copy that is there twice', (s) => (s.runs[0]![3] = [0, 1, 1])],
  ['too many copies', (s) => (s.runs[0]![3] = [0, 1, 2, 0, 1, 2, 0])],
  ['copies that are no list', (s) => (s.runs[0]![3] = 7)],
  ['a syncing copy on an unknown slot', (s) => (s.runs[0]![4] = 9)],
  ['a syncing copy that is in sync', (s) => (s.runs[0]![4] = 0)],
  ['a target without a copy', (s) => (s.runs.at(-1)![5] = 1)],
]

test.each(damages)('a snapshot with %s is refused', (_what, damage) => {
  const snapshot = JSON.parse(TEXT) as Snapshot
  damage(snapshot)
  expect(() => ClusterMap.fromSnapshot(JSON.stringify(snapshot))).toThrow()
})

test('a text that was cut is refused', () => {
  for (let length = 0; length < TEXT.length; length += 97) {
    expect(() => ClusterMap.fromSnapshot(TEXT.slice(0, length))).toThrow()
  }
})
