/**
 * A hash table of nodes, outside the heap. One is the index of a bucket, one the fields of a large map.
 *
 * Chained, grown and shrunk one slot at a time by linear hashing (Litwin 1980), so no operation ever waits for a
 * rehash. Up to 1,024 slots the table is one block that doubles; above, a directory of blocks of 1,024 slots.
 * Slot s < split has been split and uses level + 1 bits of the hash, the others use level bits.
 *
 *   descriptor (fixed block, 8 words)
 *   word 0  nodes in the table
 *   word 1  the block of slots, or the directory (pointer, 0 = no slot yet)
 *   word 2  level      word 3  split      word 4  pointers the directory can hold
 *   word 5  the node of the map it belongs to; 0 for a bucket
 *   word 6  nodes that have an expiry
 *
 * `scan` walks slots in the order of the reversed hash, each with its own number of bits: a node that is there
 * from the first call to the last is reported, whatever splits or merges happen between (as Redis' SCAN).
 */
import {FLAG_EXPIRES, WORD_HASH, WORD_KEY, WORD_NEXT, keyEquals, setWord, word} from './node.ts'
import {GRANULE_MASK, KIND_FIXED, PAGE_SHIFT} from './memory.ts'
import type {Memory} from './memory.ts'

export const DESCRIPTOR_BYTES = 32
const D_COUNT = 0
const D_TABLE = 1
const D_LEVEL = 2
const D_SPLIT = 3
const D_CAPACITY = 4
const D_OWNER = 5
const D_EXPIRING = 6

const SEGMENT_BITS = 10
const SEGMENT_SLOTS = 1 << SEGMENT_BITS
const SEGMENT_MASK = SEGMENT_SLOTS - 1
const LEVEL_MIN = 2
const MERGES_MAX = 8

export class Dict {
  readonly #memory: Memory

  constructor(memory: Memory) {
    this.#memory = memory
  }

  /** Makes a descriptor ready for use; its block may hold anything. */
  reset(d: number): void {
    const words = this.#memory.words[d >>> PAGE_SHIFT]!
    const at = (d & GRANULE_MASK) << 1
    words.fill(0, at, at + DESCRIPTOR_BYTES / 4)
  }

  count(d: number): number {
    return word(this.#memory, d, D_COUNT)
  }

  owner(d: number): number {
    return word(this.#memory, d, D_OWNER)
  }

  setOwner(d: number, node: number): void {
    setWord(this.#memory, d, D_OWNER, node)
  }

  /** Nodes with an expiry. */
  expiring(d: number): number {
    return word(this.#memory, d, D_EXPIRING)
  }

  addExpiring(d: number, change: number): void {
    setWord(this.#memory, d, D_EXPIRING, word(this.#memory, d, D_EXPIRING) + change)
  }

  /** The node with this key, or 0. */
  find(d: number, hash: number, bytes: Uint8Array, offset: number, length: number): number {
    const memory = this.#memory
    const descriptor = memory.words[d >>> PAGE_SHIFT]!
    const at = (d & GRANULE_MASK) << 1
    const table = descriptor[at + D_TABLE]!
    if (table === 0) return 0
    const level = descriptor[at + D_LEVEL]!
    let node =
      level <= SEGMENT_BITS && descriptor[at + D_CAPACITY] === 0
        ? memory.words[table >>> PAGE_SHIFT]![((table & GRANULE_MASK) << 1) + (hash & ((1 << level) - 1))]!
        : this.#head(d, hash)
    while (node !== 0) {
      const words = memory.words[node >>> PAGE_SHIFT]!
      const n = (node & GRANULE_MASK) << 1
      if (words[n + WORD_HASH] === hash && words[n + WORD_KEY]! >>> 8 === length) {
        if (keyEquals(memory, node, bytes, offset, length)) return node
      }
      node = words[n]!
    }
    return 0
  }

  /** First node of the hash's slot, 0 if none: the look-ahead's half of `find`. */
  headOf(d: number, hash: number): number {
    const memory = this.#memory
    const descriptor = memory.words[d >>> PAGE_SHIFT]!
    const at = (d & GRANULE_MASK) << 1
    const table = descriptor[at + D_TABLE]!
    if (table === 0) return 0
    if (descriptor[at + D_CAPACITY] !== 0) return this.#head(d, hash)
    const slot = hash & ((1 << descriptor[at + D_LEVEL]!) - 1)
    return memory.words[table >>> PAGE_SHIFT]![((table & GRANULE_MASK) << 1) + slot]!
  }

  /** Adds a node whose key is not in the table yet; its hash and flags are already in its header. */
  insert(d: number, node: number): void {
    const memory = this.#memory
    const count = word(memory, d, D_COUNT) + 1
    setWord(memory, d, D_COUNT, count)
    if ((word(memory, node, WORD_KEY) & FLAG_EXPIRES) !== 0) this.addExpiring(d, 1)
    if (count > this.#slots(d)) this.#grow(d)
    const slot = this.#slotOf(d, word(memory, node, WORD_HASH))
    setWord(memory, node, WORD_NEXT, this.#load(d, slot))
    this.#store(d, slot, node)
  }

  /** Takes the node out; its block stays. */
  remove(d: number, node: number): void {
    const memory = this.#memory
    this.#relink(d, node, word(memory, node, WORD_NEXT))
    const count = word(memory, d, D_COUNT) - 1
    setWord(memory, d, D_COUNT, count)
    if ((word(memory, node, WORD_KEY) & FLAG_EXPIRES) !== 0) this.addExpiring(d, -1)
    this.#shrink(d, count)
  }

  /** Puts `replacement` (same key and hash) where `node` was. */
  replace(d: number, node: number, replacement: number): void {
    const memory = this.#memory
    const was = word(memory, node, WORD_KEY) & FLAG_EXPIRES
    const is = word(memory, replacement, WORD_KEY) & FLAG_EXPIRES
    if (was !== is) this.addExpiring(d, is !== 0 ? 1 : -1)
    setWord(memory, replacement, WORD_NEXT, word(memory, node, WORD_NEXT))
    this.#relink(d, node, replacement)
  }

  /** Number of slots: what `nodeAt` accepts. */
  slots(d: number): number {
    return this.#slots(d)
  }

  /** First node of a slot, 0 if none; follow WORD_NEXT for the others. */
  head(d: number, slot: number): number {
    return this.#load(d, slot)
  }

  /**
   * Calls `visit` for the nodes of one slot and returns the next cursor; start with 0, and 0 means the end.
   * `visit` must not change the table.
   */
  scan(d: number, cursor: number, visit: (node: number) => void): number {
    if (word(this.#memory, d, D_TABLE) === 0) return 0
    const level = word(this.#memory, d, D_LEVEL)
    let bits = level
    let slot = cursor & ((1 << level) - 1)
    if (slot < word(this.#memory, d, D_SPLIT)) {
      bits = level + 1
      slot = cursor & ((1 << bits) - 1)
    }
    for (let node = this.#load(d, slot); node !== 0; node = word(this.#memory, node, WORD_NEXT)) visit(node)
    return nextCursor(slot, bits)
  }

  /**
   * Frees nodes slot by slot, from the last one, through `release`; `budget` nodes at most (a slot is finished).
   * Returns the nodes freed; when the table is empty its blocks are freed too and the descriptor is as after `reset`.
   */
  clear(d: number, budget: number, release: (node: number) => void): number {
    const memory = this.#memory
    let freed = 0
    let visited = 0
    while (word(memory, d, D_TABLE) !== 0 && freed + (visited >> 2) < budget) {
      const last = this.#slots(d) - 1
      let node = this.#load(d, last)
      visited++
      while (node !== 0) {
        const next = word(memory, node, WORD_NEXT)
        release(node)
        freed++
        node = next
      }
      this.#store(d, last, 0)
      this.#dropSlot(d)
    }
    if (word(memory, d, D_TABLE) === 0) {
      setWord(memory, d, D_COUNT, 0)
      setWord(memory, d, D_EXPIRING, 0)
    }
    return freed
  }

  /** Bytes of the table's own blocks, the descriptor not included. */
  tableBytes(d: number): number {
    if (word(this.#memory, d, D_TABLE) === 0) return 0
    return this.#slots(d) * 4 + word(this.#memory, d, D_CAPACITY) * 4
  }

  #slots(d: number): number {
    if (word(this.#memory, d, D_TABLE) === 0) return 0
    return (1 << word(this.#memory, d, D_LEVEL)) + word(this.#memory, d, D_SPLIT)
  }

  #slotOf(d: number, hash: number): number {
    const level = word(this.#memory, d, D_LEVEL)
    const slot = hash & ((1 << level) - 1)
    return slot < word(this.#memory, d, D_SPLIT) ? hash & ((1 << (level + 1)) - 1) : slot
  }

  #head(d: number, hash: number): number {
    return this.#load(d, this.#slotOf(d, hash))
  }

  #segment(d: number, slot: number): number {
    const table = word(this.#memory, d, D_TABLE)
    return word(this.#memory, d, D_CAPACITY) === 0 ? table : word(this.#memory, table, slot >>> SEGMENT_BITS)
  }

  #load(d: number, slot: number): number {
    return word(this.#memory, this.#segment(d, slot), slot & SEGMENT_MASK)
  }

  #store(d: number, slot: number, node: number): void {
    setWord(this.#memory, this.#segment(d, slot), slot & SEGMENT_MASK, node)
  }

  /** Makes the link that leads to `node` lead to `target`. */
  #relink(d: number, node: number, target: number): void {
    const memory = this.#memory
    const slot = this.#slotOf(d, word(memory, node, WORD_HASH))
    let current = this.#load(d, slot)
    if (current === node) return this.#store(d, slot, target)
    for (;;) {
      const next = word(memory, current, WORD_NEXT)
      if (next === node) return setWord(memory, current, WORD_NEXT, target)
      current = next
    }
  }

  #allocSlots(count: number): number {
    const block = this.#memory.alloc(count * 4, KIND_FIXED)
    const at = (block & GRANULE_MASK) << 1
    this.#memory.words[block >>> PAGE_SHIFT]!.fill(0, at, at + count)
    return block
  }

  #grow(d: number): void {
    const memory = this.#memory
    const table = word(memory, d, D_TABLE)
    if (table === 0) {
      setWord(memory, d, D_TABLE, this.#allocSlots(1 << LEVEL_MIN))
      setWord(memory, d, D_LEVEL, LEVEL_MIN)
      return
    }
    const level = word(memory, d, D_LEVEL)
    if (level < SEGMENT_BITS) return this.#resize(d, level + 1)
    // Two splits an insert: the table catches up if it ever fell behind.
    this.#splitSlot(d)
    if (word(memory, d, D_COUNT) > this.#slots(d)) this.#splitSlot(d)
  }

  /** Moves the nodes of a one-block table (at most 1,024) into a block for 2^level slots. */
  #resize(d: number, level: number): void {
    const memory = this.#memory
    const old = word(memory, d, D_TABLE)
    const oldSlots = 1 << word(memory, d, D_LEVEL)
    const block = this.#allocSlots(1 << level)
    const mask = (1 << level) - 1
    for (let slot = 0; slot < oldSlots; slot++) {
      let node = word(memory, old, slot)
      while (node !== 0) {
        const next = word(memory, node, WORD_NEXT)
        const target = word(memory, node, WORD_HASH) & mask
        setWord(memory, node, WORD_NEXT, word(memory, block, target))
        setWord(memory, block, target, node)
        node = next
      }
    }
    memory.free(old)
    setWord(memory, d, D_TABLE, block)
    setWord(memory, d, D_LEVEL, level)
  }

  #splitSlot(d: number): void {
    const memory = this.#memory
    const level = word(memory, d, D_LEVEL)
    const split = word(memory, d, D_SPLIT)
    const added = (1 << level) + split
    if ((added & SEGMENT_MASK) === 0) this.#addSegment(d, added >>> SEGMENT_BITS)
    let node = this.#load(d, split)
    let low = 0
    let high = 0
    while (node !== 0) {
      const next = word(memory, node, WORD_NEXT)
      if ((word(memory, node, WORD_HASH) & (1 << level)) !== 0) {
        setWord(memory, node, WORD_NEXT, high)
        high = node
      } else {
        setWord(memory, node, WORD_NEXT, low)
        low = node
      }
      node = next
    }
    this.#store(d, split, low)
    this.#store(d, added, high)
    const isDoubled = split + 1 === 1 << level
    setWord(memory, d, D_SPLIT, isDoubled ? 0 : split + 1)
    if (isDoubled) setWord(memory, d, D_LEVEL, level + 1)
  }

  #addSegment(d: number, index: number): void {
    const memory = this.#memory
    let directory = word(memory, d, D_TABLE)
    const capacity = word(memory, d, D_CAPACITY)
    if (index >= capacity) {
      const larger = this.#allocSlots(capacity === 0 ? 4 : capacity * 2)
      if (capacity === 0) setWord(memory, larger, 0, directory)
      else {
        for (let i = 0; i < capacity; i++) setWord(memory, larger, i, word(memory, directory, i))
        memory.free(directory)
      }
      directory = larger
      setWord(memory, d, D_TABLE, directory)
      setWord(memory, d, D_CAPACITY, capacity === 0 ? 4 : capacity * 2)
    }
    setWord(memory, directory, index, this.#allocSlots(SEGMENT_SLOTS))
  }

  #shrink(d: number, count: number): void {
    const memory = this.#memory
    if (count === 0) return this.#freeTable(d)
    const slots = this.#slots(d)
    if (count * 4 > slots || slots <= 1 << LEVEL_MIN) return
    if (word(memory, d, D_CAPACITY) === 0) return this.#resize(d, word(memory, d, D_LEVEL) - 1)
    // The table may hold four slots a node; so every removal takes out four, and a few more if it is behind.
    for (let merges = 0; merges < MERGES_MAX && word(memory, d, D_CAPACITY) !== 0; merges++) {
      if (this.#slots(d) <= count * 4) return
      this.#mergeSlot(d)
    }
  }

  /** The reverse of a split: the last slot's nodes join those of the slot they came from. */
  #mergeSlot(d: number): void {
    const memory = this.#memory
    const last = this.#slots(d) - 1
    const head = this.#load(d, last)
    const level = word(memory, d, D_LEVEL)
    const split = word(memory, d, D_SPLIT)
    const target = split > 0 ? split - 1 : (1 << (level - 1)) - 1
    if (head !== 0) {
      let tail = head
      for (let next = word(memory, tail, WORD_NEXT); next !== 0; next = word(memory, tail, WORD_NEXT)) tail = next
      setWord(memory, tail, WORD_NEXT, this.#load(d, target))
      this.#store(d, target, head)
      this.#store(d, last, 0)
    }
    this.#dropSlot(d)
  }

  /** Takes the last slot, which must be empty, out of the table. */
  #dropSlot(d: number): void {
    const memory = this.#memory
    const level = word(memory, d, D_LEVEL)
    const split = word(memory, d, D_SPLIT)
    const last = (1 << level) + split - 1
    if (word(memory, d, D_CAPACITY) === 0) {
      // One block: it is only shortened by `clear`, from the last slot down.
      if (last === 0) return this.#freeTable(d)
      setWord(memory, d, D_LEVEL, split > 0 ? level : level - 1)
      setWord(memory, d, D_SPLIT, split > 0 ? split - 1 : (1 << (level - 1)) - 1)
      return
    }
    setWord(memory, d, D_LEVEL, split > 0 ? level : level - 1)
    setWord(memory, d, D_SPLIT, split > 0 ? split - 1 : (1 << (level - 1)) - 1)
    if ((last & SEGMENT_MASK) === 0) this.#dropSegment(d, last >>> SEGMENT_BITS)
  }

  #dropSegment(d: number, index: number): void {
    const memory = this.#memory
    const directory = word(memory, d, D_TABLE)
    memory.free(word(memory, directory, index))
    setWord(memory, directory, index, 0)
    if (index !== 1) return
    // One segment is left: it is the table again.
    setWord(memory, d, D_TABLE, word(memory, directory, 0))
    setWord(memory, d, D_CAPACITY, 0)
    memory.free(directory)
  }

  #freeTable(d: number): void {
    const memory = this.#memory
    while (word(memory, d, D_CAPACITY) !== 0) this.#dropSlot(d)
    memory.free(word(memory, d, D_TABLE))
    setWord(memory, d, D_TABLE, 0)
    setWord(memory, d, D_LEVEL, 0)
    setWord(memory, d, D_SPLIT, 0)
  }
}

/** The cursor after slot `slot` of `bits` bits, counting in the reversed order of the bits; 0 at the end. */
function nextCursor(slot: number, bits: number): number {
  let v = reverse32(slot | (bits >= 32 ? 0 : -1 << bits))
  v = (v + 1) | 0
  return reverse32(v) >>> 0
}

function reverse32(value: number): number {
  let v = value
  v = ((v >>> 1) & 0x55555555) | ((v & 0x55555555) << 1)
  v = ((v >>> 2) & 0x33333333) | ((v & 0x33333333) << 2)
  v = ((v >>> 4) & 0x0f0f0f0f) | ((v & 0x0f0f0f0f) << 4)
  v = ((v >>> 8) & 0x00ff00ff) | ((v & 0x00ff00ff) << 8)
  return (v >>> 16) | (v << 16)
}
