import {describe, expect, test} from 'vitest'
import {EMPTY_STATE} from '../../../src/core/consensus/durable-state.ts'
import {ConfigHistory, isConfig, isSingleStep, parseConfig} from '../../../src/core/consensus/membership.ts'
import {Raft} from '../../../src/core/consensus/raft.ts'
import {TIMEOUT_MS, TestGroup, TestNode} from './group.ts'
import type {RaftConfig} from '../../../src/core/consensus/types.ts'

const ABC = ['a', 'b', 'c']
const config = (voters: string[], learners: string[] = []): RaftConfig => ({voters, learners})

describe('a configuration', () => {
  test.each([[config(['a'])], [config(['a', 'b'], ['c'])]])('%j is one', (value) => {
    expect(isConfig(value)).toBe(true)
    expect(parseConfig(JSON.stringify(value))).toEqual(value)
  })

  test.each([
    null,
    7,
    [],
    {},
    {voters: ['a']},
    {learners: ['a']},
    {voters: 'a', learners: []},
    config([]),
    config([], ['a']),
    config(['a', 'a']),
    config(['a'], ['a']),
    config(['']),
    {voters: [1], learners: []},
  ])('%j is none', (value) => {
    expect(isConfig(value)).toBe(false)
    expect(parseConfig(JSON.stringify(value))).toBeNull()
  })

  test('is not read from what is no JSON', () => {
    expect(parseConfig('{')).toBeNull()
  })

  test('follows another if one voter comes or goes; learners are free', () => {
    expect(isSingleStep(config(ABC), config(['a', 'b']))).toBe(true)
    expect(isSingleStep(config(ABC), config(['a', 'b', 'c', 'd'], ['x', 'y']))).toBe(true)
    expect(isSingleStep(config(ABC), config(['c', 'b', 'a']))).toBe(true)
    expect(isSingleStep(config(ABC), config(['a', 'b', 'd']))).toBe(false)
    expect(isSingleStep(config(ABC), config(['a']))).toBe(false)
  })
})

test('the history of configurations goes back with the log, and forgets what a snapshot holds', () => {
  const history = new ConfigHistory(0, config([]))
  for (const index of [1, 5, 9]) history.add(index, JSON.stringify(config([`v${index}`])))
  expect(history.latest.voters).toEqual(['v9'])
  expect(history.at(8).voters).toEqual(['v5'])
  expect(history.since(4).map(({voters}) => voters[0])).toEqual(['v1', 'v5', 'v9'])
  history.truncate(9)
  expect(history.latestIndex).toBe(5)
  history.forgetBefore(7)
  expect(history.latest.voters).toEqual(['v5'])
  expect(() => history.at(6)).toThrow('forgotten')
})

describe('a change of members', () => {
  test('grows one voter to three, through learners', () => {
    const group = new TestGroup(['a'])
    group.elect('a')
    group.add('b', EMPTY_STATE)
    group.add('c', EMPTY_STATE)
    group.propose('a', 'x')
    expect(group.change('a', config(['a'], ['b', 'c']))).toBe(true)
    expect(group.node('b').data).toEqual(['x'])
    expect(group.node('b').raft.isVoter).toBe(false)
    expect(group.change('a', config(['a', 'b'], ['c']))).toBe(true)
    expect(group.change('a', config(ABC))).toBe(true)
    group.cut('a')
    group.pass(3 * TIMEOUT_MS)
    expect(['b', 'c'].filter((id) => group.node(id).raft.role === 'leader')).toHaveLength(1)
  })

  test('is in force when it is appended, and committed by the new majority', () => {
    const group = new TestGroup(['a', 'b'])
    const node = group.elect('a')
    group.add('c', EMPTY_STATE)
    group.cut('b', 'c')
    expect(group.change('a', config(ABC))).toBe(true)
    expect(node.raft.config.voters).toEqual(ABC)
    expect(node.raft.committedConfig.voters).toEqual(['a', 'b'])
    group.heal()
    group.cut('b')
    group.pass(200)
    expect(node.raft.committedConfig.voters).toEqual(ABC)
  })

  test('is refused while another is under way, before an entry of the term is committed, and if it is too large', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    expect(group.change('a', config(['a', 'd', 'b']))).toBe(false)
    expect(group.change('a', config([]))).toBe(false)
    group.cut('b', 'c')
    expect(group.change('a', config(['a', 'b', 'c', 'd']))).toBe(true)
    expect(group.change('a', config(ABC))).toBe(false)

    const fresh = new TestGroup(ABC)
    fresh.cut('c')
    fresh.elect('a')
    fresh.cut('b')
    fresh.propose('a', 'x')
    expect(fresh.change('a', config(['a', 'b']))).toBe(true)
    const young = new TestNode('a', node.durable)
    expect(young.raft.changeConfig(config(['a', 'b']), young.now)).toBe(false)
  })

  test('is refused by a new leader whose no-op is not committed', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.propose('a', 'x')
    const {term} = node.raft
    node.now += TIMEOUT_MS
    node.step('b', {type: 'voteReply', term: term + 1, granted: false})
    node.tickToElection()
    node.step('b', {type: 'preVoteReply', term: term + 2, granted: true})
    node.sync()
    node.step('b', {type: 'voteReply', term: term + 2, granted: true})
    expect(node.raft.role).toBe('leader')
    expect(node.raft.changeConfig(config(['a', 'b']), node.now)).toBe(false)
    node.sent = []
    node.sync()
    const index = node.raft.lastIndex
    node.step('b', {type: 'appendReply', term: term + 2, round: 1, ok: true, index, hintIndex: 0, hintTerm: 0})
    expect(node.raft.changeConfig(config(['a', 'b']), node.now)).toBe(true)
  })

  test('is taken back with its entry', () => {
    const group = new TestGroup(ABC)
    group.elect('a')
    group.cut('a')
    expect(group.change('a', config([...ABC, 'd']))).toBe(true)
    expect(group.node('a').raft.config.voters).toHaveLength(4)
    group.elect('b')
    group.heal()
    group.pass(200)
    expect(group.node('a').raft.config.voters).toEqual(ABC)
  })

  test('survives a restart before it is committed', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.cut('b', 'c')
    group.change('a', config(['a', 'b']))
    node.restart()
    expect(node.raft.config.voters).toEqual(['a', 'b'])
  })

  test('tells who is removed, so that it does not campaign', () => {
    const group = new TestGroup(ABC)
    group.elect('a')
    group.change('a', config(['a', 'b']))
    const gone = group.node('c')
    expect(gone.raft.isVoter).toBe(false)
    expect(gone.raft.committedConfig.voters).toEqual(['a', 'b'])
    group.cut('c')
    group.pass(3000)
    expect(gone.raft).toMatchObject({role: 'follower', leader: null})
    expect(group.node('a').raft.role).toBe('leader')
  })

  test('that a removed voter never heard of does not let it disturb the others', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    const {term} = node.raft
    group.cut('c')
    group.change('a', config(['a', 'b']))
    group.heal()
    group.pass(5000)
    expect(node.raft).toMatchObject({role: 'leader', term})
  })

  test('that removes the leader: it leads until the commit, steps down and urges a successor', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.cut('b', 'c')
    group.change('a', config(['b', 'c']))
    expect(node.raft.role).toBe('leader')
    group.heal()
    group.pass(150)
    expect(node.raft).toMatchObject({role: 'follower', isVoter: false})
    expect(['b', 'c'].filter((id) => group.node(id).raft.role === 'leader')).toHaveLength(1)
  })

  test('that removes the leader does not count it for its own commit', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.cut('c')
    group.change('a', config(['b', 'c']))
    expect(node.raft.committedConfig.voters).toEqual(ABC)
    expect(node.raft.role).toBe('leader')
  })

  test('whose only holder restarts is carried on by it, although it is no voter any more', () => {
    const group = new TestGroup(['a', 'b'])
    const node = group.elect('b')
    group.cut('a')
    group.change('b', config(['a']))
    node.restart()
    group.heal()
    group.pass(4 * TIMEOUT_MS)
    expect(node.raft).toMatchObject({role: 'follower', isVoter: false})
    expect(group.node('a').raft).toMatchObject({role: 'leader'})
    expect(group.node('a').raft.committedConfig).toEqual(config(['a']))
  })
})

describe('a learner', () => {
  test('gets the log, does not count and does not campaign', () => {
    const group = new TestGroup(ABC)
    group.elect('a')
    group.add('l', EMPTY_STATE)
    group.change('a', config(ABC, ['l']))
    group.cut('b', 'c')
    group.propose('a', 'x')
    expect(group.node('a').data).toEqual([])
    group.heal()
    group.pass(200)
    expect(group.node('l').data).toEqual(['x'])
    group.cut('a', 'b', 'c')
    group.pass(3000)
    expect(group.node('l').raft).toMatchObject({role: 'follower', leader: null})
  })

  test('refuses to take over', () => {
    const group = new TestGroup(['a'])
    group.elect('a')
    const learner = group.add('l', EMPTY_STATE)
    group.change('a', config(['a'], ['l']))
    learner.step('a', {type: 'timeoutNow', term: learner.raft.term})
    expect(learner.raft.role).toBe('follower')
  })
})

describe('a transfer', () => {
  test('hands over at once, without waiting for a timeout', () => {
    const group = new TestGroup(ABC)
    const {raft, now} = group.elect('a')
    expect(raft.transfer('b', now)).toBe(true)
    expect(raft.propose('x', now)).toBeNull()
    expect(raft.changeConfig(config(['a', 'b']), now)).toBe(false)
    expect(raft.transfer('c', now)).toBe(false)
    group.settle()
    expect(group.node('b').raft.role).toBe('leader')
    expect(raft).toMatchObject({role: 'follower', leader: 'b'})
  })

  test('waits until the successor has everything', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.cut('b')
    group.propose('a', 'x')
    expect(node.raft.transfer('b', node.now)).toBe(true)
    expect(node.take('timeoutNow')).toEqual([])
    group.heal()
    group.pass(200)
    expect(group.node('b').raft.role).toBe('leader')
    expect(group.node('b').data).toEqual(['x'])
  })

  test('asks again if the word is lost', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    node.raft.transfer('b', node.now)
    expect(node.take('timeoutNow')).toHaveLength(1)
    group.pass(100)
    expect(group.node('b').raft.role).toBe('leader')
  })

  test('is given up after a timeout', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.cut('b')
    node.raft.transfer('b', node.now)
    group.pass(TIMEOUT_MS + 10)
    expect(node.raft.role).toBe('leader')
    expect(node.raft.propose('x', node.now)).not.toBeNull()
  })

  test('goes to another voter only', () => {
    const group = new TestGroup(ABC)
    const node = group.elect('a')
    group.change('a', config(ABC, ['l']))
    for (const id of ['a', 'l', 'x']) expect(node.raft.transfer(id, node.now)).toBe(false)
  })

  test('that comes late, in an older term, is ignored', () => {
    const group = new TestGroup(ABC)
    group.elect('a')
    group.elect('b')
    group.node('c').step('a', {type: 'timeoutNow', term: 2})
    expect(group.node('c').raft.role).toBe('follower')
  })
})

test('a cluster begins with one voter, whose configuration is in its log', () => {
  expect(Raft.bootstrap('a')).toEqual({
    term: 1,
    vote: null,
    snapshot: null,
    entries: [{index: 1, term: 1, kind: 'config', data: '{"voters":["a"],"learners":[]}'}],
  })
})
