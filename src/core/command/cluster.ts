/**
 * CLUSTER and what belongs to it, for a node that owns all buckets: the answers of a cluster of one. Also the commands by which
 * nodes hand buckets over.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {keyBucket} from '../../base/crc16.ts'
import {keyLength, keyOffset, pageBytes} from '../keyspace/node.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {CLUSTER_SPEC} from './cluster-specs.ts'
import {BUCKET_SPECS} from './bucket-specs.ts'
import {helpReply} from './help.ts'
import {withHandlers, withSubcommands} from './command.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

const ERR_SLOT = 'ERR Invalid or out of range slot'
const LAST_BUCKET = BUCKET_COUNT - 1

function slots(c: Context): void {
  const {host, port} = c.engine.host.facts()
  c.out.array(1)
  c.out.array(3)
  c.out.integer(0)
  c.out.integer(LAST_BUCKET)
  c.out.array(4)
  c.out.bulkString(host)
  c.out.integer(port)
  c.out.bulkString(c.engine.nodeId)
  c.out.map(0)
}

function shards(c: Context): void {
  const {host, port} = c.engine.host.facts()
  const {out} = c
  out.array(1)
  out.map(3)
  out.bulkString('slots')
  out.array(2)
  out.integer(0)
  out.integer(LAST_BUCKET)
  out.bulkString('nodes')
  out.array(1)
  out.map(7)
  const fields: readonly [string, string | number][] = [
    ['id', c.engine.nodeId],
    ['port', port],
    ['ip', host],
    ['endpoint', host],
    ['role', 'master'],
    ['replication-offset', c.effects.changes],
    ['health', 'online'],
  ]
  for (const [name, value] of fields) {
    out.bulkString(name)
    if (typeof value === 'number') out.integer(value)
    else out.bulkString(value)
  }
  out.bulkString('id')
  out.bulkString(shardId(c))
}

/** A shard of one node is named after it. */
function shardId(c: Context): string {
  return c.engine.nodeId
}

function nodes(c: Context): void {
  const {host, port, peerPort} = c.engine.host.facts()
  c.out.verbatim(
    'txt',
    `${c.engine.nodeId} ${host}:${port}@${peerPort} myself,master - 0 0 1 connected 0-${LAST_BUCKET}\n`,
  )
}

function info(c: Context): void {
  const fields: readonly [string, string | number][] = [
    ['cluster_state', 'ok'],
    ['cluster_slots_assigned', BUCKET_COUNT],
    ['cluster_slots_ok', BUCKET_COUNT],
    ['cluster_slots_pfail', 0],
    ['cluster_slots_fail', 0],
    ['cluster_known_nodes', 1],
    ['cluster_size', 1],
    ['cluster_current_epoch', 1],
    ['cluster_my_epoch', 1],
    ['cluster_stats_messages_sent', 0],
    ['cluster_stats_messages_received', 0],
    ['total_cluster_links_buffer_limit_exceeded', 0],
  ]
  c.out.verbatim('txt', fields.map(([name, value]) => `${name}:${value}\r\n`).join(''))
}

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

/** True if argument `i` is this node's id; else the error is written. */
function isKnownNode(c: Context, i: number): boolean {
  if (c.text(i) === c.engine.nodeId) return true
  c.fail(`ERR Unknown node ${c.latin1(i)}`)
  return false
}

function slotStats(c: Context): void {
  if (c.is(2, 'SLOTSRANGE') && c.argc === 5) {
    const first = bucketArgument(c, 3)
    const last = first < 0 ? -1 : bucketArgument(c, 4)
    if (last < 0) return
    if (first > last) return c.fail(`ERR Start slot number ${first} is greater than end slot number ${last}`)
    return replySlotStats(
      c,
      Array.from({length: last - first + 1}, (_, i) => first + i),
    )
  }
  if (!c.is(2, 'ORDERBY') || c.argc < 4) return c.fail(ERR_SYNTAX)
  orderedSlotStats(c)
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
  const buckets = Array.from({length: BUCKET_COUNT}, (_, bucket) => bucket)
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

function failover(c: Context): void {
  const isKnown = c.argc === 2 || (c.argc === 3 && (c.is(2, 'FORCE') || c.is(2, 'TAKEOVER')))
  c.fail(isKnown ? 'ERR You should send CLUSTER FAILOVER to a replica' : ERR_SYNTAX)
}

/** Digits and dots, or hex digits and colons: enough to tell an address from a name. */
function isIpAddress(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || (text.includes(':') && /^[0-9a-fA-F:.]+$/.test(text))
}

function meet(c: Context): void {
  const {host, port} = c.engine.host.facts()
  if (!isIpAddress(c.text(2))) return c.fail(`ERR Invalid node address specified: ${c.latin1(2)}:${c.latin1(3)}`)
  const wanted = c.integer(3)
  if (Number.isNaN(wanted)) return c.fail(`ERR Invalid TCP base port specified: ${c.latin1(3)}`)
  if (wanted < 1 || wanted > 65_535) {
    return c.fail(`ERR Invalid node address specified: ${c.latin1(2)}:${c.latin1(3)}`)
  }
  if (c.text(2) === host && c.integer(3) === port) return c.out.ok()
  c.fail('ERR this node is a cluster of its own and does not join others yet')
}

const CLUSTER_COMMAND: CommandSpec = withSubcommands(CLUSTER_SPEC, {
  slots,
  shards,
  nodes,
  info,
  myid: (c) => c.out.bulkString(c.engine.nodeId),
  myshardid: (c) => c.out.bulkString(shardId(c)),
  keyslot,
  countkeysinslot,
  getkeysinslot,
  replicas: (c) => {
    if (isKnownNode(c, 2)) c.out.array(0)
  },
  slaves: (c) => {
    if (isKnownNode(c, 2)) c.out.array(0)
  },
  links: (c) => c.out.array(0),
  'slot-stats': slotStats,
  failover,
  forget: (c) => {
    if (isKnownNode(c, 2)) c.fail("ERR I tried hard but I can't forget myself...")
  },
  meet,
  'count-failure-reports': (c) => {
    if (isKnownNode(c, 2)) c.out.integer(0)
  },
  help: (c) => helpReply(c, CLUSTER_SPEC),
})

/** What this node is master (M) or replica (S) of: here, of everything. */
function listbuckets(c: Context): void {
  c.out.array(BUCKET_COUNT * 2)
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    c.out.bulkInteger(bucket)
    c.out.bulkString('M')
  }
}

/** Checks `bucket ip port`; false if the error is written. */
function isHandoff(c: Context, addresses: number): boolean {
  const bucket = c.integer(1)
  if (Number.isNaN(bucket)) c.fail(ERR_NOT_INTEGER)
  else if (bucket < 0 || bucket >= BUCKET_COUNT) c.fail(ERR_SLOT)
  else {
    for (let i = 0; i < addresses; i++) {
      const port = c.integer(3 + i * 2)
      if (!(port > 0 && port < 65_536)) {
        c.fail('ERR Invalid port')
        return false
      }
    }
    return true
  }
  return false
}

function handoff(c: Context, addresses: number): void {
  if (isHandoff(c, addresses))
    c.fail('ERR this node is a cluster of its own: there is no node to hand buckets to or take them from')
}

export const CLUSTER_COMMANDS: readonly CommandSpec[] = [
  CLUSTER_COMMAND,
  ...withHandlers(BUCKET_SPECS, {
    listbuckets,
    // By its definition it only says that the request was received.
    requestmove: (c) => {
      if (isHandoff(c, 1)) c.out.ok()
    },
    dumpbucket: (c) => handoff(c, 1),
    bucketmoved: (c) => handoff(c, 2),
  }),
]
