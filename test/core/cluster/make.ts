/** Cluster maps for tests, and masters that carry out what the map asks of them. */
import {formatBuckets} from '../../../src/core/cluster/bucket-ranges.ts'
import {ClusterMap, NO_NODE} from '../../../src/core/cluster/cluster-map.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'
import type {ApplyResult, Member, MemberInfo} from '../../../src/core/cluster/cluster-map.ts'
import type {AssignedBuckets, MapEntry} from '../../../src/core/cluster/map-entry.ts'
import type {Random} from '../../support/random.ts'

export const ALL = `0-${BUCKET_COUNT - 1}`
export const CLUSTER_ID = 'c'.repeat(40)

/** The id of the n-th node. */
export function nodeId(n: number): string {
  return n.toString(16).padStart(40, '0')
}

export function incarnation(start: number): string {
  return start.toString(16).padStart(8, '0')
}

/** `start`: which start of its process it is. */
export function makeMember(n: number, start = 1, isVoterOnly = false): MemberInfo {
  const host = `10.0.0.${n}`
  return {
    id: nodeId(n),
    incarnation: incarnation(start),
    host,
    port: 7000,
    peerHost: host,
    peerPort: 17_000,
    isVoterOnly,
  }
}

/** A map with nodes 0..count-1, which have slots of the same numbers; node 0 is master of everything. */
export function makeMap(count = 1, replicas = 1): ClusterMap {
  const map = new ClusterMap()
  must(map.apply({type: 'genesis', clusterId: CLUSTER_ID, replicas, member: makeMember(0)}))
  for (let n = 1; n < count; n++) must(map.apply({type: 'joined', member: makeMember(n)}))
  return map
}

export function must(result: ApplyResult): ApplyResult {
  if (result.error !== null) throw new Error(result.error)
  return result
}

export function mustApply(map: ClusterMap, ...entries: readonly MapEntry[]): void {
  for (const entry of entries) must(map.apply(entry))
}

/** Gives the nodes copies of the buckets, in sync, as the masters would. */
export function addCopies(map: ClusterMap, buckets: string, ...nodes: readonly number[]): void {
  for (const n of nodes) {
    mustApply(map, {type: 'assign', node: nodeId(n), buckets})
    completeAll(map)
  }
}

/** Makes a node the master of buckets that it holds. */
export function moveMaster(map: ClusterMap, buckets: string, n: number): void {
  mustApply(map, {type: 'target', node: nodeId(n), buckets})
  completeAll(map)
}

export function down(n: number, start = 1): MapEntry {
  return {type: 'down', node: nodeId(n), incarnation: incarnation(start)}
}

export function up(n: number, start = 1): MapEntry {
  return {type: 'up', node: nodeId(n), incarnation: incarnation(start)}
}

export function leaving(n: number, isLeaving = true, start = 1): MapEntry {
  return {type: 'leaving', node: nodeId(n), incarnation: incarnation(start), isLeaving}
}

/** What a node would propose as the master of these buckets, all of the same epoch. */
export function from(map: ClusterMap, n: number, buckets: string, epoch = map.epoch[Number.parseInt(buckets)]!) {
  const assignment = map.assignment[Number.parseInt(buckets)]! || 1
  return {from: nodeId(n), incarnation: map.member(nodeId(n))!.incarnation, groups: [{epoch, buckets, assignment}]}
}

/** One line of the map: epoch, in-sync copies (the master first), who is syncing, who is the target. */
export function line(map: ClusterMap, bucket: number): string {
  const name = (slot: number): string => (slot === NO_NODE ? '-' : `${slot}`)
  const copies = map.copies(bucket).join(',') || 'lost'
  return `${map.epoch[bucket]} ${copies} ${name(map.syncing[bucket]!)} ${name(map.target[bucket]!)}`
}

/** What masters that live have done of what the map asks, as the entries that they would propose. */
export function completions(map: ClusterMap, isDone: (bucket: number) => boolean = () => true): MapEntry[] {
  const byKey = new Map<string, {master: Member; other: Member; isMove: boolean; groups: Map<string, number[]>}>()
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const slot = map.syncing[bucket] !== NO_NODE ? map.syncing[bucket]! : map.target[bucket]!
    const master = map.members[map.master[bucket]!]
    if (slot === NO_NODE || !master || master.isDown || !isDone(bucket)) continue
    const isMove = map.syncing[bucket] === NO_NODE
    const key = `${isMove} ${master.slot} ${slot}`
    const group = byKey.get(key) ?? {master, other: map.members[slot]!, isMove, groups: new Map<string, number[]>()}
    byKey.set(key, group)
    const line = `${map.epoch[bucket]} ${map.assignment[bucket]}`
    const list = group.groups.get(line) ?? []
    group.groups.set(line, list)
    list.push(bucket)
  }
  return [...byKey.values()].map(({master, other, isMove, groups: lines}): MapEntry => {
    const groups = [...lines].map(([line, list]): AssignedBuckets => {
      const [epoch, assignment] = line.split(' ').map(Number)
      return {epoch: epoch!, assignment: assignment!, buckets: formatBuckets(list)}
    })
    const head = {from: master.id, incarnation: master.incarnation, groups}
    return isMove ? {...head, type: 'move', to: other.id} : {...head, type: 'in-sync', add: other.id}
  })
}

/** All that is under way happens: copies first, then moves. */
export function completeAll(map: ClusterMap): void {
  for (let entries = completions(map); entries.length > 0; entries = completions(map)) mustApply(map, ...entries)
}

export function shuffle<T>(list: readonly T[], random: Random): T[] {
  const shuffled = [...list]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
  }
  return shuffled
}

export function isAlive(map: ClusterMap, slot: number): boolean {
  const member = map.members[slot]
  return member !== null && member !== undefined && !member.isDown
}
