import {describe, expect, test} from 'vitest'
import {EMPTY_STATE} from '../../../src/core/consensus/durable-state.ts'
import {Raft} from '../../../src/core/consensus/raft.ts'
import {HEARTBEAT_MS, TIMEOUT_MS, TestGroup, TestNode, stateWith} from './group.ts'
import type {RaftMessage} from '../../../src/core/consensus/types.ts'

const ABC = ['a', 'b', 'c']
const heartbeat = (term: number): RaftMessage => ({
  type: 'append',
  term,
  round: 1,
  prevIndex: 0,
  prevTerm: 0,
  commit: 0,
  entries: [],
})

/** A follower whose loyalty to anybody has lapsed, and that has not campaigned yet. */
function lapsed(terms: readonly number[] = [], term = 3): TestNode {
  const node = new TestNode('a', stateWith(ABC, terms, term))
  node.now += TIMEOUT_MS
  return node
}

const vote = (term: number, lastIndex: number, lastTerm: number, force = false): RaftMessage => ({
  type: 'vote',
  term,
  lastIndex,
  lastTerm,
  force,
})

describe('alone', () => {
  test('a single voter elects itself on its first tick, as soon as its vote is durable', () => {
    const node = new TestNode('a', Raft.bootstrap('a'))
    node.tick(0)
    expect(node.raft.role).toBe('candidate')
    node.tick(1000)
    expect(node.writes).toHaveLength(1)
    expect(node.writes[0]).toMatchObject({term: 2, vote: 'a', entries: []})
    node.sync()
    expect(node.roles).toEqual(['candidate 2 null', 'leader 2 a'])
    expect(node.applied.map(({index, kind}) => `${index} ${kind}`)).toEqual(['1 config', '2 noop'])
  })

  test('a single voter commits a proposal when it is durable, not before', () => {
    const node = new TestNode('a', Raft.bootstrap('a'))
    node.tick(0)
    node.sync()
    expect(node.raft.propose('x', node.now)).toEqual({index: 3, term: 2})
    expect(node.data).toEqual([])
    node.sync()
    expect(node.data).toEqual(['x'])
  })

  test('a node without a configuration waits for ever', () => {
    const node = new TestNode('a', EMPTY_STATE)
    for (let i = 0; i < 100; i++) node.tick(100)
    expect(node.sent).toEqual([])
    expect(node.raft).toMatchObject({role: 'follower', term: 0, isVoter: false})
  })
})

describe('a group', () => {
  test('a crashed leader is replaced within twice the timeout unless votes are split, and never before once', () => {
    let replaced = 0
    for (let seed = 0; seed < 20; seed++) {
      const group = new TestGroup(ABC, {seed})
      group.elect('a')
      group.pass(100)
      group.cut('a')
      const isReplaced = (): boolean => ['b', 'c'].some((id) => group.node(id).raft.role === 'leader')
      group.pass(TIMEOUT_MS - HEARTBEAT_MS)
      expect(isReplaced()).toBe(false)
      group.pass(TIMEOUT_MS + HEARTBEAT_MS + 20)
      if (isReplaced()) replaced++
    }
    expect(replaced).toBeGreaterThan(15)
  })

  test('nodes with the same seed wait for different times', () => {
    const waits = ['a', 'b', 'c', 'd'].map((id) => {
      const node = new TestNode(id, stateWith(['a', 'b', 'c', 'd'], [], 1))
      node.tickToElection()
      return node.now
    })
    expect(new Set(waits).size).toBeGreaterThan(1)
  })

  test('who is cut off asks for ever without raising its term, and disturbs nobody when it is back', () => {
    const group = new TestGroup(ABC)
    group.elect('a')
    group.cut('c')
    group.pass(5000)
    expect(group.node('c').raft).toMatchObject({role: 'candidate', term: group.node('a').raft.term, leader: null})
    group.heal()
    group.pass(200)
    expect(group.node('a').raft.role).toBe('leader')
    expect(group.node('c').raft).toMatchObject({role: 'follower', leader: 'a'})
  })

  test('a leader that hears no majority for a timeout steps down', () => {
    const group = new TestGroup(ABC)
    const leader = group.elect('a')
    group.pass(100)
    group.cut('a')
    group.pass(TIMEOUT_MS - HEARTBEAT_MS - 10)
    expect(leader.raft.role).toBe('leader')
    group.pass(HEARTBEAT_MS + 20)
    expect(leader.raft).toMatchObject({role: 'follower', leader: null})
  })

  test('a leader stays while half of five answers, and itself', () => {
    const group = new TestGroup(['a', 'b', 'c', 'd', 'e'])
    const leader = group.elect('a')
    group.cut('d', 'e')
    group.pass(2000)
    expect(leader.raft.role).toBe('leader')
  })

  test('a node with a higher term of its own brings a leader down and comes back', () => {
    const group = new TestGroup(ABC)
    const leader = group.elect('a')
    const {term} = leader.raft
    // It won a pre-vote long ago and campaigned where nobody heard it.
    const lost = group.node('c')
    lost.step('b', {type: 'voteReply', term: term + 5, granted: false})
    group.pass(2000)
    expect(ABC.filter((id) => group.node(id).raft.role === 'leader')).toHaveLength(1)
    for (const id of ABC) expect(group.node(id).raft.term).toBeGreaterThanOrEqual(term + 5)
  })
})

describe('a pre-vote', () => {
  const ask = (node: TestNode, term: number, lastIndex: number, lastTerm: number): RaftMessage | undefined => {
    node.step('b', {type: 'preVote', term, lastIndex, lastTerm})
    return node.sent.pop()?.message
  }

  test('is granted without a write, and binds nobody', () => {
    const node = lapsed()
    expect(ask(node, 4, 1, 1)).toEqual({type: 'preVoteReply', term: 4, granted: true})
    expect(ask(node, 9, 1, 1)).toEqual({type: 'preVoteReply', term: 9, granted: true})
    expect(node.writes).toEqual([])
    expect(node.raft.term).toBe(3)
  })

  test('is refused to an older log and to an older term, with the term', () => {
    const node = lapsed([2])
    expect(ask(node, 4, 9, 1)).toEqual({type: 'preVoteReply', term: 3, granted: false})
    expect(ask(node, 3, 9, 9)).toEqual({type: 'preVoteReply', term: 3, granted: false})
    expect(ask(node, 2, 9, 9)).toEqual({type: 'preVoteReply', term: 3, granted: false})
  })

  test('is ignored while a leader was heard within the timeout', () => {
    const node = lapsed()
    node.step('c', heartbeat(3))
    node.sent = []
    node.now += TIMEOUT_MS - 1
    expect(ask(node, 4, 9, 9)).toBeUndefined()
    node.now += 1
    expect(ask(node, 4, 9, 9)).toMatchObject({granted: true})
  })

  test('refused with a higher term makes the asker catch up', () => {
    const node = lapsed()
    node.tickToElection()
    expect(node.take('preVote')).toHaveLength(2)
    node.step('b', {type: 'preVoteReply', term: 7, granted: false})
    expect(node.raft).toMatchObject({role: 'follower', term: 7})
  })

  test('refused by a majority ends the ballot', () => {
    const node = lapsed()
    node.tickToElection()
    node.step('b', {type: 'preVoteReply', term: 3, granted: false})
    expect(node.raft.role).toBe('candidate')
    node.step('c', {type: 'preVoteReply', term: 3, granted: false})
    expect(node.raft).toMatchObject({role: 'follower', term: 3})
  })

  test('granted for another term than the next does not count', () => {
    const node = lapsed()
    node.tickToElection()
    node.step('b', {type: 'preVoteReply', term: 9, granted: true})
    expect(node.raft.term).toBe(3)
    node.step('b', {type: 'preVoteReply', term: 4, granted: true})
    expect(node.raft.term).toBe(4)
  })
})

describe('a vote', () => {
  test('is answered only when it is durable', () => {
    const node = lapsed()
    node.step('b', vote(4, 1, 1))
    expect(node.sent).toEqual([])
    expect(node.writes).toMatchObject([{term: 4, vote: 'b'}])
    node.sync()
    expect(node.take('voteReply')).toEqual([{type: 'voteReply', term: 4, granted: true}])
  })

  test('is given once in a term, to one node, over a restart too', () => {
    const node = lapsed()
    node.step('b', vote(4, 1, 1))
    node.sync()
    node.step('c', vote(4, 1, 1))
    node.restart()
    node.step('c', vote(4, 1, 1, true))
    node.step('b', vote(4, 1, 1, true))
    node.sync()
    expect(node.takeTo('voteReply').map(({to, message}) => [to, message.granted])).toEqual([
      ['c', false],
      ['b', true],
    ])
  })

  test('with the plant is forgotten by a restart', () => {
    const node = new TestNode('a', stateWith(ABC, [], 3), {plants: new Set(['forget-vote'])})
    node.step('b', vote(4, 1, 1, true))
    node.sync()
    node.restart()
    node.step('c', vote(4, 1, 1, true))
    node.sync()
    expect(node.take('voteReply')).toMatchObject([{granted: true}])
  })

  test.each([
    ['a longer log of an older term', [2, 2], 9, 1, false],
    ['a shorter log of the same term', [2, 2], 2, 2, false],
    ['the same log', [2, 2], 3, 2, true],
    ['a longer log of the same term', [2, 2], 4, 2, true],
    ['a shorter log of a newer term', [2, 2], 2, 3, true],
  ])('goes by the last term, then by the length: %s', (_name, terms, lastIndex, lastTerm, granted) => {
    const node = lapsed(terms)
    node.step('b', vote(4, lastIndex, lastTerm))
    node.sync()
    expect(node.take('voteReply')).toMatchObject([{granted}])
    // Refused or not, the higher term is ours.
    expect(node.raft.term).toBe(4)
  })

  test('is not given, and no term taken over, while a leader was heard within the timeout', () => {
    const node = lapsed()
    node.step('c', heartbeat(3))
    node.sent = []
    node.now += TIMEOUT_MS - 1
    node.step('b', vote(4, 9, 9))
    node.sync()
    expect(node.sent).toEqual([])
    expect(node.raft).toMatchObject({term: 3, leader: 'c'})
  })

  test('is not given within the timeout either when an answer has raised the term meanwhile', () => {
    const node = lapsed()
    node.step('c', heartbeat(3))
    node.sent = []
    node.step('b', {type: 'voteReply', term: 4, granted: false})
    node.step('b', vote(4, 9, 9))
    node.sync()
    expect(node.take('voteReply')).toEqual([])
  })

  test('is not given within a timeout of the start, for the life before may have promised', () => {
    const node = new TestNode('a', stateWith(ABC, [], 3))
    node.now += TIMEOUT_MS - 1
    node.step('b', vote(4, 9, 9))
    expect(node.raft.term).toBe(3)
    node.now += 1
    node.step('b', vote(4, 9, 9))
    expect(node.raft.term).toBe(4)
  })

  test('is given at once when the leader wants to hand over', () => {
    const node = lapsed()
    node.step('c', heartbeat(3))
    node.step('b', vote(4, 9, 9, true))
    node.sync()
    expect(node.take('voteReply')).toMatchObject([{term: 4, granted: true}])
  })

  test('is not given in a term whose leader is known', () => {
    const node = lapsed()
    node.step('c', heartbeat(4))
    node.step('b', vote(4, 9, 9, true))
    node.sync()
    expect(node.take('voteReply')).toMatchObject([{granted: false}])
  })

  test('is refused to an older term, with ours', () => {
    const node = lapsed()
    node.step('b', vote(2, 9, 9))
    expect(node.take('voteReply')).toEqual([{type: 'voteReply', term: 3, granted: false}])
  })
})

describe('a candidate', () => {
  function candidate(): TestNode {
    const node = lapsed()
    node.tickToElection()
    node.sent = []
    node.step('b', {type: 'preVoteReply', term: 4, granted: true})
    return node
  }

  test('asks for votes only when its own is durable', () => {
    const node = candidate()
    expect(node.raft).toMatchObject({role: 'candidate', term: 4})
    expect(node.sent).toEqual([])
    node.sync()
    expect(node.takeTo('vote').map(({to, message}) => [to, message.term, message.force])).toEqual([
      ['b', 4, false],
      ['c', 4, false],
    ])
  })

  test('does not begin anew while its own vote is not durable', () => {
    const node = candidate()
    for (let i = 0; i < 50; i++) node.tick(100)
    expect(node.writes).toHaveLength(1)
    expect(node.sent).toEqual([])
  })

  test('leads with a majority and begins with a no-op', () => {
    const node = candidate()
    node.sync()
    node.sent = []
    node.step('c', {type: 'voteReply', term: 4, granted: true})
    expect(node.raft).toMatchObject({role: 'leader', leader: 'a'})
    expect(node.takeTo('append').map(({to, message}) => [to, message.entries.map(({kind}) => kind)])).toEqual([
      ['b', ['noop']],
      ['c', ['noop']],
    ])
    expect(node.roles.at(-1)).toBe('leader 4 a')
  })

  test('does not count votes of older terms, of strangers, or twice', () => {
    const node = candidate()
    node.sync()
    node.step('c', {type: 'voteReply', term: 3, granted: true})
    node.step('x', {type: 'voteReply', term: 4, granted: true})
    node.step('a', {type: 'voteReply', term: 4, granted: true})
    expect(node.raft.role).toBe('candidate')
  })

  test('gives up when a majority refuses', () => {
    const node = candidate()
    node.sync()
    node.step('b', {type: 'voteReply', term: 4, granted: false})
    node.step('c', {type: 'voteReply', term: 4, granted: false})
    expect(node.raft).toMatchObject({role: 'follower', term: 4})
  })

  test('follows a leader of its own term', () => {
    const node = candidate()
    node.sync()
    node.step('c', heartbeat(4))
    expect(node.raft).toMatchObject({role: 'follower', leader: 'c'})
  })

  test('asks anew after a timeout', () => {
    const node = candidate()
    node.sync()
    node.sent = []
    for (let i = 0; i < 60; i++) node.tick(10)
    expect(node.take('preVote')[0]).toMatchObject({term: 5})
  })
})

test('the host may not call Raft from within its own methods', () => {
  const node = new TestNode('a', Raft.bootstrap('a'))
  node.persist = (write) => node.raft.persisted(write.id, node.now)
  expect(() => node.tick(0)).toThrow('from within')
})

test('an older now counts as the latest', () => {
  const node = lapsed()
  node.raft.tick(node.now + 5000)
  node.sent = []
  node.raft.tick(node.now - 5000)
  expect(node.sent).toEqual([])
})
