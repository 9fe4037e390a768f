/** What an operator may ask of the planner: to move masters by hand, and who has how much. */
import {assert} from '../../base/assert.ts'
import {BUCKET_COUNT} from '../../constants.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import {Orders} from './planner-orders.ts'
import type {ClusterMap, Member} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'

export interface MovePlan {
  /** To be proposed in this order. None, without an error, if all that was asked for is under way already. */
  readonly entries: MapEntry[]
  /** Why nothing can be done, for a person. */
  readonly error: string | null
}

export interface MemberBalance {
  readonly id: string
  readonly slot: number
  /** Buckets of which it is master now. */
  readonly masters: number
  /** Buckets that it holds in sync, as master or replica. */
  readonly copies: number
  /** Buckets that it is being given. */
  readonly syncing: number
}

/**
 * Entries that make a node master of these buckets: of each it gets a copy first, if it has none. Buckets that cannot go there now (lost, their
 * master down, or with no room for another copy) are left out; if that leaves none it is an error.
 */
export function planMove(map: ClusterMap, buckets: readonly number[], toId: string): MovePlan {
  const to = map.member(toId)
  const problem = problemOf(to)
  if (to === null || problem !== null) return {entries: [], error: problem ?? 'no such node'}
  const orders = new Orders(map)
  const blocked: string[] = []
  let moving = 0
  for (const bucket of new Set(buckets)) {
    assert(Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKET_COUNT, 'buckets are checked where they are read')
    const {master, target} = map
    const isThere = master[bucket] === to.slot && target[bucket] === NO_NODE
    const obstacle = isThere ? null : obstacleOf(map, bucket, to.slot)
    if (obstacle !== null) blocked.push(obstacle)
    else if (!isThere) moving++
    if (!isThere && obstacle === null) orderMove(map, orders, bucket, to.slot)
  }
  if (moving > 0) return {entries: orders.entries(), error: null}
  return {entries: [], error: blocked[0] ?? 'no bucket needs to move: that node is master of all of them already'}
}

function problemOf(to: Member | null): string | null {
  if (to === null) return 'no such node'
  if (to.isDown) return 'that node is down'
  if (to.isLeaving) return 'that node is leaving'
  return to.isVoterOnly ? 'that node holds no buckets' : null
}

function obstacleOf(map: ClusterMap, bucket: number, to: number): string | null {
  const master = map.master[bucket]!
  if (master === NO_NODE) return `bucket ${bucket} is lost`
  if (map.members[master]!.isDown) return `the master of bucket ${bucket} is down`
  const needsCopy = !map.isInSync(bucket, to) && map.syncing[bucket] !== to
  return needsCopy && map.copyCount(bucket) >= COPIES_MAX ? `bucket ${bucket} has no room for another copy` : null
}

function orderMove(map: ClusterMap, orders: Orders, bucket: number, to: number): void {
  const coming = map.syncing[bucket]!
  const target = map.target[bucket]!
  if (map.master[bucket] === to) {
    // It was about to go elsewhere.
    orders.add('untarget', target, bucket)
    return
  }
  if (!map.isInSync(bucket, to) && coming !== to) {
    if (coming !== NO_NODE) orders.add('unassign', coming, bucket)
    orders.add('assign', to, bucket)
  }
  if (target !== to) orders.add('target', to, bucket)
}

/** How much each member has, by slot. */
export function describeBalance(map: ClusterMap): MemberBalance[] {
  const masters = new Uint32Array(NO_NODE + 1)
  const copies = new Uint32Array(NO_NODE + 1)
  const syncing = new Uint32Array(NO_NODE + 1)
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    masters[map.master[bucket]!]!++
    syncing[map.syncing[bucket]!]!++
  }
  for (const slot of map.inSync) copies[slot]!++
  return map.members
    .filter((member) => member !== null)
    .map(({id, slot}) => ({id, slot, masters: masters[slot]!, copies: copies[slot]!, syncing: syncing[slot]!}))
}
