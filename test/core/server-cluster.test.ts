/** What clients and our own tools are told of a cluster of several nodes: all of it from the committed map. */
import {describe, expect, it} from 'vitest'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {ClusterStage, fields, idOf, masterOf, memberInfo, nodeLines, SELF_ID, trio} from './server-cluster-support.ts'
import type {Plain} from './server-support.ts'

const SELF: Plain = ['10.0.0.99', 7379, SELF_ID, []]
const node = (n: number): Plain => [`10.0.0.${n}`, 7000, idOf(n), []]

describe('CLUSTER SLOTS', () => {
  it('has one entry for each run of buckets with the same master and replicas, the master first', () => {
    expect(trio().call('CLUSTER', 'SLOTS')).toEqual([
      [0, 49, node(1), SELF],
      [50, 99, SELF, node(1)],
      [100, 199, SELF, node(2)],
      [200, 16_383, SELF],
    ])
  })

  it('names neither masters nor replicas that are down', () => {
    const stage = trio()
    stage.apply({type: 'down', node: idOf(2), incarnation: memberInfo(2).incarnation})
    const slots = stage.call('CLUSTER', 'SLOTS') as Plain[][]
    expect(slots.map(([first, last]) => [first, last])).toEqual([
      [0, 49],
      [50, 99],
      [100, 16_383],
    ])
    // The last copy of a bucket: it stays master, and nobody can be sent there.
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...masterOf(1, '0-49', 2)})
    stage.apply({type: 'down', node: idOf(1), incarnation: memberInfo(1).incarnation})
    expect((stage.call('CLUSTER', 'SLOTS') as Plain[][]).map(([first]) => first)).toEqual([50])
  })

  it('is the same bytes again for the same map, and new ones for a new map', () => {
    const stage = trio()
    const first = stage.stage.connect().raw('CLUSTER', 'SLOTS')
    expect(stage.stage.connect().raw('CLUSTER', 'SLOTS')).toBe(first)
    stage.copy(1, '200')
    expect(stage.stage.connect().raw('CLUSTER', 'SLOTS')).not.toBe(first)
  })

  it('speaks both protocols from one cache', () => {
    const stage = trio()
    const client = stage.stage.connect()
    expect(client.raw('CLUSTER', 'SLOTS')).toContain(`\r\n*0\r\n`)
    client.call('HELLO', '3')
    expect(client.raw('CLUSTER', 'SLOTS')).toContain(`\r\n%0\r\n`)
    expect(stage.stage.connect().raw('CLUSTER', 'SLOTS')).toContain(`\r\n*0\r\n`)
  })

  it('is empty for a node that knows no map yet', () => {
    const stage = new ClusterStage({isFounder: false})
    expect(stage.call('CLUSTER', 'SLOTS')).toEqual([])
    expect(stage.call('CLUSTER', 'SHARDS')).toEqual([])
    expect(stage.call('LISTBUCKETS')).toEqual([])
  })
})

describe('CLUSTER SHARDS', () => {
  const entry = (reply: Plain, name: string): Plain => (reply as Plain[])[(reply as Plain[]).indexOf(name) + 1]!
  const shardsOf = (stage: ClusterStage): Plain[] => stage.call('CLUSTER', 'SHARDS') as Plain[]

  it('joins buckets with the same nodes, tells roles and health, and every shard has its own id', () => {
    const stage = trio()
    stage.copy(1, '300-301')
    const shards = shardsOf(stage)
    expect(shards.map((shard) => entry(shard, 'slots'))).toEqual([
      [0, 49],
      [50, 99, 300, 301],
      [100, 199],
      [200, 299, 302, 16_383],
    ])
    const roles = (shard: Plain): Plain[] =>
      (entry(shard, 'nodes') as Plain[]).map((one) => [entry(one, 'id'), entry(one, 'role'), entry(one, 'health')])
    expect(roles(shards[0]!)).toEqual([
      [idOf(1), 'master', 'online'],
      [SELF_ID, 'replica', 'online'],
    ])
    const ids = shards.map((shard) => String(entry(shard, 'id')))
    expect(new Set(ids).size).toBe(4)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{40}$/)
    // Of its shards the largest.
    expect(stage.call('CLUSTER', 'MYSHARDID')).toBe(ids[3])
    expect(ids[3]).toBe(SELF_ID)
  })

  it('shows a node without buckets, and a master that is down as failed', () => {
    const stage = trio()
    stage.join(3)
    expect(entry(shardsOf(stage)[4]!, 'slots')).toEqual([])
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...masterOf(1, '0-49', 2)})
    stage.apply({type: 'down', node: idOf(1), incarnation: memberInfo(1).incarnation})
    const [shard] = shardsOf(stage)
    expect(entry((entry(shard!, 'nodes') as Plain[])[0]!, 'health')).toBe('fail')
  })

  it('all nodes are at the same offset, which is not zero', () => {
    const shards = shardsOf(trio())
    const offsets = shards.flatMap((shard) =>
      (entry(shard, 'nodes') as Plain[]).map((one) => entry(one, 'replication-offset')),
    )
    expect(new Set(offsets).size).toBe(1)
    expect(offsets[0]).toBeGreaterThan(0)
  })
})

describe('CLUSTER NODES, REPLICAS and LINKS', () => {
  it('a master has its ranges, whoever its replicas are; who only has copies is a slave of the one it has most from', () => {
    const stage = trio()
    stage.join(3)
    stage.cluster.connected(idOf(1), memberInfo(1).incarnation, stage.now)
    expect(nodeLines(stage)).toEqual([
      `${SELF_ID} 10.0.0.99:7379@17379 myself,master - 0 0 1 connected 50-16383`,
      `${idOf(1)} 10.0.0.1:7000@17000 master - 0 0 2 connected 0-49`,
      `${idOf(2)} 10.0.0.2:7000@17000 slave ${SELF_ID} 0 0 1 disconnected`,
      `${idOf(3)} 10.0.0.3:7000@17000 master - 0 0 0 disconnected`,
    ])
  })

  it('marks who is down', () => {
    const stage = trio()
    stage.apply({type: 'down', node: idOf(2), incarnation: memberInfo(2).incarnation})
    expect(nodeLines(stage)[2]).toBe(`${idOf(2)} 10.0.0.2:7000@17000 master,fail - 0 0 0 disconnected`)
    expect(stage.call('CLUSTER', 'COUNT-FAILURE-REPORTS', idOf(2))).toBe(1)
    expect(stage.call('CLUSTER', 'COUNT-FAILURE-REPORTS', idOf(1))).toBe(0)
  })

  it('a node that is not let in yet still shows itself', () => {
    const stage = new ClusterStage({isFounder: false})
    expect(nodeLines(stage)).toEqual([`${SELF_ID} 10.0.0.99:7379@17379 myself,master - 0 0 0 connected`])
    expect(stage.call('CLUSTER', 'MYSHARDID')).toBe(SELF_ID)
  })

  it('REPLICAS has everybody with a copy of a bucket of that node', () => {
    const stage = trio()
    const lines = nodeLines(stage)
    expect(stage.call('CLUSTER', 'REPLICAS', SELF_ID)).toEqual([lines[1], lines[2]])
    expect(stage.call('CLUSTER', 'SLAVES', idOf(1))).toEqual([lines[0]])
    expect(stage.call('CLUSTER', 'REPLICAS', idOf(7))).toBe(`-ERR Unknown node ${idOf(7)}`)
  })

  it('LINKS has the connected peers', () => {
    const stage = trio()
    expect(stage.call('CLUSTER', 'LINKS')).toEqual([])
    stage.cluster.connected(idOf(2), memberInfo(2).incarnation, stage.now)
    expect((stage.call('CLUSTER', 'LINKS') as Plain[][]).map((link) => link.slice(0, 4))).toEqual([
      ['direction', 'to', 'node', idOf(2)],
    ])
  })
})

describe('CLUSTER INFO', () => {
  it('is ok while every bucket has a master that lives', () => {
    expect(fields(trio().call('CLUSTER', 'INFO'))).toMatchObject({
      ...{cluster_state: 'ok', cluster_slots_assigned: '16384', cluster_slots_ok: '16384', cluster_slots_fail: '0'},
      ...{cluster_known_nodes: '3', cluster_size: '2', cluster_current_epoch: '2', cluster_my_epoch: '1'},
    })
  })

  it('counts buckets whose master is down as failed, and lost ones as not assigned, too', () => {
    const stage = trio()
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...masterOf(1, '0-49', 2)})
    stage.apply({type: 'down', node: idOf(1), incarnation: memberInfo(1).incarnation})
    const bad = {cluster_state: 'fail', cluster_slots_ok: '16334', cluster_slots_fail: '50'}
    expect(fields(stage.call('CLUSTER', 'INFO'))).toMatchObject({
      ...{...bad, cluster_slots_assigned: '16384', cluster_slots_lost: '0'},
    })
    stage.apply({type: 'removed', node: idOf(1)})
    expect(fields(stage.call('CLUSTER', 'INFO'))).toMatchObject({
      ...{...bad, cluster_slots_assigned: '16334', cluster_slots_lost: '50', cluster_known_nodes: '2'},
    })
  })

  it('fails on a node that has lost touch with the others, and on one that was never let in', () => {
    const stage = trio()
    stage.cluster.leader = null
    stage.run(2_000)
    expect(fields(stage.call('CLUSTER', 'INFO'))).toMatchObject({cluster_state: 'fail', cluster_slots_ok: '16384'})
    const stranger = new ClusterStage({isFounder: false})
    expect(fields(stranger.call('CLUSTER', 'INFO'))).toMatchObject({
      ...{cluster_state: 'fail', cluster_slots_assigned: '0', cluster_slots_fail: '0', cluster_known_nodes: '1'},
    })
  })
})

describe('buckets of others', () => {
  it('LISTBUCKETS tells masters from replicas and leaves out the rest', () => {
    const stage = trio()
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...masterOf(1, '0', 2)})
    const listed = stage.call('LISTBUCKETS') as string[]
    expect(listed.slice(0, 4)).toEqual(['1', 'S', '2', 'S'])
    expect(listed.slice(96, 100)).toEqual(['49', 'S', '50', 'M'])
    expect(listed).toHaveLength(2 * (BUCKET_COUNT - 1))
  })

  it('SLOT-STATS leaves out those that are not here', () => {
    const stage = trio()
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...masterOf(1, '0-47', 2)})
    const rows = stage.call('CLUSTER', 'SLOT-STATS', 'SLOTSRANGE', 46, 49) as Plain[][]
    expect(rows.map(([bucket]) => bucket)).toEqual([48, 49])
  })
})

it('keys are counted where they are', () => {
  const stage = trio()
  const bucket = keyBucket(Buffer.from('k'), 0, 1)
  stage.call('SET', 'k', 'v')
  expect(stage.call('CLUSTER', 'COUNTKEYSINSLOT', bucket)).toBe(1)
})
