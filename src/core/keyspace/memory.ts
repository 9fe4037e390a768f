/**
 * Memory for keys and values, outside the JavaScript heap.
 *
 *   pointer (int32) = page number << 17 | granule within the page        granule = 8 bytes, page = 1 MB
 *
 * A page number is virtual: `words[page]`, `bytes[page]` and `doubles[page]` are views of a frame, a 1 MB piece of an
 * extent. An extent is one ArrayBuffer of 36 MB; the C library maps and unmaps buffers above 32 MB one by one, so
 * a dropped extent really goes back to the system, which smaller buffers do not. Moving a page to another frame
 * changes no pointer, so extents are emptied by copying pages.
 *
 * A page belongs to one size class and hands out equal blocks; freed blocks are chained through their first word.
 * Classes come in two kinds: `nodes` (relocatable, see defrag.ts) and `fixed` (tables and descriptors, which stay).
 * Blocks above half a page get a buffer and a page number of their own ("huge").
 *
 * Word 2 of a freed block is 0; a live node never has 0 there. That is how defrag tells them apart.
 *
 * Hot path: measured by `npm run bench`.
 */
import {assert} from '../../base/assert.ts'

export const PAGE_SHIFT = 17
export const GRANULE_MASK = (1 << PAGE_SHIFT) - 1
const GRANULE_BYTES = 8
export const PAGE_BYTES = (1 << PAGE_SHIFT) * GRANULE_BYTES
const PAGES_MAX = 1 << (32 - PAGE_SHIFT)
/** A request of 1 GB can fill 2,048 huge blocks. */
const PAGES_RESERVE = 4096
const EXTENT_PAGES = 36
const HUGE_ROUND_BYTES = 4096
/** Above this a block is huge. */
export const SLAB_BYTES_MAX = PAGE_BYTES / 2

export const KIND_NODES = 0
export const KIND_FIXED = 1

const CLASS_SIZES = makeClassSizes()
const CLASS_COUNT = CLASS_SIZES.length
const CLASS_NONE = 0xff
const CLASS_HUGE = 0xfe
/** Class by granules, for blocks up to 1 KB: one load instead of a search. */
const SMALL_BYTES_MAX = 1024
const SMALL_CLASS = makeSmallClasses()

assert(CLASS_COUNT * 2 < CLASS_HUGE, 'class numbers fit a byte')

/** Steps of 8 bytes to 256, then eight steps a doubling to 16 KB, then whole fractions of a page. */
function makeClassSizes(): readonly number[] {
  const sizes: number[] = []
  for (let size = 16; size <= 256; size += 8) sizes.push(size)
  for (let base = 256; base < 16_384; base *= 2) {
    for (let step = 1; step <= 8; step++) sizes.push(base + (base / 8) * step)
  }
  for (const parts of [56, 48, 40, 32, 28, 24, 20, 16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2]) {
    sizes.push(Math.floor(PAGE_BYTES / parts / GRANULE_BYTES) * GRANULE_BYTES)
  }
  return sizes
}

function makeSmallClasses(): Uint8Array {
  const table = new Uint8Array(SMALL_BYTES_MAX / GRANULE_BYTES + 1)
  for (let granules = 0, index = 0; granules < table.length; granules++) {
    while (CLASS_SIZES[index]! < granules * GRANULE_BYTES) index++
    table[granules] = index
  }
  return table
}

function classOf(bytes: number): number {
  if (bytes <= SMALL_BYTES_MAX) return SMALL_CLASS[(bytes + 7) >>> 3]!
  let low = SMALL_CLASS[SMALL_BYTES_MAX >>> 3]!
  let high = CLASS_COUNT - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (CLASS_SIZES[middle]! >= bytes) high = middle
    else low = middle + 1
  }
  return low
}

/** 36 frames of 1 MB in one buffer that the system maps on its own. */
interface Extent {
  readonly buffer: ArrayBuffer
  /** Page number in each frame, -1 = free. */
  readonly pages: Int16Array
  used: number
}

export interface MemoryStats {
  /** Bytes in blocks that are in use, by the size of their class. */
  readonly usedBytes: number
  /** Bytes in pages and huge blocks that are in use. */
  readonly pageBytes: number
  /** Bytes asked from the system. */
  readonly extentBytes: number
}

export class Memory {
  /** Views of each page: 32-bit words, bytes, 64-bit floats. Index with `pointer >>> PAGE_SHIFT`. */
  readonly words: Int32Array[] = []
  readonly bytes: Buffer[] = []
  readonly doubles: Float64Array[] = []

  /** Page numbers that there are: pointers have room for 32 GB of pages, and each huge block takes a number as well. */
  pagesMax = PAGES_MAX
  usedBytes = 0
  hugeBytes = 0
  pagesInUse = 0
  /** Extents and huge buffers dropped since `takeDropped` was last asked: only a collection gives them back. */
  #droppedBytes = 0

  readonly #extents: Extent[] = []
  readonly #extentOfPage: (Extent | null)[] = []
  readonly #freeNumbers: number[] = []
  readonly #class = new Uint8Array(PAGES_MAX).fill(CLASS_NONE)
  readonly #live = new Int32Array(PAGES_MAX)
  /** First freed block of the page, as a granule; 0 = none (granule 0 is found through `#fresh`). */
  readonly #freed = new Int32Array(PAGES_MAX).fill(-1)
  /** Granule of the first block never handed out. */
  readonly #fresh = new Int32Array(PAGES_MAX)
  /** Pages with room, a doubly linked list a class; -1 ends it. */
  readonly #partial = new Int32Array(CLASS_COUNT * 2).fill(-1)
  readonly #next = new Int32Array(PAGES_MAX).fill(-1)
  readonly #previous = new Int32Array(PAGES_MAX).fill(-1)

  constructor() {
    // Pointer 0 means "none": the first block of page 0 is never handed out.
    const first = this.alloc(16, KIND_FIXED)
    assert(first === 0, 'the first block is the null block')
  }

  /** A block of at least `bytes`; its contents are not cleared. */
  alloc(bytes: number, kind: number): number {
    if (bytes > SLAB_BYTES_MAX) return this.#allocHuge(bytes)
    const index = classOf(bytes) + kind * CLASS_COUNT
    let page = this.#partial[index]!
    if (page < 0) page = this.#addPage(index)
    const size = CLASS_SIZES[kind === 0 ? index : index - CLASS_COUNT]!
    this.usedBytes += size
    this.#live[page]!++
    const granule = this.#freed[page]!
    if (granule >= 0) {
      const next = this.words[page]![granule << 1]!
      this.#freed[page] = next
      if (next < 0 && !this.#hasFresh(page, size)) this.#unlinkPartial(page, index)
      return (page << PAGE_SHIFT) | granule
    }
    const fresh = this.#fresh[page]!
    this.#fresh[page] = fresh + (size >>> 3)
    if (!this.#hasFresh(page, size)) this.#unlinkPartial(page, index)
    return (page << PAGE_SHIFT) | fresh
  }

  free(pointer: number): void {
    const page = pointer >>> PAGE_SHIFT
    const index = this.#class[page]!
    if (index === CLASS_HUGE) return this.#freeHuge(page)
    const size = CLASS_SIZES[index < CLASS_COUNT ? index : index - CLASS_COUNT]!
    const granule = pointer & GRANULE_MASK
    const words = this.words[page]!
    const wasFull = this.#freed[page]! < 0 && !this.#hasFresh(page, size)
    words[granule << 1] = this.#freed[page]!
    words[(granule << 1) + 2] = 0
    this.#freed[page] = granule
    this.usedBytes -= size
    if (--this.#live[page]! === 0) return this.#emptied(page, index, wasFull)
    if (wasFull) this.#linkPartial(page, index)
  }

  /** An empty page goes back, unless it is the only one of its class with room: a key that comes and goes would map it each time. */
  #emptied(page: number, index: number, wasFull: boolean): void {
    const isLinked = !wasFull && this.#isLinked(page, index)
    const isOnly = this.#partial[index] === (isLinked ? page : -1) && this.#next[page]! < 0
    if (!isOnly || page === this.#evacuating) return this.#dropPage(page, index, wasFull)
    this.#freed[page] = -1
    this.#fresh[page] = 0
    if (!isLinked) this.#linkPartial(page, index)
  }

  /** Gives back the pages that `free` kept; called when the store is idle. */
  trim(): void {
    for (let page = 1; page < this.words.length; page++) {
      const index = this.#class[page]!
      if (index < CLASS_COUNT * 2 && this.#live[page] === 0) this.#dropPage(page, index, false)
    }
  }

  /** Bytes that the block can hold. */
  capacity(pointer: number): number {
    const page = pointer >>> PAGE_SHIFT
    const index = this.#class[page]!
    if (index === CLASS_HUGE) return this.bytes[page]!.length
    return CLASS_SIZES[index < CLASS_COUNT ? index : index - CLASS_COUNT]!
  }

  /** True if a block for `bytes` would be of just the size that `pointer` has. */
  fitsExactly(pointer: number, bytes: number): boolean {
    const index = this.#class[pointer >>> PAGE_SHIFT]!
    if (index === CLASS_HUGE) return bytes > SLAB_BYTES_MAX && hugeSize(bytes) === this.capacity(pointer)
    if (bytes > SLAB_BYTES_MAX) return false
    return classOf(bytes) === (index < CLASS_COUNT ? index : index - CLASS_COUNT)
  }

  stats(): MemoryStats {
    return {
      usedBytes: this.usedBytes,
      pageBytes: this.pagesInUse * PAGE_BYTES + this.hugeBytes,
      extentBytes: this.#extents.length * EXTENT_PAGES * PAGE_BYTES + this.hugeBytes,
    }
  }

  /** True when page numbers run out: what one request may still take is kept in reserve. */
  get isNearlyFull(): boolean {
    return this.words.length - this.#freeNumbers.length > this.pagesMax - PAGES_RESERVE
  }

  /** Bytes of buffers let go since the last call; the driver asks the collector to return them once they add up. */
  takeDroppedBytes(): number {
    const bytes = this.#droppedBytes
    this.#droppedBytes = 0
    return bytes
  }

  get droppedBytes(): number {
    return this.#droppedBytes
  }

  // --- What defrag needs: see defrag.ts.

  /** Number of page numbers ever used; pages are 0..pageLimit-1. */
  get pageLimit(): number {
    return this.words.length
  }

  isNodePage(page: number): boolean {
    return this.#class[page]! < CLASS_COUNT
  }

  /** Share of the page's blocks that are in use, 0..1. */
  occupancy(page: number): number {
    const size = CLASS_SIZES[this.#class[page]! % CLASS_COUNT]!
    return this.#live[page]! / Math.floor(PAGE_BYTES / size)
  }

  /** Free blocks in the other pages of this page's class: what an evacuation could fill. */
  roomBeside(page: number): number {
    const index = this.#class[page]!
    const perPage = Math.floor(PAGE_BYTES / CLASS_SIZES[index % CLASS_COUNT]!)
    let room = 0
    for (let other = this.#partial[index]!; other >= 0; other = this.#next[other]!) {
      if (other !== page) room += perPage - this.#live[other]!
      if (room > perPage) break
    }
    return room
  }

  liveBlocks(page: number): number {
    return this.#live[page]!
  }

  /** Size of the page's blocks, and the end of the part that was ever handed out; both in granules. */
  blockGranules(page: number): number {
    return CLASS_SIZES[this.#class[page]! % CLASS_COUNT]! >>> 3
  }

  freshGranule(page: number): number {
    return this.#fresh[page]!
  }

  /** Takes a page out of the allocator's sight, so that its blocks move to other pages and none moves in. */
  beginEvacuation(page: number): void {
    const index = this.#class[page]!
    if (this.#isLinked(page, index)) this.#unlinkPartial(page, index)
    this.#evacuating = page
  }

  endEvacuation(): void {
    const page = this.#evacuating
    this.#evacuating = -1
    if (page < 0 || this.#class[page] === CLASS_NONE) return
    const index = this.#class[page]!
    const size = CLASS_SIZES[index % CLASS_COUNT]!
    if (this.#freed[page]! >= 0 || this.#hasFresh(page, size)) this.#linkPartial(page, index)
  }

  #evacuating = -1

  get evacuatingPage(): number {
    return this.#evacuating
  }

  /** True if an extent can be emptied. A few frames are kept in hand, so that a store that breathes does not map and unmap all day. */
  get canCompact(): boolean {
    const frames = this.#extents.length * EXTENT_PAGES
    return this.#extents.length > 1 && frames - this.pagesInUse - EXTENT_PAGES >= EXTENT_PAGES / 4
  }

  /**
   * Moves one page out of the emptiest extent into a free frame of another, and drops the extent when it is empty.
   * Returns false when the extents are as full as they can be made.
   */
  compactExtents(): boolean {
    if (!this.canCompact) return false
    const emptiest = this.#extents.reduce((a, b) => (b.used < a.used ? b : a))
    const from = emptiest.pages.findIndex((page) => page >= 0)
    if (from < 0) {
      this.#dropExtent(emptiest)
      return true
    }
    const target = this.#extents.find((extent) => extent !== emptiest && extent.used < EXTENT_PAGES)
    if (!target) return false
    const page = emptiest.pages[from]!
    const old = this.bytes[page]!
    emptiest.pages[from] = -1
    emptiest.used--
    this.#bindFrame(page, target, target.pages.indexOf(-1))
    this.bytes[page]!.set(old)
    if (emptiest.used === 0) this.#dropExtent(emptiest)
    return true
  }

  #dropExtent(extent: Extent): void {
    this.#extents.splice(this.#extents.indexOf(extent), 1)
    this.#droppedBytes += EXTENT_PAGES * PAGE_BYTES
  }

  #hasFresh(page: number, size: number): boolean {
    return (this.#fresh[page]! << 3) + size <= PAGE_BYTES
  }

  #addPage(index: number): number {
    const page = this.#takeNumber()
    let extent = this.#extents.find((candidate) => candidate.used < EXTENT_PAGES)
    if (!extent) {
      extent = {
        buffer: new ArrayBuffer(EXTENT_PAGES * PAGE_BYTES),
        pages: new Int16Array(EXTENT_PAGES).fill(-1),
        used: 0,
      }
      this.#extents.push(extent)
    }
    this.#bindFrame(page, extent, extent.pages.indexOf(-1))
    this.#class[page] = index
    this.#live[page] = 0
    this.#freed[page] = -1
    this.#fresh[page] = 0
    this.pagesInUse++
    this.#linkPartial(page, index)
    return page
  }

  #bindFrame(page: number, extent: Extent, frame: number): void {
    extent.pages[frame] = page
    extent.used++
    const offset = frame * PAGE_BYTES
    this.words[page] = new Int32Array(extent.buffer, offset, PAGE_BYTES / 4)
    this.bytes[page] = Buffer.from(extent.buffer, offset, PAGE_BYTES)
    this.doubles[page] = new Float64Array(extent.buffer, offset, PAGE_BYTES / 8)
    this.#extentOfPage[page] = extent
  }

  #takeNumber(): number {
    const page = this.#freeNumbers.pop() ?? this.words.length
    assert(page < PAGES_MAX, 'more than 32 GB of pages')
    return page
  }

  #dropPage(page: number, index: number, wasFull: boolean): void {
    if (!wasFull && this.#isLinked(page, index)) this.#unlinkPartial(page, index)
    const extent = this.#extentOfPage[page]!
    extent.pages[extent.pages.indexOf(page)] = -1
    if (--extent.used === 0 && this.#extents.length > 1) this.#dropExtent(extent)
    this.#clearPage(page)
    this.pagesInUse--
  }

  #clearPage(page: number): void {
    // Its number may be given out again: the page that gets it is not being emptied.
    if (page === this.#evacuating) this.#evacuating = -1
    this.#class[page] = CLASS_NONE
    this.words[page] = EMPTY_WORDS
    this.bytes[page] = EMPTY_BYTES
    this.doubles[page] = EMPTY_DOUBLES
    this.#extentOfPage[page] = null
    this.#freeNumbers.push(page)
  }

  #allocHuge(bytes: number): number {
    const page = this.#takeNumber()
    const size = hugeSize(bytes)
    const buffer = new ArrayBuffer(size)
    this.words[page] = new Int32Array(buffer)
    this.bytes[page] = Buffer.from(buffer)
    this.doubles[page] = new Float64Array(buffer)
    this.#extentOfPage[page] = null
    this.#class[page] = CLASS_HUGE
    this.usedBytes += size
    this.hugeBytes += size
    return page << PAGE_SHIFT
  }

  #freeHuge(page: number): void {
    const size = this.bytes[page]!.length
    this.usedBytes -= size
    this.hugeBytes -= size
    this.#droppedBytes += size
    this.#clearPage(page)
  }

  #isLinked(page: number, index: number): boolean {
    return this.#partial[index] === page || this.#previous[page]! >= 0
  }

  #linkPartial(page: number, index: number): void {
    if (page === this.#evacuating) return
    const head = this.#partial[index]!
    this.#next[page] = head
    this.#previous[page] = -1
    if (head >= 0) this.#previous[head] = page
    this.#partial[index] = page
  }

  #unlinkPartial(page: number, index: number): void {
    const next = this.#next[page]!
    const previous = this.#previous[page]!
    if (previous >= 0) this.#next[previous] = next
    else this.#partial[index] = next
    if (next >= 0) this.#previous[next] = previous
    this.#next[page] = -1
    this.#previous[page] = -1
  }
}

const EMPTY_WORDS = new Int32Array(0)
const EMPTY_BYTES = Buffer.alloc(0)
const EMPTY_DOUBLES = new Float64Array(0)

function hugeSize(bytes: number): number {
  return Math.ceil(bytes / HUGE_ROUND_BYTES) * HUGE_ROUND_BYTES
}
