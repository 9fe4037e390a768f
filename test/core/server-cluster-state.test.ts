/** What the tools and the role of a node are told: ROLE and its kin, CLUSTER PEERS and STATE, and the view that all of it comes from. */
import {describe, expect, it} from 'vitest'
import fc from 'fast-check'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {ClusterMap, NO_NODE} from '../../src/core/cluster/cluster-map.ts'
import {ClusterView} from '../../src/core/cluster/view.ts'
import {ClusterStage, fields, idOf, masterOf, memberInfo, nodeLines, SELF_ID, trio} from './server-cluster-support.ts'
import type {Plain} from './server-support.ts'

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
        for (const {first, last, group} of view.ranges) {
          const {master, replicas} = group
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
