/**
 * Active expiry: deletes what is due, in steps. A key or field that is read before its turn comes is deleted then;
 * either way the master decides and a delete record says so.
 */
import {WORD_USED, isMap, keyLength, keyOffset, pageBytes, word} from './keyspace/node.ts'
import {isKeyNode} from './keyspace/keyspace.ts'
import type {Effects} from './effects.ts'

export class Expiry {
  readonly #effects: Effects
  /** The last step ran out of budget: more is due now. */
  isBehind = false
  /** DEBUG SET-ACTIVE-EXPIRE. */
  isActive = true

  constructor(effects: Effects) {
    this.#effects = effects
  }

  /** Deletes what is due at `now` (Unix ms), looking at about `budget` nodes at most; returns what is left of it. */
  work(now: number, budget: number): number {
    if (!this.isActive || budget <= 0) return budget
    const left = this.#effects.keyspace.wheel.advance(now, budget, this.#due)
    this.isBehind = left <= 0
    return left
  }

  readonly #due = (node: number): void => {
    const {keyspace} = this.#effects
    if (isKeyNode(keyspace.memory, node)) this.#dueKey(node)
    else this.#dueField(node)
  }

  #dueKey(node: number): void {
    const {keyspace} = this.#effects
    const bucket = keyspace.bucketOf(node)
    // A key of a bucket that was cleared waits to be freed and is passed over.
    if (keyspace.isReachable(bucket, node)) this.#effects.expire(bucket, node)
  }

  #dueField(node: number): void {
    const {keyspace} = this.#effects
    const {memory} = keyspace
    const map = keyspace.dict.owner(word(memory, node, WORD_USED))
    // A field of a map that waits to be freed: it goes with it.
    if (map === 0 || !isMap(memory, map) || !keyspace.isReachable(keyspace.bucketOf(map), map)) return
    const field = Buffer.from(
      pageBytes(memory, node).subarray(keyOffset(memory, node), keyOffset(memory, node) + keyLength(memory, node)),
    )
    this.#effects.expireField(keyspace.bucketOf(map), map, field, 0, field.length)
  }
}
