/** A bucket with a new master keeps its surplus copies for a while. */
import {expect, test} from 'vitest'
import {PLAN_DROP_AFTER_MS} from '../../../src/constants.ts'
import {FreshMasters} from '../../../src/core/cluster/fresh-masters.ts'
import {addCopies, makeMap, moveMaster, nodeId} from './make.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'

test('drops of buckets whose master is new are put off, those of others are not', () => {
  const map = makeMap(3)
  addCopies(map, '0-9', 1, 2)
  const fresh = new FreshMasters()
  fresh.note(map, 0)
  const drop: MapEntry = {type: 'drop', node: nodeId(2), buckets: '0-5'}
  // The first look at a map: any of them may be new.
  expect(fresh.without(drop, 0)).toBe(null)
  moveMaster(map, '3', 1)
  fresh.note(map, PLAN_DROP_AFTER_MS)
  expect(fresh.without(drop, PLAN_DROP_AFTER_MS)).toEqual({...drop, buckets: '0-2,4-5'})
  expect(fresh.without(drop, 2 * PLAN_DROP_AFTER_MS)).toEqual(drop)
  const other: MapEntry = {type: 'assign', node: nodeId(2), buckets: '3'}
  expect(fresh.without(other, PLAN_DROP_AFTER_MS)).toBe(other)
})
