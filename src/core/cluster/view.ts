/**
 * The cluster map as clients and operators are told of it: ranges instead of buckets, who has how much, what cannot be served. Made in
 * one pass over the map, once for each revision of it, so that `CLUSTER SLOTS` costs next to nothing however often it is asked for.
 *
 * Redis' words know one master per node and whole shards; here each bucket has its own master and copies. A node that is master of
 * nothing is called the replica of that node whose buckets it has most of; a shard is all buckets with the same master and replicas.
 *
 * A node without a cluster is shown as what it is: a cluster of one.
 */
import {assert} from '../../base/assert.ts'
import {BUCKET_COUNT} from '../../constants.ts'
import {ClusterMap} from './cluster-map.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import type {Engine} from '../engine.ts'
import type {Member, MemberInfo} from './cluster-map.ts'

/** All buckets with the same master and the same replicas, wherever they are. */
export interface CopyGroup {
  /** Place in `ClusterView.groups`. */
  readonly index: number
  /** A slot; NO_NODE = lost. */
  readonly master: number
  /** Slots of the other in-sync copies, ascending. */
  readonly replicas: readonly number[]
  /** Buckets. */
  count: number
}

/** Neighbouring buckets of one group. */
export interface BucketRange {
  readonly first: number
  readonly last: number
  readonly group: CopyGroup
}

/** All ranges with the same master and the same replicas; none for a node that has no bucket. */
export interface Shard {
  /** 40 hex digits. */
  readonly id: string
  readonly master: Member
  readonly replicas: readonly Member[]
  readonly ranges: readonly BucketRange[]
  readonly count: number
}

/** Slots are bytes, and NO_NODE is one of them. */
const SLOTS = 256

export class ClusterView {
  readonly map: ClusterMap
  readonly revision: number
  readonly members: readonly Member[]
  readonly ranges: readonly BucketRange[]
  readonly groups: readonly CopyGroup[]
  /** By slot: buckets of which it is master, of which it has a copy in sync, and its newest epoch. */
  readonly masters = new Uint32Array(SLOTS)
  readonly copies = new Uint32Array(SLOTS)
  readonly epochs = new Uint32Array(SLOTS)
  /** Buckets whose master lives. */
  readonly okCount: number
  /** Replies that were made from this view, by name. */
  readonly replies = new Map<string, Buffer>()
  /** Buckets of a master that a node has a copy of, by `slot * SLOTS + master`. */
  readonly #held = new Map<number, number>()
  #shards: readonly Shard[] | null = null

  constructor(map: ClusterMap) {
    this.map = map
    this.revision = map.revision
    this.members = map.members.filter((member) => member !== null)
    this.ranges = rangesOf(map)
    this.groups = groupsOf(this.ranges)
    let okCount = 0
    for (const {master, replicas, count} of this.groups) {
      if (master === NO_NODE) continue
      if (this.isLive(master)) okCount += count
      this.masters[master]! += count
      this.copies[master]! += count
      for (const slot of replicas) {
        this.copies[slot]! += count
        this.#held.set(slot * SLOTS + master, this.held(slot, master) + count)
      }
    }
    this.okCount = okCount
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const master = map.master[bucket]!
      if (map.epoch[bucket]! > this.epochs[master]!) this.epochs[master] = map.epoch[bucket]!
    }
  }

  /** A member, and not down. */
  isLive(slot: number): boolean {
    return this.map.members[slot]?.isDown === false
  }

  /** Buckets of `master` that `slot` has a copy of as a replica. */
  held(slot: number, master: number): number {
    return this.#held.get(slot * SLOTS + master) ?? 0
  }

  /** For a node that is master of nothing: of whose buckets it has most; NO_NODE if it is master, or has none. */
  mainMaster(slot: number): number {
    if (this.masters[slot]! > 0) return NO_NODE
    let best = NO_NODE
    let most = 0
    for (const {slot: master} of this.members) {
      if (this.held(slot, master) <= most) continue
      most = this.held(slot, master)
      best = master
    }
    return best
  }

  /** Who has a copy of a bucket of this master. */
  replicasOf(master: number): readonly Member[] {
    return this.members.filter(({slot}) => this.held(slot, master) > 0)
  }

  /** By their first bucket; those without any come last. */
  get shards(): readonly Shard[] {
    this.#shards ??= shardsOf(this)
    return this.#shards
  }

  /** The shard in which this node has most buckets as master, or else as replica; null if it is no member. */
  shardOf(slot: number): Shard | null {
    const isMaster = this.masters[slot]! > 0
    const own = this.shards.filter(({master, replicas}) =>
      isMaster || this.copies[slot] === 0 ? master.slot === slot : replicas.some((replica) => replica.slot === slot),
    )
    return own.reduce<Shard | null>((best, shard) => (best && best.count >= shard.count ? best : shard), null)
  }
}

/** With a hundred nodes there are thousands of ranges and few groups: what can be done for a group is not done for a range. */
function rangesOf(map: ClusterMap): BucketRange[] {
  const ranges: BucketRange[] = []
  if (map.revision === 0) return ranges
  const groups = new Map<number, CopyGroup>()
  for (let first = 0, next = 1; first < BUCKET_COUNT; first = next++) {
    while (next < BUCKET_COUNT && isSameLine(map, first, next)) next++
    const key = lineKey(map, first)
    let group = groups.get(key)
    if (!group) {
      const master = map.master[first]!
      const replicas = map.copies(first).filter((slot) => slot !== master)
      group = {index: groups.size, master, replicas, count: 0}
      groups.set(key, group)
    }
    group.count += next - first
    ranges.push({first, last: next - 1, group})
  }
  return ranges
}

/** In the order of their first bucket. */
function groupsOf(ranges: readonly BucketRange[]): CopyGroup[] {
  const groups: CopyGroup[] = []
  for (const {group} of ranges) groups[group.index] = group
  return groups
}

/** The master comes first among the copies, so these say it all. */
function isSameLine({inSync}: ClusterMap, a: number, b: number): boolean {
  for (let i = 0; i < COPIES_MAX; i++) if (inSync[a * COPIES_MAX + i] !== inSync[b * COPIES_MAX + i]) return false
  return true
}

/** The copies as one number: six bytes are fewer than 2^53. */
function lineKey({inSync}: ClusterMap, bucket: number): number {
  let key = 0
  for (let i = 0; i < COPIES_MAX; i++) key = key * SLOTS + inSync[bucket * COPIES_MAX + i]!
  return key
}
assert(COPIES_MAX <= 6, 'the copies of a bucket are told apart by one number')

function shardsOf(view: ClusterView): Shard[] {
  const ranges: BucketRange[][] = view.groups.map(() => [])
  for (const range of view.ranges) ranges[range.group.index]!.push(range)
  const held = view.groups.filter(({master}) => master !== NO_NODE)
  const shards = held.map((group) => shardOfGroup(view.map, group, ranges[group.index]!))
  for (const member of view.members) {
    if (view.copies[member.slot] !== 0) continue
    shards.push({id: member.id, master: member, replicas: [], ranges: [], count: 0})
  }
  return shards
}

function shardOfGroup({members}: ClusterMap, group: CopyGroup, ranges: readonly BucketRange[]): Shard {
  const nodes = [group.master, ...group.replicas].map((slot) => members[slot]!)
  const id = shardId(nodes.map((node) => node.id))
  return {id, master: nodes[0]!, replicas: nodes.slice(1), ranges, count: group.count}
}

/** The master's id for a shard without replicas; else their ids mixed, each turned by its place, so that every node finds the same one. */
function shardId(ids: readonly string[]): string {
  const digits = Array.from(ids[0]!, (digit) => Number.parseInt(digit, 16))
  for (let i = 1; i < ids.length; i++) {
    for (let at = 0; at < digits.length; at++) digits[at]! ^= Number.parseInt(ids[i]![(at + i) % digits.length]!, 16)
  }
  return digits.map((digit) => digit.toString(16)).join('')
}

const views = new WeakMap<ClusterMap, ClusterView>()
const loneMaps = new WeakMap<Engine, {readonly address: string; readonly map: ClusterMap}>()

/** What this engine's node knows of its cluster now. */
export function viewOf(engine: Engine): ClusterView {
  const map = engine.cluster?.map ?? loneMap(engine)
  const known = views.get(map)
  if (known?.revision === map.revision) return known
  const view = new ClusterView(map)
  views.set(map, view)
  return view
}

/** This node as its cluster knows it, or will. */
export function selfOf(engine: Engine): MemberInfo {
  if (engine.cluster) return engine.cluster.self
  const {host, port, peerPort, runId} = engine.host.facts()
  return {id: engine.nodeId, incarnation: runId, host, port, peerHost: host, peerPort, isVoterOnly: false}
}

function loneMap(engine: Engine): ClusterMap {
  const member = selfOf(engine)
  const address = `${member.host}:${member.port}`
  const known = loneMaps.get(engine)
  if (known?.address === address) return known.map
  const map = new ClusterMap()
  map.apply({type: 'genesis', clusterId: '', replicas: 0, member})
  loneMaps.set(engine, {address, map})
  return map
}
