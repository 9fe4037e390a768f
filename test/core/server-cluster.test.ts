/** What clients and our own tools are told of a cluster of several nodes: all of it from the committed map. */
import {describe, expect, it} from 'vitest'
import fc from 'fast-check'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {ClusterMap, NO_NODE} from '../../src/core/cluster/cluster-map.ts'
import {ClusterView} from '../../src/core/cluster/view.ts'
import {ClusterStage, idOf, memberInfo, SELF_ID} from './server-cluster-support.ts'
import type {Plain} from './server-support.ts'

const SELF: Plain = ['10.0.0.99', 7379, SELF_ID, []]
const node = (n: number): Plain => [`10.0.0.${n}`, 7000, idOf(n), []]

/** Of three: 1 is master of 0-49 and replica of 50-99, 2 is replica of 100-199, all else is here alone. */
function trio(): ClusterStage {
  const stage = new ClusterStage()
  stage.join(1, 2)
  stage.copy(1, '0-99')
  stage.copy(2, '100-199')
  stage.move(1, '0-49')
  return stage
}

function fields(reply: Plain): Record<string, string> {
  const lines = String(reply).trim().split('\r\n')
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

const nodeLines = (stage: ClusterStage): string[] => String(stage.call('CLUSTER', 'NODES')).trimEnd().split('\n')

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

/** What a member would report as master of buckets. */
function masterOf(
  n: number,
  buckets: string,
  epoch: number,
): {from: string; incarnation: string; groups: {epoch: number; buckets: string}[]} {
  return {from: idOf(n), incarnation: memberInfo(n).incarnation, groups: [{epoch, buckets}]}
}

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

describe('ROLE, INFO replication, HELLO and WAIT', () => {
  it('a master names those with copies of its buckets', () => {
    const stage = trio()
    expect(stage.call('ROLE')).toEqual([
      'master',
      0,
      [
        ['10.0.0.1', '7000', '0'],
        ['10.0.0.2', '7000', '0'],
      ],
    ])
    expect(fields(stage.call('INFO', 'replication'))).toMatchObject({
      ...{role: 'master', connected_slaves: '2', slave0: 'ip=10.0.0.1,port=7000,state=wait_bgsave,offset=0,lag=0'},
    })
    stage.cluster.connected(idOf(1), memberInfo(1).incarnation, stage.now)
    expect(fields(stage.call('INFO', 'replication'))['slave0']).toContain('state=online')
  })

  it('a node with nothing but copies is a replica', () => {
    const stage = new ClusterStage()
    stage.join(1)
    stage.copy(1, '0-16383')
    stage.move(1, '0-16383')
    expect(stage.call('ROLE')).toEqual(['slave', '10.0.0.1', 7000, 'connect', 0])
    stage.cluster.connected(idOf(1), memberInfo(1).incarnation, stage.now)
    expect(stage.call('ROLE')).toEqual(['slave', '10.0.0.1', 7000, 'connected', 0])
    expect(fields(stage.call('INFO', 'replication'))).toMatchObject({
      ...{role: 'slave', master_host: '10.0.0.1', master_port: '7000', master_link_status: 'up', connected_slaves: '0'},
    })
    const hello = stage.call('HELLO') as Plain[]
    expect(hello[hello.indexOf('role') + 1]).toBe('replica')
    expect(nodeLines(stage)[0]).toContain(`myself,slave ${idOf(1)}`)
  })

  it('WAIT answers with the copies that every bucket of ours has', () => {
    const stage = new ClusterStage()
    stage.join(1, 2)
    stage.copy(1, '0-16382')
    expect(stage.call('WAIT', '1', '0')).toBe(0)
    stage.copy(2, '16383')
    expect(stage.call('WAIT', '2', '0')).toBe(1)
  })
})

describe('CLUSTER PEERS and CLUSTER STATE', () => {
  it('PEERS has what a node that wants to join must know', () => {
    const stage = trio()
    expect(stage.json('CLUSTER', 'PEERS')).toEqual({
      version: 1,
      clusterId: 'cc'.repeat(20),
      self: SELF_ID,
      revision: stage.cluster.map.revision,
      leader: SELF_ID,
      isAdmitted: true,
      members: [
        expect.objectContaining({id: SELF_ID, host: '10.0.0.99', port: 7379}) as unknown,
        {
          ...{id: idOf(1), host: '10.0.0.1', port: 7000, peerHost: '10.0.0.1', peerPort: 17_000},
          ...{isVoterOnly: false, isDown: false, isLeaving: false},
        },
        expect.objectContaining({id: idOf(2)}) as unknown,
      ],
    })
  })

  it('PEERS of a node that is no member says so', () => {
    const stranger = new ClusterStage({isFounder: false})
    expect(stranger.json('CLUSTER', 'PEERS')).toMatchObject({
      ...{clusterId: '', leader: null, isAdmitted: false, revision: 0, members: []},
    })
  })

  it('STATE counts what each member has and says which buckets are in need', () => {
    const stage = trio()
    stage.apply(
      {type: 'assign', node: idOf(2), buckets: '300-309'},
      {type: 'target', node: idOf(2), buckets: '300-304'},
    )
    const state = stage.json('CLUSTER', 'STATE')
    expect(state).toMatchObject({
      ...{replicas: 1, wantedCopies: 2, isBalancing: true, hasLease: true, lost: '', down: ''},
      underReplicated: '200-16383',
      moves: [
        {kind: 'copy', from: SELF_ID, to: idOf(2), buckets: '300-309', count: 10},
        {kind: 'master', from: SELF_ID, to: idOf(2), buckets: '300-304', count: 5},
      ],
      ranges: [
        [0, 49, 1, [0]],
        [50, 99, 0, [1]],
        [100, 199, 0, [2]],
        [200, 16_383, 0, []],
      ],
    })
    const members = state['members'] as Record<string, unknown>[]
    expect(members.map(({masters, copies, syncing, role}) => [masters, copies, syncing, role])).toEqual([
      [16_334, 16_384, 0, 'leader'],
      [50, 100, 0, 'learner'],
      [0, 100, 10, 'learner'],
    ])
  })

  it('STATE tells lost buckets from those whose master may come back', () => {
    const stage = trio()
    stage.apply({type: 'out-of-sync', remove: SELF_ID, ...masterOf(1, '0-49', 2)})
    stage.apply({type: 'down', node: idOf(1), incarnation: memberInfo(1).incarnation})
    expect(stage.json('CLUSTER', 'STATE')).toMatchObject({down: '0-49', lost: ''})
    stage.apply({type: 'removed', node: idOf(1)})
    expect(stage.json('CLUSTER', 'STATE')).toMatchObject({down: '', lost: '0-49'})
  })

  it('STATE PLAN shows what a rebalance would do, and does nothing', () => {
    const stage = new ClusterStage()
    stage.join(1)
    const {revision} = stage.cluster.map
    const client = stage.stage.connect()
    client.send('CLUSTER', 'STATE', 'PLAN')
    for (let i = 0; i < 60 && client.received.length === 0; i++) stage.run(100)
    const state = JSON.parse(String(client.replies()[0])) as {plan: {moves: unknown[]; members: unknown[]}}
    expect(state.plan.members).toEqual([
      {id: SELF_ID, masters: 8_192, copies: 16_384},
      {id: idOf(1), masters: 8_192, copies: 16_384},
    ])
    expect(state.plan.moves).toMatchObject([
      {kind: 'master', from: SELF_ID, to: idOf(1), count: 8_192},
      {kind: 'copy', from: SELF_ID, to: idOf(1), count: 16_384},
    ])
    expect(stage.cluster.map.revision).toBe(revision)
    expect(stage.call('CLUSTER', 'STATE', 'NOW')).toBe('-ERR syntax error')
  })
})

describe('the view of any map', () => {
  it('its ranges cover every bucket once, and say of each what the map says', () => {
    const order = fc.record({
      node: fc.integer({min: 1, max: 3}),
      first: fc.integer({min: 0, max: BUCKET_COUNT - 1}),
      length: fc.integer({min: 1, max: 3_000}),
      isMove: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(order, {maxLength: 12}), (orders) => {
        const map = new ClusterMap()
        map.apply({type: 'genesis', clusterId: idOf(9), replicas: 1, member: memberInfo(0)})
        for (const n of [1, 2, 3]) map.apply({type: 'joined', member: memberInfo(n)})
        for (const {node: slot, first, length, isMove} of orders) {
          for (let bucket = first; bucket < Math.min(BUCKET_COUNT, first + length); bucket++) {
            const copies = map.copies(bucket)
            map.setCopies(
              bucket,
              isMove ? slot : map.master[bucket]!,
              copies.includes(slot) ? copies : [...copies, slot],
            )
          }
        }
        const view = new ClusterView(map)
        let next = 0
        for (const {first, last, master, replicas} of view.ranges) {
          expect(first).toBe(next)
          next = last + 1
          for (const bucket of [first, last]) {
            expect([map.master[bucket], ...map.copies(bucket).slice(1)]).toEqual([master, ...replicas])
          }
        }
        expect(next).toBe(BUCKET_COUNT)
        const total = view.shards.reduce((sum, {count}) => sum + count, 0)
        expect(total).toBe(BUCKET_COUNT)
        expect(view.masters.reduce((a, b) => a + b)).toBe(BUCKET_COUNT)
        for (const {slot} of view.members) expect(view.mainMaster(slot) === NO_NODE).toBe(isMasterOrNothing(view, slot))
      }),
      {numRuns: 30},
    )
  })
})

function isMasterOrNothing(view: ClusterView, slot: number): boolean {
  return view.masters[slot]! > 0 || view.copies[slot] === 0
}

it('keys are counted where they are', () => {
  const stage = trio()
  const bucket = keyBucket(Buffer.from('k'), 0, 1)
  stage.call('SET', 'k', 'v')
  expect(stage.call('CLUSTER', 'COUNTKEYSINSLOT', bucket)).toBe(1)
})
