/** Random entries, many of them stale: what holds for every map after every entry. */
import {expect, test} from 'vitest'
import {COPIES_MAX, ClusterMap, NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {parseEntry} from '../../../src/core/cluster/map-entry.ts'
import {checkMap} from '../../../src/core/cluster/map-strike.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'
import {seededRandom} from '../../support/random.ts'
import {CLUSTER_ID, completions, incarnation, makeMember, nodeId, shuffle} from './make.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'
import type {Random} from '../../support/random.ts'

const NODES = 7
const ENTRIES = 150
/** Small, so that entries meet: the buckets that the orders are about. */
const BUCKETS = 24

type Lines = Pick<ClusterMap, 'epoch' | 'master' | 'inSync' | 'syncing' | 'target'>

/** What each bucket's line was before an entry. */
function remember({epoch, master, inSync, syncing, target}: ClusterMap): Lines {
  return {
    epoch: epoch.slice(),
    master: master.slice(),
    inSync: inSync.slice(),
    syncing: syncing.slice(),
    target: target.slice(),
  }
}

function isSameLine(a: Lines, b: Lines, bucket: number): boolean {
  if (a.epoch[bucket] !== b.epoch[bucket] || a.master[bucket] !== b.master[bucket]) return false
  if (a.syncing[bucket] !== b.syncing[bucket] || a.target[bucket] !== b.target[bucket]) return false
  const start = bucket * COPIES_MAX
  for (let i = start; i < start + COPIES_MAX; i++) if (a.inSync[i] !== b.inSync[i]) return false
  return true
}

/** All of a map that is not about buckets. */
function describeHead({clusterId, replicas, revision, isBalancing, members}: ClusterMap): string {
  return JSON.stringify({clusterId, replicas, revision, isBalancing, members})
}

function randomBuckets(random: Random): string {
  const first = random.below(BUCKETS)
  return `${first}-${Math.min(BUCKETS - 1, first + random.below(BUCKETS))}`
}

/** An entry that often holds. Nodes' incarnations are guessed among the first three, node 6 only votes. */
function randomEntry(map: ClusterMap, random: Random): MapEntry {
  const n = random.below(NODES)
  const node = nodeId(n)
  const known = map.member(node)
  const start = known && random.chance(0.9) ? known.incarnation : incarnation(1 + random.below(3))
  const buckets = randomBuckets(random)
  switch (random.below(14)) {
    case 0:
      return {type: 'joined', member: {...makeMember(n, 1, n === NODES - 1), incarnation: start}}
    case 1:
      return {type: random.chance(0.3) ? 'down' : 'up', node, incarnation: start}
    case 2:
      return {type: 'leaving', node, incarnation: start, isLeaving: random.chance(0.4)}
    case 3:
      return random.chance(0.2) ? {type: 'removed', node} : {type: 'replicas', count: random.below(3)}
    case 4:
      return random.chance(0.5)
        ? {type: 'accept-loss', node, buckets}
        : {type: 'restore', node, incarnation: start, buckets}
    case 5:
      return {type: 'drop', node, buckets}
    case 6:
      return random.chance(0.5) ? {type: 'untarget', buckets} : {type: 'unassign', node, buckets}
    case 7:
    case 10:
    case 11:
      return {type: 'target', node, buckets}
    case 8:
      return random.chance(0.5)
        ? {type: 'rebalance'}
        : {type: 'balanced', revision: Math.max(1, map.revision - random.below(2))}
    case 9: {
      const from = map.members[map.master[random.below(BUCKETS)]!] ?? makeMember(n)
      const groups = [{epoch: 1 + random.below(4), buckets}]
      return {type: 'out-of-sync', from: from.id, incarnation: from.incarnation, groups, remove: node}
    }
    default:
      return {type: 'assign', node, buckets}
  }
}

/** Checks what an entry did to each line against what it said it did. */
function checkLines(map: ClusterMap, before: Lines, entry: MapEntry, touched: ReadonlySet<number>): void {
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (isSameLine(map, before, bucket)) continue
    const problem = touched.has(bucket) ? problemOf(map, before, entry, bucket) : 'changed silently'
    if (problem !== null) throw new Error(`${JSON.stringify(entry)}, bucket ${bucket}: ${problem}`)
  }
}

function problemOf(map: ClusterMap, before: Lines, entry: MapEntry, bucket: number): string | null {
  const isNewMaster = map.master[bucket] !== before.master[bucket]
  if (map.epoch[bucket] !== before.epoch[bucket]! + (isNewMaster ? 1 : 0)) return 'the epoch goes with the master'
  const start = bucket * COPIES_MAX
  const old = [...before.inSync.subarray(start, start + COPIES_MAX)].filter((slot) => slot !== NO_NODE)
  const isMemoryGone = entry.type === 'joined' || entry.type === 'removed'
  if (old.length > 0 && map.copyCount(bucket) === 0 && !isMemoryGone) return 'lost, though no memory went'
  const added = map.copies(bucket).filter((slot) => !old.includes(slot))
  if (added.length === 0) return null
  if (entry.type === 'in-sync') return before.syncing[bucket] === added[0] ? null : 'it was not syncing'
  if (entry.type === 'accept-loss' || entry.type === 'restore') return old.length === 0 ? null : 'it was not lost'
  return entry.type === 'genesis' ? null : 'a copy out of nothing'
}

class Run {
  readonly map = new ClusterMap()
  readonly held = new Set<string>()
  refused = 0
  readonly #other = new ClusterMap()

  /** A cluster in which there is something to move. */
  begin(): void {
    this.apply({type: 'genesis', clusterId: CLUSTER_ID, replicas: 1, member: makeMember(0)})
    for (const n of [1, 2, 3]) {
      this.apply({type: 'joined', member: makeMember(n)})
      this.apply({type: 'assign', node: nodeId(n), buckets: `0-${BUCKETS - n}`})
      for (const entry of completions(this.map)) this.apply(entry)
    }
  }

  apply(entry: MapEntry): void {
    const before = remember(this.map)
    const head = describeHead(this.map)
    const result = this.map.apply(entry)
    const other = this.#other.apply(parseEntry(JSON.stringify(entry))!)
    expect(JSON.stringify(other)).toBe(JSON.stringify(result))
    checkLines(this.map, before, entry, new Set(result.buckets))
    if (result.changed) this.held.add(entry.type)
    else {
      this.refused++
      expect(result.buckets).toEqual([])
      expect(describeHead(this.map)).toBe(head)
    }
  }

  checkWhole(): void {
    checkMap(this.map)
    const text = this.map.toSnapshot()
    expect(this.#other.toSnapshot()).toBe(text)
    expect(ClusterMap.fromSnapshot(text).toSnapshot()).toBe(text)
  }
}

test.each([1, 2, 3])('random entries keep every invariant, on every node alike (seed %i)', (seed) => {
  const random = seededRandom(seed)
  const run = new Run()
  const late: MapEntry[] = []
  run.begin()
  for (let i = 0; i < ENTRIES; i++) {
    run.apply(randomEntry(run.map, random))
    // Masters' proposals come late, and some of them twice.
    if (random.chance(0.5)) late.push(...completions(run.map, () => random.chance(0.7)))
    if (late.length > 0 && random.chance(0.7)) {
      const at = random.below(late.length)
      run.apply(random.chance(0.2) ? late[at]! : late.splice(at, 1)[0]!)
    }
    if (i % 20 === 0) checkMap(run.map)
  }
  for (const entry of shuffle(late, random)) run.apply(entry)
  run.checkWhole()
  // Else the run would say nothing.
  expect([...run.held]).toEqual(expect.arrayContaining(['joined', 'down', 'assign', 'target', 'in-sync', 'move']))
  expect(run.refused).toBeGreaterThan(ENTRIES / 10)
})
