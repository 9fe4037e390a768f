/**
 * The planner's orders about copies: which are cancelled, dropped, made anew, moved for balance.
 *
 * A copy moves in three steps that the map alone remembers: the poorest node is assigned one; when it is in sync the bucket has one too
 * many; then one is dropped. Which one is decided by the same rule whenever it is asked: as a forecast while the copy is on its way
 * (so that the giver's load is known), and in earnest when it is there.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import {heir} from './planner-masters.ts'
import {Survey} from './planner-survey.ts'
import type {Orders} from './planner-orders.ts'

/** Takes back what was ordered for nodes that are leaving by now. */
export function cancelUseless(survey: Survey, orders: Orders): void {
  const {map, usable} = survey
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const coming = map.syncing[bucket]!
    const target = map.target[bucket]!
    // Taking back the copy takes the target with it, if it is the same.
    if (coming !== NO_NODE && usable[coming] === 0) orders.add('unassign', coming, bucket)
    else if (target !== NO_NODE && usable[target] === 0) orders.add('untarget', target, bucket)
  }
}

/** Drops what is too many, and takes off the load of each node what it will lose. */
export function shedExtra(survey: Survey, orders: Orders): void {
  let last = NO_NODE
  for (let i = 0; i < BUCKET_COUNT; i++) {
    if (Survey.isRunStart(i)) last = NO_NODE
    const bucket = Survey.bucketAt(i)
    if (survey.isServed[bucket] === 0) continue
    if (survey.leavingCopies[bucket]! > 0) shedLeaving(survey, orders, bucket)
    const coming = survey.usable[survey.map.syncing[bucket]!]!
    const extra = survey.usableCopies[bucket]! + coming - survey.wanted
    if (extra > 0) last = shedUsable(survey, orders, bucket, extra, last)
  }
}

/** A leaving node's copy goes when others hold what is wanted, or more than was ever wished for (there must be room for the next). */
function shedLeaving(survey: Survey, orders: Orders, bucket: number): void {
  const {map, wanted} = survey
  if (map.target[bucket] !== NO_NODE || orders.has(bucket)) return
  const leaving = survey.leavingCopies[bucket]!
  const isReplaced = survey.usableCopies[bucket]! >= wanted
  let spare = isReplaced ? leaving : survey.usableCopies[bucket]! + leaving - (map.replicas + 1)
  const start = bucket * COPIES_MAX
  for (let i = start + 1; i < start + COPIES_MAX && map.inSync[i] !== NO_NODE && spare > 0; i++) {
    const slot = map.inSync[i]!
    if (survey.usable[slot] === 1 || map.members[slot]!.isDown) continue
    orders.add('drop', slot, bucket)
    spare--
  }
}

/** Returns whom it took the last copy from. */
function shedUsable(survey: Survey, orders: Orders, bucket: number, extra: number, last: number): number {
  const {map} = survey
  const mayOrder = map.target[bucket] === NO_NODE && !orders.has(bucket)
  let droppable = mayOrder ? survey.usableCopies[bucket]! - survey.wanted : 0
  let taken = 0
  for (let n = 0; n < extra; n++) {
    const at = victimAt(survey, bucket, taken, last)
    if (at < 0) break
    taken |= 1 << at
    last = map.inSync[bucket * COPIES_MAX + at]!
    survey.load[last]!--
    if (droppable-- <= 0) continue
    if (last !== map.master[bucket]) {
      orders.add('drop', last, bucket)
      continue
    }
    // The master goes in two steps: once another is master, this one is a replica like others.
    if (!orders.has(bucket)) giveAway(survey, orders, bucket, last)
    droppable = 0
  }
  return last
}

function giveAway(survey: Survey, orders: Orders, bucket: number, master: number): void {
  // The same one for a whole run, as far as that goes: masters that alternate bucket by bucket would make CLUSTER SLOTS endless.
  const last = Survey.isSameRun(survey.givenBucket, bucket) ? survey.givenTo : NO_NODE
  const to = heir(survey, bucket, last)
  if (to === NO_NODE) return
  survey.givenBucket = bucket
  survey.givenTo = to
  orders.add('target', to, bucket)
  survey.moveMaster(master, to)
}

/**
 * Which copy of a bucket is one too many: its place in the list, or -1. Replicas above the mean go before a master above the mean, for they
 * cost no handoff. A node at the larger of the two permitted loads goes only if nobody is above it. `last` is taken
 * again while it has too much for sure, to keep ranges whole. `taken`: bits of places that are gone already.
 */
function victimAt(survey: Survey, bucket: number, taken: number, last: number): number {
  const {map, load, usable} = survey
  const start = bucket * COPIES_MAX
  const master = survey.futureMaster(bucket)
  let replicaAt = -1
  let masterAt = -1
  for (let at = 0; at < COPIES_MAX && map.inSync[start + at] !== NO_NODE; at++) {
    const slot = map.inSync[start + at]!
    if (usable[slot] === 0 || taken & (1 << at)) continue
    if (slot === master) masterAt = at
    else if (slot === last && load[slot]! > survey.copiesCeil) return at
    else if (replicaAt < 0 || load[slot]! > load[map.inSync[start + replicaAt]!]!) replicaAt = at
  }
  if (masterAt < 0 || !map.isBalancing) return replicaAt
  const rank = (at: number): number => (at < 0 ? -1 : rankOf(survey, map.inSync[start + at]!))
  return rank(masterAt) > rank(replicaAt) && rank(masterAt) > 0 ? masterAt : replicaAt
}

/** 2: has too much for sure. 1: may have too much. 0: has not. */
function rankOf(survey: Survey, slot: number): number {
  const load = survey.load[slot]!
  return load > survey.copiesCeil ? 2 : load > survey.copiesFloor ? 1 : 0
}

/** Makes copies where some are missing: first (`isUrgent`) where changes have fewer holders than they should, then where holders are leaving. */
export function fillUp(survey: Survey, orders: Orders, isUrgent: boolean): void {
  const {map, wanted} = survey
  let last = NO_NODE
  for (let i = 0; i < BUCKET_COUNT; i++) {
    if (Survey.isRunStart(i)) last = NO_NODE
    const bucket = Survey.bucketAt(i)
    const copies = survey.usableCopies[bucket]!
    if (copies >= wanted || survey.isServed[bucket] === 0) continue
    if (map.syncing[bucket] !== NO_NODE || orders.has(bucket) || map.copyCount(bucket) >= COPIES_MAX) continue
    if (copies + survey.leavingCopies[bucket]! < wanted !== isUrgent) continue
    const to = receiver(survey, bucket, last)
    if (to.slot === NO_NODE || (!isUrgent && to.isWorthWaiting)) continue
    orders.add('assign', to.slot, bucket)
    survey.addCopy(to.slot)
    last = to.slot
  }
}

/** Moves copies from nodes that have too many to those that have too few; first those of which the giver is not the master. */
export function balanceCopies(survey: Survey, orders: Orders): void {
  const {surplus, room, nodes} = survey
  for (const isMaster of [false, true]) {
    let last = NO_NODE
    for (let i = 0; i < BUCKET_COUNT; i++) {
      if (Survey.isRunStart(i)) {
        last = NO_NODE
        if (!nodes.some((node) => surplus[node]! < 0 && room[node]! > 0)) return
      }
      const bucket = Survey.bucketAt(i)
      if (orders.has(bucket) || !survey.isSettled(bucket)) continue
      const from = giver(survey, bucket, isMaster)
      if (from === NO_NODE) continue
      const {slot} = receiver(survey, bucket, last)
      if (slot === NO_NODE || surplus[slot]! >= 0) continue
      orders.add('assign', slot, bucket)
      survey.addCopy(slot)
      surplus[from]!--
      last = slot
    }
  }
}

/** Of the bucket's copies (its master's, or one of the others) the one whose node has most too many. */
function giver(survey: Survey, bucket: number, isMaster: boolean): number {
  const {map, surplus} = survey
  const start = bucket * COPIES_MAX
  const end = start + (isMaster ? 1 : survey.wanted)
  let best = NO_NODE
  for (let i = isMaster ? start : start + 1; i < end; i++) {
    const slot = map.inSync[i]!
    if (surplus[slot]! > 0 && (best === NO_NODE || surplus[slot]! > surplus[best]!)) best = slot
  }
  return best
}

interface Receiver {
  /** NO_NODE: nobody can take it now. */
  slot: number
  /** It has enough already, while another that has too little is only too busy. */
  isWorthWaiting: boolean
}

/** The node that should get a copy of a bucket: the one that lacks most; `last` again while it lacks any, to keep ranges whole. */
function receiver(survey: Survey, bucket: number, last: number): Receiver {
  const {map, surplus, room, nodes} = survey
  if (last !== NO_NODE && surplus[last]! < 0 && room[last]! > 0 && !map.isInSync(bucket, last)) {
    return {slot: last, isWorthWaiting: false}
  }
  let best = NO_NODE
  let isBusyLacking = false
  for (const slot of nodes) {
    const isBusy = room[slot]! <= 0
    const isInteresting = isBusy ? surplus[slot]! < 0 : best === NO_NODE || surplus[slot]! < surplus[best]!
    if (!isInteresting || map.isInSync(bucket, slot)) continue
    if (isBusy) isBusyLacking = true
    else best = slot
  }
  return {slot: best, isWorthWaiting: isBusyLacking && best !== NO_NODE && surplus[best]! >= 0}
}
