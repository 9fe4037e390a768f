/**
 * Active expiry: deletes what is due, in steps. A key or field that is read before its turn comes is deleted then;
 * either way the master decides and a delete record says so. Nothing is deleted in a parked bucket: a job is at work there.
 */
import {WORD_USED, isMap, keyLength, keyOffset, pageBytes, word} from './keyspace/node.ts'
import {isKeyNode} from './keyspace/keyspace.ts'
import type {Effects} from './effects.ts'
import type {Roles} from './replication/roles.ts'

export class Expiry {
  readonly #effects: Effects
  readonly #roles: Roles
  /** DEBUG SET-ACTIVE-EXPIRE. */
  isActive = true

  constructor(effects: Effects, roles: Roles) {
    this.#effects = effects
    this.#roles = roles
  }

  /** Deletes what is due at `now` (Unix ms), looking at about `budget` nodes at most; returns what is left of it. */
  work(now: number, budget: number): number {
    if (!this.isActive || budget <= 0) return budget
    return this.#effects.keyspace.wheel.advance(now, budget, this.#due)
  }

  /** The last step ran out of budget: more is due now. */
  get isBehind(): boolean {
    return this.isActive && this.#effects.keyspace.wheel.isBehind
  }

  readonly #due = (node: number): void => {
    const {keyspace} = this.#effects
    if (isKeyNode(keyspace.memory, node)) this.#dueKey(node)
    else this.#dueField(node)
  }

  #dueKey(node: number): void {
    const {keyspace} = this.#effects
    const bucket = keyspace.bucketOf(node)
    if (!this.#roles.isOurs(bucket)) return keyspace.wheel.postpone(node)
    // A key of a bucket that was cleared waits to be freed and is passed over.
    if (keyspace.isReachable(bucket, node)) this.#effects.expire(bucket, node)
  }

  #dueField(node: number): void {
    const {keyspace} = this.#effects
    const {memory} = keyspace
    const map = keyspace.dict.owner(word(memory, node, WORD_USED))
    // A field of a map that waits to be freed: it goes with it.
    if (map === 0 || !isMap(memory, map)) return
    const bucket = keyspace.bucketOf(map)
    if (!this.#roles.isOurs(bucket)) return keyspace.wheel.postpone(node)
    if (!keyspace.isReachable(bucket, map)) return
    const field = Buffer.from(
      pageBytes(memory, node).subarray(keyOffset(memory, node), keyOffset(memory, node) + keyLength(memory, node)),
    )
    this.#effects.expireField(bucket, map, field, 0, field.length)
  }
}
