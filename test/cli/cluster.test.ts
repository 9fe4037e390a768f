import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {parseBuckets} from '../../src/base/bucket-ranges.ts'
import {askMembers, disagreements, problemsOf, shortRanges, type Problem} from '../../src/cli/cluster-check.ts'
import {ClusterLink} from '../../src/cli/cluster-link.ts'
import {nodeAddresses} from '../../src/cli/connect.ts'
import {findMember, parseState, requireBuckets, type ClusterState} from '../../src/cli/cluster-state.ts'
import {moveBuckets, planBuckets, type MoveResult} from '../../src/cli/move-buckets.ts'
import {rebalance} from '../../src/cli/rebalance.ts'
import {removeNode} from '../../src/cli/remove-node.ts'
import {memberInfo, idOf, SELF_ID} from '../core/server-cluster-support.ts'
import {freePort} from '../support/ports.ts'
import {down, joinDeaf, loseCopies, startClusterServer, type ClusterServer} from './cluster-server.ts'

let fake: ClusterServer
let link: ClusterLink

beforeEach(async () => {
  fake = await startClusterServer()
  link = new ClusterLink({node: fake.address})
})
afterEach(async () => {
  link.close()
  await fake.server.stop()
})

const settle = (): void => fake.stage.apply({type: 'balanced', revision: fake.stage.cluster.map.revision})
const asked = {address: {host: '127.0.0.1', port: 7379}, nodeFlag: ''}
const problems = async (): Promise<Problem[]> => problemsOf(await link.state(), asked)
const kinds = async (): Promise<string[]> => (await problems()).map(({kind}) => kind)
const never = new AbortController().signal

describe('what is wrong', () => {
  test('a node of two copies that is alone is at risk, and the command starts another', async () => {
    expect(await problems()).toMatchObject([
      {kind: 'too-few-nodes', severity: 'risk', command: 'kv node start --port 0 --join 127.0.0.1:7379'},
    ])
  })

  test('copies that are being made are no problem; those that nobody makes are', async () => {
    fake.stage.join(1)
    fake.stage.cluster.connected(idOf(1), memberInfo(1).incarnation, fake.stage.now)
    expect(await kinds()).toEqual([])
    settle()
    expect(await problems()).toMatchObject([
      {kind: 'under-replicated', buckets: '0-16383', command: 'kv buckets rebalance'},
    ])
  })

  test('buckets that wait for a dead node, then lost ones, come before risks', async () => {
    fake.stage.join(1, 2)
    loseCopies(fake, '5-9')
    const waiting = await problems()
    expect(waiting[0]).toMatchObject({
      kind: 'down',
      severity: 'outage',
      buckets: '5-9',
      command: 'kv node remove 00000000',
    })
    expect(waiting[0]!.text).toContain('5 buckets (5-9)')
    expect(waiting.slice(1).every(({severity}) => severity === 'risk')).toBe(true)
    fake.stage.apply({type: 'removed', node: idOf(1)})
    expect((await problems())[0]).toMatchObject({kind: 'lost', buckets: '5-9', command: 'kv buckets accept-loss 5-9'})
  })

  test('nodes that are down or not connected', async () => {
    fake.stage.join(1, 2, 3)
    fake.stage.cluster.connected(idOf(2), memberInfo(2).incarnation, fake.stage.now)
    down(fake, 1)
    expect(await problems()).toMatchObject([
      {kind: 'node-down', text: expect.stringContaining('10.0.0.1:7000') as string},
      {kind: 'no-link', text: expect.stringContaining('10.0.0.3:7000') as string},
    ])
  })

  test('no leader, no lease, not let in', async () => {
    const state = await link.state()
    const kindOf = (change: Partial<ClusterState>): string[] =>
      problemsOf({...state, replicas: 0, ...change}, asked).map(({kind}) => kind)
    expect(kindOf({})).toEqual([])
    expect(kindOf({leader: null, hasLease: false})).toEqual(['no-leader'])
    expect(kindOf({hasLease: false})).toEqual(['no-lease'])
    expect(kindOf({isAdmitted: false})).toEqual(['not-admitted'])
    expect(kindOf({revision: 0, members: []})).toEqual(['not-a-member'])
    expect(kindOf({clusterId: '', leader: null, isAdmitted: false})).toEqual([])
  })

  test('members that do not answer, or answer otherwise, are found by asking them', async () => {
    await joinDeaf(fake, 1)
    const state = await link.state()
    const witnesses = await askMembers(state, undefined)
    expect(disagreements(state, witnesses).map(({kind}) => kind)).toEqual(['no-answer'])
    const own = witnesses.find(({state: said}) => said)!
    const kindOf = (said: Partial<ClusterState>): string[] =>
      disagreements(state, [{...own, state: {...own.state!, ...said}}]).map(({kind}) => kind)
    expect(kindOf({})).toEqual([])
    expect(kindOf({self: idOf(5)})).toEqual(['wrong-node'])
    expect(kindOf({clusterId: idOf(5)})).toEqual(['other-cluster'])
    expect(kindOf({isAdmitted: false})).toEqual(['not-admitted'])
    expect(kindOf({leader: idOf(1), term: 99})).toEqual(['other-leader'])
    expect(kindOf({hasLease: false})).toEqual(['no-lease'])
  })
})

describe('reading', () => {
  test('buckets as people type them', () => {
    expect(requireBuckets('9, 1-3 2')).toEqual([1, 2, 3, 9])
    for (const text of ['', 'x', '5-3', '16384', '1-', '-1']) expect(() => requireBuckets(text)).toThrow()
  })

  test('long lists of ranges are cut between ranges', () => {
    expect(shortRanges('1,3,5', 10)).toBe('1,3,5')
    expect(shortRanges('1,3,5,7,9,11,13', 8)).toBe('1,3,5,7,+3 more')
    expect(shortRanges('10000-10001,3', 11)).toBe('10000-10001,+1 more')
  })

  test('a node by id, by the beginning of its id, by address', async () => {
    fake.stage.join(1, 2, 0x1f)
    const state = await link.state()
    expect(findMember(state, SELF_ID).id).toBe(SELF_ID)
    expect(findMember(state, 'AB').id).toBe(SELF_ID)
    expect(findMember(state, '10.0.0.2:7000').id).toBe(idOf(2))
    expect(() => findMember(state, '00')).toThrow(/the beginning of 3 node ids/)
    expect(() => findMember(state, 'ff')).toThrow(expect.objectContaining({code: 'E_NOT_FOUND'}) as Error)
    expect(() => findMember(state, '10.0.0.2:7001')).toThrow(/No node of the cluster/)
  })

  test('another version of the state is refused', () => {
    const from = {host: 'h', port: 1}
    for (const text of ['', '[]', '{"version":1}', '{"version":2,"members":[],"ranges":[],"moves":[]}']) {
      expect(() => parseState(text, from)).toThrow(/that this kv does not know/)
    }
  })

  test('the first node that answers is asked; without one the first is blamed', async () => {
    const dead = `127.0.0.1:${await freePort()}`
    const other = new ClusterLink({node: `${dead}, ${fake.address}`})
    expect((await other.state()).self).toBe(SELF_ID)
    other.close()
    const none = new ClusterLink({node: dead})
    await expect(none.state()).rejects.toMatchObject({
      code: 'E_CONNECT',
      message: expect.stringContaining(dead) as string,
    })
    expect(nodeAddresses('a:1,b:2,')).toHaveLength(2)
  })

  test('a request whose reply was lost is sent again', async () => {
    await link.state()
    for (const socket of fake.server.sockets) socket.destroy()
    expect((await link.state()).self).toBe(SELF_ID)
  })
})

describe('moving buckets', () => {
  const move = (
    ranges: string,
    n: number,
    options: {timeoutMs?: number; signal?: AbortSignal} = {},
  ): Promise<MoveResult> =>
    moveBuckets({
      ...{link, buckets: parseBuckets(ranges)!, toId: n === 0 ? SELF_ID : idOf(n), onProgress: () => undefined},
      ...{timeoutMs: options.timeoutMs ?? 5_000, signal: options.signal ?? never},
    })
  const mastersOf = (n: number): number => {
    const {slot} = fake.stage.cluster.map.member(idOf(n))!
    return fake.stage.cluster.map.master.filter((master) => master === slot).length
  }

  test('copies first where there is no copy, and ends when the node is master of all', async () => {
    fake.stage.join(1)
    fake.stage.copy(1, '0-9')
    expect(await move('0-19', 1)).toEqual({moved: 20, already: 0, blocked: []})
    expect(mastersOf(1)).toBe(20)
    expect(fake.changes.filter(({type}) => type === 'assign')).toMatchObject([{buckets: '10-19'}])
    expect(await move('0-29', 1)).toEqual({moved: 10, already: 20, blocked: []})
  })

  test('orders some at a time, and again what was lost', async () => {
    fake.stage.join(1)
    fake.changesLost = 2
    expect(await move('0-999', 1)).toMatchObject({moved: 1_000})
    expect(fake.changes[0]).toMatchObject({type: 'assign', buckets: '0-511'})
    expect(fake.changes[2]).toMatchObject({type: 'assign', buckets: '0-511'})
  })

  test('takes back what was on its way elsewhere', async () => {
    fake.stage.join(1, 2)
    fake.isMoving = false
    fake.stage.apply({type: 'assign', node: idOf(2), buckets: '0-4'}, {type: 'target', node: idOf(2), buckets: '0-4'})
    const moving = move('0-4', 1)
    fake.onLook = () => (fake.isMoving = fake.changes.length > 0)
    expect(await moving).toMatchObject({moved: 5})
    expect(fake.changes[0]).toMatchObject({type: 'unassign', node: idOf(2), buckets: '0-4'})
    // A master that was about to go stays.
    fake.isMoving = false
    fake.stage.copy(2, '9')
    fake.stage.apply({type: 'target', node: idOf(2), buckets: '9'})
    expect(await move('9', 0)).toMatchObject({moved: 1})
    expect(fake.changes.at(-1)).toEqual({type: 'untarget', buckets: '9'})
  })

  test('says what cannot go there, and moves the rest', async () => {
    fake.stage.join(1, 2)
    loseCopies(fake, '5-6')
    expect(await move('4-7', 2)).toEqual({
      ...{moved: 2, already: 0},
      blocked: [{buckets: '5-6', reason: 'its master 10.0.0.1:7000 (00000000) is down'}],
    })
    await expect(move('4', 1)).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('is down') as string,
    })
  })

  test('time and Ctrl-C end the wait and say how to go on', async () => {
    fake.stage.join(1)
    fake.isMoving = false
    await expect(move('0-9', 1, {timeoutMs: 300})).rejects.toMatchObject({
      code: 'E_TIMEOUT',
      message: 'Not done in time: 0 of 10 buckets have moved. Those under way will still arrive.',
      hint: 'Run the same command again to go on.',
    })
    const abort = new AbortController()
    fake.onLook = () => abort.abort()
    await expect(move('0-9', 1, {signal: abort.signal})).rejects.toMatchObject({code: 'E_INTERRUPTED'})
    // What was ordered stands.
    expect(fake.stage.cluster.map.target[9]).toBe(1)
  })

  test('the plan says whence, how many, and what must be copied', async () => {
    fake.stage.join(1)
    fake.stage.copy(1, '0-9')
    expect(planBuckets(await link.state(), parseBuckets('0-19')!, idOf(1))).toMatchObject({
      ...{already: 0, blocked: [], groups: [{from: SELF_ID, buckets: '0-19', count: 20, toCopy: 10}]},
    })
  })
})

describe('rebalance and remove', () => {
  test('rebalance asks until it has begun, and waits until it is over', async () => {
    fake.changesLost = 1
    let looks = 0
    fake.onLook = () => {
      if (fake.stage.cluster.map.isBalancing && ++looks === 3) settle()
    }
    const result = await rebalance({
      link,
      timeoutMs: 5_000,
      signal: never,
      isWaiting: true,
      onProgress: () => undefined,
    })
    expect(fake.changes).toEqual([{type: 'rebalance'}, {type: 'rebalance'}])
    expect(looks).toBe(3)
    expect(result.revisions).toBe(2)
  })

  test('rebalance is not fooled by another change of the map when its own was lost', async () => {
    fake.stage.join(1)
    settle()
    fake.changesLost = 1
    const abort = new AbortController()
    fake.onLook = () => {
      if (fake.changes.length === 1) fake.stage.apply({type: 'replicas', count: 0})
      if (fake.changes.length === 2) abort.abort()
    }
    const options = {link, timeoutMs: 5_000, signal: abort.signal, isWaiting: true, onProgress: () => undefined}
    await expect(rebalance(options)).rejects.toMatchObject({code: 'E_INTERRUPTED'})
    expect(fake.changes).toEqual([{type: 'rebalance'}, {type: 'rebalance'}])
  })

  test('a node is removed when the map says so', async () => {
    fake.stage.join(1)
    down(fake, 1)
    fake.changesLost = 1
    await removeNode(link, idOf(1), {timeoutMs: 5_000, signal: never})
    expect(fake.changes).toHaveLength(2)
    expect(fake.stage.cluster.map.member(idOf(1))).toBe(null)
  })
})
