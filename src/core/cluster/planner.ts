/**
 * The planner: from the cluster map as it is to the entries that bring it nearer to what it should be. A pure function that the Raft leader calls
 * again and again; all that is going on stands in the map, so any leader can go on where another ended.
 *
 *   goal      each bucket has min(replicas + 1, usable nodes) copies, all on usable nodes (neither down, leaving nor voter-only);
 *             each usable node has as many copies and masters as the others, or one more; who is leaving has nothing
 *   always    orders for leaving nodes are taken back; what is too many is dropped; missing copies are made; leaving nodes give up their
 *             masters, then their copies (which are replaced first); who has left everything is removed
 *   balance   copies, then masters: only while the map says so, so that what an operator moved by hand stays there
 *
 * A bucket whose only copy is on a node that is down is left alone: nothing can be done without its data.
 *
 * Why it ends: an order is given only for what is neither there nor under way, and counts look ahead (planner-survey.ts). A copy moves
 * only from who has too many to who has too few, and what is too many is taken from who has too many, so the sum of all that is too many
 * falls with each batch. Masters follow, and change no copies.
 *
 * planner-copies.ts and planner-masters.ts give the orders, planner-move.ts those of an operator.
 */
import {assert} from '../../base/assert.ts'
import {balanceCopies, cancelUseless, fillUp, shedExtra} from './planner-copies.ts'
import {balanceMasters, relieveLeaving} from './planner-masters.ts'
import {Orders} from './planner-orders.ts'
import {Survey} from './planner-survey.ts'
import type {ClusterMap} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'

export {describeBalance, planMove} from './planner-move.ts'
export type {MemberBalance, MovePlan} from './planner-move.ts'

export interface PlanOptions {
  /** Buckets with a copy or a master on the way to one node at once, at most. */
  readonly moving: number
}

/**
 * The next entries towards the goal; none when it is reached, or while all that can be done is under way. In the moment when nothing is left
 * to do and the map is still balancing: the one entry `balanced`.
 */
export function plan(map: ClusterMap, {moving}: PlanOptions): MapEntry[] {
  assert(moving >= 1, 'nothing would ever move')
  const survey = new Survey(map, moving)
  const orders = new Orders(map)
  cancelUseless(survey, orders)
  if (survey.nodes.length > 0) giveOrders(survey, orders)
  const entries = [...orders.entries(), ...removals(survey)]
  if (entries.length > 0 || survey.underWay > 0 || !map.isBalancing) return entries
  return [{type: 'balanced', revision: map.revision}]
}

/** In the order of their importance: the first ones take the room that a node has for what is under way. */
function giveOrders(survey: Survey, orders: Orders): void {
  shedExtra(survey, orders)
  survey.setGoals()
  fillUp(survey, orders, true)
  relieveLeaving(survey, orders)
  fillUp(survey, orders, false)
  if (!survey.map.isBalancing) return
  balanceCopies(survey, orders)
  balanceMasters(survey, orders)
}

/** Those who are leaving and hold nothing any more. Somebody stays. */
function removals(survey: Survey): MapEntry[] {
  const members = survey.map.members.filter((member) => member !== null)
  const done = members.filter(({isLeaving, slot}) => isLeaving && survey.held[slot] === 0)
  if (done.length === members.length) done.pop()
  return done.map(({id, incarnation}) => ({type: 'removed', node: id, incarnation}))
}
