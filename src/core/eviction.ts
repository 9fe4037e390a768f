/**
 * Making room when memory is full, by a policy as in Redis: a few keys are sampled and the best of them goes. Deletes
 * travel as records like any other. `volatile-ttl` needs no sampling: the expiry wheel knows who goes first.
 */
import {expireAt, WORD_USED, word} from './keyspace/node.ts'
import {isKeyNode} from './keyspace/keyspace.ts'
import type {Prng} from '../base/prng.ts'
import type {Effects} from './effects.ts'

export type MaxMemoryPolicy = 'noeviction' | 'allkeys-lru' | 'volatile-lru' | 'volatile-ttl'

export const MAX_MEMORY_POLICIES: readonly MaxMemoryPolicy[] = [
  'noeviction',
  'allkeys-lru',
  'volatile-lru',
  'volatile-ttl',
]

const SAMPLES = 8
/** Freed per round when a large map waits to be freed: it counts as used until then. */
const COLLECT_STEP = 512

export class Eviction {
  /** Bytes of blocks in use that may not be passed; 0 = no limit. */
  maxBytes = 0
  policy: MaxMemoryPolicy = 'noeviction'
  readonly #effects: Effects
  readonly #random: Prng

  constructor(effects: Effects, random: Prng) {
    this.#effects = effects
    this.#random = random
  }

  get isOver(): boolean {
    return this.maxBytes > 0 && this.#effects.keyspace.memory.usedBytes > this.maxBytes
  }

  /** Evicts until memory is below the limit; false if it is not and nothing can go. */
  makeRoom(): boolean {
    const {keyspace} = this.#effects
    while (this.isOver) {
      if (keyspace.hasGarbage) {
        keyspace.collect(COLLECT_STEP)
        continue
      }
      const victim = this.#victim()
      if (victim === 0) return false
      this.#effects.evict(keyspace.bucketOf(victim), victim)
    }
    return true
  }

  #victim(): number {
    switch (this.policy) {
      case 'noeviction':
        return 0
      case 'allkeys-lru':
        return this.#oldestOfAll()
      case 'volatile-lru':
        return this.#oldestExpiring()
      case 'volatile-ttl':
        return this.#soonest()
    }
  }

  #oldestOfAll(): number {
    const {keyspace} = this.#effects
    let best = 0
    for (let i = 0; i < SAMPLES; i++)
      best = this.#older(best, keyspace.randomKey(this.#chance(), this.#chance(), this.#chance()))
    return best
  }

  #oldestExpiring(): number {
    const {keyspace} = this.#effects
    if (keyspace.expiringCount === 0) return 0
    let best = 0
    keyspace.wheel.sample(this.#chance(), SAMPLES, (node) => {
      if (this.#isCandidate(node)) best = this.#older(best, node)
    })
    return best !== 0 ? best : this.#anyExpiring()
  }

  #soonest(): number {
    const {keyspace} = this.#effects
    if (keyspace.expiringCount === 0) return 0
    let best = 0
    keyspace.wheel.soonest(SAMPLES, (node) => {
      if (!this.#isCandidate(node)) return
      if (best === 0 || expireAt(keyspace.memory, node) < expireAt(keyspace.memory, best)) best = node
    })
    return best !== 0 ? best : this.#anyExpiring()
  }

  /** The wheel's sample held only fields of maps: look further. */
  #anyExpiring(): number {
    let found = 0
    const {keyspace} = this.#effects
    keyspace.wheel.sample(this.#chance(), keyspace.wheel.size, (node) => {
      if (found === 0 && this.#isCandidate(node)) found = node
    })
    return found
  }

  #isCandidate(node: number): boolean {
    const {keyspace} = this.#effects
    return isKeyNode(keyspace.memory, node) && keyspace.isReachable(keyspace.bucketOf(node), node)
  }

  #older(a: number, b: number): number {
    if (a === 0 || b === 0) return a === 0 ? b : a
    const {memory} = this.#effects.keyspace
    return word(memory, a, WORD_USED) <= word(memory, b, WORD_USED) ? a : b
  }

  #chance(): number {
    return this.#random.next32() / 2 ** 32
  }
}
