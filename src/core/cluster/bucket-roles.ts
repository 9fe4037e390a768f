/**
 * What the agreed map's line of each bucket means on this node: who answers for it (roles.ts), when its master half begins or ends to reign, when its copy
 * is dropped.
 *
 *   line: master = us -> Master.reignOver        another, alive -> FOREIGN        another, down, or nobody -> DOWN
 *         handed over by us -> HANDING until the new master serves
 *         neither in sync nor being synced here -> the copy is dropped
 *   a peer knows a newer epoch than the map here -> WAITING, until the map says who is master in it
 */
import {BUCKET_COUNT, PARK_MS} from '../../constants.ts'
import {ROLE_DOWN, ROLE_FOREIGN, ROLE_HANDING, ROLE_SERVING, ROLE_WAITING} from '../replication/roles.ts'
import {NO_NODE} from './cluster-map.ts'
import type {ClusterMap} from './cluster-map.ts'
import type {MapEntry} from './map-entry.ts'
import type {Master} from '../replication/master.ts'
import type {Replica} from '../replication/replica.ts'
import type {Roles} from '../replication/roles.ts'

export interface BucketRolesContext {
  readonly roles: Roles
  readonly replica: Replica
  readonly master: Master
  map(): ClusterMap
  /** NO_NODE: this node is not in the map. */
  selfSlot(): number
  appliedIndex(): number
  now(): number
}

export class BucketRoles {
  readonly #c: BucketRolesContext
  /** This process has the content of the buckets of the cluster that it founded. */
  isFounder = false
  /** Planted bug `keep-seat`. */
  keepsSeat = false

  constructor(context: BucketRolesContext) {
    this.#c = context
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) context.roles.set(bucket, ROLE_DOWN, context.now())
  }

  /** The map's lines of these buckets changed, or all (null). `kind`: of the entry that did it. */
  changed(buckets: readonly number[] | null, kind: MapEntry['type'] | 'snapshot'): void {
    if (buckets !== null) for (const bucket of buckets) this.#refresh(bucket, kind)
    else for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.#refresh(bucket, kind)
  }

  /** Members went down or came back without a change of the lines of their buckets. */
  membersChanged(): void {
    const {roles} = this.#c
    const map = this.#c.map()
    const self = this.#c.selfSlot()
    const roleOf = Uint8Array.from({length: NO_NODE + 1}, (_, slot) => this.#foreignRole(slot))
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const role = roles.role[bucket]!
      const master = map.master[bucket]!
      const isForeign = role === ROLE_FOREIGN || (role === ROLE_DOWN && master !== self)
      if (isForeign && role !== roleOf[master]) this.#set(bucket, roleOf[master]!)
    }
  }

  /** A newer epoch of the bucket is known than the one in which this node thought to be something. */
  fenced(bucket: number): void {
    const {master, roles} = this.#c
    if (master.servesAfterHandoff) return
    master.resign(bucket, false)
    const role = roles.role[bucket]
    if (role === ROLE_SERVING || role === ROLE_HANDING) this.#set(bucket, ROLE_WAITING)
  }

  /** This node is not a member any more: others answer. */
  abandon(): void {
    const map = this.#c.map()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      this.#c.master.resign(bucket, false)
      this.#set(bucket, map.master[bucket] === NO_NODE ? ROLE_DOWN : ROLE_FOREIGN)
    }
  }

  /** Requests that have waited for too long are answered: CLUSTERDOWN. */
  tick(now: number): void {
    for (const bucket of this.#c.roles.parkedSince(now - PARK_MS)) this.#set(bucket, ROLE_DOWN)
  }

  #refresh(bucket: number, kind: MapEntry['type'] | 'snapshot'): void {
    const {master, replica} = this.#c
    const map = this.#c.map()
    const self = this.#c.selfSlot()
    const slot = map.master[bucket]!
    if (self === NO_NODE) {
      master.resign(bucket, false)
      return this.#set(bucket, this.#foreignRole(slot))
    }
    // A peer has told of something newer: the log will, soon.
    if (!replica.learn(bucket, map.epoch[bucket]!, slot)) return
    if (this.keepsSeat && map.isInSync(bucket, self)) replica.begin(bucket)
    if (slot === self) {
      if (kind === 'genesis' ? this.isFounder : kind === 'accept-loss' || kind === 'restore') replica.begin(bucket)
      return master.reignOver(bucket, kind)
    }
    master.resign(bucket, kind === 'move')
    master.noteMaster(bucket, slot)
    if (!map.isInSync(bucket, self) && map.syncing[bucket] !== self) replica.drop(bucket, this.#c.appliedIndex())
    this.#set(bucket, master.isDeparted(bucket) ? ROLE_HANDING : this.#foreignRole(slot))
  }

  #foreignRole(slot: number): number {
    const member = this.#c.map().members[slot]
    return member && !member.isDown ? ROLE_FOREIGN : ROLE_DOWN
  }

  #set(bucket: number, role: number): void {
    this.#c.roles.set(bucket, role, this.#c.now())
  }
}
