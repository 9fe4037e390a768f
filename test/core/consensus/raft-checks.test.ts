/** The checks of the simulator, each against a history that it must reject and the like that it must not. */
import {describe, expect, test} from 'vitest'
import {EMPTY_STATE} from '../../../src/core/consensus/durable-state.ts'
import {Raft} from '../../../src/core/consensus/raft.ts'
import {RaftChecks, foundingState} from './raft-checks.ts'
import {TestGroup} from './group.ts'
import type {RaftEntry, RaftWrite} from '../../../src/core/consensus/types.ts'

const entry = (index: number, term: number, data = 'x'): RaftEntry => ({index, term, kind: 'data', data})

function write(term: number, entries: RaftEntry[], truncateFrom: number | null = null): RaftWrite {
  return {id: 1, term, vote: null, entries, truncateFrom, snapshot: null}
}

function checks(loyalMs = 0): RaftChecks {
  const made = new RaftChecks(loyalMs)
  for (const id of ['a', 'b']) made.started(id, foundingState(['a', 'b']))
  return made
}

describe('the checks find', () => {
  test('two leaders of one term, and one leader in two lives', () => {
    const made = checks()
    made.roleChanged('a', 'leader', 2, 0)
    made.roleChanged('b', 'leader', 3, 0)
    made.roleChanged('b', 'follower', 2, 0)
    expect(() => made.roleChanged('b', 'leader', 2, 0)).toThrow('two leaders')
    made.started('a', {...EMPTY_STATE, term: 2})
    expect(() => made.roleChanged('a', 'leader', 2, 0)).toThrow('two leaders')
  })

  test('a second vote in a term, over a restart too, and not the same vote again', () => {
    const made = checks()
    made.sent('a', 'b', {type: 'voteReply', term: 2, granted: true})
    made.sent('a', 'b', {type: 'voteReply', term: 2, granted: true})
    made.sent('a', 'c', {type: 'voteReply', term: 2, granted: false})
    made.started('a', {...EMPTY_STATE, term: 2})
    expect(() => made.sent('a', 'c', {type: 'voteReply', term: 2, granted: true})).toThrow('votes twice')
    const vote = {type: 'vote', term: 2, lastIndex: 1, lastTerm: 1, force: false} as const
    expect(() => made.sent('a', 'c', vote)).toThrow('votes twice')
  })

  test('a term that is forgotten by a restart after a promise, by a write or in memory', () => {
    const made = checks()
    made.sent('a', 'b', {type: 'voteReply', term: 7, granted: false})
    made.started('a', {...EMPTY_STATE, term: 1})
    made.sent('a', 'b', {type: 'voteReply', term: 7, granted: true})
    expect(() => made.started('a', {...EMPTY_STATE, term: 6})).toThrow('forgot a term')
    made.wrote('b', write(5, []))
    expect(() => made.wrote('b', write(4, []))).toThrow('older term')
  })

  test('logs that do not match', () => {
    const made = checks()
    made.wrote('a', write(2, [entry(2, 2), entry(3, 3)]))
    made.wrote('b', write(2, [entry(2, 2)]))
    expect(() => made.wrote('b', write(3, [entry(3, 3, 'y')]))).toThrow('log matching')
    const other = checks()
    other.wrote('a', write(3, [entry(2, 2), entry(3, 3)]))
    // The entry is the same, what comes before it is not.
    expect(() => other.wrote('b', write(3, [entry(2, 1), entry(3, 3)]))).toThrow('log matching')
  })

  test('a leader without a committed entry, unless it was elected before the commit was known', () => {
    const made = checks()
    made.wrote('a', write(2, [entry(2, 2)]))
    made.applied('a', JSON.parse(JSON.stringify(foundingState(['a', 'b']).entries[0])) as RaftEntry, 2)
    made.applied('a', entry(2, 2), 2)
    made.roleChanged('b', 'leader', 2, 0)
    expect(() => made.roleChanged('b', 'leader', 3, 0)).toThrow('leader completeness')
    made.roleChanged('a', 'leader', 4, 0)
  })

  test('state machines that part, skip or go back', () => {
    const made = checks()
    made.applied('a', entry(1, 1), 1)
    expect(() => made.applied('b', entry(1, 1, 'y'), 1)).toThrow('state-machine safety')
    expect(() => made.applied('a', entry(3, 1), 1)).toThrow('applies 3 after 1')
    const snapshot = {index: 1, term: 1, config: {voters: ['a'], learners: []}, data: made.snapshotOf('a')}
    made.restored('b', snapshot)
    expect(() => made.restored('b', snapshot)).toThrow('goes back')
    made.started('b', {...EMPTY_STATE, term: 1})
    expect(() => made.restored('b', {...snapshot, data: '{"index":1,"hash":7}'})).toThrow('nobody had')
  })

  test('a quorum that is claimed after another leader was elected, or soon before', () => {
    const group = new TestGroup(['a', 'b', 'c'])
    const leader = group.elect('a').raft
    group.pass(100)
    const {quorumAt, term} = leader
    const made = (loyalMs: number): RaftChecks => {
      const started = checks(loyalMs)
      started.started('c', EMPTY_STATE)
      return started
    }
    const late = made(0)
    late.roleChanged('b', 'leader', term + 1, quorumAt)
    late.stepped(leader, 0)
    late.roleChanged('c', 'leader', term + 2, quorumAt + 1)
    expect(() => late.stepped(leader, -1.5)).toThrow('claims a quorum')
    const loyal = made(300)
    loyal.stepped(leader, 0)
    expect(() => loyal.roleChanged('b', 'leader', term + 1, quorumAt + 299)).toThrow('claims a quorum')
    const fine = made(300)
    fine.stepped(leader, 0)
    fine.roleChanged('b', 'leader', term + 1, quorumAt + 300)
    expect(leader).toBeInstanceOf(Raft)
  })
})
