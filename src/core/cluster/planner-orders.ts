/** Orders as the planner gives them, bucket by bucket, gathered into as few entries as there are kinds of orders and nodes. */
import {BUCKET_COUNT} from '../../constants.ts'
import {formatBuckets} from './bucket-ranges.ts'
import type {ClusterMap} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'

export type OrderType = 'untarget' | 'unassign' | 'assign' | 'target' | 'drop'

/** In this order they are applied. */
const TYPES: readonly OrderType[] = ['untarget', 'unassign', 'assign', 'target', 'drop']

export class Orders {
  readonly #map: ClusterMap
  readonly #isOrdered = new Uint8Array(BUCKET_COUNT)
  /** By type, then by slot. */
  readonly #buckets = new Map<OrderType, Map<number, number[]>>()

  constructor(map: ClusterMap) {
    this.#map = map
  }

  hasAny(type: OrderType): boolean {
    return this.#buckets.has(type)
  }

  /** A bucket that has its order gets no other kind in the same plan: what comes next depends on what becomes of the first. */
  has(bucket: number): boolean {
    return this.#isOrdered[bucket] === 1
  }

  /** `slot`: the node that the order is about; for `untarget` who was the target. */
  add(type: OrderType, slot: number, bucket: number): void {
    this.#isOrdered[bucket] = 1
    const bySlot = this.#buckets.get(type) ?? new Map<number, number[]>()
    this.#buckets.set(type, bySlot)
    const list = bySlot.get(slot)
    if (list) list.push(bucket)
    else bySlot.set(slot, [bucket])
  }

  entries(): MapEntry[] {
    return TYPES.flatMap((type) => {
      const bySlot = [...(this.#buckets.get(type) ?? [])].sort(([a], [b]) => a - b)
      return bySlot.map(([slot, list]) => this.#entry(type, slot, formatBuckets(list.sort((a, b) => a - b))))
    })
  }

  #entry(type: OrderType, slot: number, buckets: string): MapEntry {
    if (type === 'untarget') return {type, buckets}
    return {type, node: this.#map.members[slot]!.id, buckets}
  }
}
