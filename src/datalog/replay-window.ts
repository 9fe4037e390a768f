/**
 * Bounds what a replay has on its way, in keys and bytes, and keeps its pace. The first piece of work that fails ends it: what is on its
 * way is waited for, nothing new begins.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {REPLAY_BYTES_MAX, REPLAY_KEYS_MAX} from '../constants.ts'

/** Being ahead of the pace by less than this is not worth a timer. */
const PACE_SLACK_MS = 5

export class ReplayWindow {
  readonly #rate: number
  readonly #startMs = performance.now()
  #begun = 0
  #keys = 0
  #bytes = 0
  #failure: {readonly error: unknown} | null = null
  #wake: (() => void) | null = null

  /** `rate`: keys/s; 0 = as fast as it goes. */
  constructor(rate: number) {
    this.#rate = rate
  }

  /** Something failed, or there is no room: `admit` must be awaited before the next `begin`. */
  isClosed(bytes: number): boolean {
    return this.#failure !== null || this.#isFull(bytes) || this.#aheadMs() > PACE_SLACK_MS
  }

  #isFull(bytes: number): boolean {
    return this.#keys >= REPLAY_KEYS_MAX || (this.#keys > 0 && this.#bytes + bytes > REPLAY_BYTES_MAX)
  }

  /** Resolves when there is room. Errors: the first one of any work. */
  async admit(bytes: number): Promise<void> {
    const ahead = this.#aheadMs()
    if (ahead > PACE_SLACK_MS) await sleep(ahead)
    while (this.#failure === null && this.#isFull(bytes)) await this.#change()
    if (this.#failure !== null) await this.drain()
  }

  /** Starts work of this weight; its failure is that of the next `admit` or `drain`. */
  begin(bytes: number, work: Promise<void>): void {
    this.#begun++
    this.#keys++
    this.#bytes += bytes
    const end = (): void => {
      this.#keys--
      this.#bytes -= bytes
      const wake = this.#wake
      this.#wake = null
      wake?.()
    }
    work.then(end, (error: unknown) => {
      this.#failure ??= {error}
      end()
    })
  }

  /** Resolves when nothing is on its way. Errors: the first one of any work. */
  async drain(): Promise<void> {
    while (this.#keys > 0) await this.#change()
    if (this.#failure !== null) throw this.#failure.error
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #aheadMs(): number {
    if (this.#rate === 0) return 0
    return (this.#begun * 1_000) / this.#rate - (performance.now() - this.#startMs)
  }
}
