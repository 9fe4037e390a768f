/** Virtual time: events in the order of their time, and among equals in the order in which they were planned. A binary heap. */

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class Schedule {
  readonly #heap: Event[] = []
  #order = 0
  /** Virtual ms since the beginning. */
  now = 0
  events = 0

  /** Plans `run` in `delay` ms. */
  after(delay: number, run: () => void): void {
    this.#push({at: this.now + Math.max(0, delay), order: this.#order++, run})
  }

  /** Runs events up to `until`, calling `check` after each; stops early if `check` returns false. */
  run(until: number, check: () => boolean): void {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= until) {
      const event = this.#pop()
      this.now = event.at
      this.events++
      event.run()
      if (!check()) return
    }
    this.now = Math.max(this.now, until)
  }

  #push(event: Event): void {
    const heap = this.#heap
    let i = heap.length
    heap.push(event)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = event
  }

  #pop(): Event {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
    return first
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
