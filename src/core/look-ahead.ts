/**
 * Warms the cache for requests that are about to be executed. Most of a command's time is waiting for memory: the bucket's
 * descriptor, its slot, the node, each found through the one before. Pipelined requests are independent, so the processor can wait
 * for many at once if it is asked in short loops, one per step (Valkey 8 prefetches in the same way; Chen et al., "Improving
 * Hash Join Performance through Prefetching", 2004, call it group prefetching). Nothing is decided here: it only reads.
 *
 * Bucket and hash of argument 1 are left in the request, so that they are not formed twice. Measured by `npm run bench`.
 */
import {keyBucket} from '../base/crc16.ts'
import {GRANULE_MASK, PAGE_SHIFT} from './keyspace/memory.ts'
import type {Keyspace} from './keyspace/keyspace.ts'
import type {Request} from '../resp/request-decoder.ts'

/** Requests read before the first of them is executed. */
export const LOOK_AHEAD_REQUESTS = 16
const WORDS_PER_LINE = 16

export class LookAhead {
  readonly #keyspace: Keyspace
  readonly #heads = new Int32Array(LOOK_AHEAD_REQUESTS)
  /** What was read, so that the reads are not optimized away. */
  touched = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** Warms the cache for `requests[0, count)`; `count` is at most LOOK_AHEAD_REQUESTS. */
  warm(requests: readonly Request[], count: number): void {
    const keyspace = this.#keyspace
    const {memory, dict} = keyspace
    const heads = this.#heads
    for (let i = 0; i < count; i++) {
      const request = requests[i]!
      if (request.argc < 2) continue
      const from = request.off[1]!
      const length = request.len[1]!
      request.bucket = keyBucket(request.buf, from, length)
      request.hash = keyspace.hash(request.buf, from, length)
    }
    for (let i = 0; i < count; i++) {
      const request = requests[i]!
      heads[i] = request.bucket < 0 ? 0 : dict.headOf(keyspace.table(request.bucket), request.hash)
    }
    let touched = 0
    for (let i = 0; i < count; i++) {
      const head = heads[i]!
      const words = memory.words[head >>> PAGE_SHIFT]!
      const at = (head & GRANULE_MASK) << 1
      touched += words[at]! + (words[at + WORDS_PER_LINE] ?? 0)
    }
    this.touched = touched | 0
  }
}
