/**
 * The commands by which buckets are listed and moved, as the founding note has them: LISTBUCKETS, REQUESTMOVE, DUMPBUCKET, BUCKETMOVED. A move is
 * agreed on like everything else: its orders are proposed (planMove says which), again if they are lost, and who waits for it is answered
 * when the map shows the new master.
 */
import {BUCKET_COUNT, BUCKET_MOVE_TIMEOUT_MS, PROPOSAL_RETRY_MS} from '../../constants.ts'
import {planMove} from '../cluster/planner.ts'
import {viewOf} from '../cluster/view.ts'
import {proposalProblem} from './cluster-change.ts'
import {ERR_NOT_INTEGER, WAITING} from './context.ts'
import type {Cluster} from '../cluster/cluster.ts'
import type {Member} from '../cluster/cluster-map.ts'
import type {Engine} from '../engine.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'
import type {Session} from '../session.ts'
import type {Context} from './context.ts'
import type {Wait} from './waits.ts'

export const ERR_SLOT = 'ERR Invalid or out of range slot'
const ERR_ALONE = 'ERR this node is a cluster of its own: there is no node to hand buckets to or take them from'

/** What this node is master (M) of, or has an in-sync copy (S) of. */
export function listbuckets(c: Context): void {
  const {map} = viewOf(c.engine)
  const slot = map.member(c.engine.nodeId)?.slot ?? -1
  const held: number[] = []
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (map.isInSync(bucket, slot)) held.push(bucket)
  c.out.array(held.length * 2)
  for (const bucket of held) {
    c.out.bulkInteger(bucket)
    c.out.bulkString(map.master[bucket] === slot ? 'M' : 'S')
  }
}

/** Checks `bucket ip port ...`; false if the error is written. */
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

/** The member whose clients are told the address in arguments `i` and `i + 1`. */
function memberAt(c: Context, i: number): Member | null {
  const host = c.text(i)
  const port = c.integer(i + 1)
  return viewOf(c.engine).members.find((member) => member.host === host && member.port === port) ?? null
}

/** REQUESTMOVE: this node's bucket shall go there. It only says that it was received. */
export function requestmove(c: Context): void {
  if (!isHandoff(c, 1)) return
  const {cluster} = c.engine
  const bucket = c.integer(1)
  const to = memberAt(c, 2)
  if (cluster && to && cluster.map.master[bucket] === cluster.selfSlot)
    wantMove(c.engine, cluster, bucket, to.id, false)
  c.out.ok()
}

/** DUMPBUCKET: the bucket of the node at that address shall come here; answered when it is here. */
export function dumpbucket(c: Context): void {
  if (!isHandoff(c, 1)) return
  const {cluster} = c.engine
  if (!cluster) return c.fail(ERR_ALONE)
  const bucket = c.integer(1)
  const from = memberAt(c, 2)
  const {map} = cluster
  if (!from) return c.fail(`ERR no member of the cluster has the address ${c.latin1(2)}:${c.latin1(3)}`)
  if (cluster.isAdmitted && map.master[bucket] === cluster.selfSlot) return c.out.ok()
  if (map.master[bucket] !== from.slot) return c.fail(elsewhere(map.members[map.master[bucket]!], bucket))
  const problem = proposalProblem(cluster)
  if (problem !== null) return c.fail(problem)
  const {error} = planMove(map, [bucket], cluster.self.id)
  if (error !== null) return c.fail(`ERR ${error}`)
  wantMove(c.engine, cluster, bucket, cluster.self.id, true)
  c.engine.waits.add(new Arrival(c.session, cluster, bucket))
  c.verdict = WAITING
}

function elsewhere(master: Member | null | undefined, bucket: number): string {
  if (!master) return `ERR bucket ${bucket} is lost: nobody has it`
  return `ERR that node is not the master of bucket ${bucket}: ${master.host}:${master.port} is`
}

/** BUCKETMOVED: all nodes learn it from the agreed map, so there is nothing left to tell. */
export function bucketmoved(c: Context): void {
  if (!isHandoff(c, 2)) return
  if (c.engine.cluster) c.out.ok()
  else c.fail(ERR_ALONE)
}

/** Somebody waits until this node is master of a bucket. */
class Arrival implements Wait {
  readonly session: Session
  readonly #cluster: Cluster
  readonly #bucket: number
  readonly #until: number

  constructor(session: Session, cluster: Cluster, bucket: number) {
    this.session = session
    this.#cluster = cluster
    this.#bucket = bucket
    this.#until = cluster.now + BUCKET_MOVE_TIMEOUT_MS
  }

  look(): ((out: ReplyWriter) => void) | null {
    const cluster = this.#cluster
    const bucket = this.#bucket
    if (!cluster.isAdmitted || cluster.isGone) return (out) => out.error('ERR this node is not a member any more')
    if (cluster.map.master[bucket] === cluster.selfSlot) return (out) => out.ok()
    const {error} = planMove(cluster.map, [bucket], cluster.self.id)
    if (error !== null) return (out) => out.error(`ERR ${error}`)
    if (cluster.now < this.#until) return null
    const seconds = BUCKET_MOVE_TIMEOUT_MS / 1000
    return (out) => out.error(`ERR bucket ${bucket} is not here after ${seconds} s; its move goes on`)
  }
}

interface Wanted {
  readonly to: string
  readonly until: number
  /** Somebody waits: it is ordered again if it is withdrawn. */
  readonly isFirm: boolean
}

/** All moves that were asked for here and are not under way yet, by bucket; a later wish replaces an earlier one. */
class WantedMoves implements Wait {
  readonly session = null
  readonly #cluster: Cluster
  readonly #wanted = new Map<number, Wanted>()
  #proposedAt = Number.NEGATIVE_INFINITY

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  want(bucket: number, to: string, isFirm: boolean): void {
    this.#wanted.set(bucket, {to, until: this.#cluster.now + BUCKET_MOVE_TIMEOUT_MS, isFirm})
  }

  look(): (() => void) | null {
    const {now} = this.#cluster
    if (now - this.#proposedAt < PROPOSAL_RETRY_MS) return null
    this.#proposedAt = now
    for (const [to, buckets] of this.#open(now)) {
      for (const entry of planMove(this.#cluster.map, buckets, to).entries) this.#cluster.propose(entry)
    }
    return this.#wanted.size === 0 ? () => undefined : null
  }

  /** Those that may have to be proposed, by their target; the others are forgotten: ordered, there, or too old. */
  #open(now: number): Map<string, number[]> {
    const {map} = this.#cluster
    const open = new Map<string, number[]>()
    for (const [bucket, {to, until, isFirm}] of this.#wanted) {
      const slot = map.member(to)?.slot
      const isThere = slot === undefined || map.master[bucket] === slot || (!isFirm && map.target[bucket] === slot)
      if (isThere || now >= until) this.#wanted.delete(bucket)
      else if (open.has(to)) open.get(to)!.push(bucket)
      else open.set(to, [bucket])
    }
    return open
  }
}

function wantMove(engine: Engine, cluster: Cluster, bucket: number, to: string, isFirm: boolean): void {
  const known = engine.waits.find((wait) => wait instanceof WantedMoves)
  const wanted = known ?? new WantedMoves(cluster)
  if (!known) engine.waits.add(wanted)
  wanted.want(bucket, to, isFirm)
}
