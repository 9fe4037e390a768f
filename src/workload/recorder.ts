/**
 * The history as it comes to be: gives out the stamps, knows what is in flight, and tells the checker up to where it may forget.
 *
 *   begin --> (in flight: holds the floor at its start) --> end --> taken by the sink --> let go
 *
 * A value with a time to live holds the floor as well, until its end is on record.
 */
import {assert} from '../base/assert.ts'
import type {HistorySink, Operation} from '../checker/history.ts'
import type {Clock, Outcome} from './types.ts'

/** The floor is told after so many operations. */
const ADVANCE_EVERY = 64

/** When an operation began and ended, how, whose it was and where it was answered. */
export type Span = Pick<Operation, 'start' | 'end' | 'hasFailed' | 'client' | 'startMs' | 'endMs'> & {
  readonly node?: string
}

export interface Begun {
  readonly start: number
  readonly startMs: number
  readonly client: number
}

interface Mark {
  readonly dueMs: number
  stamp: number
}

export class Recorder {
  readonly #clock: Clock
  readonly #sink: HistorySink
  /** Stamps that hold the floor, oldest first, with how many do so. */
  readonly #held = new Map<number, number>()
  /** Moments that get a stamp as soon as they are over. */
  readonly #marks = new Set<Mark>()
  #stamp = 0
  #taken = 0
  #isClosed = false

  constructor(clock: Clock, sink: HistorySink) {
    this.#clock = clock
    this.#sink = sink
  }

  begin(client: number): Begun {
    const start = this.stamp()
    this.hold(start)
    return {start, startMs: this.#clock.now(), client}
  }

  /** The caller takes down what came of it, and lets go of the start. */
  end(begun: Begun, outcome: Outcome, node: string | undefined): Span {
    const end = outcome === 'unknown' ? Infinity : this.stamp()
    const span = {...begun, end, hasFailed: outcome === 'failed', endMs: this.#clock.now()}
    return node === undefined ? span : {...span, node}
  }

  /** The sink is through with this history. */
  close(): void {
    this.#isClosed = true
  }

  take(operation: Operation): void {
    if (this.#isClosed) return
    this.#sink.take(operation)
    if (++this.#taken % ADVANCE_EVERY === 0) this.advance()
  }

  /** The sink may forget what lies before everything that is in flight. */
  advance(): void {
    if (!this.#isClosed) this.#sink.advance(this.#held.keys().next().value ?? this.#stamp + 1)
  }

  /** A stamp. Moments that have passed by now get theirs first, be their timers as late as they may. */
  stamp(): number {
    if (this.#marks.size > 0) {
      const now = this.#clock.now()
      for (const mark of this.#marks) if (mark.dueMs <= now) this.#set(mark)
    }
    return ++this.#stamp
  }

  /** Marks a moment in `ms`. The function tells its stamp, which is smaller than any that is given after the moment; 0 until then. */
  mark(ms: number): () => number {
    const mark: Mark = {dueMs: this.#clock.now() + ms, stamp: 0}
    this.#marks.add(mark)
    this.#clock.after(ms, () => this.#set(mark))
    return () => mark.stamp
  }

  /** Nothing at or after this stamp is forgotten until it is let go. */
  hold(stamp: number): void {
    this.#held.set(stamp, (this.#held.get(stamp) ?? 0) + 1)
  }

  letGo(stamp: number): void {
    const count = this.#held.get(stamp)
    assert(count !== undefined, 'only what is held is let go')
    if (count === 1) this.#held.delete(stamp)
    else this.#held.set(stamp, count - 1)
  }

  #set(mark: Mark): void {
    if (!this.#marks.delete(mark)) return
    mark.stamp = ++this.#stamp
  }
}
