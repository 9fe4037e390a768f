/** The cluster map as text: JSON in which neighbouring buckets with the same line are one item. Read back strictly: nonsense throws. */
import {BUCKET_COUNT, EPOCH_MAX, MEMBERS_MAX} from '../../constants.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import {parseEntry} from './map-entry.ts'
import {checkMap} from './map-strike.ts'
import type {ClusterMap, Member} from './cluster-map.ts'

/** [first, last, epoch, copies, syncing, target, assignment] */
type Run = readonly [number, number, number, readonly number[], number, number, number]

interface Snapshot {
  readonly clusterId: string
  readonly replicas: number
  readonly revision: number
  readonly isBalancing: boolean
  readonly members: readonly (Member | null)[]
  readonly runs: readonly Run[]
}

export function writeSnapshot(map: ClusterMap): string {
  const {clusterId, replicas, revision, isBalancing, members} = map
  const runs: Run[] = []
  for (let first = 0; first < BUCKET_COUNT;) {
    let last = first
    while (last + 1 < BUCKET_COUNT && isSameLine(map, first, last + 1)) last++
    const {epoch, syncing, target, assignment} = map
    runs.push([first, last, epoch[first]!, map.copies(first), syncing[first]!, target[first]!, assignment[first]!])
    first = last + 1
  }
  const snapshot: Snapshot = {clusterId, replicas, revision, isBalancing, members, runs}
  return JSON.stringify(snapshot)
}

function isSameLine(map: ClusterMap, a: number, b: number): boolean {
  if (map.epoch[a] !== map.epoch[b] || map.syncing[a] !== map.syncing[b] || map.target[a] !== map.target[b])
    return false
  if (map.assignment[a] !== map.assignment[b]) return false
  for (let i = 0; i < COPIES_MAX; i++) {
    if (map.inSync[a * COPIES_MAX + i] !== map.inSync[b * COPIES_MAX + i]) return false
  }
  return true
}

/** Fills an empty map. */
export function readSnapshot(map: ClusterMap, text: string): void {
  const {clusterId, replicas, revision, isBalancing, members, runs} = JSON.parse(text) as Snapshot
  must(typeof clusterId === 'string' && Number.isInteger(replicas) && Number.isInteger(revision), 'its head')
  must(isReplicas(replicas) && revision >= 0 && typeof isBalancing === 'boolean', 'its settings')
  must(Array.isArray(members) && members.length <= MEMBERS_MAX && Array.isArray(runs), 'its lists')
  map.clusterId = clusterId
  map.replicas = replicas
  map.revision = revision
  map.isBalancing = isBalancing
  members.forEach((member, slot) => {
    must(member === null || (member.slot === slot && isMember(member)), `member ${slot}`)
    map.members.push(member)
  })
  let next = 0
  for (const run of runs) next = readRun(map, run, next)
  must(next === BUCKET_COUNT, 'the number of its buckets')
  checkMap(map)
}

function readRun(map: ClusterMap, run: Run, next: number): number {
  const [first, last, epoch, copies, syncing, target, assignment] = run
  must(first === next && Number.isInteger(last) && last >= first && last < BUCKET_COUNT, `bucket ${next}`)
  must(Array.isArray(copies) && Number.isInteger(epoch) && epoch >= 0 && epoch <= EPOCH_MAX, `bucket ${first}`)
  const slots = [...copies, syncing, target]
  const isKnown = (slot: number): boolean => slot === NO_NODE || Boolean(map.members[slot])
  must(copies.length <= COPIES_MAX && slots.every(isKnown), `the line of bucket ${first}`)
  must(!copies.includes(NO_NODE), `a copy of bucket ${first}`)
  must(
    Number.isInteger(assignment) && assignment >= 0 && assignment <= map.revision,
    `an assignment of bucket ${first}`,
  )
  map.epoch.fill(epoch, first, last + 1)
  map.assignment.fill(assignment, first, last + 1)
  map.syncing.fill(syncing, first, last + 1)
  map.target.fill(target, first, last + 1)
  for (let bucket = first; bucket <= last; bucket++) map.setCopies(bucket, copies[0] ?? NO_NODE, copies)
  return last + 1
}

function isReplicas(count: number): boolean {
  return parseEntry(JSON.stringify({type: 'replicas', count})) !== null
}

function isMember(member: Member): boolean {
  const isEntry = parseEntry(JSON.stringify({type: 'joined', member})) !== null
  return isEntry && [member.isDown, member.isLeaving, member.isLogOn].every((is) => typeof is === 'boolean')
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(`a snapshot of the cluster map is damaged: ${what}`)
}
