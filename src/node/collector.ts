/**
 * Buffers that the keyspace let go are returned to the system by a garbage collection only, and one may be long in coming:
 * the JavaScript heap is small and quiet. So it is asked for when enough has gathered. It takes a few ms.
 */
import {setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'
import type {Memory} from '../core/keyspace/memory.ts'

const DROPPED_BYTES_MIN = 64 * 1024 * 1024
/** No more often than this, ms. */
const INTERVAL_MS = 2000

export class Collector {
  readonly #memory: Memory
  #collect: (() => void) | null = null
  #lastAt = 0
  #noted = 0

  constructor(memory: Memory) {
    this.#memory = memory
  }

  /** So many bytes of buffers were let go elsewhere: replies that a client never read. */
  noteDropped(bytes: number): void {
    this.#noted += bytes
  }

  /** Collects if it is worth it. `now`: ms. */
  tick(now: number): void {
    if (this.#memory.droppedBytes + this.#noted < DROPPED_BYTES_MIN || now - this.#lastAt < INTERVAL_MS) return
    this.#lastAt = now
    this.#memory.takeDroppedBytes()
    this.#noted = 0
    this.#collect ??= exposeCollector()
    this.#collect()
  }
}

function exposeCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return collect
}
