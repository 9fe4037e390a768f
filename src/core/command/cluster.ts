/**
 * CLUSTER: who answers which subcommand, and those that tell of the keys in one bucket. What clients are told of the cluster is in
 * cluster-topology.ts, what our own tools are told in cluster-state.ts, what operators change in cluster-change.ts, the moving of buckets in
 * cluster-move.ts.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {keyBucket} from '../../base/crc16.ts'
import {keyLength, keyOffset, pageBytes} from '../keyspace/node.ts'
import {viewOf} from '../cluster/view.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {CLUSTER_SPEC} from './cluster-specs.ts'
import {BUCKET_SPECS} from './bucket-specs.ts'
import {copyhash} from './cluster-copies.ts'
import {change, countFailureReports, failover, forget, meet} from './cluster-change.ts'
import {ERR_SLOT, bucketmoved, dumpbucket, listbuckets, requestmove} from './cluster-move.ts'
import {peers, state} from './cluster-state.ts'
import {info, links, myshardid, nodes, replicas, shards, slots} from './cluster-topology.ts'
import {helpReply} from './help.ts'
import {withHandlers, withSubcommands} from './command.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

/** Argument `i` as a bucket, or -1 (the error is written). */
function bucketArgument(c: Context, i: number): number {
  const bucket = c.integer(i)
  if (bucket >= 0 && bucket < BUCKET_COUNT) return bucket
  c.fail(ERR_SLOT)
  return -1
}

function keyslot(c: Context): void {
  const {buf, off, len} = c.request
  c.out.integer(keyBucket(buf, off[2]!, len[2]!))
}

function countkeysinslot(c: Context): void {
  const bucket = c.integer(2)
  if (Number.isNaN(bucket)) return c.fail(ERR_NOT_INTEGER)
  if (bucket < 0 || bucket >= BUCKET_COUNT) return c.fail('ERR Invalid slot')
  c.out.integer(c.keyspace.bucketCount(bucket))
}

function getkeysinslot(c: Context): void {
  const bucket = c.integer(2)
  const wanted = c.integer(3)
  if (Number.isNaN(bucket) || Number.isNaN(wanted)) return c.fail(ERR_NOT_INTEGER)
  if (bucket < 0 || bucket >= BUCKET_COUNT || wanted < 0) return c.fail('ERR Invalid slot or number of keys')
  const {keyspace, out} = c
  const found: number[] = []
  let cursor = 0
  do {
    cursor = keyspace.dict.scan(keyspace.table(bucket), cursor, (node) => found.push(node))
  } while (cursor !== 0 && found.length < wanted)
  const count = Math.min(found.length, wanted)
  out.array(count)
  for (const node of found.slice(0, count)) {
    out.bulk(pageBytes(keyspace.memory, node), keyOffset(keyspace.memory, node), keyLength(keyspace.memory, node))
  }
}

function slotStats(c: Context): void {
  if (c.is(2, 'SLOTSRANGE') && c.argc === 5) {
    const first = bucketArgument(c, 3)
    const last = first < 0 ? -1 : bucketArgument(c, 4)
    if (last < 0) return
    if (first > last) return c.fail(`ERR Start slot number ${first} is greater than end slot number ${last}`)
    return replySlotStats(
      c,
      heldBuckets(c).filter((bucket) => bucket >= first && bucket <= last),
    )
  }
  if (!c.is(2, 'ORDERBY') || c.argc < 4) return c.fail(ERR_SYNTAX)
  orderedSlotStats(c)
}

/** Of others there is nothing to tell here. */
function heldBuckets(c: Context): number[] {
  const {map} = viewOf(c.engine)
  const slot = map.member(c.engine.nodeId)?.slot ?? -1
  const all = Array.from({length: BUCKET_COUNT}, (_, bucket) => bucket)
  return all.filter((bucket) => map.isInSync(bucket, slot))
}

function orderedSlotStats(c: Context): void {
  if (!c.is(3, 'KEY-COUNT')) return c.fail('ERR Unrecognized sort metric for ORDERBY.')
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
  const count = (bucket: number): number => c.keyspace.bucketCount(bucket)
  const buckets = heldBuckets(c)
  buckets.sort((a, b) => sign * (count(a) - count(b)) || a - b)
  replySlotStats(c, buckets.slice(0, limit))
}

function replySlotStats(c: Context, buckets: readonly number[]): void {
  c.out.array(buckets.length)
  for (const bucket of buckets) {
    c.out.array(2)
    c.out.integer(bucket)
    c.out.map(1)
    c.out.bulkString('key-count')
    c.out.integer(c.keyspace.bucketCount(bucket))
  }
}

const CLUSTER_COMMAND: CommandSpec = withSubcommands(CLUSTER_SPEC, {
  slots,
  shards,
  nodes,
  info,
  myid: (c) => c.out.bulkString(c.engine.nodeId),
  myshardid,
  keyslot,
  countkeysinslot,
  getkeysinslot,
  replicas,
  slaves: replicas,
  links,
  'slot-stats': slotStats,
  failover,
  forget,
  meet,
  'count-failure-reports': countFailureReports,
  peers,
  state,
  change,
  copyhash,
  help: (c) => helpReply(c, CLUSTER_SPEC),
})

export const CLUSTER_COMMANDS: readonly CommandSpec[] = [
  CLUSTER_COMMAND,
  ...withHandlers(BUCKET_SPECS, {listbuckets, requestmove, dumpbucket, bucketmoved}),
]
