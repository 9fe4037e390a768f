/** What operators and other nodes ask of a cluster: changes of the map, and moves of buckets. */
import {describe, expect, it} from 'vitest'
import {BUCKET_MOVE_TIMEOUT_MS, CLUSTER_CHANGE_BYTES_MAX} from '../../src/constants.ts'
import {ClusterStage, idOf, memberInfo, SELF_ID} from './server-cluster-support.ts'
import {WAITING} from './server-support.ts'
import type {Plain} from './server-support.ts'

function pair(): ClusterStage {
  const stage = new ClusterStage()
  stage.join(1)
  return stage
}

function change(stage: ClusterStage, entry: unknown): Plain {
  const reply = stage.call('CLUSTER', 'CHANGE', typeof entry === 'string' ? entry : JSON.stringify(entry))
  stage.settle()
  return reply
}

/** The buckets that shall become this member's. */
function targets(stage: ClusterStage, n: number): number[] {
  const slot = stage.cluster.map.member(idOf(n))!.slot
  return [...stage.cluster.map.target.entries()].filter(([, target]) => target === slot).map(([bucket]) => bucket)
}

describe('CLUSTER CHANGE', () => {
  it('proposes what operators may change', () => {
    const stage = pair()
    const {map} = stage.cluster
    expect(change(stage, {type: 'assign', node: idOf(1), buckets: '5-6'})).toBe('OK')
    expect([map.syncing[5], map.syncing[6]]).toEqual([1, 1])
    expect(change(stage, {type: 'target', node: idOf(1), buckets: '5'})).toBe('OK')
    expect(targets(stage, 1)).toEqual([5])
    expect(change(stage, {type: 'untarget', buckets: '5'})).toBe('OK')
    expect(targets(stage, 1)).toEqual([])
    expect(change(stage, {type: 'unassign', node: idOf(1), buckets: '5-6'})).toBe('OK')
    expect(map.syncing[5]).toBe(255)
    expect(change(stage, {type: 'replicas', count: 2})).toBe('OK')
    expect(map.replicas).toBe(2)
    const {incarnation} = memberInfo(1)
    expect(change(stage, {type: 'leaving', node: idOf(1), incarnation, isLeaving: true})).toBe('OK')
    expect(map.member(idOf(1))!.isLeaving).toBe(true)
    expect(change(stage, {type: 'removed', node: idOf(1)})).toBe('OK')
    expect(map.member(idOf(1))).toBe(null)
  })

  it('says OK to what is so already: asking twice does no harm', () => {
    const stage = pair()
    expect(change(stage, {type: 'rebalance'})).toBe('OK')
    expect(change(stage, {type: 'rebalance'})).toBe('OK')
    expect(stage.cluster.map.isBalancing).toBe(true)
  })

  it('accepts the loss of a bucket whose last copy is gone', () => {
    const stage = pair()
    stage.copy(1, '7')
    stage.move(1, '7')
    const from = {from: idOf(1), incarnation: memberInfo(1).incarnation, groups: [{epoch: 2, buckets: '7'}]}
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...from})
    stage.apply({type: 'down', node: idOf(1), incarnation: memberInfo(1).incarnation}, {type: 'removed', node: idOf(1)})
    expect(stage.cluster.map.master[7]).toBe(255)
    expect(change(stage, {type: 'accept-loss', node: SELF_ID, buckets: '7'})).toBe('OK')
    expect(stage.cluster.map.master[7]).toBe(0)
  })

  it.each([
    ['no JSON', '{', 'ERR that is no entry of the cluster map'],
    ['an unknown type', {type: 'nonsense'}, 'ERR that is no entry of the cluster map'],
    ['bad buckets', {type: 'untarget', buckets: '5-3'}, 'ERR that is no entry of the cluster map'],
    ['what only nodes may say', {type: 'down', node: idOf(1), incarnation: 'c0'.repeat(8)}, 'are not for operators'],
    ['a new member', {type: 'joined', member: memberInfo(5)}, 'are not for operators'],
    ['an unknown node', {type: 'removed', node: idOf(8)}, `ERR Unknown node ${idOf(8)}`],
    [
      'another process by now',
      {type: 'leaving', node: idOf(1), incarnation: 'd1'.repeat(8), isLeaving: true},
      'ERR that node has been started anew since',
    ],
    ['too long', ' '.repeat(CLUSTER_CHANGE_BYTES_MAX + 1), 'ERR the entry is too long'],
  ])('refuses %s, and changes nothing', (_name, entry, error) => {
    const stage = pair()
    const {revision} = stage.cluster.map
    expect(change(stage, entry)).toContain(error)
    expect(stage.cluster.map.revision).toBe(revision)
  })

  it('refuses to remove a node that lives and has buckets', () => {
    const stage = pair()
    stage.copy(1, '3')
    expect(change(stage, {type: 'removed', node: idOf(1)})).toMatch(/^-ERR node 0+1 is alive and holds buckets/)
  })

  it('says so where a proposal would go nowhere', () => {
    const stranger = new ClusterStage({isFounder: false})
    expect(change(stranger, {type: 'rebalance'})).toBe('-ERR this node is not a member of the cluster')
    const stage = pair()
    Object.defineProperty(stage.cluster.raft, 'leader', {value: null})
    expect(change(stage, {type: 'rebalance'})).toMatch(/^-ERR the cluster has no leader at the moment/)
  })
})

describe('FORGET, FAILOVER, MEET', () => {
  it('FORGET takes out a dead node, and no living one with buckets', () => {
    const stage = pair()
    stage.copy(1, '3')
    expect(stage.call('CLUSTER', 'FORGET', idOf(1))).toMatch(/^-ERR node 0+1 is alive/)
    stage.apply({type: 'down', node: idOf(1), incarnation: memberInfo(1).incarnation})
    expect(stage.call('CLUSTER', 'FORGET', idOf(1))).toBe('OK')
    stage.settle()
    expect(stage.cluster.map.member(idOf(1))).toBe(null)
    expect(stage.call('CLUSTER', 'FORGET', idOf(1))).toBe(`-ERR Unknown node ${idOf(1)}`)
    expect(stage.call('CLUSTER', 'FORGET', SELF_ID)).toBe("-ERR I tried hard but I can't forget myself...")
  })

  it('FAILOVER on a replica asks for the buckets of its master', () => {
    const stage = pair()
    expect(stage.call('CLUSTER', 'FAILOVER')).toBe('-ERR You should send CLUSTER FAILOVER to a replica')
    stage.copy(1, '0-16383')
    stage.move(1, '0-16383')
    expect(stage.call('CLUSTER', 'FAILOVER', 'SOON')).toBe('-ERR syntax error')
    expect(stage.call('CLUSTER', 'FAILOVER', 'FORCE')).toBe('OK')
    stage.settle()
    expect(stage.cluster.map.target.every((slot) => slot === 0)).toBe(true)
  })

  it('MEET says how a node joins, and has nothing to do for a member', () => {
    const stage = pair()
    expect(stage.call('CLUSTER', 'MEET', '10.0.0.1', '7000')).toBe('OK')
    expect(stage.call('CLUSTER', 'MEET', '10.0.0.8', '7000')).toBe(
      '-ERR nodes join by themselves: kv cluster join 10.0.0.8:7000 --to 10.0.0.99:7379',
    )
  })
})

describe('min-replicas-to-write', () => {
  it('refuses writes to buckets with fewer replicas before anything is applied, and reads none', () => {
    const stage = pair()
    const key = '{3560}'
    const bucket = Number(stage.call('CLUSTER', 'KEYSLOT', key))
    expect(stage.call('CONFIG', 'SET', 'min-replicas-to-write', '1')).toBe('OK')
    const refused = '-NOREPLICAS Not enough good replicas to write.'
    expect(stage.call('SET', key, 'v')).toBe(refused)
    expect(stage.call('GET', key)).toBe(null)
    expect(stage.call('FLUSHALL')).toBe(refused)
    const client = stage.stage.connect()
    client.call('MULTI')
    expect(client.call('SET', key, 'v')).toBe(refused)
    expect(client.call('EXEC')).toMatch(/^-EXECABORT/)
    stage.copy(1, String(bucket))
    // What was queued while there were enough is looked at again.
    client.call('MULTI')
    expect(client.call('SET', key, 'v')).toBe('QUEUED')
    expect(stage.call('CONFIG', 'SET', 'min-slaves-to-write', '2')).toBe('OK')
    expect(client.call('EXEC')).toBe(refused)
    expect(stage.call('CONFIG', 'GET', 'min-replicas-to-write')).toEqual(['min-replicas-to-write', '2'])
    expect(stage.call('DBSIZE')).toBe(0)
  })
})

describe('REQUESTMOVE', () => {
  it('makes the node at the address the target of our bucket', () => {
    const stage = pair()
    expect(stage.call('REQUESTMOVE', '5', '10.0.0.1', '7000')).toBe('OK')
    expect(stage.call('REQUESTMOVE', '6', '10.0.0.1', '7000')).toBe('OK')
    stage.run(100)
    expect(targets(stage, 1)).toEqual([5, 6])
    stage.run(300)
    expect(stage.stage.engine.waits.count).toBe(0)
  })

  it('only says that it was received: strangers and buckets of others change nothing', () => {
    const stage = pair()
    stage.copy(1, '7')
    stage.move(1, '7')
    const {revision} = stage.cluster.map
    expect(stage.call('REQUESTMOVE', '5', '10.0.0.77', '7000')).toBe('OK')
    expect(stage.call('REQUESTMOVE', '7', '10.0.0.1', '7000')).toBe('OK')
    stage.run(300)
    expect(stage.cluster.map.revision).toBe(revision)
    expect(stage.call('REQUESTMOVE', '16384', '10.0.0.1', '7000')).toBe('-ERR Invalid or out of range slot')
    expect(stage.call('BUCKETMOVED', '7', '10.0.0.1', '7000', '10.0.0.99', '7379')).toBe('OK')
    expect(stage.call('BUCKETMOVED', '7', '10.0.0.1', '0', '10.0.0.99', '7379')).toBe('-ERR Invalid port')
  })

  it('proposes again what was lost', () => {
    const stage = pair()
    const propose = stage.cluster.propose.bind(stage.cluster)
    let lost = 0
    stage.cluster.propose = () => void lost++
    stage.call('REQUESTMOVE', '5', '10.0.0.1', '7000')
    stage.run(100)
    expect(lost).toBeGreaterThan(0)
    stage.cluster.propose = propose
    stage.run(500)
    expect(targets(stage, 1)).toEqual([5])
  })
})

describe('DUMPBUCKET', () => {
  /** Bucket 5 is at node 1, and nothing of it is here. */
  function away(): ClusterStage {
    const stage = pair()
    stage.copy(1, '5')
    stage.move(1, '5')
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...fromOne(2)})
    return stage
  }
  const fromOne = (epoch: number): {from: string; incarnation: string; groups: {epoch: number; buckets: string}[]} => ({
    from: idOf(1),
    incarnation: memberInfo(1).incarnation,
    groups: [{epoch, buckets: '5'}],
  })

  it('is answered when this node is master', () => {
    const stage = away()
    const client = stage.stage.connect()
    expect(client.send('DUMPBUCKET', '5', '10.0.0.1', '7000')).toBe(WAITING)
    stage.run(200)
    expect([stage.cluster.map.syncing[5], stage.cluster.map.target[5]]).toEqual([0, 0])
    expect(client.replies()).toEqual([])
    stage.carryOut()
    stage.run(400)
    expect(client.replies()).toEqual(['OK'])
    expect(stage.stage.engine.waits.count).toBe(0)
  })

  it('orders the move again while somebody waits for it', () => {
    const stage = away()
    stage.stage.connect().send('DUMPBUCKET', '5', '10.0.0.1', '7000')
    // Long enough for it to be seen as ordered.
    stage.run(400)
    stage.apply({type: 'unassign', node: SELF_ID, buckets: '5'})
    expect(stage.cluster.map.target[5]).toBe(255)
    stage.run(500)
    expect(stage.cluster.map.target[5]).toBe(0)
  })

  it('gives up after its time, and says that the move goes on', () => {
    const stage = away()
    const client = stage.stage.connect()
    client.send('DUMPBUCKET', '5', '10.0.0.1', '7000')
    stage.run(BUCKET_MOVE_TIMEOUT_MS + 500)
    expect(client.replies()).toEqual(['-ERR bucket 5 is not here after 60 s; its move goes on'])
    expect(stage.cluster.map.target[5]).toBe(0)
  })

  it('fails at once when the master goes down under it', () => {
    const stage = away()
    const client = stage.stage.connect()
    client.send('DUMPBUCKET', '5', '10.0.0.1', '7000')
    stage.run(100)
    stage.apply({type: 'down', node: idOf(1), incarnation: memberInfo(1).incarnation})
    stage.run(100)
    expect(client.replies()).toEqual(['-ERR the master of bucket 5 is down'])
  })

  it('forgets a client that left', () => {
    const stage = away()
    const client = stage.stage.connect()
    client.send('DUMPBUCKET', '5', '10.0.0.1', '7000')
    stage.stage.disconnect(client)
    stage.apply({type: 'assign', node: SELF_ID, buckets: '5'}, {type: 'target', node: SELF_ID, buckets: '5'})
    stage.carryOut()
    stage.run(500)
    expect(client.replies()).toEqual([])
    expect(stage.stage.engine.waits.count).toBe(0)
  })

  it.each([
    ['5', '10.0.0.77', 'ERR no member of the cluster has the address 10.0.0.77:7000'],
    ['5', '10.0.0.2', 'ERR that node is not the master of bucket 5: 10.0.0.1:7000 is'],
    ['16384', '10.0.0.1', 'ERR Invalid or out of range slot'],
  ])('refuses bucket %s of %s', (bucket, host, error) => {
    const stage = away()
    stage.join(2)
    expect(stage.call('DUMPBUCKET', bucket, host, '7000')).toBe(`-${error}`)
  })

  it('is OK at once for a bucket that is here, and not for a transaction', () => {
    const stage = away()
    expect(stage.call('DUMPBUCKET', '6', '10.0.0.1', '7000')).toBe('OK')
    const client = stage.stage.connect()
    client.call('MULTI')
    expect(client.call('DUMPBUCKET', '5', '10.0.0.1', '7000')).toMatch(/^-ERR Command not allowed inside/)
  })
})
