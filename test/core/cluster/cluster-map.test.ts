/** The rule of each entry: when it holds, when it is stale, what it refuses. A line reads `epoch copies syncing target`. */
import {describe, expect, test} from 'vitest'
import {ClusterMap} from '../../../src/core/cluster/cluster-map.ts'
import {checkMap} from '../../../src/core/cluster/map-strike.ts'
import {BUCKET_COUNT, MEMBERS_MAX} from '../../../src/constants.ts'
import {ALL, CLUSTER_ID, addCopies, down, from, leaving, line} from './make.ts'
import {makeMap, makeMember, moveMaster, mustApply, nodeId, up} from './make.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'

/** Expects that an entry is refused and leaves no trace. */
function expectRefused(map: ClusterMap, entry: MapEntry, why: RegExp = /condition holds for none/): void {
  const before = map.toSnapshot()
  const result = map.apply(entry)
  expect(result).toMatchObject({changed: false, buckets: [], membersChanged: false})
  expect(result.error).toMatch(why)
  expect(map.toSnapshot()).toBe(before)
}

const assign = (n: number, buckets: string): MapEntry => ({type: 'assign', node: nodeId(n), buckets})
const unassign = (n: number, buckets: string): MapEntry => ({type: 'unassign', node: nodeId(n), buckets})
const target = (n: number, buckets: string): MapEntry => ({type: 'target', node: nodeId(n), buckets})
const drop = (n: number, buckets: string): MapEntry => ({type: 'drop', node: nodeId(n), buckets})

describe('genesis', () => {
  test('the first member is master of everything, in epoch 1', () => {
    const map = makeMap()
    expect(map).toMatchObject({clusterId: CLUSTER_ID, replicas: 1, revision: 1, isBalancing: false})
    expect(line(map, 0)).toBe('1 0 - -')
    expect(map.master.every((slot) => slot === 0)).toBe(true)
    checkMap(map)
  })

  test('of a node that only votes leaves every bucket lost', () => {
    const map = new ClusterMap()
    mustApply(map, {type: 'genesis', clusterId: CLUSTER_ID, replicas: 0, member: makeMember(0, 1, true)})
    expect(line(map, BUCKET_COUNT - 1)).toBe('1 lost - -')
    checkMap(map)
  })

  test('happens once, and before anything else', () => {
    const genesis: MapEntry = {type: 'genesis', clusterId: CLUSTER_ID, replicas: 1, member: makeMember(3)}
    expectRefused(makeMap(), genesis, /exists already/)
    expectRefused(new ClusterMap(), {type: 'joined', member: makeMember(1)}, /not yet/)
  })
})

describe('joined', () => {
  test('a new member gets the lowest free slot, and holds nothing', () => {
    const map = makeMap(4)
    mustApply(map, {type: 'removed', node: nodeId(2)}, {type: 'joined', member: makeMember(9)})
    expect(map.member(nodeId(9))).toMatchObject({slot: 2, isDown: false, isLeaving: false})
    expect(map.inSync.includes(2)).toBe(false)
    expect(map.isBalancing).toBe(true)
  })

  test('the same process with another address keeps what it has', () => {
    const map = makeMap(2)
    addCopies(map, '0-9', 1)
    const result = map.apply({type: 'joined', member: {...makeMember(1), port: 9999}})
    expect(result).toMatchObject({changed: true, membersChanged: true, buckets: []})
    expect(map.member(nodeId(1))!.port).toBe(9999)
    expect(line(map, 0)).toBe('1 0,1 - -')
  })

  test('a process that holds buckets cannot become one that only votes', () => {
    const map = makeMap(2)
    mustApply(map, {type: 'joined', member: makeMember(0, 1, true)})
    expect(map.member(nodeId(0))!.isVoterOnly).toBe(false)
    mustApply(map, {type: 'joined', member: makeMember(0, 2, true)})
    expect(map.member(nodeId(0))!.isVoterOnly).toBe(true)
    checkMap(map)
  })

  test('a request that comes twice does not make a leaving node stay', () => {
    const map = makeMap(2)
    mustApply(map, leaving(1), {type: 'joined', member: makeMember(1)})
    expect(map.member(nodeId(1))!.isLeaving).toBe(true)
    mustApply(map, {type: 'joined', member: makeMember(1, 2)})
    expect(map.member(nodeId(1))!.isLeaving).toBe(false)
  })

  test('a node that was down is up again, and gets its share', () => {
    const map = makeMap(2)
    mustApply(map, down(1), {type: 'balanced', revision: map.revision + 1}, {type: 'joined', member: makeMember(1)})
    expect(map.member(nodeId(1))!.isDown).toBe(false)
    expect(map.isBalancing).toBe(true)
  })

  test('a new process has lost what the old one had: others are master, and what only it had is lost', () => {
    const map = makeMap(3)
    addCopies(map, '0-1', 1, 2)
    mustApply(map, assign(1, '3'), target(2, '1'), {type: 'joined', member: makeMember(0, 2)})
    expect(line(map, 0)).toBe('2 1,2 - -')
    expect(line(map, 1)).toBe('2 2,1 - -')
    expect(line(map, 2)).toBe('2 lost - -')
    expect(line(map, 3)).toBe('2 lost - -')
    expect(map.member(nodeId(0))).toMatchObject({slot: 0, incarnation: makeMember(0, 2).incarnation})
    checkMap(map)
  })

  test('no more members than there are slots', () => {
    const map = makeMap(MEMBERS_MAX)
    expectRefused(map, {type: 'joined', member: makeMember(MEMBERS_MAX)}, /at most/)
  })
})

describe('down and up', () => {
  test('the heirs of a master are those with the fewest buckets', () => {
    const map = makeMap(3)
    addCopies(map, '0-9', 1, 2)
    moveMaster(map, '8-9', 2)
    mustApply(map, down(0))
    expect([0, 1, 2, 3].map((bucket) => map.master[bucket])).toEqual([1, 1, 1, 2])
    expect(line(map, 0)).toBe('2 1,2 - -')
    expect(line(map, 8)).toBe('2 2,1 - -')
    checkMap(map)
  })

  test('a replica that is down is in no in-sync set, is not waited for, and changes no epoch', () => {
    const map = makeMap(3)
    addCopies(map, '0-3', 1)
    mustApply(map, target(1, '1'), assign(2, '2'), target(2, '2'), down(1))
    expect([0, 1, 2].map((bucket) => line(map, bucket))).toEqual(['1 0 - -', '1 0 - -', '1 0 2 2'])
    mustApply(map, down(2))
    expect(line(map, 2)).toBe('1 0 - -')
  })

  test('the only copy stays, and serves when it is back', () => {
    const map = makeMap(2)
    addCopies(map, '0', 1)
    mustApply(map, down(0))
    expect(line(map, 0)).toBe('2 1 - -')
    expect(line(map, 1)).toBe('1 0 - -')
    mustApply(map, down(1))
    expect(line(map, 0)).toBe('2 1 - -')
    mustApply(map, {type: 'balanced', revision: map.revision}, up(1))
    expect(map.member(nodeId(1))!.isDown).toBe(false)
    expect(map.isBalancing).toBe(true)
    checkMap(map)
  })

  test('another process of the node, or what is so already, is refused', () => {
    const map = makeMap(2)
    expectRefused(map, down(1, 2), /no such member/)
    expectRefused(map, down(5), /no such member/)
    expectRefused(map, up(1), /already/)
    mustApply(map, down(1))
    expectRefused(map, down(1), /already/)
    expectRefused(map, up(1, 2), /no such member/)
  })
})

describe('leaving and removed', () => {
  test('leaving is announced, and taken back', () => {
    const map = makeMap(2)
    mustApply(map, leaving(1))
    expect(map.isUsable(1)).toBe(false)
    expectRefused(map, leaving(1), /already/)
    expectRefused(map, leaving(1, false, 2), /no such member/)
    mustApply(map, leaving(1, false))
    expect(map.isUsable(1)).toBe(true)
  })

  test('a living node that holds a copy is not removed', () => {
    const map = makeMap(2)
    addCopies(map, '7', 1)
    expectRefused(map, {type: 'removed', node: nodeId(1)}, /alive and holds buckets/)
    mustApply(map, leaving(1), drop(1, '7'), {type: 'removed', node: nodeId(1)})
    expect(map.members).toHaveLength(1)
  })

  test('what was to remove one that leaves does not hit its next process, nor one that stays', () => {
    const map = makeMap(2)
    mustApply(map, leaving(1))
    const removed = {type: 'removed', node: nodeId(1), incarnation: map.member(nodeId(1))!.incarnation} as const
    const other = makeMap(2)
    mustApply(other, leaving(1), leaving(1, false))
    expectRefused(other, removed, /stays/)
    mustApply(map, {type: 'joined', member: makeMember(1, 2)})
    expectRefused(map, removed, /stays/)
    mustApply(map, leaving(1, true, 2))
    expectRefused(map, removed, /stays/)
    mustApply(map, {...removed, incarnation: makeMember(1, 2).incarnation})
    expect(map.members).toHaveLength(1)
  })

  test('who is down is removed with all it has', () => {
    const map = makeMap(3)
    addCopies(map, '0', 1)
    mustApply(map, down(0), assign(2, '0'), {type: 'removed', node: nodeId(0)})
    expect(line(map, 0)).toBe('2 1 2 -')
    expect(line(map, 1)).toBe('2 lost - -')
    expect(map.members[0]).toBeNull()
    expectRefused(map, {type: 'removed', node: nodeId(0)}, /no such member/)
    mustApply(map, down(2), {type: 'removed', node: nodeId(2)})
    expect(map.members).toHaveLength(2)
    checkMap(map)
  })
})

describe('assign and unassign', () => {
  test('a node is given copies where it has none and nobody else is being given one', () => {
    const map = makeMap(3)
    addCopies(map, '1', 1)
    mustApply(map, assign(2, '2'))
    const result = map.apply(assign(1, '0-3'))
    expect(result.buckets).toEqual([0, 3])
    expect([0, 1, 2, 3].map((bucket) => line(map, bucket))).toEqual(['1 0 1 -', '1 0,1 - -', '1 0 2 -', '1 0 1 -'])
    expectRefused(map, assign(1, '0-3'))
  })

  test('nobody gets a copy who is down, leaving, unknown, or only votes', () => {
    const map = makeMap(3)
    mustApply(map, {type: 'joined', member: makeMember(3, 1, true)}, down(1), leaving(2))
    for (const n of [1, 2, 3]) expectRefused(map, assign(n, ALL), /down, leaving, or holds no buckets/)
    expectRefused(map, assign(9, ALL), /no such member/)
  })

  test('a lost bucket cannot be copied, and a full one has no room', () => {
    const map = makeMap(8)
    addCopies(map, '1', 1, 2, 3, 4, 5)
    mustApply(map, down(0), {type: 'removed', node: nodeId(0)})
    addCopies(map, '1', 6)
    expect(map.copyCount(1)).toBe(6)
    expectRefused(map, assign(7, '0-1'))
  })

  test('taking back a copy takes back its mastership', () => {
    const map = makeMap(3)
    addCopies(map, '1', 2)
    mustApply(map, assign(1, '0-1'), target(1, '0'), target(2, '1'))
    expectRefused(map, unassign(2, '0-1'))
    mustApply(map, unassign(1, '0-1'))
    expect([line(map, 0), line(map, 1)]).toEqual(['1 0 - -', '1 0,2 - 2'])
  })
})

describe('in-sync', () => {
  test('the copy counts from now on, after the master and in order', () => {
    const map = makeMap(4)
    addCopies(map, '0', 3)
    mustApply(map, assign(1, '0'))
    mustApply(map, {type: 'in-sync', add: nodeId(1), ...from(map, 0, '0')})
    expect(line(map, 0)).toBe('1 0,1,3 - -')
  })

  test('is void for another epoch, master, process or copy, and for one that is down', () => {
    const map = makeMap(3)
    addCopies(map, '0', 2)
    mustApply(map, assign(1, '0-1'))
    const head = from(map, 0, '0')
    expectRefused(map, {type: 'in-sync', add: nodeId(1), ...from(map, 0, '0', 2)})
    expectRefused(map, {type: 'in-sync', add: nodeId(1), ...from(map, 2, '0')})
    expectRefused(map, {type: 'in-sync', add: nodeId(2), ...head})
    expectRefused(map, {type: 'in-sync', add: nodeId(9), ...head}, /no such member/)
    expectRefused(map, {type: 'in-sync', add: nodeId(1), ...head, incarnation: 'abcdef01'}, /proposer/)
    mustApply(map, down(1))
    expectRefused(map, {type: 'in-sync', add: nodeId(1), ...head})
  })

  test('is void for a copy that was made for an older order of the same copy', () => {
    const map = makeMap(3)
    mustApply(map, assign(1, '0'))
    const late: MapEntry = {type: 'in-sync', add: nodeId(1), ...from(map, 0, '0')}
    mustApply(map, unassign(1, '0'), assign(1, '0'))
    expectRefused(map, late)
    expect(line(ClusterMap.fromSnapshot(map.toSnapshot()), 0)).toBe('1 0 1 -')
    expectRefused(ClusterMap.fromSnapshot(map.toSnapshot()), late)
    mustApply(map, {type: 'in-sync', add: nodeId(1), ...from(map, 0, '0')})
    expect(line(map, 0)).toBe('1 0,1 - -')
  })

  test('said by a master that is down by now, it makes the new copy its heir', () => {
    const map = makeMap(3)
    mustApply(map, assign(1, '0'))
    const late: MapEntry = {type: 'in-sync', add: nodeId(1), ...from(map, 0, '0')}
    mustApply(map, down(0), late)
    expect(line(map, 0)).toBe('2 1 - -')
  })

  test('each group holds for its own epoch', () => {
    const map = makeMap(3)
    addCopies(map, '0-1', 2)
    moveMaster(map, '1', 2)
    moveMaster(map, '1', 0)
    mustApply(map, assign(1, '0-2'))
    const assignment = map.assignment[0]!
    const groups = [
      {epoch: 1, buckets: '0-1', assignment},
      {epoch: 3, buckets: '1-2', assignment},
    ]
    const result = map.apply({type: 'in-sync', add: nodeId(1), ...from(map, 0, '0'), groups})
    expect(result.buckets).toEqual([0, 1])
    expect([0, 1, 2].map((bucket) => line(map, bucket))).toEqual(['1 0,1,2 - -', '3 0,1,2 - -', '1 0 1 -'])
  })
})

describe('out-of-sync and drop', () => {
  test('a master goes on without a copy, even the last one beside it', () => {
    const map = makeMap(2)
    addCopies(map, '0', 1)
    mustApply(map, target(1, '0'))
    const entry: MapEntry = {type: 'out-of-sync', remove: nodeId(1), ...from(map, 0, '0')}
    expectRefused(map, {...entry, remove: nodeId(0)})
    expectRefused(map, {type: 'out-of-sync', remove: nodeId(1), ...from(map, 0, '0', 7)})
    expectRefused(map, {type: 'out-of-sync', remove: nodeId(0), ...from(map, 1, '0')})
    mustApply(map, entry)
    expect(line(map, 0)).toBe('1 0 - -')
    expectRefused(map, entry)
  })

  test('a copy that is one too many is dropped, its mastership to come with it', () => {
    const map = makeMap(3)
    addCopies(map, '0', 1, 2)
    mustApply(map, target(2, '0'), drop(2, '0'))
    expect(line(map, 0)).toBe('1 0,1 - -')
  })

  test('the master is not dropped, nor a copy that is not there', () => {
    const map = makeMap(3)
    addCopies(map, '0', 1, 2)
    mustApply(map, {type: 'replicas', count: 0})
    expectRefused(map, drop(0, '0'))
    expectRefused(map, drop(1, '1'))
    expectRefused(map, drop(9, '0'), /no such member/)
  })

  test('a drop that comes too late to leave enough copies is refused', () => {
    const map = makeMap(4)
    addCopies(map, '0-1', 1, 2)
    mustApply(map, drop(1, '0'))
    expectRefused(map, drop(2, '0'))
    mustApply(map, down(2))
    expectRefused(map, drop(1, '1'))
    expect([line(map, 0), line(map, 1)]).toEqual(['1 0 - -', '1 0,1 - -'])
  })
})

describe('target and move', () => {
  test('a copy, or one that is on its way, may become master', () => {
    const map = makeMap(4)
    addCopies(map, '0-1', 1)
    mustApply(map, assign(2, '1'), target(1, '0'))
    expect(map.apply(target(2, ALL)).buckets).toEqual([1])
    expect(map.apply(target(1, ALL)).buckets).toEqual([1])
    expectRefused(map, target(0, ALL))
    expectRefused(map, target(3, ALL))
    mustApply(map, {type: 'untarget', buckets: '0-5'})
    expectRefused(map, {type: 'untarget', buckets: '0-5'})
    expect([line(map, 0), line(map, 1)]).toEqual(['1 0,1 - -', '1 0,1 2 -'])
    mustApply(map, leaving(1))
    expectRefused(map, target(1, '0'), /leaving/)
  })

  test('the move makes a new epoch; the old master stays as a replica', () => {
    const map = makeMap(3)
    addCopies(map, '0', 1, 2)
    mustApply(map, target(2, '0'), {type: 'move', to: nodeId(2), ...from(map, 0, '0')})
    expect(line(map, 0)).toBe('2 2,0,1 - -')
  })

  test('only the master moves its bucket, in its epoch, to the target, when that is in sync and alive', () => {
    const map = makeMap(3)
    addCopies(map, '0', 1)
    mustApply(map, target(1, '0'), assign(2, '1'), target(2, '1'))
    expectRefused(map, {type: 'move', to: nodeId(1), ...from(map, 1, '0')})
    expectRefused(map, {type: 'move', to: nodeId(1), ...from(map, 0, '0', 2)})
    expectRefused(map, {type: 'move', to: nodeId(2), ...from(map, 0, '0')})
    expectRefused(map, {type: 'move', to: nodeId(2), ...from(map, 0, '1')})
    const move: MapEntry = {type: 'move', to: nodeId(1), ...from(map, 0, '0')}
    mustApply(map, move)
    expectRefused(map, move)
    mustApply(map, down(1))
    expect(line(map, 0)).toBe('3 0 - -')
  })
})

describe('accept-loss and restore', () => {
  const lost = (): ClusterMap => {
    const map = makeMap(3)
    addCopies(map, '0', 1)
    mustApply(map, {type: 'joined', member: makeMember(0, 2)})
    return map
  }

  test('a lost bucket begins again at the node that is named; others are not touched', () => {
    const map = lost()
    const result = map.apply({type: 'accept-loss', node: nodeId(2), buckets: '0-1'})
    expect(result.buckets).toEqual([1])
    const {id, incarnation} = makeMember(1)
    mustApply(map, {type: 'restore', node: id, incarnation, buckets: '1-2'})
    expect([0, 1, 2, 3].map((bucket) => line(map, bucket))).toEqual(['2 1 - -', '3 2 - -', '3 1 - -', '2 lost - -'])
    checkMap(map)
  })

  test('who is down, only votes, or is another process by now gets nothing', () => {
    const map = lost()
    mustApply(map, {type: 'joined', member: makeMember(3, 1, true)}, down(2))
    for (const n of [2, 3, 9])
      expectRefused(map, {type: 'accept-loss', node: nodeId(n), buckets: ALL}, /no such member/)
    const {incarnation} = makeMember(1)
    expectRefused(map, {type: 'restore', node: nodeId(0), incarnation, buckets: ALL}, /another process/)
  })
})

describe('settings', () => {
  test('the number of replicas', () => {
    const map = makeMap()
    mustApply(map, {type: 'replicas', count: 2})
    expect(map.replicas).toBe(2)
    expectRefused(map, {type: 'replicas', count: 2}, /already/)
  })

  test('the balance ends only for the map that the planner saw', () => {
    const map = makeMap(2)
    const {revision} = map
    mustApply(map, {type: 'joined', member: makeMember(2)})
    expectRefused(map, {type: 'balanced', revision}, /changed since/)
    mustApply(map, {type: 'balanced', revision: map.revision})
    expect(map.isBalancing).toBe(false)
    expectRefused(map, {type: 'balanced', revision: map.revision}, /already/)
    mustApply(map, {type: 'rebalance'})
    expect(map.isBalancing).toBe(true)
    expectRefused(map, {type: 'rebalance'}, /already/)
  })

  test('the revision counts what changed something', () => {
    const map = makeMap(2)
    expect(map.revision).toBe(2)
    mustApply(map, assign(1, '0-9'))
    expect(map.apply(assign(1, '0-9')).error).not.toBeNull()
    expect(map.revision).toBe(3)
  })
})
