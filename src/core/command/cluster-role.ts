/**
 * Master or replica? Redis has one answer for a node; here each bucket has its own. A node that is master of any bucket is called a
 * master, and its replicas are all who have copies of its buckets; one that only has copies is called the replica of whom it has most from.
 * Offsets count this node's changes: a reply leaves only when every in-sync copy has what it speaks of, so no copy is behind it.
 */
import {NO_NODE} from '../cluster/map-layout.ts'
import {viewOf} from '../cluster/view.ts'
import type {Member} from '../cluster/cluster-map.ts'
import type {Context} from './context.ts'

interface Position {
  /** Of whom this node is a replica; null: it is a master. */
  readonly master: Member | null
  /** Who has copies of its buckets. */
  readonly replicas: readonly Member[]
}

function positionOf(c: Context): Position {
  if (!c.engine.cluster) return {master: null, replicas: []}
  const view = viewOf(c.engine)
  const slot = view.map.member(c.engine.nodeId)?.slot ?? NO_NODE
  const master = view.map.members[view.mainMaster(slot)] ?? null
  return {master, replicas: master ? [] : view.replicasOf(slot)}
}

/** `master` or `replica`, as HELLO says it. */
export function roleName(c: Context): 'master' | 'replica' {
  return positionOf(c).master ? 'replica' : 'master'
}

export function role(c: Context): void {
  const {out, effects} = c
  const {master, replicas} = positionOf(c)
  if (master) {
    out.array(5)
    out.bulkString('slave')
    out.bulkString(master.host)
    out.integer(master.port)
    out.bulkString(isLinked(c, master) ? 'connected' : 'connect')
    out.integer(effects.changes)
    return
  }
  out.array(3)
  out.bulkString('master')
  out.integer(effects.changes)
  out.array(replicas.length)
  for (const {host, port} of replicas) {
    out.array(3)
    out.bulkString(host)
    out.bulkInteger(port)
    out.bulkInteger(effects.changes)
  }
}

/** The fields of INFO replication that depend on the map. */
export function replicationFields(c: Context): (readonly [string, string | number])[] {
  const {master, replicas} = positionOf(c)
  const {changes} = c.effects
  if (master) {
    return [
      ['role', 'slave'],
      ['master_host', master.host],
      ['master_port', master.port],
      ['master_link_status', isLinked(c, master) ? 'up' : 'down'],
      ['master_last_io_seconds_ago', isLinked(c, master) ? 0 : -1],
      ['master_sync_in_progress', isSyncing(c) ? 1 : 0],
      ['slave_repl_offset', changes],
      ['slave_read_only', 1],
      ['connected_slaves', 0],
    ]
  }
  return [
    ['role', 'master'],
    ['connected_slaves', replicas.length],
    ...replicas.map((replica, i): readonly [string, string] => {
      const state = isLinked(c, replica) ? 'online' : 'wait_bgsave'
      return [`slave${i}`, `ip=${replica.host},port=${replica.port},state=${state},offset=${changes},lag=0`]
    }),
  ]
}

/** WAIT: every reply that was given before speaks only of what all in-sync copies have. The fewest that a bucket of ours has. */
export function replicasOfEach(c: Context): number {
  if (!c.engine.cluster) return 0
  const view = viewOf(c.engine)
  const slot = view.map.member(c.engine.nodeId)?.slot ?? NO_NODE
  let fewest = Number.POSITIVE_INFINITY
  for (const {master, replicas} of view.groups) if (master === slot) fewest = Math.min(fewest, replicas.length)
  return Number.isFinite(fewest) ? fewest : 0
}

function isLinked(c: Context, {slot}: Member): boolean {
  return c.engine.cluster?.links.state(slot).isConnected ?? false
}

function isSyncing(c: Context): boolean {
  const {map} = viewOf(c.engine)
  const slot = map.member(c.engine.nodeId)?.slot ?? NO_NODE
  return slot !== NO_NODE && map.syncing.includes(slot)
}
