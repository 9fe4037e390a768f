import {describe, expect, test} from 'vitest'
import {EMPTY_STATE} from '../../../src/core/consensus/durable-state.ts'
import {RAFT_SNAPSHOT_RESEND_HEARTBEATS} from '../../../src/constants.ts'
import {HEARTBEAT_MS, TestGroup, TestNode, stateWith} from './group.ts'
import type {RaftMessage, RaftSnapshot} from '../../../src/core/consensus/types.ts'

const ABC = ['a', 'b', 'c']
const SNAPSHOT: RaftSnapshot = {index: 10, term: 3, config: {voters: ABC, learners: ['l']}, data: 'state at 10'}
const many = (from: number, to: number): string[] => Array.from({length: to - from + 1}, (_, i) => `${from + i}`)

function install(snapshot: RaftSnapshot, term = 3): RaftMessage {
  return {type: 'snapshot', term, round: 7, snapshot}
}

describe('compaction', () => {
  test('happens when enough entries were applied, with the configuration as of then', () => {
    const group = new TestGroup(ABC, {compactAfterEntries: 5})
    group.elect('a')
    group.propose('a', ...many(1, 12))
    const {durable} = group.node('a')
    expect(durable.snapshot).toMatchObject({index: 10, data: 'state at 10', config: {voters: ABC, learners: []}})
    expect(durable.entries.map(({index}) => index)).toEqual([11, 12, 13, 14])
  })

  test('does not disturb a follower that is a little behind', () => {
    const group = new TestGroup(ABC, {compactAfterEntries: 5})
    const node = group.elect('a')
    group.cut('c')
    group.propose('a', ...many(1, 5))
    expect(node.durable.snapshot).not.toBeNull()
    group.heal()
    group.pass(1000)
    expect(group.node('c').restored).toEqual([])
    expect(group.node('c').data).toEqual(many(1, 5))
  })

  test('goes on from its snapshot after a restart', () => {
    const group = new TestGroup(ABC, {compactAfterEntries: 5})
    const node = group.elect('a')
    group.propose('a', ...many(1, 12))
    const {durable} = node
    node.restart()
    expect(node.restored).toEqual([durable.snapshot])
    expect(node.raft).toMatchObject({commitIndex: 10, lastIndex: 14, config: {voters: ABC}})
    group.pass(2000)
    expect(node.data).toEqual(many(9, 12))
  })
})

describe('a follower that is too far behind', () => {
  test('gets the snapshot, then the rest', () => {
    const group = new TestGroup(ABC, {compactAfterEntries: 5})
    group.elect('a')
    group.cut('c')
    group.propose('a', ...many(1, 32))
    group.heal()
    group.pass(2000)
    const late = group.node('c')
    expect(late.restored.map(({data}) => data)).toEqual(['state at 30'])
    expect(late.data).toEqual(many(29, 32))
    expect(late.durable).toMatchObject(group.node('a').durable)
  })

  test('joins as an empty node and takes over who belongs', () => {
    const group = new TestGroup(ABC, {compactAfterEntries: 5})
    group.elect('a')
    group.propose('a', ...many(1, 20))
    group.add('d', EMPTY_STATE)
    expect(group.change('a', {voters: [...ABC, 'd'], learners: []})).toBe(true)
    group.pass(2000)
    expect(group.node('d').raft.committedConfig.voters).toEqual([...ABC, 'd'])
    expect(group.node('d').restored).toHaveLength(1)
  })

  test('gets a snapshot once, not with every heartbeat', () => {
    const group = new TestGroup(ABC, {compactAfterEntries: 5})
    const node = group.elect('a')
    group.cut('c')
    group.propose('a', ...many(1, 32))
    let sent = 0
    const {send} = node
    node.send = function (to, message) {
      if (message.type === 'snapshot') sent++
      send.call(this, to, message)
    }
    // It answers heartbeats, but never gets so far as to write the snapshot.
    group.heal()
    const late = group.node('c')
    const {step} = late
    late.step = function (from, message) {
      if (message.type !== 'snapshot') step.call(this, from, message)
    }
    group.pass((RAFT_SNAPSHOT_RESEND_HEARTBEATS - 2) * HEARTBEAT_MS)
    expect(sent).toBe(1)
    group.pass(6 * HEARTBEAT_MS)
    expect(sent).toBe(2)
    expect(node.raft.role).toBe('leader')
  })
})

describe('a snapshot from the leader', () => {
  test('is acknowledged only when it is durable', () => {
    const node = new TestNode('b', stateWith(ABC, [], 3))
    node.step('a', install(SNAPSHOT))
    expect(node.sent).toEqual([])
    expect(node.restored).toEqual([SNAPSHOT])
    expect(node.writes).toMatchObject([{snapshot: SNAPSHOT, entries: [], truncateFrom: null}])
    node.sync()
    expect(node.take('snapshotReply')).toEqual([{type: 'snapshotReply', term: 3, round: 7, index: 10}])
    expect(node.raft).toMatchObject({commitIndex: 10, lastIndex: 10, config: SNAPSHOT.config})
  })

  test('replaces a log that contradicts it, also beyond it', () => {
    const node = new TestNode('b', stateWith(ABC, Array<number>(15).fill(2), 3))
    node.step('a', install(SNAPSHOT))
    expect(node.writes).toMatchObject([{truncateFrom: 11}])
    node.sync()
    expect(node.durable).toMatchObject({snapshot: SNAPSHOT, entries: []})
  })

  test('does not leave the old log counted as durable', () => {
    const node = new TestNode('b', stateWith(ABC, Array<number>(15).fill(2), 3))
    node.step('a', install(SNAPSHOT))
    node.sync()
    const entry = {index: 11, term: 3, kind: 'data', data: 'x'} as const
    const append = {type: 'append', term: 3, round: 8, prevIndex: 10, prevTerm: 3, commit: 10} as const
    node.step('a', {...append, entries: [entry]})
    node.sent = []
    node.step('a', {...append, entries: [entry]})
    expect(node.take('appendReply')).toMatchObject([{ok: true, index: 10}])
  })

  test('only moves the commit of a log that contains it', () => {
    const node = new TestNode('b', stateWith(ABC, Array<number>(15).fill(3), 3))
    node.step('a', install(SNAPSHOT))
    expect(node.restored).toEqual([])
    expect(node.raft).toMatchObject({commitIndex: 10, lastIndex: 16})
    expect(node.applied).toHaveLength(10)
    expect(node.take('snapshotReply')).toMatchObject([{index: 10}])
  })

  test('that comes late is answered, and takes nothing back', () => {
    const node = new TestNode('b', stateWith(ABC, [], 3))
    node.step('a', install({...SNAPSHOT, index: 20}))
    node.sync()
    node.sent = []
    node.step('a', install(SNAPSHOT))
    expect(node.raft.commitIndex).toBe(20)
    expect(node.restored).toHaveLength(1)
    expect(node.take('snapshotReply')).toMatchObject([{index: 10}])
  })

  test('of an older leader is answered with our term', () => {
    const node = new TestNode('b', stateWith(ABC, [], 3))
    node.step('a', install(SNAPSHOT, 2))
    expect(node.take('appendReply')).toMatchObject([{term: 3, ok: false}])
    expect(node.restored).toEqual([])
  })
})
