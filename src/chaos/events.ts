/** What a reader of the report wants to know besides figures: joins, failovers, faults, odd answers. Bounded: the rest is counted. */
import {CHAOS_EVENTS_MAX} from '../constants.ts'
import type {Clock} from '../workload/types.ts'

export class Events {
  readonly list: {readonly atMs: number; readonly text: string}[] = []
  readonly #clock: Clock
  #dropped = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  readonly add = (text: string): void => {
    if (this.list.length < CHAOS_EVENTS_MAX) this.list.push({atMs: Math.round(this.#clock.now()), text})
    else {
      this.#dropped++
      this.list[CHAOS_EVENTS_MAX - 1] = {
        atMs: Math.round(this.#clock.now()),
        text: `${this.#dropped + 1} more events; the last: ${text}`,
      }
    }
  }
}
