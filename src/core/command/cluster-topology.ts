/**
 * The cluster as clients are told of it: SLOTS, SHARDS, NODES, INFO, REPLICAS, LINKS. All from the committed map (see view.ts), so that all
 * nodes tell the same. SLOTS and SHARDS are written once for each revision of the map and protocol, and copied from then on.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {NO_NODE} from '../cluster/map-layout.ts'
import {selfOf, viewOf} from '../cluster/view.ts'
import {ReplyWriter} from '../../resp/reply-writer.ts'
import type {ClusterView, Shard} from '../cluster/view.ts'
import type {Context} from './context.ts'
import type {Member, MemberInfo} from '../cluster/cluster-map.ts'

type Field = readonly [name: string, value: string | number]

/** Replies with what `write` wrote for this view and protocol, now or earlier. */
function replyOnce(c: Context, view: ClusterView, name: string, write: (out: ReplyWriter) => void): void {
  const key = `${name} ${c.out.proto}`
  let reply = view.replies.get(key)
  if (!reply) {
    const out = new ReplyWriter()
    out.proto = c.out.proto
    write(out)
    reply = out.take()
    view.replies.set(key, reply)
  }
  c.out.raw(reply)
}

function writeFields(out: ReplyWriter, fields: readonly Field[]): void {
  out.map(fields.length)
  for (const [name, value] of fields) {
    out.bulkString(name)
    if (typeof value === 'number') out.integer(value)
    else out.bulkString(value)
  }
}

export function slots(c: Context): void {
  const view = viewOf(c.engine)
  replyOnce(c, view, 'slots', (out) => writeSlots(out, view))
}

/** Only what a client can use: ranges whose master lives, and replicas that do. */
function writeSlots(out: ReplyWriter, view: ClusterView): void {
  // The nodes of a group are the same bytes in each of its ranges.
  const parts = new ReplyWriter()
  parts.proto = out.proto
  const nodes = view.groups.map(({master, replicas}) => {
    const from = parts.pos
    const slots = [master, ...replicas].filter((slot) => view.isLive(slot))
    for (const slot of slots) writeSlotsNode(parts, view.map.members[slot]!)
    return {count: slots.length, from, length: parts.pos - from}
  })
  const ranges = view.ranges.filter(({group}) => view.isLive(group.master))
  out.array(ranges.length)
  for (const {first, last, group} of ranges) {
    const {count, from, length} = nodes[group.index]!
    out.array(2 + count)
    out.integer(first)
    out.integer(last)
    out.rawRange(parts.buf, from, length)
  }
}

function writeSlotsNode(out: ReplyWriter, {id, host, port}: Member): void {
  out.array(4)
  out.bulkString(host)
  out.integer(port)
  out.bulkString(id)
  out.map(0)
}

export function shards(c: Context): void {
  const view = viewOf(c.engine)
  // A number that all nodes agree on; to a client it means "not less than anybody else".
  if (c.engine.cluster) replyOnce(c, view, 'shards', (out) => writeShards(out, view, view.revision))
  else writeShards(c.out, view, c.effects.changes)
}

function writeShards(out: ReplyWriter, view: ClusterView, offset: number): void {
  const {shards: all} = view
  out.array(all.length)
  for (const shard of all) {
    out.map(3)
    out.bulkString('slots')
    out.array(shard.ranges.length * 2)
    for (const {first, last} of shard.ranges) {
      out.integer(first)
      out.integer(last)
    }
    out.bulkString('nodes')
    out.array(1 + shard.replicas.length)
    for (const member of [shard.master, ...shard.replicas]) writeShardNode(out, shard, member, offset)
    out.bulkString('id')
    out.bulkString(shard.id)
  }
}

function writeShardNode(out: ReplyWriter, shard: Shard, member: Member, offset: number): void {
  const {id, host, port, isDown} = member
  const fields: readonly Field[] = [
    ['id', id],
    ['port', port],
    ['ip', host],
    ['endpoint', host],
    ['role', member === shard.master ? 'master' : 'replica'],
    ['replication-offset', offset],
    ['health', isDown ? 'fail' : 'online'],
  ]
  writeFields(out, fields)
}

/** The id of the shard of this node. */
export function myshardid(c: Context): void {
  const view = viewOf(c.engine)
  const slot = view.map.member(c.engine.nodeId)?.slot ?? NO_NODE
  c.out.bulkString(view.shardOf(slot)?.id ?? c.engine.nodeId)
}

export function nodes(c: Context): void {
  const view = viewOf(c.engine)
  const lines = view.members.map((member) => nodeLine(c, view, member))
  // It is being let in, or was taken out.
  if (!view.map.member(c.engine.nodeId)) lines.push(strangerLine(selfOf(c.engine)))
  c.out.verbatim('txt', lines.join(''))
}

function strangerLine({id, host, port, peerPort}: MemberInfo): string {
  return `${id} ${host}:${port}@${peerPort} myself,master - 0 0 0 connected\n`
}

function nodeLine(c: Context, view: ClusterView, member: Member): string {
  const {id, host, port, peerPort, slot, isDown} = member
  const isSelf = id === c.engine.nodeId
  const main = view.mainMaster(slot)
  const flags = [...(isSelf ? ['myself'] : []), main === NO_NODE ? 'master' : 'slave', ...(isDown ? ['fail'] : [])]
  const masterId = view.map.members[main]?.id ?? '-'
  const epoch = view.epochs[main === NO_NODE ? slot : main]!
  const isConnected = isSelf || c.engine.cluster?.links.state(slot).isConnected === true
  const state = isConnected ? 'connected' : 'disconnected'
  const ranges = slotRanges(view, slot).map((range) => ` ${range}`)
  return `${id} ${host}:${port}@${peerPort} ${flags.join(',')} ${masterId} 0 0 ${epoch} ${state}${ranges.join('')}\n`
}

/** Ranges of a master, whoever its replicas are. */
function slotRanges(view: ClusterView, slot: number): string[] {
  const merged: {first: number; last: number}[] = []
  for (const {first, last, group} of view.ranges) {
    if (group.master !== slot) continue
    const before = merged[merged.length - 1]
    if (before?.last === first - 1) before.last = last
    else merged.push({first, last})
  }
  return merged.map(({first, last}) => (first === last ? `${first}` : `${first}-${last}`))
}

export function info(c: Context): void {
  const view = viewOf(c.engine)
  const {cluster} = c.engine
  const {okCount, members, epochs, masters} = view
  const lost = view.groups.find(({master}) => master === NO_NODE)?.count ?? 0
  // Without a lease it is cut off, and does not know what the others do.
  const isInTouch = cluster === null || cluster.isGone || (cluster.isAdmitted && cluster.hasLease)
  const self = view.map.member(c.engine.nodeId)
  const fields: readonly Field[] = [
    ['cluster_state', okCount === BUCKET_COUNT && isInTouch ? 'ok' : 'fail'],
    ['cluster_slots_assigned', view.revision === 0 ? 0 : BUCKET_COUNT - lost],
    ['cluster_slots_ok', okCount],
    ['cluster_slots_pfail', 0],
    ['cluster_slots_fail', view.revision === 0 ? 0 : BUCKET_COUNT - okCount],
    ['cluster_slots_lost', lost],
    ['cluster_known_nodes', self ? members.length : members.length + 1],
    ['cluster_size', members.filter(({slot}) => masters[slot]! > 0).length],
    ['cluster_current_epoch', epochs.reduce((a, b) => Math.max(a, b), 0)],
    ['cluster_my_epoch', self ? epochs[self.slot]! : 0],
    ['cluster_revision', view.revision],
    ['cluster_stats_messages_sent', 0],
    ['cluster_stats_messages_received', 0],
    ['total_cluster_links_buffer_limit_exceeded', 0],
  ]
  c.out.verbatim('txt', fields.map(([name, value]) => `${name}:${value}\r\n`).join(''))
}

/** The member whose id is argument `i`; null if the error is written. */
export function memberArgument(c: Context, i: number): Member | null {
  const member = viewOf(c.engine).map.member(c.text(i))
  if (member === null) c.fail(`ERR Unknown node ${c.latin1(i)}`)
  return member
}

/** The nodes with copies of this node's buckets, as lines of NODES; what they are masters of stands there, too. */
export function replicas(c: Context): void {
  const member = memberArgument(c, 2)
  if (member === null) return
  const view = viewOf(c.engine)
  const found = view.replicasOf(member.slot)
  c.out.array(found.length)
  for (const replica of found) c.out.bulkString(nodeLine(c, view, replica).trimEnd())
}

/** One connection with each peer carries both directions. */
export function links(c: Context): void {
  const {cluster} = c.engine
  const peers = viewOf(c.engine).members.filter(({id}) => id !== c.engine.nodeId)
  const linked = cluster ? peers.filter(({slot}) => cluster.links.state(slot).isConnected) : []
  c.out.array(linked.length)
  for (const {id, slot} of linked) {
    const bytes = cluster!.links.state(slot).unackedBytes
    const fields: readonly Field[] = [
      ['direction', 'to'],
      ['node', id],
      ['create-time', 0],
      ['events', 'rw'],
      ['send-buffer-allocated', bytes],
      ['send-buffer-used', bytes],
    ]
    writeFields(c.out, fields)
  }
}
