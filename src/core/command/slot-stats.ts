/**
 * CLUSTER SLOT-STATS: figures of the buckets that are here, in the words of Valkey 8. `cpu-usec` is missing: it would need two looks at a
 * clock for each command. `operations` is ours, and comes last. Bytes are those of clients; what goes to replicas is not counted.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {BYTES_IN, BYTES_OUT, OPERATIONS} from '../bucket-stats.ts'
import {viewOf} from '../cluster/view.ts'
import {ERR_SLOT} from './cluster-move.ts'
import {ERR_SYNTAX} from './context.ts'
import type {Context} from './context.ts'

type Metric = (c: Context, bucket: number) => number

const METRICS: readonly (readonly [name: string, metric: Metric])[] = [
  ['key-count', (c, bucket) => c.keyspace.bucketCount(bucket)],
  ['network-bytes-in', (c, bucket) => c.engine.bucketStats.get(bucket, BYTES_IN)],
  ['network-bytes-out', (c, bucket) => c.engine.bucketStats.get(bucket, BYTES_OUT)],
  ['operations', (c, bucket) => c.engine.bucketStats.get(bucket, OPERATIONS)],
]

export function slotStats(c: Context): void {
  if (c.is(2, 'SLOTSRANGE') && c.argc === 5) return rangeOfSlots(c)
  if (!c.is(2, 'ORDERBY') || c.argc < 4) return c.fail(ERR_SYNTAX)
  orderedSlots(c)
}

function rangeOfSlots(c: Context): void {
  const first = bucketArgument(c, 3)
  const last = first < 0 ? -1 : bucketArgument(c, 4)
  if (last < 0) return
  if (first > last) return c.fail(`ERR Start slot number ${first} is greater than end slot number ${last}`)
  reply(c, heldBuckets(c, first, last))
}

/** Argument `i` as a bucket, or -1 (the error is written). */
function bucketArgument(c: Context, i: number): number {
  const bucket = c.integer(i)
  if (bucket >= 0 && bucket < BUCKET_COUNT) return bucket
  c.fail(ERR_SLOT)
  return -1
}

/** Of others there is nothing to tell here. */
function heldBuckets(c: Context, first: number, last: number): number[] {
  const {map} = viewOf(c.engine)
  const slot = map.member(c.engine.nodeId)?.slot ?? -1
  const held: number[] = []
  for (let bucket = first; bucket <= last; bucket++) if (map.isInSync(bucket, slot)) held.push(bucket)
  return held
}

function orderedSlots(c: Context): void {
  const metric = METRICS.find(([name]) => c.is(3, name.toUpperCase()))?.[1]
  if (!metric) return c.fail('ERR Unrecognized sort metric for ORDERBY.')
  let limit = BUCKET_COUNT
  let isAscending = false
  for (let i = 4; i < c.argc; i++) {
    if (c.is(i, 'LIMIT') && i + 1 < c.argc) {
      limit = c.integer(++i)
      if (!(limit >= 1 && limit <= BUCKET_COUNT))
        return c.fail('ERR Limit has to lie in between 1 and 16384 (maximum number of slots).')
    } else if (c.is(i, 'ASC')) isAscending = true
    else if (c.is(i, 'DESC')) isAscending = false
    else return c.fail(ERR_SYNTAX)
  }
  const sign = isAscending ? 1 : -1
  const buckets = heldBuckets(c, 0, BUCKET_COUNT - 1)
  const figures = new Map(buckets.map((bucket) => [bucket, metric(c, bucket)]))
  buckets.sort((a, b) => sign * (figures.get(a)! - figures.get(b)!) || a - b)
  reply(c, buckets.slice(0, limit))
}

function reply(c: Context, buckets: readonly number[]): void {
  c.out.array(buckets.length)
  for (const bucket of buckets) {
    c.out.array(2)
    c.out.integer(bucket)
    c.out.map(METRICS.length)
    for (const [name, metric] of METRICS) {
      c.out.bulkString(name)
      c.out.integer(metric(c, bucket))
    }
  }
}
