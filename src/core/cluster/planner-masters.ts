/**
 * The planner's orders about masters: away from leaving nodes, and evenly spread. A master can only go where a copy is in sync, so
 * even numbers are a question of flow: node A can give to B if it is master of a bucket that B holds. Most of it is done
 * directly. What is left, once all copies are where they shall be, goes along shortest paths (A gives to B, B gives to C) from who has too many to
 * who may have more, found by breadth-first search as in Edmonds and Karp ("Theoretical Improvements in Algorithmic Efficiency for Network Flow
 * Problems", 1972). While copies are evenly spread an even spread of masters exists, and then such paths lead to it.
 */
import {assert} from '../../base/assert.ts'
import {BUCKET_COUNT} from '../../constants.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import {Survey} from './planner-survey.ts'
import type {Orders} from './planner-orders.ts'

/** Paths in one plan; the next plan finds the next ones. */
const PATHS_MAX = 8

/**
 * Who should be master of a bucket instead of its present master: of the usable in-sync copies the one with the fewest masters; `last`
 * again while it has too few. NO_NODE if nobody can now.
 */
export function heir(survey: Survey, bucket: number, last: number): number {
  const {map, usable, room, masters} = survey
  const start = bucket * COPIES_MAX
  let best = NO_NODE
  for (let i = start + 1; i < start + COPIES_MAX && map.inSync[i] !== NO_NODE; i++) {
    const slot = map.inSync[i]!
    if (usable[slot] === 0 || room[slot]! <= 0) continue
    if (slot === last && masters[slot]! < survey.mastersFloor) return slot
    if (best === NO_NODE || masters[slot]! < masters[best]!) best = slot
  }
  return best
}

/** Leaving nodes' masters get a target, where one is in sync. */
export function relieveLeaving(survey: Survey, orders: Orders): void {
  const {map} = survey
  let last = NO_NODE
  for (let i = 0; i < BUCKET_COUNT; i++) {
    if (Survey.isRunStart(i)) last = NO_NODE
    const bucket = Survey.bucketAt(i)
    const master = map.master[bucket]!
    if (survey.isServed[bucket] === 0 || survey.usable[master] === 1) continue
    if (map.target[bucket] !== NO_NODE || orders.has(bucket)) continue
    last = heir(survey, bucket, last)
    if (last === NO_NODE) continue
    orders.add('target', last, bucket)
    survey.moveMaster(master, last)
  }
}

/** Spreads the masters evenly: directly while that is possible, then along paths. */
export function balanceMasters(survey: Survey, orders: Orders): void {
  if (isEven(survey)) return
  giveDirectly(survey, orders)
  // While copies still move, direct ways may open that cost fewer handoffs.
  if (survey.copiesUnderWay === 0 && !orders.hasAny('assign')) givePaths(survey, orders)
}

function giveDirectly(survey: Survey, orders: Orders): void {
  const {map} = survey
  let last = NO_NODE
  for (let i = 0; i < BUCKET_COUNT; i++) {
    if (Survey.isRunStart(i)) last = NO_NODE
    const bucket = Survey.bucketAt(i)
    const from = map.master[bucket]!
    if (orders.has(bucket) || !survey.isSettled(bucket)) continue
    const to = heir(survey, bucket, last)
    if (to === NO_NODE || !mayGive(survey, from, to)) continue
    orders.add('target', to, bucket)
    survey.moveMaster(from, to)
    last = to
  }
}

/** From above the permitted to below its upper end, or from above its lower end to below it. */
function mayGive(survey: Survey, from: number, to: number): boolean {
  const {masters, mastersFloor, mastersCeil} = survey
  if (masters[from]! > mastersCeil) return masters[to]! < mastersCeil
  return masters[from]! > mastersFloor && masters[to]! < mastersFloor
}

/** A giver keeps at least, and a taker gets at most, so many masters. */
interface Bounds {
  readonly giver: number
  readonly taker: number
}

function isEven({masters, mastersFloor, mastersCeil, nodes}: Survey): boolean {
  return nodes.every((node) => masters[node]! >= mastersFloor && masters[node]! <= mastersCeil)
}

function givePaths(survey: Survey, orders: Orders): void {
  if (isEven(survey)) return
  const {mastersFloor: floor, mastersCeil: ceil} = survey
  // The first are the long steps: from far too many to far too few. The others even out what is off by one.
  const kinds: readonly Bounds[] = [
    {giver: ceil, taker: floor},
    {giver: ceil, taker: ceil},
    {giver: floor, taker: floor},
  ]
  const edges = countEdges(survey, orders)
  let count = 0
  for (const bounds of kinds) {
    while (count < PATHS_MAX && givePath(survey, orders, edges, bounds)) count++
  }
}

/** Orders what the shortest path carries; false if there is none. */
function givePath(survey: Survey, orders: Orders, edges: Int32Array, bounds: Bounds): boolean {
  const path = findPath(survey, edges, bounds)
  if (path === null) return false
  const {masters} = survey
  const wished = Math.min(masters[path[0]!]! - bounds.giver, bounds.taker - masters[path[path.length - 1]!]!)
  const count = Math.min(wished, capacity(survey, edges, path))
  for (let i = 0; i + 1 < path.length; i++) give(survey, orders, edges, path[i]!, path[i + 1]!, count)
  return true
}

/** How many buckets each node (row) could give each other (column). */
function countEdges(survey: Survey, orders: Orders): Int32Array {
  const size = survey.map.members.length
  const edges = new Int32Array(size * size)
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (!orders.has(bucket) && survey.isSettled(bucket)) addEdges(survey, edges, bucket, 1)
  }
  return edges
}

function addEdges({map, wanted}: Survey, edges: Int32Array, bucket: number, count: number): void {
  const row = map.master[bucket]! * map.members.length
  const start = bucket * COPIES_MAX
  for (let i = start + 1; i < start + wanted; i++) edges[row + map.inSync[i]!]! += count
}

/** The shortest way from one that may give, of these from the one with the most, to one that may take; null if there is none. */
function findPath(survey: Survey, edges: Int32Array, bounds: Bounds): number[] | null {
  const {masters, nodes, room} = survey
  const size = survey.map.members.length
  const givers = nodes
    .filter((node) => masters[node]! > bounds.giver)
    .sort((a, b) => masters[b]! - masters[a]! || a - b)
  const cameFrom = new Map<number, number>(givers.map((node) => [node, NO_NODE]))
  // What is added meanwhile is visited as well, in the order in which it came.
  for (const node of cameFrom.keys()) {
    if (masters[node]! < bounds.taker) return trace(cameFrom, node)
    for (const next of nodes) {
      const isOpen = edges[node * size + next]! > 0 && room[next]! > 0
      if (isOpen && !cameFrom.has(next)) cameFrom.set(next, node)
    }
  }
  return null
}

function trace(cameFrom: ReadonlyMap<number, number>, end: number): number[] {
  const path: number[] = []
  for (let node = end; node !== NO_NODE; node = cameFrom.get(node)!) path.unshift(node)
  return path
}

/** Masters that can go along a path at once. No two steps of it want the same bucket: each begins at another master. */
function capacity(survey: Survey, edges: Int32Array, path: readonly number[]): number {
  let count = BUCKET_COUNT
  for (let i = 1; i < path.length; i++) {
    const edge = edges[path[i - 1]! * survey.map.members.length + path[i]!]!
    count = Math.min(count, edge, survey.room[path[i]!]!)
  }
  return count
}

/** Orders so many buckets from their master to a node that holds them. */
function give(survey: Survey, orders: Orders, edges: Int32Array, from: number, to: number, count: number): void {
  const {map} = survey
  for (let bucket = 0; bucket < BUCKET_COUNT && count > 0; bucket++) {
    if (map.master[bucket] !== from || !map.isInSync(bucket, to)) continue
    if (orders.has(bucket) || !survey.isSettled(bucket)) continue
    orders.add('target', to, bucket)
    addEdges(survey, edges, bucket, -1)
    survey.moveMaster(from, to)
    count--
  }
  assert(count === 0, 'a path carries what its edges were counted to carry')
}
