/**
 * Buckets whose master is new. The old master and the other copies have yet to tell the new one that they are where it is (rule R5); one that the planner
 * takes out of the map before it has answered may still hold a lease, and the bucket would have to wait for the end of that. So what is too
 * many is dropped a little later.
 */
import {parseBuckets, formatBuckets} from './bucket-ranges.ts'
import {BUCKET_COUNT, PLAN_DROP_AFTER_MS} from '../../constants.ts'
import type {ClusterMap} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'

export class FreshMasters {
  readonly #epoch = new Uint32Array(BUCKET_COUNT)
  /** Monotonic ms. */
  readonly #since = new Float64Array(BUCKET_COUNT).fill(Number.NEGATIVE_INFINITY)

  /** Looks at the map, to be called often. */
  note({epoch}: ClusterMap, now: number): void {
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (epoch[bucket] === this.#epoch[bucket]) continue
      this.#epoch[bucket] = epoch[bucket]!
      this.#since[bucket] = now
    }
  }

  /** The entry without the drops that are too early; null if nothing is left of it. */
  without(entry: MapEntry, now: number): MapEntry | null {
    if (entry.type !== 'drop') return entry
    const buckets = parseBuckets(entry.buckets) ?? []
    const due = buckets.filter((bucket) => now - this.#since[bucket]! >= PLAN_DROP_AFTER_MS)
    return due.length === 0 ? null : {...entry, buckets: formatBuckets(due)}
  }
}
