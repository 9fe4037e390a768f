/**
 * What this node answers for each bucket. The engine looks here before it executes a command with a key.
 *
 *   FOREIGN   another node is master: MOVED
 *   WAITING   this node is to be master but is not ready, or knows that it is not any more but not who is: parked
 *   SERVING   master
 *   HANDING   being handed to another node: parked
 *   DOWN      nobody can serve it, or it took too long: CLUSTERDOWN
 */
import {BUCKET_COUNT} from '../../constants.ts'
import type {Parking} from '../parking.ts'

export const ROLE_SERVING = 0
export const ROLE_FOREIGN = 1
export const ROLE_WAITING = 2
export const ROLE_HANDING = 3
export const ROLE_DOWN = 4

const IS_PARKED = [false, false, true, true, false]

export class Roles {
  readonly role = new Uint8Array(BUCKET_COUNT)
  servingCount = BUCKET_COUNT
  /** The bucket is not served here any more, at least for now. */
  onLeft: (bucket: number) => void = () => undefined
  /** The bucket became another node's, or is not any more: what was counted of it here is over. */
  onChanged: (bucket: number) => void = () => undefined
  /** The bucket is another node's now, or nobody's. */
  onForeign: (bucket: number) => void = () => undefined
  readonly #parking: Parking
  /** Since when buckets are parked, monotonic ms. */
  readonly #parkedAt = new Map<number, number>()

  constructor(parking: Parking) {
    this.#parking = parking
  }

  /** Requests that wait are tried again, in the order they came, when the bucket is not parked any more. */
  set(bucket: number, role: number, now: number): void {
    const before = this.role[bucket]!
    if (before === role) return
    this.role[bucket] = role
    if (role === ROLE_FOREIGN || before === ROLE_FOREIGN) this.onChanged(bucket)
    if (role === ROLE_SERVING) this.servingCount++
    else if (before === ROLE_SERVING) {
      this.servingCount--
      this.onLeft(bucket)
    }
    if (role === ROLE_FOREIGN || role === ROLE_DOWN) this.onForeign(bucket)
    if (IS_PARKED[role] && !IS_PARKED[before]) {
      this.#parkedAt.set(bucket, now)
      this.#parking.park(bucket)
    } else if (!IS_PARKED[role] && IS_PARKED[before]) {
      this.#parkedAt.delete(bucket)
      this.#parking.unpark(bucket)
    }
  }

  /** Buckets that have been parked since before `then`. */
  parkedSince(then: number): number[] {
    const late: number[] = []
    for (const [bucket, at] of this.#parkedAt) if (at < then) late.push(bucket)
    return late
  }

  /** True if this node may change the bucket now: it is its master, and nothing waits for an end. */
  isOurs(bucket: number): boolean {
    return this.role[bucket] === ROLE_SERVING && !this.#parking.isParked(bucket)
  }

  isServing(bucket: number): boolean {
    return this.role[bucket] === ROLE_SERVING
  }
}
