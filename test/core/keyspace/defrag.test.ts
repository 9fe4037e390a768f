/** Memory comes back after deletes, and nothing is lost on the way. */
import {expect, test} from 'vitest'
import {PAGE_SHIFT} from '../../../src/core/keyspace/memory.ts'
import {seededRandom} from '../../support/random.ts'
import {checkKeyspace} from '../keyspace-check.ts'
import {TestEngine, bucketOf} from '../support.ts'
import type {Random} from '../../support/random.ts'

const MB = 1024 * 1024

/** Plans and moves until there is nothing more to win. */
function defragment(subject: TestEngine, budget = 2000): void {
  const {defrag} = subject.engine
  for (let round = 0; round < 50; round++) {
    defrag.plan()
    if (!defrag.isBusy) return
    for (let step = 0; defrag.isBusy; step++) {
      defrag.work(budget)
      if (step > 1_000_000) throw new Error('it does not end')
    }
  }
  throw new Error('it always finds something to do')
}

function valueOf(i: number): string {
  return `${i}:`.padEnd(60 + (i % 5) * 20, 'v')
}

function largeValueOf(i: number): string {
  return valueOf(i).padEnd(400, 'w')
}

test('defrag: after 90 % of the keys are gone so is most of the memory, and the others are as they were', () => {
  const subject = new TestEngine()
  const random = seededRandom(3)
  const count = 200_000
  for (let i = 0; i < count; i++) subject.run('set', `key:${i}`, largeValueOf(i))
  const {memory} = subject.engine.keyspace
  const full = memory.stats()
  const kept: number[] = []
  for (let i = 0; i < count; i++) {
    if (random.below(10) === 0) kept.push(i)
    else subject.run('del', `key:${i}`)
  }
  const {fragmentation} = subject.engine.defrag
  expect(fragmentation).toBeGreaterThan(0.6)
  defragment(subject)
  const after = memory.stats()
  expect(after.pageBytes).toBeLessThan(after.usedBytes * 1.1 + 16 * MB)
  expect(after.extentBytes).toBeLessThan(full.extentBytes / 2)
  expect(subject.engine.defrag.movedNodes).toBeGreaterThan(10_000)
  expect(subject.engine.defrag.movedPages).toBeGreaterThan(0)
  expect(memory.droppedBytes).toBeGreaterThan(full.extentBytes / 3)
  checkKeyspace(subject.engine)
  for (const i of kept) if (subject.run('get', `key:${i}`) !== largeValueOf(i)) throw new Error(`key:${i} has changed`)
})

/** A world of strings and maps, some with expiry, that changes at random; it knows what must be there. */
class World {
  readonly subject = new TestEngine()
  readonly random: Random
  readonly strings = new Map<string, string>()
  readonly maps = new Map<string, Map<string, string>>()

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  add(): void {
    const {subject, random} = this
    const key = `k${random.below(100_000)}`
    if (random.chance(0.1)) {
      const name = `m${random.below(40)}`
      const map = this.maps.get(name) ?? new Map<string, string>()
      const field = `f${random.below(3000)}`
      const value = valueOf(random.below(1000))
      this.maps.set(name, map.set(field, value))
      subject.run('hset', name, field, value)
      if (random.chance(0.3)) subject.run('hpexpire', name, 100_000_000, 'FIELDS', 1, field)
      return
    }
    const value = valueOf(random.below(1_000_000))
    this.strings.set(key, value)
    if (random.chance(0.2)) subject.run('set', key, value, 'PX', 100_000_000)
    else subject.run('set', key, value)
  }

  remove(): void {
    const {subject, random} = this
    const key = `k${random.below(100_000)}`
    this.strings.delete(key)
    subject.run('del', key)
    if (!random.chance(0.05)) return
    const name = `m${random.below(40)}`
    this.maps.delete(name)
    subject.run('del', name)
  }

  check(): void {
    const {subject} = this
    for (const [key, value] of this.strings)
      if (subject.run('get', key) !== value) throw new Error(`${key} has changed`)
    for (const [name, map] of this.maps) {
      const [first] = map
      if (first && subject.run('hget', name, first[0]) !== first[1]) throw new Error(`${name} has changed`)
      expect(subject.run('hlen', name)).toBe(map.size)
    }
    subject.collect()
    checkKeyspace(subject.engine)
  }
}

test.each([1, 2])(
  'defrag: keys that come and go while pages are emptied are neither lost nor doubled (seed %i)',
  (seed) => {
    const world = new World(seed)
    const {engine} = world.subject
    for (let i = 0; i < 120_000; i++) world.add()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 150_000; i++) world.remove()
      world.subject.collect()
      engine.defrag.plan()
      // Small steps, so that they end in the middle of pages, with changes between.
      for (let i = 0; i < 1500; i++) {
        if (!engine.defrag.isBusy) engine.defrag.plan()
        engine.defrag.work(world.random.below(60) + 1)
        for (let j = world.random.below(12); j > 0; j--) world.remove()
        for (let j = world.random.below(8); j > 0; j--) world.add()
        if (world.random.chance(0.02)) engine.keyspace.collect(50)
      }
      world.check()
    }
    expect(engine.defrag.movedNodes).toBeGreaterThan(1000)
  },
)

test('defrag: a page that others empty while it is being emptied is left, and its number can be used again', () => {
  const subject = new TestEngine()
  const {memory} = subject.engine.keyspace
  const {defrag} = subject.engine
  // 30 MB of one class, of which each page keeps a fifth.
  const count = 250_000
  const pageOf = new Map<string, number>()
  const nodeOf = (key: string): number => {
    const bytes = Buffer.from(key)
    const bucket = bucketOf(subject, key)
    const {keyspace} = subject.engine
    return keyspace.find(bucket, keyspace.hash(bytes, 0, bytes.length), bytes, 0, bytes.length)
  }
  for (let i = 0; i < count; i++) subject.run('set', `k${i}`, 'v'.repeat(90))
  for (let i = 0; i < count; i++) if (i % 5 !== 0) subject.run('del', `k${i}`)
  for (let i = 0; i < count; i += 5) pageOf.set(`k${i}`, nodeOf(`k${i}`) >>> PAGE_SHIFT)
  defrag.plan()
  while (memory.evacuatingPage < 0) defrag.work(1)
  defrag.work(50)
  const page = memory.evacuatingPage
  for (const [key, where] of pageOf) if (where === page) subject.run('del', key)
  expect(memory.evacuatingPage).toBe(-1)
  // Another class takes the number.
  for (let i = 0; i < 200; i++) subject.run('set', `other${i}`, 'w'.repeat(5000))
  while (defrag.isBusy) defrag.work(100)
  for (let i = 0; i < 200; i++) expect(subject.run('get', `other${i}`)).toBe('w'.repeat(5000))
  checkKeyspace(subject.engine)
})
