/** Blocks: none overlaps another, every byte is accounted for, and pages come back. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {
  GRANULE_MASK,
  KIND_FIXED,
  KIND_NODES,
  Memory,
  PAGE_BYTES,
  PAGE_SHIFT,
  SLAB_BYTES_MAX,
} from '../../../src/core/keyspace/memory.ts'

const EMPTY_BYTES = 16

interface Block {
  readonly pointer: number
  readonly bytes: number
  readonly mark: number
}

/** Fills the whole block, but for word 2 whose zero means "free". */
function fill(memory: Memory, block: Block): void {
  const page = memory.bytes[block.pointer >>> PAGE_SHIFT]!
  const from = (block.pointer & GRANULE_MASK) << 3
  page.fill(block.mark, from, from + block.bytes)
}

function isIntact(memory: Memory, block: Block): boolean {
  const page = memory.bytes[block.pointer >>> PAGE_SHIFT]!
  const from = (block.pointer & GRANULE_MASK) << 3
  return page.subarray(from, from + block.bytes).equals(Buffer.alloc(block.bytes, block.mark))
}

const sizes = fc.oneof(
  {weight: 6, arbitrary: fc.integer({min: 16, max: 300})},
  {weight: 3, arbitrary: fc.integer({min: 300, max: 20_000})},
  {weight: 1, arbitrary: fc.integer({min: 20_000, max: 700_000})},
)

test('memory: blocks do not overlap, and all that was asked for is given back', () => {
  const actions = fc.array(fc.record({bytes: sizes, kind: fc.constantFrom(KIND_NODES, KIND_FIXED), free: fc.nat()}), {
    maxLength: 400,
    size: 'max',
  })
  fc.assert(
    fc.property(actions, (list) => {
      const memory = new Memory()
      const blocks: Block[] = []
      let used = EMPTY_BYTES
      list.forEach(({bytes, kind, free}, i) => {
        const pointer = memory.alloc(bytes, kind)
        const capacity = memory.capacity(pointer)
        expect(capacity).toBeGreaterThanOrEqual(bytes)
        expect(memory.fitsExactly(pointer, bytes)).toBe(true)
        const block = {pointer, bytes: capacity, mark: (i % 255) + 1}
        fill(memory, block)
        blocks.push(block)
        used += capacity
        if (free % 3 === 0 && blocks.length > 1) {
          const [gone] = blocks.splice(free % blocks.length, 1)
          expect(isIntact(memory, gone!)).toBe(true)
          memory.free(gone!.pointer)
          used -= gone!.bytes
        }
        expect(memory.usedBytes).toBe(used)
      })
      for (const block of blocks) expect(isIntact(memory, block)).toBe(true)
      for (const block of blocks) memory.free(block.pointer)
      memory.trim()
      // The page of the null block stays.
      expect(memory.stats()).toMatchObject({usedBytes: EMPTY_BYTES, pageBytes: PAGE_BYTES})
    }),
    {numRuns: 60},
  )
})

test('memory: a class wastes at most an eighth of a block, a little more where whole pages are cut', () => {
  const memory = new Memory()
  for (let bytes = 129; bytes <= 16_384; bytes += 37) {
    const pointer = memory.alloc(bytes, KIND_NODES)
    expect(memory.capacity(pointer)).toBeLessThanOrEqual(bytes * 1.125 + 8)
    memory.free(pointer)
  }
  for (let bytes = 16_385; bytes <= SLAB_BYTES_MAX; bytes += 5003) {
    const pointer = memory.alloc(bytes, KIND_NODES)
    expect(memory.capacity(pointer)).toBeLessThanOrEqual(bytes * 1.5 + 8)
    memory.free(pointer)
  }
})

test('memory: a huge block has a page number of its own and gives its buffer back', () => {
  const memory = new Memory()
  memory.takeDroppedBytes()
  const pointer = memory.alloc(3_000_000, KIND_NODES)
  expect(memory.capacity(pointer)).toBeGreaterThanOrEqual(3_000_000)
  expect(memory.hugeBytes).toBe(memory.capacity(pointer))
  memory.free(pointer)
  expect(memory.hugeBytes).toBe(0)
  expect(memory.takeDroppedBytes()).toBeGreaterThanOrEqual(3_000_000)
  expect(memory.alloc(3_000_000, KIND_NODES) >>> PAGE_SHIFT).toBe(pointer >>> PAGE_SHIFT)
})

test('memory: a key that comes and goes does not map and unmap a page each time', () => {
  const memory = new Memory()
  memory.free(memory.alloc(100, KIND_NODES))
  const {pagesInUse} = memory
  for (let i = 0; i < 10; i++) {
    const pointer = memory.alloc(100, KIND_NODES)
    expect(memory.pagesInUse).toBe(pagesInUse)
    memory.free(pointer)
    expect(memory.pagesInUse).toBe(pagesInUse)
  }
  memory.trim()
  expect(memory.pagesInUse).toBe(pagesInUse - 1)
})

test('memory: extents go when their last page goes', () => {
  const memory = new Memory()
  const pointers: number[] = []
  for (let i = 0; i < 2 * 100; i++) pointers.push(memory.alloc(SLAB_BYTES_MAX, KIND_NODES))
  const {extentBytes} = memory.stats()
  expect(extentBytes).toBeGreaterThan(100 * 1024 * 1024)
  for (const pointer of pointers) memory.free(pointer)
  memory.trim()
  expect(memory.stats().extentBytes).toBeLessThan(extentBytes / 2)
})
