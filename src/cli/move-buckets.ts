/**
 * Moving masters by hand. The cluster does the work; here the orders are given, some at a time, and given again if they were lost: a node
 * that has no copy of a bucket is assigned one, and whoever shall be master is made its target. What is ordered arrives even if we
 * stop in the middle, and what is not yet ordered stays where it is, so there is nothing to undo.
 */
import {formatBuckets} from '../base/bucket-ranges.ts'
import {COPIES_MAX, PLAN_BUCKETS_MAX} from '../constants.ts'
import {KvError} from '../errors.ts'
import {BucketTable, isAlone, memberById, memberName} from './cluster-state.ts'
import {formatCount} from './units.ts'
import {untilState} from './watch-cluster.ts'
import type {ClusterLink} from './cluster-link.ts'
import type {ClusterState, MemberState} from './cluster-state.ts'

const NOBODY = -1

export interface Blocked {
  readonly buckets: string
  readonly reason: string
}

export interface MoveGroup {
  /** Id of the master now. */
  readonly from: string
  readonly buckets: string
  readonly count: number
  /** Of these the target has no copy yet. */
  readonly toCopy: number
}

export interface MovePlan {
  readonly to: MemberState
  /** Still to be moved, ascending, and the same by their master. */
  readonly moving: readonly number[]
  readonly groups: readonly MoveGroup[]
  /** The target is master of so many already, and nothing else is planned with them. */
  readonly already: number
  readonly blocked: readonly Blocked[]
}

/** What there is to do. Errors: E_USAGE if this node can be master of nothing. */
export function planBuckets(state: ClusterState, buckets: readonly number[], toId: string): MovePlan {
  const to = requireTarget(state, toId)
  const table = new BucketTable(state)
  const moving: number[] = []
  const blocked = new Map<string, number[]>()
  const groups = new Map<string, number[]>()
  let already = 0
  for (const bucket of buckets) {
    const obstacle = obstacleOf(state, table, bucket, to)
    if (table.master[bucket] === to.slot && table.target[bucket] === NOBODY) already++
    else if (obstacle !== undefined) add(blocked, obstacle, bucket)
    else {
      moving.push(bucket)
      add(groups, memberAt(state, table.master[bucket]!)!.id, bucket)
    }
  }
  return {
    to,
    moving,
    already,
    groups: [...groups].map(([from, list]) => ({
      from,
      buckets: formatBuckets(list),
      count: list.length,
      toCopy: list.filter((bucket) => !table.isInSync(bucket, to.slot)).length,
    })),
    blocked: [...blocked].map(([reason, list]) => ({reason, buckets: formatBuckets(list)})),
  }
}

/** The node, if it can be master of buckets. Errors: E_USAGE, E_NOT_FOUND. */
export function requireTarget(state: ClusterState, id: string): MemberState {
  if (isAlone(state)) throw new KvError('E_USAGE', 'That node is in no cluster: there is nowhere to move buckets to.')
  const to = memberById(state, id)
  if (!to) throw new KvError('E_NOT_FOUND', `Node ${id} is not in the cluster any more.`)
  const problem = to.isDown
    ? 'is down'
    : to.isLeaving
      ? 'is leaving the cluster'
      : to.isVoterOnly
        ? 'holds no buckets'
        : undefined
  if (problem === undefined) return to
  throw new KvError('E_USAGE', `${memberName(to)} ${problem}.`, 'See `kv node list` for others.')
}

/** Why the bucket cannot go there now. */
function obstacleOf(state: ClusterState, table: BucketTable, bucket: number, to: MemberState): string | undefined {
  const master = memberAt(state, table.master[bucket]!)
  if (!master) return 'lost: nobody has it'
  if (master.isDown) return `its master ${memberName(master)} is down`
  const needsCopy = !table.isInSync(bucket, to.slot) && table.syncing[bucket] !== to.slot
  return needsCopy && table.copyCount(bucket) >= COPIES_MAX ? 'no room for another copy' : undefined
}

function memberAt({members}: ClusterState, slot: number): MemberState | undefined {
  return members.find((member) => member.slot === slot)
}

function add<K>(lists: Map<K, number[]>, key: K, bucket: number): void {
  const list = lists.get(key)
  if (list) list.push(bucket)
  else lists.set(key, [bucket])
}

export interface MoveOptions {
  readonly link: ClusterLink
  readonly buckets: readonly number[]
  readonly toId: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

export interface MoveResult {
  readonly moved: number
  readonly already: number
  readonly blocked: readonly Blocked[]
}

/** Resolves when the node is master of all that can go there. Errors: as `planBuckets`, E_TIMEOUT, E_INTERRUPTED, E_REPLY. */
export async function moveBuckets(options: MoveOptions): Promise<MoveResult> {
  const {link, buckets, toId, onProgress} = options
  let total = -1
  let already = 0
  let left = 0
  const standing = (): {text: string; hint: string} => ({
    text: `${formatCount(total - left)} of ${formatCount(total)} buckets have moved. Those under way will still arrive.`,
    hint: 'Run the same command again to go on.',
  })
  return untilState(link, {...options, standing}, async (state) => {
    const plan = planBuckets(state, buckets, toId)
    if (total < 0) {
      total = plan.moving.length
      already = plan.already
    }
    left = plan.moving.length
    // Somebody else moves some of them away again.
    total = Math.max(total, left)
    onProgress(total - left, total)
    if (left === 0) return {moved: plan.already - already, already, blocked: plan.blocked}
    for (const entry of ordersFor(state, plan)) await link.change(entry)
    return undefined
  })
}

/** Entries that are missing in the map, for as many buckets as may be under way. */
function ordersFor(state: ClusterState, {to, moving}: MovePlan): Readonly<Record<string, unknown>>[] {
  const table = new BucketTable(state)
  const {slot, id} = to
  const unassign = new Map<number, number[]>()
  const assign: number[] = []
  const target: number[] = []
  const untarget: number[] = []
  const isOrdered = (bucket: number): boolean => table.target[bucket] === slot
  let room = PLAN_BUCKETS_MAX - moving.filter(isOrdered).length
  for (const bucket of moving) {
    if (isOrdered(bucket) || room-- <= 0) continue
    if (table.master[bucket] === slot) {
      // It was about to go elsewhere.
      untarget.push(bucket)
      continue
    }
    if (!table.isInSync(bucket, slot) && table.syncing[bucket] !== slot) {
      if (table.syncing[bucket] !== NOBODY) add(unassign, table.syncing[bucket]!, bucket)
      assign.push(bucket)
    }
    target.push(bucket)
  }
  const entries = [...unassign].map(([other, list]) => ({
    ...{type: 'unassign', node: memberAt(state, other)?.id, buckets: formatBuckets(list)},
  }))
  return [
    ...entries,
    ...(untarget.length > 0 ? [{type: 'untarget', buckets: formatBuckets(untarget)}] : []),
    ...(assign.length > 0 ? [{type: 'assign', node: id, buckets: formatBuckets(assign)}] : []),
    ...(target.length > 0 ? [{type: 'target', node: id, buckets: formatBuckets(target)}] : []),
  ]
}
