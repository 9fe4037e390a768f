/** kv buckets top: what is counted as busy, and the command against live nodes. */
import {Chalk} from 'chalk'
import {describe, expect, onTestFinished, test} from 'vitest'
import {busiest, emptySample, topTable} from '../../src/cli/buckets-top.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {connectTo, liveNode, pipeline} from '../node/live-node.ts'
import {startClusterServer, joinDeaf} from './cluster-server.ts'
import {kv} from './kv-command.ts'
import type {BucketSample} from '../../src/cli/buckets-top.ts'

const bucketOf = (key: string): number => keyBucket(Buffer.from(key), 0, key.length)

function sample(
  atMs: number,
  rows: Readonly<Record<number, Partial<Record<keyof BucketSample, number>>>>,
): BucketSample {
  const made = emptySample(atMs)
  for (const [bucket, figures] of Object.entries(rows)) {
    for (const [name, value] of Object.entries(figures)) made[name as 'keys'][Number(bucket)] = value
  }
  return made
}

describe('busiest', () => {
  const before = sample(1_000, {1: {operations: 100, bytesIn: 500}, 2: {operations: 50}, 3: {operations: 900}})
  const after = sample(3_000, {
    1: {operations: 140, bytesIn: 900, bytesOut: 10, keys: 3},
    2: {operations: 60, bytesOut: 5_000, keys: 1},
    3: {operations: 30, keys: 7},
    4: {keys: 9},
  })

  test('by ops: what grew, a second; a counter that fell began anew; those with nothing are left out', () => {
    expect(busiest(before, after, 'ops', 10)).toEqual([
      {bucket: 1, opsPerSecond: 20, bytesInPerSecond: 200, bytesOutPerSecond: 5, keys: 3},
      {bucket: 3, opsPerSecond: 15, bytesInPerSecond: 0, bytesOutPerSecond: 0, keys: 7},
      {bucket: 2, opsPerSecond: 5, bytesInPerSecond: 0, bytesOutPerSecond: 2_500, keys: 1},
    ])
  })

  test('by bytes, both ways; by keys; no more than the limit', () => {
    expect(busiest(before, after, 'bytes', 10).map(({bucket}) => bucket)).toEqual([2, 1])
    expect(busiest(before, after, 'keys', 2).map(({bucket}) => bucket)).toEqual([4, 3])
  })

  test('a key can move no cursor', () => {
    const rows = busiest(before, after, 'ops', 1)
    const text = topTable(rows, [Buffer.from('a\u001b[2Jb')], {masterOf: () => undefined}, new Chalk({level: 0}))
    expect(text).toContain('"a\\x1b[2Jb"')
    expect(text).not.toContain('\u001b')
  })
})

test('the command names the busy buckets, their master and a key', async () => {
  const node = await liveNode()
  const name = `127.0.0.1:${node.address.port}`
  const connection = await connectTo(node)
  const load = {isOver: false}
  const working = (async () => {
    while (!load.isOver)
      await pipeline(connection, [
        ['INCR', 'hot'],
        ['INCR', 'hot'],
        ['SET', 'big', 'v'.repeat(5_000)],
      ])
  })()
  onTestFinished(() => working)
  const top = (...flags: string[]): ReturnType<typeof kv> =>
    kv(['buckets', 'top', '-n', name, '--interval', '300ms', ...flags])
  const [ops, bytes, shown] = [await top('--json'), await top('--json', '--by', 'bytes', '--limit', '1'), await top()]
  load.isOver = true
  await working
  const {buckets} = JSON.parse(ops.stdout) as {buckets: Record<string, unknown>[]}
  expect(buckets.map(({bucket}) => bucket)).toEqual([bucketOf('hot'), bucketOf('big')])
  expect(buckets[0]).toMatchObject({keys: 1, sampleKey: 'hot', master: {address: name}})
  expect((JSON.parse(bytes.stdout) as typeof JSON & {buckets: unknown}).buckets).toMatchObject([
    {bucket: bucketOf('big')},
  ])
  expect(shown).toMatchObject({exit: 0, stderr: ''})
  expect(shown.stdout).toMatch(/^BUCKET +OPS\/S +IN\/S +OUT\/S +KEYS +MASTER +A KEY\n/)
  expect(shown.stdout).toContain('"hot"')
})

test('nothing to show; a node that does not answer; a metric that is none', async () => {
  const node = await liveNode()
  const idle = await kv(['buckets', 'top', '-n', `127.0.0.1:${node.address.port}`, '--interval', '10ms'])
  expect(idle).toMatchObject({exit: 0, stdout: 'No bucket was used in this time.\n'})
  const fake = await startClusterServer()
  onTestFinished(() => fake.server.stop())
  await joinDeaf(fake, 1)
  fake.stage.copy(1, '0-9')
  const {exit, stderr} = await kv(['buckets', 'top', '-n', fake.address, '--interval', '10ms', '--by', 'keys'])
  expect({exit, stderr}).toMatchObject({exit: 7, stderr: expect.stringContaining('are not counted') as string})
  expect(await kv(['buckets', 'top', '--by', 'heat'])).toMatchObject({exit: 2})
})
