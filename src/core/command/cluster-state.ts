/**
 * The cluster as its own tools are told of it, as JSON: `CLUSTER PEERS`, what a node that wants to join asks first, and `CLUSTER STATE`, what
 * `kv cluster status` and its kin are made from. Both are internal: their fields may grow with `version`.
 *
 * `CLUSTER STATE PLAN` adds what a rebalance would do. It plays the planner forward on a copy of the map, one round a tick, since a round
 * looks at every bucket.
 */
import {BUCKET_COUNT, PLAN_ROUNDS_MAX} from '../../constants.ts'
import {formatBuckets} from '../cluster/bucket-ranges.ts'
import {ClusterMap} from '../cluster/cluster-map.ts'
import {NO_NODE} from '../cluster/map-layout.ts'
import {describeBalance, plan} from '../cluster/planner.ts'
import {viewOf} from '../cluster/view.ts'
import {ERR_SYNTAX, WAITING} from './context.ts'
import type {ClusterView} from '../cluster/view.ts'
import type {MemberBalance} from '../cluster/planner.ts'
import type {Member} from '../cluster/cluster-map.ts'
import type {Engine} from '../engine.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'
import type {Session} from '../session.ts'
import type {Context} from './context.ts'
import type {Wait} from './waits.ts'

const VERSION = 1

export function peers(c: Context): void {
  const {members} = viewOf(c.engine)
  c.out.bulkString(JSON.stringify({...head(c.engine), members: members.map(memberJson)}))
}

function head(engine: Engine): object {
  const {map} = viewOf(engine)
  const {cluster} = engine
  return {
    version: VERSION,
    clusterId: map.clusterId,
    self: engine.nodeId,
    revision: map.revision,
    leader: cluster?.raft.leader ?? null,
    isAdmitted: cluster !== null && cluster.isAdmitted && !cluster.isGone,
  }
}

function memberJson(member: Member): object {
  const {id, host, port, peerHost, peerPort, isVoterOnly, isDown, isLeaving, log, isLogOn} = member
  // A data-log node, and whether masters wait for it.
  const logging = log === undefined ? {} : {log, isLogOn}
  return {id, host, port, peerHost, peerPort, isVoterOnly, isDown, isLeaving, ...logging}
}

export function state(c: Context): void {
  if (c.argc === 2) return c.out.bulkString(JSON.stringify(describeCluster(c.engine)))
  if (c.argc !== 3 || !c.is(2, 'PLAN')) return c.fail(ERR_SYNTAX)
  c.engine.waits.add(new Rehearsal(c.session, c.engine))
  c.verdict = WAITING
}

/** What CLUSTER STATE says. */
export function describeCluster(engine: Engine): object {
  const view = viewOf(engine)
  const {cluster} = engine
  const {map} = view
  return {
    ...head(engine),
    replicas: map.replicas,
    isBalancing: map.isBalancing,
    term: cluster?.raft.term ?? 0,
    hasLease: cluster?.hasLease ?? true,
    joinProblem: cluster?.joinProblem ?? '',
    members: describeBalance(map).map((balance) => membersLine(engine, map.members[balance.slot]!, balance)),
    ...ailments(view),
    moves: movesUnderWay(map),
    logLags: cluster?.logLags() ?? [],
    waiting: {
      copies: cluster?.master.copier.count ?? 0,
      masters: cluster?.master.waitingCount ?? 0,
      requests: engine.parking.waitingCount,
    },
    // First, last, master's slot (-1: lost), slots of the replicas.
    ranges: view.ranges.map(({first, last, group: {master, replicas}}) => [
      ...[first, last, master === NO_NODE ? -1 : master],
      replicas,
    ]),
  }
}

function membersLine({cluster, nodeId}: Engine, member: Member, {masters, copies, syncing}: MemberBalance): object {
  const {id, slot, incarnation} = member
  const isVoter = (cluster?.raft.config.voters ?? [id]).includes(id)
  const link = cluster?.links.state(slot)
  return {
    ...memberJson(member),
    slot,
    incarnation,
    role: cluster?.raft.leader === id ? 'leader' : isVoter ? 'voter' : 'learner',
    isVoter,
    masters,
    copies,
    syncing,
    isConnected: id === nodeId || (link?.isConnected ?? false),
    unackedBytes: link?.unackedBytes ?? 0,
  }
}

/** Buckets that are not as they should be, as ranges. */
function ailments(view: ClusterView): object {
  const {map} = view
  const usable = map.members.filter((_, slot) => map.isUsable(slot)).length
  const wanted = Math.min(map.replicas + 1, usable)
  const lost: number[] = []
  const down: number[] = []
  const underReplicated: number[] = []
  const isKnown = map.revision > 0
  for (let bucket = 0; bucket < BUCKET_COUNT && isKnown; bucket++) {
    const master = map.master[bucket]!
    if (master === NO_NODE) lost.push(bucket)
    else if (!view.isLive(master)) down.push(bucket)
    else if (map.copyCount(bucket) < wanted) underReplicated.push(bucket)
  }
  return {
    wantedCopies: wanted,
    lost: formatBuckets(lost),
    down: formatBuckets(down),
    underReplicated: formatBuckets(underReplicated),
  }
}

/** What the map says is on its way: copies being made, masters being handed over. */
function movesUnderWay(map: ClusterMap): Move[] {
  const copies = new Moves()
  const masters = new Moves()
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const master = map.master[bucket]!
    if (map.syncing[bucket] !== NO_NODE) copies.add(master, map.syncing[bucket]!, bucket)
    if (map.target[bucket] !== NO_NODE) masters.add(master, map.target[bucket]!, bucket)
  }
  return [...copies.list('copy', map), ...masters.list('master', map)]
}

interface Move {
  readonly kind: 'copy' | 'master' | 'drop'
  /** Ids; null: nobody. */
  readonly from: string | null
  readonly to: string | null
  readonly buckets: string
  readonly count: number
}

/** Buckets gathered by where they come from and go to. */
class Moves {
  readonly #buckets = new Map<number, number[]>()

  add(from: number, to: number, bucket: number): void {
    const key = from * (NO_NODE + 1) + to
    const list = this.#buckets.get(key)
    if (list) list.push(bucket)
    else this.#buckets.set(key, [bucket])
  }

  list(kind: Move['kind'], {members}: ClusterMap): Move[] {
    return [...this.#buckets]
      .sort(([a], [b]) => a - b)
      .map(([key, list]) => ({
        kind,
        from: members[Math.floor(key / (NO_NODE + 1))]?.id ?? null,
        to: members[key % (NO_NODE + 1)]?.id ?? null,
        buckets: formatBuckets(list),
        count: list.length,
      }))
  }
}

/** A rebalance on a copy of the map: every order is carried out at once. */
class Rehearsal implements Wait {
  readonly session: Session
  readonly #engine: Engine
  readonly #before: ClusterMap
  readonly #after: ClusterMap
  #rounds = 0

  constructor(session: Session, engine: Engine) {
    this.session = session
    this.#engine = engine
    const {map} = viewOf(engine)
    this.#before = copyOf(map)
    this.#after = copyOf(map)
    this.#after.isBalancing = map.revision > 0
  }

  look(): ((out: ReplyWriter) => void) | null {
    const map = this.#after
    if (map.isBalancing && this.#rounds++ < PLAN_ROUNDS_MAX) {
      for (const entry of plan(map, {moving: BUCKET_COUNT})) map.apply(entry)
      carryOut(map)
      return null
    }
    const answer = JSON.stringify({...describeCluster(this.#engine), plan: difference(this.#before, map)})
    return (out) => out.bulkString(answer)
  }
}

function copyOf(map: ClusterMap): ClusterMap {
  const copy = new ClusterMap()
  copy.clusterId = map.clusterId
  copy.replicas = map.replicas
  copy.revision = map.revision
  copy.isBalancing = map.isBalancing
  copy.members.push(...map.members.map((member) => member && {...member}))
  for (const name of ['epoch', 'master', 'inSync', 'syncing', 'target'] as const) copy[name].set(map[name])
  return copy
}

/** Copies arrive, masters are handed over. */
function carryOut(map: ClusterMap): void {
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const master = map.master[bucket]!
    if (master === NO_NODE || map.members[master]?.isDown !== false) continue
    const coming = map.syncing[bucket]!
    if (coming !== NO_NODE) map.setCopies(bucket, master, [...map.copies(bucket), coming])
    map.endSyncing(bucket)
    const target = map.target[bucket]!
    if (target !== NO_NODE && map.isInSync(bucket, target)) map.setCopies(bucket, target, map.copies(bucket))
    map.target[bucket] = NO_NODE
  }
}

/** What differs, and what each member has in the end. */
function difference(before: ClusterMap, after: ClusterMap): object {
  const masterMoves = new Moves()
  const newCopies = new Moves()
  const drops = new Moves()
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const from = before.master[bucket]!
    const to = after.master[bucket]!
    if (from !== to) masterMoves.add(from, to, bucket)
    for (const slot of after.copies(bucket)) if (!before.isInSync(bucket, slot)) newCopies.add(from, slot, bucket)
    for (const slot of before.copies(bucket)) if (!after.isInSync(bucket, slot)) drops.add(slot, NO_NODE, bucket)
  }
  const moves = [
    ...masterMoves.list('master', before),
    ...newCopies.list('copy', before),
    ...drops.list('drop', before),
  ]
  const members = describeBalance(after).map(({id, masters, copies}) => ({id, masters, copies}))
  return {moves, members}
}
