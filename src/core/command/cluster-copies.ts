/**
 * `CLUSTER COPYHASH first last`: what this node's own copies of these buckets hold, as master or as replica, so that a tester can compare copies while nobody
 * writes. Internal, JSON: `[[bucket, epoch, seq, hash], ...]`, ascending. Equal hashes mean equal keys, values and expiries, however they lie in memory. Each
 * bucket is written out whole, so a range is bounded, and nobody should ask a node that serves large buckets.
 */
import {crc32} from 'node:zlib'
import {BUCKET_COUNT, COPYHASH_BUCKETS_MAX} from '../../constants.ts'
import {canonicalImage} from '../keyspace/canonical.ts'
import {hashBytes} from '../keyspace/hash.ts'
import {COPY_WHOLE} from '../replication/replica.ts'
import type {Engine} from '../engine.ts'
import type {Context} from './context.ts'

export function copyhash(c: Context): void {
  const first = c.integer(2)
  const last = c.integer(3)
  if (!(first >= 0 && last < BUCKET_COUNT && first <= last)) return c.fail('ERR Invalid range of buckets')
  if (last - first >= COPYHASH_BUCKETS_MAX) return c.fail(`ERR at most ${COPYHASH_BUCKETS_MAX} buckets at a time`)
  const copies: (string | number)[][] = []
  for (let bucket = first; bucket <= last; bucket++)
    if (hasCopy(c.engine, bucket)) copies.push(copyOf(c.engine, bucket))
  c.out.bulkString(JSON.stringify(copies))
}

/** A copy that is still being made, or that has missed something, is none. A node outside of any cluster has them all. */
function hasCopy({cluster}: Engine, bucket: number): boolean {
  return cluster === null || cluster.replica.copy[bucket] === COPY_WHOLE
}

function copyOf({effects, keyspace, maps}: Engine, bucket: number): (string | number)[] {
  const image = canonicalImage(keyspace, maps, bucket)
  // Two sums of 32 bits with nothing in common.
  const sums = [crc32(image), hashBytes(image, 0, image.length, 0)]
  const hash = sums.map((sum) => (sum >>> 0).toString(16).padStart(8, '0')).join('')
  return [bucket, effects.epoch[bucket]!, effects.seq[bucket]!, hash]
}
