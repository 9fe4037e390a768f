/**
 * What the planner knows of a map: counts of each node and each bucket, in typed arrays, taken in one pass. They look ahead: a
 * copy under way counts as a copy, a target as the master. While orders are given the counts are kept up to date, so that nothing is
 * ordered twice.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import type {ClusterMap} from './cluster-map.ts'

/** Slots are bytes, and NO_NODE is one of them: it may be used as an index, and is nobody. */
const SLOTS = 256
/** Buckets are visited in runs: long enough to keep ranges whole, short enough to have many masters send at once. */
const RUN_BUCKETS = 64
const RUNS = BUCKET_COUNT / RUN_BUCKETS
/** Odd, so that runs far apart follow each other and each has its turn. */
const RUN_STRIDE = 89

export class Survey {
  readonly map: ClusterMap
  readonly usable = new Uint8Array(SLOTS)
  /** The usable ones, ascending. */
  readonly nodes: number[] = []
  /** Copies that a bucket should have. */
  readonly wanted: number
  /** Copies of each node when all that is ordered has happened. */
  readonly load = new Int32Array(SLOTS)
  /** Buckets of which each node will be master. */
  readonly masters = new Int32Array(SLOTS)
  /** Copies of each node now, under way included, whatever its state. */
  readonly held = new Int32Array(SLOTS)
  /** Buckets that may still be ordered to each node. */
  readonly room = new Int32Array(SLOTS)
  /** Copies above (or, negative, below) what each node shall have; valid after `setGoals`. */
  readonly surplus = new Int32Array(SLOTS)
  /** In-sync copies of each bucket on usable nodes, and on leaving ones. */
  readonly usableCopies = new Uint8Array(BUCKET_COUNT)
  readonly leavingCopies = new Uint8Array(BUCKET_COUNT)
  /** 1: its master lives. The others wait for theirs, or are lost; nothing can be done for them here. */
  readonly isServed = new Uint8Array(BUCKET_COUNT)
  /** The last bucket whose master was told to give it away, and to whom. */
  givenBucket = -1
  givenTo = NO_NODE
  /** Buckets with a copy or a master under way. */
  underWay = 0
  copiesUnderWay = 0
  #copiesGoal = 0
  #served = 0

  /** `moving`: buckets that may be under way to one node at once. */
  constructor(map: ClusterMap, moving: number) {
    this.map = map
    for (let slot = 0; slot < map.members.length; slot++) {
      if (!map.isUsable(slot)) continue
      this.usable[slot] = 1
      this.nodes.push(slot)
    }
    this.wanted = map.wantedCopies()
    this.room.fill(moving)
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (map.master[bucket] !== NO_NODE) this.#count(bucket)
  }

  /** The i-th bucket to visit. */
  static bucketAt(i: number): number {
    const run = (Math.floor(i / RUN_BUCKETS) * RUN_STRIDE) % RUNS
    return run * RUN_BUCKETS + (i % RUN_BUCKETS)
  }

  static isSameRun(a: number, b: number): boolean {
    return Math.floor(a / RUN_BUCKETS) === Math.floor(b / RUN_BUCKETS)
  }

  /** True for the first bucket of a run: a choice that was kept for the sake of whole ranges is made anew. */
  static isRunStart(i: number): boolean {
    return i % RUN_BUCKETS === 0
  }

  get copiesFloor(): number {
    return Math.floor(this.#copiesGoal / this.nodes.length)
  }

  get copiesCeil(): number {
    return Math.ceil(this.#copiesGoal / this.nodes.length)
  }

  get mastersFloor(): number {
    return Math.floor(this.#served / this.nodes.length)
  }

  get mastersCeil(): number {
    return Math.ceil(this.#served / this.nodes.length)
  }

  /** Who will be master when all that is ordered has happened. */
  futureMaster(bucket: number): number {
    const target = this.map.target[bucket]!
    return this.usable[target] === 1 ? target : this.map.master[bucket]!
  }

  /** True if the bucket is just as it should be and nothing is under way: only such buckets are moved for balance. */
  isSettled(bucket: number): boolean {
    const {map} = this
    if (this.isServed[bucket] === 0 || map.syncing[bucket] !== NO_NODE || map.target[bucket] !== NO_NODE) return false
    return this.usableCopies[bucket] === this.wanted && map.copyCount(bucket) === this.wanted
  }

  /**
   * Decides how many copies each node shall have: floor or ceil of the mean, and ceil for those that have the most, so that as
   * few as possible move. The one choice that is left when loads are within one of each other is the one that moves nothing.
   */
  setGoals(): void {
    const floor = this.copiesFloor
    let larger = this.#copiesGoal - floor * this.nodes.length
    const byLoad = [...this.nodes].sort((a, b) => this.load[b]! - this.load[a]! || a - b)
    for (const slot of byLoad) this.surplus[slot] = this.load[slot]! - floor - (larger-- > 0 ? 1 : 0)
  }

  /** Counts a copy that is being ordered. */
  addCopy(slot: number): void {
    this.load[slot]!++
    this.surplus[slot]!++
    this.room[slot]!--
  }

  /** Counts a mastership that is being ordered. */
  moveMaster(from: number, to: number): void {
    this.masters[from]!--
    this.masters[to]!++
    this.room[to]!--
  }

  #count(bucket: number): void {
    const {map} = this
    const master = map.master[bucket]!
    const isServed = !map.members[master]!.isDown
    const start = bucket * COPIES_MAX
    for (let i = start; i < start + COPIES_MAX && map.inSync[i] !== NO_NODE; i++) {
      const slot = map.inSync[i]!
      this.held[slot]!++
      this.load[slot]!++
      if (this.usable[slot] === 1) this.usableCopies[bucket]!++
      else if (!map.members[slot]!.isDown) this.leavingCopies[bucket]!++
    }
    const coming = map.syncing[bucket]!
    if (coming !== NO_NODE) this.held[coming]!++
    this.load[coming]!++
    this.masters[this.futureMaster(bucket)]!++
    if (isServed) this.#countServed(bucket, coming)
    else this.#copiesGoal += this.usableCopies[bucket]! + this.usable[coming]!
  }

  #countServed(bucket: number, coming: number): void {
    const target = this.map.target[bucket]!
    this.isServed[bucket] = 1
    this.#served++
    this.#copiesGoal += this.wanted
    this.room[coming]!--
    if (target !== coming) this.room[target]!--
    if (coming !== NO_NODE) this.copiesUnderWay++
    if (coming !== NO_NODE || target !== NO_NODE) this.underWay++
  }
}
