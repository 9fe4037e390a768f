/**
 * Making room when memory is full, by a policy as in Redis: a few keys are sampled and the best of them goes. Deletes
 * travel as records like any other. The volatile policies sample the expiry wheel: `volatile-ttl` from where it stands, because
 * there the next ones are.
 *
 * One call does a bounded amount of work. What is left - a large map to be freed, a limit that was lowered - goes on in the
 * background, and meanwhile writes are let through, as in Redis: each of them makes more room than it takes.
 */
import {expireAt, WORD_USED, word} from './keyspace/node.ts'
import {isKeyNode} from './keyspace/keyspace.ts'
import type {Prng} from '../base/prng.ts'
import type {Effects} from './effects.ts'
import type {Roles} from './replication/roles.ts'

export type MaxMemoryPolicy = 'noeviction' | 'allkeys-lru' | 'volatile-lru' | 'volatile-ttl'

export const MAX_MEMORY_POLICIES: readonly MaxMemoryPolicy[] = [
  'noeviction',
  'allkeys-lru',
  'volatile-lru',
  'volatile-ttl',
]

const SAMPLES = 8
/** Nodes of the wheel looked at for so many keys: most may be fields of maps. */
const VISITS = 64
/** The same when the first look found only fields. */
const VISITS_MAX = 4096
/** Nodes that one call may free; an eviction counts as a few, for its samples. */
const ROOM_BUDGET = 2048
const EVICTION_COST = 8
/** Freed per round when a large map waits to be freed: it counts as used until then. */
const COLLECT_STEP = 512

export class Eviction {
  /** Bytes of blocks in use that may not be passed; 0 = no limit. */
  maxBytes = 0
  policy: MaxMemoryPolicy = 'noeviction'
  readonly #effects: Effects
  readonly #random: Prng
  readonly #roles: Roles

  constructor(effects: Effects, random: Prng, roles: Roles) {
    this.#effects = effects
    this.#random = random
    this.#roles = roles
  }

  /** True above the limit, and where there is none: when no more memory can be addressed. */
  get isOver(): boolean {
    const {memory} = this.#effects.keyspace
    return (this.maxBytes > 0 && memory.usedBytes > this.maxBytes) || memory.isNearlyFull
  }

  /** Makes room, if need be; false if memory is over its limit and nothing can go. */
  makeRoom(): boolean {
    return this.work(ROOM_BUDGET) >= 0
  }

  /** Frees and evicts about `budget` nodes' worth until memory is below the limit; returns what is left, -1 if nothing can go. */
  work(budget: number): number {
    const {keyspace} = this.#effects
    let left = budget
    while (left > 0 && this.isOver) {
      if (keyspace.hasGarbage) {
        keyspace.collect(COLLECT_STEP)
        left -= COLLECT_STEP
        continue
      }
      const victim = this.#victim()
      if (victim === 0) return -1
      this.#effects.evict(keyspace.bucketOf(victim), victim)
      left -= EVICTION_COST
    }
    return Math.max(left, 0)
  }

  #victim(): number {
    switch (this.policy) {
      case 'noeviction':
        return 0
      case 'allkeys-lru':
        return this.#oldestOfAll()
      case 'volatile-lru':
        return this.#expiring((a, b) => this.#isOlder(a, b))
      case 'volatile-ttl':
        return this.#expiring((a, b) => this.#isSooner(a, b))
    }
  }

  #oldestOfAll(): number {
    const {keyspace} = this.#effects
    let best = 0
    for (let i = 0; i < SAMPLES; i++) {
      const node = keyspace.randomKey(this.#chance(), this.#chance(), this.#chance())
      if (node === 0 || !this.#roles.isOurs(keyspace.bucketOf(node))) continue
      if (best === 0 || this.#isOlder(node, best)) best = node
    }
    return best
  }

  /** The best of some keys with an expiry. */
  #expiring(isBetter: (a: number, b: number) => boolean): number {
    const {keyspace} = this.#effects
    if (keyspace.expiringCount === 0) return 0
    let best = 0
    let found = 0
    let visits = 0
    const visit = (node: number): boolean => {
      visits++
      if (this.#isCandidate(node)) {
        found++
        if (best === 0 || isBetter(node, best)) best = node
      }
      return found === SAMPLES || visits >= (found === 0 ? VISITS_MAX : VISITS)
    }
    if (this.policy === 'volatile-ttl') keyspace.wheel.soonest(visit)
    else keyspace.wheel.sample(this.#chance(), visit)
    return best
  }

  #isCandidate(node: number): boolean {
    const {keyspace} = this.#effects
    if (!isKeyNode(keyspace.memory, node)) return false
    const bucket = keyspace.bucketOf(node)
    return this.#roles.isOurs(bucket) && keyspace.isReachable(bucket, node)
  }

  #isOlder(a: number, b: number): boolean {
    const {memory} = this.#effects.keyspace
    return word(memory, a, WORD_USED) < word(memory, b, WORD_USED)
  }

  #isSooner(a: number, b: number): boolean {
    const {memory} = this.#effects.keyspace
    return expireAt(memory, a) < expireAt(memory, b)
  }

  #chance(): number {
    return this.#random.next32() / 2 ** 32
  }
}
