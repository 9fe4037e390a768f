/**
 * What becomes of a node's buckets when the node is gone. Two cases: it is *down* (it may come back with all it has), or its memory is
 * *gone* (another incarnation came, or it was removed).
 *
 *   others in sync and alive:  one of them becomes master, of those with the fewest buckets; the node is no copy any more
 *   others in sync, all down:  down: it stays, so that whoever returns first serves; gone: the first of them is master, when it returns
 *   nobody else:               down: it stays master, and the bucket waits for it; gone: the bucket is lost (rule R8)
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import type {ClusterMap} from './cluster-map.ts'

export function strike(map: ClusterMap, slot: number, isGone: boolean): void {
  if (!isAnywhere(map, slot)) return
  const masters = countMasters(map)
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const wasSyncing = map.syncing[bucket] === slot
    const wasTarget = map.target[bucket] === slot
    if (wasSyncing) map.endSyncing(bucket)
    if (wasTarget) map.target[bucket] = NO_NODE
    const isCopy = map.isInSync(bucket, slot) && strikeCopy(map, bucket, slot, isGone, masters)
    if (isCopy || wasSyncing || wasTarget) map.touch(bucket)
  }
}

/** False for most who are struck again because another came back: then nothing need be counted. */
function isAnywhere({inSync, syncing, target}: ClusterMap, slot: number): boolean {
  return inSync.includes(slot) || syncing.includes(slot) || target.includes(slot)
}

/** True if the bucket's line changed. */
function strikeCopy(map: ClusterMap, bucket: number, slot: number, isGone: boolean, masters: number[]): boolean {
  const others = map.copies(bucket).filter((copy) => copy !== slot)
  const alive = others.filter((copy) => isAlive(map, copy))
  if (alive.length === 0 && !isGone) return false
  if (map.master[bucket] !== slot) {
    map.removeCopy(bucket, slot)
    return true
  }
  map.epoch[bucket]!++
  map.target[bucket] = NO_NODE
  if (others.length === 0) {
    map.endSyncing(bucket)
    map.setCopies(bucket, NO_NODE, [])
    return true
  }
  const heir = alive.length > 0 ? fewest(alive, masters) : others[0]!
  masters[heir]!++
  map.setCopies(bucket, heir, others)
  return true
}

function isAlive(map: ClusterMap, slot: number): boolean {
  const member = map.members[slot]
  return member !== null && member !== undefined && !member.isDown
}

function countMasters(map: ClusterMap): number[] {
  const counts = new Array<number>(NO_NODE + 1).fill(0)
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) counts[map.master[bucket]!]!++
  return counts
}

function fewest(slots: readonly number[], masters: readonly number[]): number {
  return slots.reduce((best, slot) => (masters[slot]! < masters[best]! ? slot : best))
}

/** Throws if the map contradicts itself: for tests and the simulator. */
export function checkMap(map: ClusterMap): void {
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const copies = map.copies(bucket)
    const master = map.master[bucket]!
    const syncing = map.syncing[bucket]!
    const target = map.target[bucket]!
    const fail = (what: string): never => {
      throw new Error(
        `bucket ${bucket}: ${what} (master ${master}, in sync ${copies.join(' ')}, syncing ${syncing}, target ${target})`,
      )
    }
    if (master === NO_NODE ? copies.length > 0 : copies[0] !== master) fail('the master is not the first in-sync copy')
    if (new Set(copies).size !== copies.length || copies.length > COPIES_MAX) fail('a copy is there twice')
    if (syncing !== NO_NODE && (copies.includes(syncing) || master === NO_NODE)) fail('syncing a copy that is in sync')
    if (target !== NO_NODE && (target === master || !(copies.includes(target) || syncing === target)))
      fail('bad target')
    for (const slot of [...copies, syncing, target]) {
      const member = map.members[slot]
      if (slot !== NO_NODE && (!member || member.isVoterOnly)) fail(`slot ${slot} holds no buckets`)
    }
    if ((syncing === NO_NODE) !== (map.assignment[bucket] === 0)) fail('an assignment of nobody, or none')
    if (map.revision > 0 && map.epoch[bucket] === 0) fail('no epoch')
  }
}
