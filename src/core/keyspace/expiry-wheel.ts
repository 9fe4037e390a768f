/**
 * Everything that expires, in the order of seconds: a calendar queue (Brown 1988) of doubly linked lists that run
 * through the nodes themselves. Linking and unlinking take constant time; `advance` visits what is due in small steps.
 *
 * One slot covers 1,024 ms and there are 8,192 of them, so a node that expires in more than 2.3 hours is passed over
 * once a turn. Nodes that are due before the wheel's position (the clock went back) wait in a list of their own.
 */
import {NO_EXPIRY, WORD_KEY, WORD_WHEEL_NEXT, WORD_WHEEL_PREVIOUS, expireAt, setWord, word} from './node.ts'
import type {Memory} from './memory.ts'

const SLOT_MS = 1024
const SLOTS = 8192
const LATE_SLOT = SLOTS
/** The node is in the late list. A flag of word 2, beside those of node.ts. */
const FLAG_LATE = 32

export class ExpiryWheel {
  readonly #memory: Memory
  readonly #heads = new Int32Array(SLOTS + 1)
  /** Number of the slot that `advance` is at: Unix ms / SLOT_MS. */
  #position: number
  /** Next node to visit in that slot; 0 = begin at its head. A removal may move it to 0: then the walk begins anew. */
  #cursor = 0
  /** The walk over that slot began when its time was over: after it, the slot is done for this turn. */
  #isLastWalk = true
  /** No node of that slot is due before this, once a walk has seen them all; the second holds for the walk that is under way. */
  #slotDueAt = Number.NEGATIVE_INFINITY
  #walkDueAt = NO_EXPIRY
  #lateCursor = 0
  /** No node of the late list is due before this; the second holds for what the walk that is under way has seen. */
  #lateDueAt = NO_EXPIRY
  #lateRestDueAt = NO_EXPIRY
  #size = 0

  /** `now`: Unix ms; nodes that are due before it go to the late list. */
  constructor(memory: Memory, now: number) {
    this.#memory = memory
    this.#position = Math.max(0, Math.floor(now / SLOT_MS))
  }

  get size(): number {
    return this.#size
  }

  /** Links a node that has FLAG_EXPIRES; its expiry is in its header. */
  link(node: number): void {
    const memory = this.#memory
    const tick = Math.floor(expireAt(memory, node) / SLOT_MS)
    // A slot that `advance` is in the middle of counts as passed: it goes on behind the list's head, and then leaves.
    const isPassed = tick < this.#position || (tick === this.#position && this.#cursor !== 0)
    if (tick === this.#position) this.#slotDueAt = Math.min(this.#slotDueAt, expireAt(memory, node))
    this.#linkAt(node, isPassed ? LATE_SLOT : tick % SLOTS)
  }

  #linkAt(node: number, slot: number): void {
    const memory = this.#memory
    if (slot === LATE_SLOT) {
      setWord(memory, node, WORD_KEY, word(memory, node, WORD_KEY) | FLAG_LATE)
      this.#noteLate(expireAt(memory, node))
    }
    const head = this.#heads[slot]!
    setWord(memory, node, WORD_WHEEL_PREVIOUS, 0)
    setWord(memory, node, WORD_WHEEL_NEXT, head)
    if (head !== 0) setWord(memory, head, WORD_WHEEL_PREVIOUS, node)
    this.#heads[slot] = node
    this.#size++
  }

  #noteLate(at: number): void {
    this.#lateDueAt = Math.min(this.#lateDueAt, at)
    this.#lateRestDueAt = Math.min(this.#lateRestDueAt, at)
  }

  unlink(node: number): void {
    const memory = this.#memory
    const next = word(memory, node, WORD_WHEEL_NEXT)
    const previous = word(memory, node, WORD_WHEEL_PREVIOUS)
    if (node === this.#cursor) this.#cursor = next
    if (node === this.#lateCursor) this.#lateCursor = next
    if (next !== 0) setWord(memory, next, WORD_WHEEL_PREVIOUS, previous)
    if (previous !== 0) setWord(memory, previous, WORD_WHEEL_NEXT, next)
    else this.#heads[this.#slotOf(node)] = next
    setWord(memory, node, WORD_KEY, word(memory, node, WORD_KEY) & ~FLAG_LATE)
    this.#size--
  }

  /** A due node cannot go yet: it is shown again by the next calls of `advance`. */
  postpone(node: number): void {
    const at = expireAt(this.#memory, node)
    if ((word(this.#memory, node, WORD_KEY) & FLAG_LATE) === 0) {
      this.unlink(node)
      this.#linkAt(node, LATE_SLOT)
    } else this.#noteLate(at)
  }

  /** The node's block moved from `old` to `node` (its words are copied already). */
  relink(old: number, node: number): void {
    const memory = this.#memory
    const next = word(memory, node, WORD_WHEEL_NEXT)
    const previous = word(memory, node, WORD_WHEEL_PREVIOUS)
    if (old === this.#cursor) this.#cursor = node
    if (old === this.#lateCursor) this.#lateCursor = node
    if (next !== 0) setWord(memory, next, WORD_WHEEL_PREVIOUS, node)
    if (previous !== 0) setWord(memory, previous, WORD_WHEEL_NEXT, node)
    else this.#heads[this.#slotOf(node)] = node
  }

  /**
   * Calls `due` for nodes whose expiry is at or before `now` (Unix ms), visiting at most `budget` nodes and slots.
   * Returns what is left of the budget: 0 means there is more to do. `due` unlinks the node by removing it; one that
   * must wait it gives to `postpone`; one that it leaves alone is not shown again for a turn of the wheel.
   */
  advance(now: number, budget: number, due: (node: number) => void): number {
    let left = this.#visitLate(now, budget, due)
    const last = Math.floor(now / SLOT_MS)
    if (this.#size === 0) {
      if (this.#position < last) this.#moveTo(last)
      return left
    }
    if (this.#position < last - SLOTS) this.#moveTo(last - SLOTS)
    while (left > 0) {
      if (this.#cursor === 0) {
        // Walked over already, and nothing is due yet: a full slot must not be walked again and again until it is.
        if (this.#position >= last && now < this.#slotDueAt) return left
        this.#walkDueAt = NO_EXPIRY
        this.#cursor = this.#heads[this.#position % SLOTS]!
        this.#isLastWalk = this.#position < last
      }
      left = this.#walkSlot(now, left, due)
      if (this.#cursor !== 0) return 0
      this.#slotDueAt = this.#walkDueAt
      if (this.#position >= last) return left
      left--
      // A walk that began while the slot's time ran may have passed nodes that are due by now.
      if (this.#isLastWalk) this.#moveTo(this.#position + 1)
    }
    return Math.max(left, 0)
  }

  #walkSlot(now: number, budget: number, due: (node: number) => void): number {
    let left = budget
    while (this.#cursor !== 0 && left > 0) {
      left--
      const node = this.#cursor
      const at = expireAt(this.#memory, node)
      this.#cursor = word(this.#memory, node, WORD_WHEEL_NEXT)
      if (at <= now) due(node)
      else this.#walkDueAt = Math.min(this.#walkDueAt, at)
    }
    return left
  }

  /** Calls `visit` for nodes from a place on that `random` (0..1) chooses, until it says true. */
  sample(random: number, visit: (node: number) => boolean): void {
    if (this.#size > 0) this.#sampleFrom(Math.floor(random * SLOTS), visit)
  }

  /** As `sample`, nodes that expire soon first: those that are late, then from the wheel's position on. */
  soonest(visit: (node: number) => boolean): void {
    if (this.#size === 0) return
    if (!this.#visitList(LATE_SLOT, visit)) this.#sampleFrom(this.#position % SLOTS, visit)
  }

  #sampleFrom(start: number, visit: (node: number) => boolean): void {
    for (let i = 0; i <= SLOTS; i++) if (this.#visitList((start + i) % (SLOTS + 1), visit)) return
  }

  #visitList(slot: number, visit: (node: number) => boolean): boolean {
    for (let node = this.#heads[slot]!; node !== 0; node = word(this.#memory, node, WORD_WHEEL_NEXT)) {
      if (visit(node)) return true
    }
    return false
  }

  #moveTo(position: number): void {
    this.#position = position
    this.#cursor = 0
    this.#slotDueAt = Number.NEGATIVE_INFINITY
  }

  /** Walks over the late list, but only when some node of it is due: they may be many and wait for long. */
  #visitLate(now: number, budget: number, due: (node: number) => void): number {
    let left = budget
    // What came since an earlier call began a walk lies in front of it.
    if (this.#lateCursor !== 0) left = this.#walkLate(now, left, due)
    if (left <= 0 || now < this.#lateDueAt) return left
    this.#lateCursor = this.#heads[LATE_SLOT]!
    this.#lateRestDueAt = NO_EXPIRY
    return this.#walkLate(now, left, due)
  }

  #walkLate(now: number, budget: number, due: (node: number) => void): number {
    let left = budget
    while (this.#lateCursor !== 0 && left > 0) {
      left--
      const node = this.#lateCursor
      const at = expireAt(this.#memory, node)
      this.#lateCursor = word(this.#memory, node, WORD_WHEEL_NEXT)
      if (at <= now) due(node)
      else this.#lateRestDueAt = Math.min(this.#lateRestDueAt, at)
    }
    if (this.#lateCursor === 0) this.#lateDueAt = this.#lateRestDueAt
    return left
  }

  #slotOf(node: number): number {
    if ((word(this.#memory, node, WORD_KEY) & FLAG_LATE) !== 0) return LATE_SLOT
    return Math.floor(expireAt(this.#memory, node) / SLOT_MS) % SLOTS
  }
}
