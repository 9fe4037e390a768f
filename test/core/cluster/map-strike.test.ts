/** The check that tests and the simulator lean on must find what is broken. How nodes are struck is in cluster-map.test.ts. */
import {expect, test} from 'vitest'
import {NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {checkMap} from '../../../src/core/cluster/map-strike.ts'
import {addCopies, makeMap, makeMember, mustApply} from './make.ts'
import type {ClusterMap} from '../../../src/core/cluster/cluster-map.ts'

const broken: readonly [string, (map: ClusterMap) => void, RegExp][] = [
  ['a master that is not in sync', (map) => (map.master[5] = 1), /not the first/],
  ['copies of a lost bucket', (map) => (map.master[5] = NO_NODE), /not the first/],
  ['a copy that is there twice', (map) => map.setCopies(5, 0, [1, 1]), /twice/],
  ['a syncing copy that is in sync', (map) => (map.syncing[0] = 1), /syncing/],
  ['a master as target', (map) => (map.target[5] = 0), /bad target/],
  ['a target without a copy', (map) => (map.target[5] = 1), /bad target/],
  ['a slot without member', (map) => (map.syncing[5] = 77), /slot 77/],
  ['a copy on a node that only votes', (map) => (map.syncing[5] = 2), /slot 2/],
  ['no epoch', (map) => (map.epoch[5] = 0), /no epoch/],
]
test.each(broken)('the check finds %s', (_what, breakIt, message) => {
  const map = makeMap(2)
  mustApply(map, {type: 'joined', member: makeMember(2, 1, true)})
  addCopies(map, '0-1', 1)
  checkMap(map)
  breakIt(map)
  expect(() => checkMap(map)).toThrow(message)
})
