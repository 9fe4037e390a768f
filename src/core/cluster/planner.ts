/** Temporary. */
import {BUCKET_COUNT} from '../../constants.ts'
import {NO_NODE} from './cluster-map.ts'
import {formatBuckets} from './bucket-ranges.ts'
import type {ClusterMap} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'

export function plan(map: ClusterMap, _options: {moving: number}): MapEntry[] {
  const usable = map.members.filter((m) => m && map.isUsable(m.slot)).map((m) => m!.slot)
  const wanted = Math.min(map.replicas + 1, usable.length)
  const by = new Map<number, number[]>()
  for (let b = 0; b < BUCKET_COUNT; b++) {
    if (map.master[b] === NO_NODE || map.syncing[b] !== NO_NODE) continue
    if (map.copies(b).filter((s) => !map.members[s]!.isDown).length >= wanted) continue
    const to = usable.filter((s) => !map.isInSync(b, s))[0]
    if (to === undefined) continue
    const list = by.get(to)
    if (list) list.push(b)
    else by.set(to, [b])
  }
  return [...by].map(([slot, buckets]) => ({
    type: 'assign',
    node: map.members[slot]!.id,
    buckets: formatBuckets(buckets.slice(0, 4000)),
  }))
}
