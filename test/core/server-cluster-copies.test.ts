/** CLUSTER COPYHASH: equal content has equal hashes, and nothing else has. */
import {expect, it} from 'vitest'
import {keyBucket} from '../../src/base/crc16.ts'
import {BUCKET_COUNT, COPYHASH_BUCKETS_MAX} from '../../src/constants.ts'
import {COPY_SYNCING} from '../../src/core/replication/replica.ts'
import {ClusterStage} from './server-cluster-support.ts'
import {START_MS, Stage} from './server-support.ts'
import type {Plain} from './server-support.ts'

const key = Buffer.from('{tag}one')
const BUCKET = keyBucket(key, 0, key.length)
const LATER = START_MS + 60_000

type Line = [bucket: number, epoch: number, seq: number, hash: string]
interface Caller {
  call(...args: readonly (string | number)[]): Plain
}

function lineOf(client: Caller): Line {
  const lines = JSON.parse(String(client.call('CLUSTER', 'COPYHASH', BUCKET, BUCKET))) as Line[]
  expect(lines).toHaveLength(1)
  return lines[0]!
}

/** The hash after these commands on a new node. */
function hashAfter(...commands: readonly (readonly (string | number)[])[]): string {
  const client = new Stage().connect()
  for (const command of commands) client.call(...command)
  return lineOf(client)[3]
}

it('says the same of the same content, however it came about', () => {
  const one = hashAfter(['SET', '{tag}one', 'a'], ['SET', '{tag}two', 'b'], ['HSET', '{tag}map', 'x', 1, 'y', 2])
  const other = hashAfter(
    ...[
      ['HSET', '{tag}map', 'y', 2],
      ['SET', '{tag}two', 'c'],
      ['SET', '{tag}one', 'a'],
      ['HSET', '{tag}map', 'x', 1],
      ['SET', '{tag}two', 'b'],
    ],
  )
  expect(other).toBe(one)
  expect(one).toMatch(/^[0-9a-f]{16}$/)
})

it('tells apart what differs in a key, a value, a type, a field or an expiry', () => {
  const hashes = [
    hashAfter(),
    hashAfter(['SET', '{tag}one', 'a']),
    hashAfter(['SET', '{tag}one', 'b']),
    hashAfter(['SET', '{tag}two', 'a']),
    hashAfter(['SET', '{tag}one', 'a', 'PXAT', LATER]),
    hashAfter(['SET', '{tag}one', 'a', 'PXAT', LATER + 1]),
    hashAfter(['HSET', '{tag}one', 'a', 'a']),
    hashAfter(['HSET', '{tag}one', 'a', 'b']),
  ]
  expect(new Set(hashes).size).toBe(hashes.length)
})

it('gives the position of the copy, which every change moves on', () => {
  const stage = new ClusterStage()
  const [bucket, epoch, seq, before] = lineOf(stage)
  expect([bucket, epoch]).toEqual([BUCKET, 1])
  stage.call('SET', '{tag}one', 'a')
  const after = lineOf(stage)
  expect(after.slice(0, 3)).toEqual([BUCKET, 1, seq + 1])
  expect(after[3]).not.toBe(before)
})

it('says nothing of a bucket whose copy is still being made', () => {
  const stage = new ClusterStage()
  stage.cluster.replica.copy[BUCKET] = COPY_SYNCING
  const lines = JSON.parse(String(stage.call('CLUSTER', 'COPYHASH', BUCKET - 1, BUCKET + 1))) as Line[]
  expect(lines.map(([bucket]) => bucket)).toEqual([BUCKET - 1, BUCKET + 1])
})

it('refuses ranges that are none, or too large', () => {
  const client = new Stage().connect()
  const refusals: [string | number, string | number][] = [
    [1, 0],
    [-1, 0],
    [0, BUCKET_COUNT],
    ['a', 1],
    [0, 'b'],
  ]
  for (const range of refusals)
    expect(client.call('CLUSTER', 'COPYHASH', ...range)).toBe('-ERR Invalid range of buckets')
  expect(client.call('CLUSTER', 'COPYHASH', 0, COPYHASH_BUCKETS_MAX)).toMatch(/^-ERR at most/)
  expect(client.call('CLUSTER', 'COPYHASH', 0, COPYHASH_BUCKETS_MAX - 1)).not.toMatch(/^-/)
})
