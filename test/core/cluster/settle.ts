/** A cluster in one call: the planner plans, the map applies, masters do what it asks, in random order and as much as they like in each round. */
import {expect} from 'vitest'
import {COPIES_MAX, NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {checkMap} from '../../../src/core/cluster/map-strike.ts'
import {describeBalance, plan} from '../../../src/core/cluster/planner.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'
import {completions, isAlive, must, shuffle} from './make.ts'
import type {ApplyResult, ClusterMap} from '../../../src/core/cluster/cluster-map.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'
import type {Random} from '../../support/random.ts'

export interface Settled {
  /** Until the planner had nothing more to say. */
  readonly rounds: number
  /** Copies that were made. */
  readonly copied: number
  /** Masters that moved. */
  readonly moved: number
  /** True if the planner had nothing more to say. */
  readonly isDone: boolean
}

export interface SettleOptions {
  readonly moving: number
  readonly roundsMax: number
}

/** Runs until the planner has nothing more to say, or for so many rounds. After each step: no bucket lost a copy that it needs. */
export function settle(map: ClusterMap, random: Random, {moving, roundsMax}: SettleOptions): Settled {
  let copied = 0
  let moved = 0
  for (let rounds = 0; rounds < roundsMax; rounds++) {
    const entries = plan(map, {moving})
    if (entries.length === 0 && completions(map).length === 0) return {rounds, copied, moved, isDone: true}
    for (const entry of entries) applyGuarded(map, entry)
    checkRoom(map, moving)
    const share = 0.3 + 0.7 * random.next()
    for (const entry of shuffle(
      completions(map, () => random.chance(share)),
      random,
    )) {
      const {buckets} = applyGuarded(map, entry)
      if (entry.type === 'in-sync') copied += buckets.length
      else moved += buckets.length
    }
  }
  return {rounds: roundsMax, copied, moved, isDone: false}
}

/** Applies an entry that must hold; no drop may leave fewer copies than there should be. */
function applyGuarded(map: ClusterMap, entry: MapEntry): ApplyResult {
  const result = must(map.apply(entry))
  if (entry.type !== 'drop') return result
  const wanted = map.wantedCopies()
  for (const bucket of result.buckets) {
    if (aliveCopiesOf(map, bucket) < wanted)
      throw new Error(`bucket ${bucket}: a drop left fewer than ${wanted} copies`)
  }
  return result
}

function aliveCopiesOf(map: ClusterMap, bucket: number): number {
  const start = bucket * COPIES_MAX
  let count = 0
  for (let i = start; i < start + COPIES_MAX && map.inSync[i] !== NO_NODE; i++) {
    if (isAlive(map, map.inSync[i]!)) count++
  }
  return count
}

/** No node has more under way than it may. */
function checkRoom(map: ClusterMap, moving: number): void {
  const counts = new Map<number, number>()
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (!isAlive(map, map.master[bucket]!)) continue
    for (const slot of new Set([map.syncing[bucket]!, map.target[bucket]!])) {
      if (slot !== NO_NODE) counts.set(slot, (counts.get(slot) ?? 0) + 1)
    }
  }
  for (const [slot, count] of counts) {
    if (count > moving) throw new Error(`${count} buckets are under way to slot ${slot}, ${moving} may be`)
  }
}

/** Expects the goal: enough copies, on usable nodes only, evenly spread, and a planner that leaves it at that. */
export function expectBalanced(map: ClusterMap): void {
  checkMap(map)
  expect(map.isBalancing).toBe(false)
  expect(plan(map, {moving: 64})).toEqual([])
  expectEnoughCopies(map)
  const usable = describeBalance(map).filter(({slot}) => map.isUsable(slot))
  const wanted = map.wantedCopies()
  for (const [what, total] of [
    ['masters', BUCKET_COUNT],
    ['copies', BUCKET_COUNT * wanted],
  ] as const) {
    const mean = total / usable.length
    for (const node of usable) {
      expect(node[what], `${what} of slot ${node.slot}`).toBeGreaterThanOrEqual(Math.floor(mean))
      expect(node[what], `${what} of slot ${node.slot}`).toBeLessThanOrEqual(Math.ceil(mean))
    }
  }
}

/** Expects that each bucket that is served has as many copies as it should have, all on usable nodes, and nothing is under way. */
export function expectEnoughCopies(map: ClusterMap): void {
  const wanted = map.wantedCopies()
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (!isAlive(map, map.master[bucket]!)) continue
    const copies = map.copies(bucket)
    const isRight = copies.length === wanted && copies.every((slot) => map.isUsable(slot))
    const isQuiet = map.syncing[bucket] === NO_NODE && map.target[bucket] === NO_NODE
    if (!isRight || !isQuiet) throw new Error(`bucket ${bucket}: copies ${copies.join(' ')}, ${wanted} wanted`)
  }
}
