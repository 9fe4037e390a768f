import {describe, expect, test} from 'vitest'
import {RAFT_APPEND_BYTES_MAX, RAFT_RESEND_HEARTBEATS} from '../../../src/constants.ts'
import {HEARTBEAT_MS, TIMEOUT_MS, TestGroup, TestNode, stateWith} from './group.ts'
import type {AppendMessage, RaftEntry, RaftMessage} from '../../../src/core/consensus/types.ts'

const ABC = ['a', 'b', 'c']

function append(term: number, prevIndex: number, prevTerm: number, terms: number[], commit = 0): AppendMessage {
  const entries = terms.map((t, i): RaftEntry => ({
    index: prevIndex + 1 + i,
    term: t,
    kind: 'data',
    data: `${t}.${prevIndex + 1 + i}`,
  }))
  return {type: 'append', term, round: 7, prevIndex, prevTerm, commit, entries}
}

/** The leader `a` of term 4 over a log with these terms, whose no-op nobody has answered yet. */
function leader(terms: readonly number[] = [], voters: readonly string[] = ABC): TestNode {
  const node = new TestNode('a', stateWith(voters, terms, 3))
  node.tickToElection()
  for (const id of voters.slice(1)) node.step(id, {type: 'preVoteReply', term: 4, granted: true})
  node.sync()
  for (const id of voters.slice(1)) node.step(id, {type: 'voteReply', term: 4, granted: true})
  expect(node.raft.role).toBe('leader')
  return node
}

function ok(index: number, round = 1): RaftMessage {
  return {type: 'appendReply', term: 4, round, ok: true, index, hintIndex: 0, hintTerm: 0}
}

describe('a follower', () => {
  function follower(terms: readonly number[] = []): TestNode {
    return new TestNode('b', stateWith(ABC, terms, 3))
  }

  test('acknowledges entries only when they are durable', () => {
    const node = follower()
    node.step('a', append(3, 1, 1, [3, 3]))
    expect(node.sent).toEqual([])
    node.sync()
    expect(node.take('appendReply')).toMatchObject([{ok: true, index: 3, round: 7, term: 3}])
  })

  test('answers heartbeats while the disk is busy, with what is durable', () => {
    const node = follower()
    node.step('a', append(3, 1, 1, [3, 3]))
    node.step('a', append(3, 3, 3, []))
    expect(node.take('appendReply')).toMatchObject([{ok: true, index: 1}])
  })

  test('answers nothing in a term that is not durable', () => {
    const node = follower()
    node.step('a', append(5, 1, 1, []))
    node.step('a', append(5, 9, 5, []))
    expect(node.sent).toEqual([])
    node.sync()
    expect(node.take('appendReply')).toMatchObject([
      {ok: true, index: 1},
      {ok: false, index: 9},
    ])
  })

  test('refuses what does not follow its log, and hints at the last place that may', () => {
    const node = follower([2, 2, 3, 3])
    node.step('a', append(3, 9, 3, [3]))
    node.step('a', append(3, 6, 2, []))
    node.step('a', append(3, 5, 2, []))
    expect(node.take('appendReply')).toMatchObject([
      {ok: false, index: 9, hintIndex: 5, hintTerm: 3},
      {ok: false, index: 6, hintIndex: 3, hintTerm: 2},
      {ok: false, index: 5, hintIndex: 3, hintTerm: 2},
    ])
    expect(node.raft.lastIndex).toBe(5)
  })

  test('replaces entries that contradict its leader, in memory and on disk', () => {
    const node = follower([2, 2, 2])
    node.step('a', append(3, 2, 2, [3]))
    expect(node.writes).toMatchObject([{truncateFrom: 3, entries: [{index: 3, term: 3}]}])
    node.sync()
    expect(node.durable.entries.map(({term}) => term)).toEqual([1, 2, 3])
    expect(node.take('appendReply')).toMatchObject([{ok: true, index: 3}])
  })

  test('does not count as durable what is being replaced', () => {
    const node = follower([2, 2, 2])
    node.step('a', append(3, 1, 1, [3, 3, 3]))
    node.step('a', append(3, 4, 3, []))
    expect(node.take('appendReply')).toMatchObject([{ok: true, index: 1}])
    node.sync()
    node.step('a', append(3, 4, 3, []))
    expect(node.take('appendReply').at(-1)).toMatchObject({ok: true, index: 4})
  })

  test('drops nothing when an older message comes late', () => {
    const node = follower()
    node.step('a', append(3, 1, 1, [3, 3, 3]))
    node.sync()
    node.step('a', append(3, 1, 1, [3]))
    expect(node.raft.lastIndex).toBe(4)
    expect(node.writes).toEqual([])
    expect(node.take('appendReply').at(-1)).toMatchObject({ok: true, index: 2})
  })

  test('commits no further than it matches, nor than it is told', () => {
    const node = follower([3, 3, 3])
    node.step('a', append(3, 2, 3, [], 4))
    expect(node.raft.commitIndex).toBe(2)
    node.step('a', append(3, 4, 3, [], 3))
    expect(node.raft.commitIndex).toBe(3)
    expect(node.data).toEqual(['3.2', '3.3'])
  })

  test('answers an older leader with its term', () => {
    const node = follower()
    node.step('a', append(2, 1, 1, [2]))
    expect(node.take('appendReply')).toMatchObject([{term: 3, ok: false}])
    expect(node.raft.lastIndex).toBe(1)
  })

  test('dies rather than follow two leaders of one term, or lose what is committed', () => {
    const two = follower()
    two.step('a', append(3, 1, 1, []))
    expect(() => two.step('c', append(3, 1, 1, []))).toThrow('a term has one leader')
    const lost = follower([2, 2])
    lost.step('a', append(3, 3, 2, [], 3))
    expect(() => lost.step('a', append(3, 1, 1, [3]))).toThrow('all that is committed')
  })

  test('comes back from its disk with term, vote and log, and applies again what is committed', () => {
    const node = follower()
    node.step('a', append(3, 1, 1, [3, 3], 2))
    node.sync()
    node.step('a', append(3, 3, 3, [3]))
    node.restart()
    expect(node.raft).toMatchObject({term: 3, lastIndex: 3, commitIndex: 0})
    node.step('a', append(3, 3, 3, [], 3))
    expect(node.applied.map(({index}) => index)).toEqual([1, 2, 3])
  })
})

describe('a leader', () => {
  test('sends before its own write is durable, but counts itself only after', () => {
    const node = leader([], ['a', 'b', 'c'])
    expect(node.take('append')).toHaveLength(2)
    node.step('b', ok(2))
    expect(node.raft.commitIndex).toBe(0)
    node.sync()
    expect(node.raft.commitIndex).toBe(2)
  })

  test('commits without itself when a majority of others is durable', () => {
    const node = leader()
    node.step('b', ok(2))
    node.step('c', ok(2))
    expect(node.raft.commitIndex).toBe(2)
  })

  test('commits entries of older terms only through one of its own', () => {
    const node = leader([2, 3])
    node.sync()
    node.step('b', ok(3))
    node.step('c', ok(3))
    expect(node.raft.commitIndex).toBe(0)
    node.step('b', ok(4))
    expect(node.raft.commitIndex).toBe(4)
    expect(node.applied.map(({term}) => term)).toEqual([1, 2, 3, 4])
  })

  test('tells followers of a commit at once', () => {
    const node = leader()
    node.sync()
    node.sent = []
    node.step('b', ok(2))
    expect(node.takeTo('append').map(({to, message}) => [to, message.commit])).toEqual([['b', 2]])
    // To the other one a heartbeat says nothing yet, for it has nothing that it could commit.
    node.tick(HEARTBEAT_MS)
    node.sent = []
    node.step('c', ok(2))
    expect(node.takeTo('append').map(({to, message}) => [to, message.commit])).toEqual([['c', 2]])
  })

  test('has one batch in flight to each follower, and sends what came meanwhile when it is answered', () => {
    const node = leader()
    node.sync()
    node.step('b', ok(2))
    node.sent = []
    for (const data of ['x', 'y', 'z']) node.raft.propose(data, node.now)
    const batches = (): (readonly [string, string])[] =>
      node
        .takeTo('append')
        .filter(({message}) => message.entries.length > 0)
        .map(({to, message}) => [to, message.entries.map(({data}) => data).join('')] as const)
    expect(batches()).toEqual([['b', 'x']])
    node.step('b', ok(3))
    expect(batches()).toEqual([['b', 'yz']])
  })

  test('does not send a batch again with heartbeats, but after a while, if the follower lives', () => {
    const node = leader()
    node.sync()
    node.sent = []
    const sizes: number[] = []
    const beat = (isAnswered: boolean): void => {
      node.tick(HEARTBEAT_MS)
      for (const {to, message} of node.takeTo('append')) {
        if (to === 'b') sizes.push(message.entries.length)
        // The other one keeps the leader in office.
        if (to === 'c') node.step('c', ok(2, message.round))
        if (to === 'b' && isAnswered) node.step('b', ok(message.prevIndex, message.round))
      }
    }
    for (let i = 0; i < 2 * RAFT_RESEND_HEARTBEATS; i++) beat(false)
    expect(new Set(sizes)).toEqual(new Set([0]))
    beat(true)
    beat(true)
    expect(sizes.filter((size) => size > 0)).toEqual([1])
  })

  test('sends about 64 KB at a time, and a larger entry alone', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    const big = 'x'.repeat(RAFT_APPEND_BYTES_MAX / 4)
    const huge = 'y'.repeat(RAFT_APPEND_BYTES_MAX * 2)
    const {now} = node
    for (const data of ['first', big, big, big, big, huge, 'last']) node.raft.propose(data, now)
    const batches: number[] = []
    for (let guard = 0; guard < 20; guard++) {
      node.sync()
      const [message] = node
        .takeTo('append')
        .filter((item) => item.to === 'b' && item.message.entries.length > 0)
        .map((item) => item.message)
      if (message === undefined) break
      batches.push(message.entries.length)
      node.step('b', {...ok(message.entries.at(-1)!.index), term: node.raft.term})
    }
    expect(batches).toEqual([1, 3, 1, 1, 1])
  })

  test('finds the place where a follower parts from it, a term at a time', () => {
    const group = new TestGroup(ABC)
    // b was leader of term 3 for long, where nobody heard it.
    const ours = stateWith(ABC, [2, 2, ...Array<number>(20).fill(4)], 5)
    const theirs = stateWith(ABC, [2, 2, ...Array<number>(40).fill(3)], 5)
    group.add('a', ours)
    group.add('b', theirs)
    group.add('c', ours)
    group.elect('a')
    const answers: RaftMessage[] = []
    const {step} = group.node('a')
    group.node('a').step = function (from, message) {
      if (message.type === 'appendReply' && !message.ok) answers.push(message)
      step.call(this, from, message)
    }
    group.pass(100)
    expect(answers.length).toBeLessThanOrEqual(2)
    expect(group.node('b').durable.entries).toEqual(group.node('a').durable.entries)
    expect(group.node('b').data).toEqual(group.node('a').data)
  })

  test('takes no proposals as a follower', () => {
    const group = new TestGroup(ABC)
    group.elect('a')
    const {raft, now} = group.node('b')
    expect(raft.propose('x', now)).toBeNull()
    expect(raft.changeConfig({voters: ABC, learners: []}, now)).toBe(false)
    expect(raft.transfer('a', now)).toBe(false)
  })

  test('ignores strangers, and answers of older terms', () => {
    const node = leader()
    node.step('x', ok(2))
    node.step('b', {...ok(2), term: 3})
    node.sync()
    expect(node.raft.commitIndex).toBe(0)
  })

  test('has its proposals replaced when it was cut off', () => {
    const group = new TestGroup(ABC)
    group.elect('a')
    group.cut('a')
    group.propose('a', 'lost 1', 'lost 2')
    group.elect('b')
    group.propose('b', 'kept')
    group.heal()
    group.pass(200)
    for (const id of ABC) expect(group.node(id).data).toEqual(['kept'])
  })
})

describe('the quorum that leases stand on', () => {
  test('is the start of the newest round that a majority answered, not the time of its answers', () => {
    const node = leader()
    node.sync()
    expect(node.raft.quorumAt).toBe(-Infinity)
    node.sent = []
    node.tick(HEARTBEAT_MS)
    const startedAt = node.now
    const [message] = node.take('append')
    node.now += 30
    node.step('b', ok(2, message!.round))
    expect(node.raft.quorumAt).toBe(startedAt)
  })

  test('does not move with answers to older rounds, doubled answers or rounds that never were', () => {
    const node = leader([], ['a', 'b', 'c', 'd', 'e'])
    node.sync()
    node.sent = []
    const rounds = [1, 2, 3].map(() => {
      node.tick(HEARTBEAT_MS)
      return {at: node.now, round: node.take('append')[0]!.round}
    })
    node.step('b', ok(2, rounds[2]!.round))
    node.step('b', ok(2, rounds[2]!.round))
    expect(node.raft.quorumAt).toBe(-Infinity)
    node.step('c', ok(2, rounds[0]!.round))
    expect(node.raft.quorumAt).toBe(rounds[0]!.at)
    node.step('d', ok(2, 10_000))
    expect(node.raft.quorumAt).toBe(rounds[2]!.at)
    node.step('e', ok(2, rounds[1]!.round))
    expect(node.raft.quorumAt).toBe(rounds[2]!.at)
    node.step('c', ok(2, 10_000))
    node.tick(HEARTBEAT_MS)
    expect(node.raft.quorumAt).toBe(rounds[2]!.at)
  })

  test('counts refusals, for they too obey, but not learners', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    expect(group.change('a', {voters: ABC, learners: ['l']})).toBe(true)
    const before = node.raft.quorumAt
    const {term} = node.raft
    node.tick(HEARTBEAT_MS)
    const {round} = node.take('append')[0]!
    const refusal: RaftMessage = {type: 'appendReply', term, round, ok: false, index: 0, hintIndex: 0, hintTerm: 0}
    node.step('l', refusal)
    expect(node.raft.quorumAt).toBe(before)
    node.step('b', refusal)
    expect(node.raft.quorumAt).toBe(node.now)
  })

  test('is now for a single voter, and nothing for who does not lead', () => {
    const group = new TestGroup(['a'])
    const node = group.elect('a')
    node.tick(5)
    expect(node.raft.quorumAt).toBe(node.now)
    node.now += 3
    node.step('x', {...ok(1), term: 1})
    expect(node.raft.quorumAt).toBe(node.now)
    expect(leader().raft.quorumAt).toBe(-Infinity)
  })

  test('is stale after a pause, until a round is answered', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.pass(100)
    const before = node.raft.quorumAt
    node.now += 10_000
    node.raft.propose('x', node.now)
    expect(node.raft.quorumAt).toBe(before)
    node.tick(0)
    expect(node.raft.role).toBe('follower')
    expect(node.raft.quorumAt).toBe(-Infinity)
  })

  test('binds its own leader too: brought down, it elects nobody within the timeout', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.pass(100)
    const {quorumAt, term} = node.raft
    node.step('b', {type: 'voteReply', term: term + 1, granted: false})
    node.now = quorumAt + TIMEOUT_MS - 1
    node.step('b', {type: 'vote', term: term + 2, lastIndex: 99, lastTerm: term, force: false})
    expect(node.raft.term).toBe(term + 1)
    node.now++
    node.step('b', {type: 'vote', term: term + 2, lastIndex: 99, lastTerm: term, force: false})
    expect(node.raft.term).toBe(term + 2)
  })
})

test('a leader knows for how long a peer was silent', () => {
  const group = new TestGroup(ABC)
  const node = group.elect('a')
  group.cut('c')
  group.pass(1000)
  expect(node.raft.lastHeardAt('b')).toBeLessThanOrEqual(HEARTBEAT_MS)
  expect(node.raft.lastHeardAt('c')).toBeGreaterThanOrEqual(1000)
  expect(node.raft.lastHeardAt('c')).toBeLessThanOrEqual(1000 + TIMEOUT_MS)
  expect(node.raft.lastHeardAt('x')).toBe(Infinity)
  expect(group.node('b').raft.lastHeardAt('c')).toBe(Infinity)
})
