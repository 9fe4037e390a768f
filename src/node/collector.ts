/**
 * Buffers that the keyspace or the connections let go are returned to the system by a garbage collection only, and one may be long in coming:
 * the JavaScript heap is small and quiet. So it is asked for when enough has gathered. It takes a few ms.
 */
import {setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'

const DROPPED_BYTES_MIN = 64 * 1024 * 1024
/** No more often than this, ms. */
const INTERVAL_MS = 2000

/** Lets buffers go, and counts their bytes. */
export interface Dropper {
  readonly droppedBytes: number
  /** The count, which begins anew. */
  takeDroppedBytes(): number
}

export class Collector {
  readonly #droppers: readonly Dropper[]
  #collect: (() => void) | null = null
  #lastAt = 0

  constructor(droppers: readonly Dropper[]) {
    this.#droppers = droppers
  }

  /** Collects if it is worth it. `now`: ms. */
  tick(now: number): void {
    if (now - this.#lastAt < INTERVAL_MS) return
    let bytes = 0
    for (const dropper of this.#droppers) bytes += dropper.droppedBytes
    if (bytes < DROPPED_BYTES_MIN) return
    this.#lastAt = now
    for (const dropper of this.#droppers) dropper.takeDroppedBytes()
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
