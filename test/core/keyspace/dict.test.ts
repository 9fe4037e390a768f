/** Tables: growing and shrinking slot by slot, and what SCAN promises while they do. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {NO_EXPIRY, keyLength, keyOffset, pageBytes} from '../../../src/core/keyspace/node.ts'
import {checkKeyspace, contents, emptyBytes} from '../keyspace-check.ts'
import {TestEngine, bucketOf} from '../support.ts'

const BUCKET = 7
/** Found by search: names that CRC16 puts into one bucket all have the same tag. */
const TAG = '{tag}'

class Table {
  readonly subject = new TestEngine()
  readonly keyspace = this.subject.engine.keyspace
  readonly bucket = bucketOf(this.subject, TAG)

  find(name: string): number {
    const key = Buffer.from(TAG + name)
    return this.keyspace.find(this.bucket, this.keyspace.hash(key, 0, key.length), key, 0, key.length)
  }

  add(name: string, value = name): void {
    const key = Buffer.from(TAG + name)
    const hash = this.keyspace.hash(key, 0, key.length)
    const bytes = Buffer.from(value)
    this.keyspace.setString(this.bucket, hash, this.find(name), key, 0, key.length, bytes, 0, bytes.length, NO_EXPIRY)
  }

  remove(name: string): void {
    const node = this.find(name)
    if (node !== 0) this.keyspace.remove(this.bucket, node)
  }

  scan(cursor: number, seen: Set<string>): number {
    const {memory, dict} = this.keyspace
    return dict.scan(this.keyspace.table(this.bucket), cursor, (node) => {
      const from = keyOffset(memory, node)
      seen.add(pageBytes(memory, node).toString('latin1', from + TAG.length, from + keyLength(memory, node)))
    })
  }
}

test('dict: grows to thousands of slots and shrinks to nothing, every node findable at every size', () => {
  const table = new Table()
  const sizes = [1, 4, 5, 1023, 1024, 1025, 2047, 2049, 5000, 9000]
  let count = 0
  for (const size of sizes) {
    for (; count < size; count++) table.add(`k${count}`)
    checkKeyspace(table.subject.engine)
  }
  for (const size of [5000, 2500, 1100, 1024, 600, 300, 256, 255, 100, 10, 1, 0]) {
    for (; count > size; count--) table.remove(`k${count - 1}`)
    checkKeyspace(table.subject.engine)
  }
  expect(table.keyspace.memory.usedBytes).toBe(emptyBytes())
})

test('dict: random inserts and removals agree with a Map', () => {
  const ranges = fc.array(
    fc.record({
      isAdd: fc.boolean(),
      from: fc.integer({min: 0, max: 3000}),
      count: fc.integer({min: 1, max: 2500}),
      step: fc.constantFrom(1, 2, 7),
    }),
    {minLength: 1, maxLength: 8},
  )
  fc.assert(
    fc.property(ranges, (list) => {
      const table = new Table()
      const model = new Map<string, string>()
      for (const {isAdd, from, count, step} of list) {
        for (let i = from; i < from + count; i += step) {
          if (isAdd) {
            table.add(`${i}`, `v${i}`)
            model.set(`${TAG}${i}`, `v${i}`)
          } else {
            table.remove(`${i}`)
            model.delete(`${TAG}${i}`)
          }
        }
        expect(table.keyspace.keyCount).toBe(model.size)
      }
      checkKeyspace(table.subject.engine)
      const found = Object.entries(contents(table.subject.engine)).map(([key, {value}]) => [key, value])
      expect(new Map(found as [string, string][])).toEqual(model)
    }),
    {numRuns: 60},
  )
})

test('dict: a scan sees every key that is there from the first call to the last', () => {
  const changes = fc.array(
    fc.record({isAdd: fc.boolean(), count: fc.integer({min: 0, max: 400}), calls: fc.integer({min: 1, max: 200})}),
    {minLength: 1, maxLength: 12},
  )
  fc.assert(
    fc.property(fc.integer({min: 1, max: 1500}), changes, (stable, list) => {
      const table = new Table()
      for (let i = 0; i < stable; i++) table.add(`s${i}`)
      const seen = new Set<string>()
      let cursor = 0
      let extra = 0
      let change = 0
      do {
        const {isAdd, count, calls} = list[change++ % list.length]!
        for (let i = 0; i < count; i++) {
          // A table that grows for ever faster than it is scanned has no last call.
          if (isAdd && extra < 5000) table.add(`x${extra++}`)
          else if (!isAdd && extra > 0) table.remove(`x${--extra}`)
        }
        for (let i = 0; i < calls; i++) {
          cursor = table.scan(cursor, seen)
          if (cursor === 0) break
        }
      } while (cursor !== 0)
      for (let i = 0; i < stable; i++) if (!seen.has(`s${i}`)) throw new Error(`s${i} was missed`)
    }),
    {numRuns: 25},
  )
})

test('dict: a scan of a table that shrinks meanwhile misses nothing that stays', () => {
  const table = new Table()
  for (let i = 0; i < 20_000; i++) table.add(`${i}`)
  const seen = new Set<string>()
  let cursor = 0
  let next = 100
  do {
    cursor = table.scan(cursor, seen)
    for (let i = 0; i < 5 && next < 20_000; i++) table.remove(`${next++}`)
  } while (cursor !== 0)
  for (let i = 0; i < 100; i++) expect(seen.has(`${i}`)).toBe(true)
})

test('dict: an empty bucket has no slots and ends a scan at once', () => {
  const {keyspace} = new TestEngine().engine
  expect(keyspace.dict.slots(keyspace.table(BUCKET))).toBe(0)
  expect(keyspace.dict.scan(keyspace.table(BUCKET), 5, () => undefined)).toBe(0)
  expect(keyspace.randomNode(keyspace.table(BUCKET), 0.5, 0.5)).toBe(0)
})

test('dict: a cleared bucket is empty at once and freed in steps no larger than their budget', () => {
  const table = new Table()
  for (let i = 0; i < 30_000; i++) table.add(`${i}`)
  table.keyspace.clearBucket(table.bucket)
  expect(table.keyspace.keyCount).toBe(0)
  expect(table.find('1')).toBe(0)
  table.add('1')
  let steps = 0
  let before = table.keyspace.memory.usedBytes
  while (table.keyspace.hasGarbage) {
    table.keyspace.collect(1000)
    const {usedBytes} = table.keyspace.memory
    // A node of these keys takes 48 bytes; slots go as well.
    expect(before - usedBytes).toBeLessThan(1100 * 48 + 2 * 4096)
    before = usedBytes
    steps++
  }
  expect(steps).toBeGreaterThanOrEqual(30)
  checkKeyspace(table.subject.engine)
})
