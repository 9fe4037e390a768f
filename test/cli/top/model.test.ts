/** What kv top makes of two looks: rates, percentiles, and what happened. */
import {describe, expect, test} from 'vitest'
import {nextModel, percentile, type TopModel} from '../../../src/cli/top/model.ts'
import {durationsOf} from '../../../src/cli/top/snapshot.ts'
import {member, snapshot, state, words} from './make.ts'
import type {Snapshot} from '../../../src/cli/top/snapshot.ts'

const play = (...snapshots: readonly Snapshot[]): TopModel => snapshots.reduce<TopModel | null>(nextModel, null)!
const texts = ({events}: TopModel): string[] => events.map(({text}) => text)

describe('rates', () => {
  const before = words(
    {total_commands_processed: 1_000, cmdstat_get: 'calls=900,usec=9000', cmdstat_set: 'calls=5,usec=5'},
    [63, 10],
  )
  const after = words(
    {
      ...{
        total_commands_processed: 5_000,
        used_memory: 2_048,
        maxmemory: 4_096,
        connected_clients: 3,
        db0: 'keys=12,expires=0',
      },
      ...{cmdstat_get: 'calls=4900,usec=29000', cmdstat_set: 'calls=5,usec=5', kv_unacknowledged_bytes: 77},
      ...{log0: 'id=x,mode=async,counted_on=1,lag_records=4,lag_bytes=500,lag_seconds=0.250,buckets_behind=0'},
    },
    [63, 60, 127, 99, 1_023, 110],
  )

  test('are what grew, a second; the first look knows none', () => {
    const first = play(snapshot(1, state([member(1)]), {1: before}))
    expect(first.nodes[0]).toMatchObject({opsPerSecond: null, p50Us: null, commands: [], status: 'up'})
    const [node] = play(first.snapshot, snapshot(3, state([member(1)]), {1: after})).nodes
    expect(node).toMatchObject({
      ...{
        opsPerSecond: 2_000,
        p50Us: 63,
        p99Us: 1_023,
        memoryBytes: 2_048,
        memoryMaxBytes: 4_096,
        clients: 3,
        keys: 12,
      },
      ...{replicationLagBytes: 77, logLagBytes: 500, logLagSeconds: 0.25},
      commands: [{command: 'get', callsPerSecond: 2_000, usPerCall: 5}],
    })
  })

  test('counters that fell began anew', () => {
    const [node] = play(snapshot(1, state([member(1)]), {1: after}), snapshot(2, state([member(1)]), {1: before})).nodes
    expect(node).toMatchObject({opsPerSecond: 1_000, p50Us: 63})
  })

  test('percentiles are the bound that so many did not exceed', () => {
    expect(
      percentile(
        new Map([
          [1_023, 1],
          [7, 98],
          [63, 1],
        ]),
        0.5,
      ),
    ).toBe(7)
    expect(
      percentile(
        new Map([
          [1_023, 1],
          [7, 98],
          [63, 1],
        ]),
        0.99,
      ),
    ).toBe(63)
    expect(percentile(new Map(), 0.5)).toBeNull()
    expect(
      durationsOf(['a', ['calls', 3, 'histogram_usec', [7, 1, 15, 3]], 'b', ['calls', 1, 'histogram_usec', [7, 1]]]),
    ).toEqual(
      new Map([
        [7, 2],
        [15, 2],
      ]),
    )
    expect(durationsOf({kind: 'error', text: 'ERR unknown'})).toEqual(new Map())
  })
})

describe('events', () => {
  const said = words({})

  test('who joined, failed, came back and left, and where masters went', () => {
    const one = snapshot(1, state([member(1), member(2)]), {1: said, 2: said})
    const joined = snapshot(2, state([member(1, {masters: 4_000}), member(2), member(3)]), {1: said, 2: said, 3: said})
    expect(texts(play(one, joined))).toEqual(['10.0.0.1:7379 is master of 1,000 fewer buckets', '10.0.0.3:7379 joined'])
    const failed = snapshot(
      3,
      state([member(1, {masters: 4_000}), member(2, {isDown: true}), member(3)], {down: '0-9'}),
      {1: said, 3: said},
    )
    const back = snapshot(4, state([member(1, {masters: 4_001}), member(3)], {leader: null}), {
      1: said,
      3: 'it took too long',
    })
    expect(texts(play(one, joined, failed, back)).slice(2)).toEqual([
      '10.0.0.2:7379 failed: it is down',
      '10 buckets are not served',
      '10.0.0.1:7379 is master of 1 more bucket',
      '10.0.0.3:7379 does not answer',
      '10.0.0.2:7379 left',
      'there is no leader',
      'all buckets are served again',
    ])
  })

  test('nobody answers: what was known stays, and nobody is said to have failed', () => {
    const one = snapshot(1, state([member(1), member(2)]), {1: said, 2: said})
    const lost = play(one, snapshot(2, null), snapshot(3, null))
    expect(texts(lost)).toEqual(['no node answers: nothing listens there.'])
    expect(lost.nodes.map(({status}) => status)).toEqual(['silent', 'silent'])
    expect(texts(nextModel(lost, snapshot(4, state([member(1), member(2)]), {1: said, 2: said})))).toEqual([
      'no node answers: nothing listens there.',
      'the cluster answers again',
    ])
  })

  test('are bounded', () => {
    let model = play(snapshot(0, state([member(1)]), {1: said}))
    for (let i = 1; i < 300; i++)
      model = nextModel(model, snapshot(i, state([member(1)]), {1: i % 2 === 0 ? said : 'gone'}))
    expect(model.events).toHaveLength(100)
  })
})
