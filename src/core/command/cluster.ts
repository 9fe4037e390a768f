/**
 * CLUSTER: who answers which subcommand, and those that tell of the keys in one bucket. What clients are told of the cluster is in
 * cluster-topology.ts, what our own tools are told in cluster-state.ts, what operators change in cluster-change.ts, the moving of buckets in
 * cluster-move.ts, figures of buckets in slot-stats.ts.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {keyBucket} from '../../base/crc16.ts'
import {keyLength, keyOffset, pageBytes} from '../keyspace/node.ts'
import {ERR_NOT_INTEGER} from './context.ts'
import {CLUSTER_SPEC} from './cluster-specs.ts'
import {BUCKET_SPECS} from './bucket-specs.ts'
import {copyhash} from './cluster-copies.ts'
import {change, countFailureReports, failover, forget, meet} from './cluster-change.ts'
import {bucketmoved, dumpbucket, listbuckets, requestmove} from './cluster-move.ts'
import {peers, state} from './cluster-state.ts'
import {info, links, myshardid, nodes, replicas, shards, slots} from './cluster-topology.ts'
import {helpReply} from './help.ts'
import {slotStats} from './slot-stats.ts'
import {withHandlers, withSubcommands} from './command.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

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
