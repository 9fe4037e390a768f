/** What an operator may ask for by hand. */
import {describe, expect, test} from 'vitest'
import {describeBalance, plan, planMove} from '../../../src/core/cluster/planner.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'
import {addCopies, completeAll, down, leaving, line, makeMap, makeMember, mustApply, nodeId} from './make.ts'

describe('a move by hand', () => {
  test('makes a copy where there is none, and a target everywhere', () => {
    const map = makeMap(3)
    addCopies(map, '0-4', 1)
    const {entries, error} = planMove(map, [9, 3, 4, 8, 3], nodeId(1))
    expect(error).toBeNull()
    expect(entries).toEqual([
      {type: 'assign', node: nodeId(1), buckets: '8-9'},
      {type: 'target', node: nodeId(1), buckets: '3-4,8-9'},
    ])
    mustApply(map, ...entries)
    completeAll(map)
    expect([3, 8].map((bucket) => line(map, bucket))).toEqual(['2 1,0 - -', '2 1,0 - -'])
  })

  test('takes the place of another copy that is on its way', () => {
    const map = makeMap(3)
    mustApply(map, {type: 'assign', node: nodeId(2), buckets: '5-6'})
    mustApply(map, {type: 'target', node: nodeId(2), buckets: '6'})
    const {entries} = planMove(map, [5, 6], nodeId(1))
    expect(entries.map(({type}) => type)).toEqual(['unassign', 'assign', 'target'])
    mustApply(map, ...entries)
    expect([5, 6].map((bucket) => line(map, bucket))).toEqual(['1 0 1 1', '1 0 1 1'])
  })

  test('of what is on its way there already only the rest is ordered', () => {
    const map = makeMap(2)
    mustApply(map, {type: 'assign', node: nodeId(1), buckets: '5-6'})
    mustApply(map, {type: 'target', node: nodeId(1), buckets: '6'})
    expect(planMove(map, [5, 6], nodeId(1))).toEqual({
      entries: [{type: 'target', node: nodeId(1), buckets: '5'}],
      error: null,
    })
    expect(planMove(map, [6], nodeId(1))).toEqual({entries: [], error: null})
  })

  test('to the present master calls off a move away from it', () => {
    const map = makeMap(2)
    addCopies(map, '5', 1)
    mustApply(map, {type: 'target', node: nodeId(1), buckets: '5'})
    expect(planMove(map, [4, 5], nodeId(0))).toEqual({entries: [{type: 'untarget', buckets: '5'}], error: null})
  })

  test('is not undone by the planner, which only drops what is too many', () => {
    const map = makeMap(3, 0)
    for (let round = 0; map.isBalancing && round < 20; round++) {
      mustApply(map, ...plan(map, {moving: BUCKET_COUNT}))
      completeAll(map)
    }
    const buckets = Array.from({length: 1000}, (_, i) => i).filter((bucket) => map.master[bucket] !== 2)
    mustApply(map, ...planMove(map, buckets, nodeId(2)).entries)
    completeAll(map)
    for (let round = 0; round < 5; round++) {
      const entries = plan(map, {moving: BUCKET_COUNT})
      expect(entries.every(({type}) => type === 'drop')).toBe(true)
      mustApply(map, ...entries)
      completeAll(map)
    }
    expect(buckets.every((bucket) => map.master[bucket] === 2 && map.copyCount(bucket) === 1)).toBe(true)
  })

  test('cannot go to who is unknown, down, leaving, or only votes', () => {
    const map = makeMap(3)
    mustApply(map, {type: 'joined', member: makeMember(3, 1, true)}, down(1), leaving(2))
    const errors = [9, 1, 2, 3].map((n) => planMove(map, [0], nodeId(n)).error)
    expect(errors).toEqual(['no such node', 'that node is down', 'that node is leaving', 'that node holds no buckets'])
  })

  test('with nothing to do says why', () => {
    const map = makeMap(8)
    expect(planMove(map, [1, 2], nodeId(0)).error).toMatch(/already/)
    addCopies(map, '0', 1)
    addCopies(map, '9', 1, 2, 3, 4, 5)
    expect(planMove(map, [9], nodeId(6))).toEqual({entries: [], error: 'bucket 9 has no room for another copy'})
    mustApply(map, down(0))
    expect(planMove(map, [3], nodeId(2))).toEqual({entries: [], error: 'the master of bucket 3 is down'})
    mustApply(map, {type: 'removed', node: nodeId(0)})
    expect(planMove(map, [3], nodeId(2))).toEqual({entries: [], error: 'bucket 3 is lost'})
    // What can be moved is moved.
    expect(planMove(map, [0, 3], nodeId(2)).entries).toHaveLength(2)
  })
})

test('the balance names what each member has', () => {
  const map = makeMap(3)
  addCopies(map, '0-9', 1)
  mustApply(map, {type: 'assign', node: nodeId(2), buckets: '0-4'}, {type: 'removed', node: nodeId(2)})
  mustApply(map, {type: 'joined', member: makeMember(5)}, {type: 'assign', node: nodeId(5), buckets: '7'})
  expect(describeBalance(map)).toEqual([
    {id: nodeId(0), slot: 0, masters: BUCKET_COUNT, copies: BUCKET_COUNT, syncing: 0},
    {id: nodeId(1), slot: 1, masters: 0, copies: 10, syncing: 0},
    {id: nodeId(5), slot: 2, masters: 0, copies: 0, syncing: 1},
  ])
})
