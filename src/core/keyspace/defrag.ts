/**
 * Gives memory back after deletes. A page whose blocks are mostly free is emptied: its live nodes move to other pages of
 * their class and every link to them is set anew. Then pages move out of the emptiest extent, and the extent goes.
 *
 * All in small steps, and only when there is enough to win: while less than a tenth of the pages' bytes is unused,
 * nothing moves.
 */
import {KIND_NODES, PAGE_SHIFT} from './memory.ts'
import {
  FLAG_EXPIRES,
  FLAG_FIELD,
  FLAG_LARGE,
  FLAG_LIVE,
  WORD_KEY,
  WORD_USED,
  WORD_VALUE,
  keyLength,
  keyOffset,
  nodeFlags,
  pageBytes,
  word,
} from './node.ts'
import type {Keyspace} from './keyspace.ts'

/** A page that is fuller than this is left alone. */
const OCCUPANCY_MAX = 0.8
/** Unused bytes below which nothing is done: 16 MB, or a tenth of what is in use. */
const UNUSED_BYTES_MIN = 16 * 1024 * 1024
const UNUSED_SHARE = 0.1
/** Copying a page costs about as much as moving so many nodes. */
const PAGE_COST = 2000

export class Defrag {
  readonly #keyspace: Keyspace
  /** Pages to empty, the emptiest last. */
  #queue: number[] = []
  #page = -1
  #granule = 0
  #compacts = false
  movedNodes = 0
  movedPages = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  get isBusy(): boolean {
    return this.#page >= 0 || this.#queue.length > 0 || this.#compacts
  }

  /** Share of the bytes in pages that hold nothing, 0..1. */
  get fragmentation(): number {
    const {usedBytes, pageBytes: total} = this.#keyspace.memory.stats()
    return total === 0 ? 0 : 1 - usedBytes / total
  }

  /** Looks for pages worth emptying, if enough is unused; called from time to time. */
  plan(): void {
    if (this.isBusy || this.#keyspace.hasGarbage) return
    const {memory} = this.#keyspace
    const {usedBytes, pageBytes: total} = memory.stats()
    const isWorthIt = total - usedBytes > Math.max(UNUSED_BYTES_MIN, total * UNUSED_SHARE)
    if (isWorthIt) {
      memory.trim()
      const candidates: {page: number; occupancy: number}[] = []
      for (let page = 1; page < memory.pageLimit; page++) {
        if (memory.liveBlocks(page) === 0 || !memory.isNodePage(page)) continue
        const occupancy = memory.occupancy(page)
        if (occupancy < OCCUPANCY_MAX && this.#fitsBeside(page)) candidates.push({page, occupancy})
      }
      candidates.sort((a, b) => b.occupancy - a.occupancy)
      this.#queue = candidates.map((candidate) => candidate.page)
    }
    this.#compacts = memory.canCompact
  }

  /** Moves about `budget` nodes; returns what is left of it. */
  work(budget: number): number {
    let left = budget
    while (left > 0 && this.isBusy) {
      if (this.#page >= 0) left = this.#evacuate(left)
      else if (this.#queue.length > 0) {
        this.#begin(this.#queue.pop()!)
        left--
      } else {
        this.#compacts = this.#keyspace.memory.compactExtents()
        if (this.#compacts) this.movedPages++
        left -= PAGE_COST
      }
    }
    return Math.max(left, 0)
  }

  /** Emptying a page whose nodes do not fit into the others would only fill a new one. */
  #fitsBeside(page: number): boolean {
    const {memory} = this.#keyspace
    return memory.roomBeside(page) >= memory.liveBlocks(page)
  }

  #begin(page: number): void {
    const {memory} = this.#keyspace
    if (memory.liveBlocks(page) === 0 || !memory.isNodePage(page) || !this.#fitsBeside(page)) return
    memory.beginEvacuation(page)
    this.#page = page
    this.#granule = 0
  }

  #evacuate(budget: number): number {
    const {memory} = this.#keyspace
    const page = this.#page
    let left = budget
    const step = this.#isEvacuating(page) ? memory.blockGranules(page) : 1
    const end = memory.freshGranule(page)
    while (left > 0 && this.#isEvacuating(page) && this.#granule + step <= end) {
      const node = (page << PAGE_SHIFT) | this.#granule
      this.#granule += step
      left--
      if ((word(memory, node, WORD_KEY) & FLAG_LIVE) !== 0) this.#move(node)
    }
    if (left > 0) {
      memory.endEvacuation()
      this.#page = -1
      this.#compacts = true
    }
    return left
  }

  /** False once the page is empty, by us or by others: then it is gone, and its number may be another's. */
  #isEvacuating(page: number): boolean {
    return this.#keyspace.memory.evacuatingPage === page
  }

  /** Copies a node to a block of another page and sets its links; a node that cannot be reached yet stays. */
  #move(node: number): void {
    const {memory, dict, wheel} = this.#keyspace
    const table = this.#tableOf(node)
    if (table === 0) return
    const capacity = memory.capacity(node)
    const fresh = memory.alloc(capacity, KIND_NODES)
    const from = (node & ((1 << PAGE_SHIFT) - 1)) << 3
    const to = (fresh & ((1 << PAGE_SHIFT) - 1)) << 3
    memory.bytes[node >>> PAGE_SHIFT]!.copy(memory.bytes[fresh >>> PAGE_SHIFT]!, to, from, from + capacity)
    dict.replace(table, node, fresh)
    const flags = nodeFlags(memory, fresh)
    if ((flags & FLAG_EXPIRES) !== 0) wheel.relink(node, fresh)
    if ((flags & FLAG_LARGE) !== 0) dict.setOwner(word(memory, fresh, WORD_VALUE), fresh)
    memory.free(node)
    this.movedNodes++
  }

  /** The table that the node is in, or 0 if it waits to be freed. */
  #tableOf(node: number): number {
    const keyspace = this.#keyspace
    const {memory} = keyspace
    if ((nodeFlags(memory, node) & FLAG_FIELD) === 0) {
      const bucket = keyspace.bucketOf(node)
      return keyspace.isReachable(bucket, node) ? keyspace.table(bucket) : 0
    }
    const table = word(memory, node, WORD_USED)
    if (keyspace.dict.owner(table) === 0) return 0
    const hash = word(memory, node, 1)
    const found = keyspace.dict.find(
      table,
      hash,
      pageBytes(memory, node),
      keyOffset(memory, node),
      keyLength(memory, node),
    )
    return found === node ? table : 0
  }
}
