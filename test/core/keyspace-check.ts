/** What must hold of every keyspace, checked node by node; and its contents as plain values. */
import {expect} from 'vitest'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {
  FLAG_EXPIRES,
  WORD_HASH,
  WORD_NEXT,
  WORD_USED,
  expireAt,
  isLargeMap,
  isMap,
  keyLength,
  keyOffset,
  nodeFlags,
  pageBytes,
  valueLength,
  valueOffset,
  word,
} from '../../src/core/keyspace/node.ts'
import type {Engine} from '../../src/core/engine.ts'

/** Words of a descriptor, as dict.ts describes them. */
const D_TABLE = 1
const D_LEVEL = 2
const D_SPLIT = 3
const D_CAPACITY = 4

interface Sums {
  bytes: number
  nodes: number
  expiring: number
}

/** Counts, links, slots and bytes of the keyspace agree with what is in it. */
export function checkKeyspace(engine: Engine): void {
  const {keyspace} = engine
  const all: Sums = {bytes: 0, nodes: 0, expiring: 0}
  let keys = 0
  let expiringKeys = 0
  const occupied: number[] = []
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (keyspace.bucketCount(bucket) === 0) continue
    occupied.push(bucket)
    const sums = checkTable(engine, keyspace.table(bucket), (node) => checkKey(engine, bucket, node, all))
    keys += sums.nodes
    expiringKeys += sums.expiring
    add(all, sums)
  }
  expect(keyspace.keyCount).toBe(keys)
  expect(keyspace.expiringCount).toBe(expiringKeys)
  expect(bucketsWithKeys(engine)).toEqual(occupied)
  if (keyspace.hasGarbage) return
  expect(keyspace.wheel.size).toBe(all.expiring)
  expect(keyspace.memory.usedBytes).toBe(emptyBytes() + all.bytes)
}

/** Bytes in use by a keyspace without keys. */
export function emptyBytes(): number {
  return 16 + BUCKET_COUNT * 32
}

function bucketsWithKeys(engine: Engine): number[] {
  const buckets: number[] = []
  for (let bucket = engine.keyspace.nextBucket(0); bucket >= 0; bucket = engine.keyspace.nextBucket(bucket + 1))
    buckets.push(bucket)
  return buckets
}

function checkKey(engine: Engine, bucket: number, node: number, all: Sums): void {
  const {keyspace, maps} = engine
  const {memory} = keyspace
  expect(keyspace.bucketOf(node)).toBe(bucket)
  if (!isMap(memory, node)) return
  expect(maps.count(node)).toBeGreaterThan(0)
  if (!isLargeMap(memory, node)) {
    let count = 0
    maps.each(node, () => count++)
    expect(count).toBe(maps.count(node))
    return
  }
  const table = maps.table(node)
  expect(keyspace.dict.owner(table)).toBe(node)
  all.bytes += memory.capacity(table)
  const sums = checkTable(engine, table, (field) => expect(word(memory, field, WORD_USED)).toBe(table))
  add(all, sums)
}

function checkTable(engine: Engine, table: number, visit: (node: number) => void): Sums {
  const {dict, memory} = engine.keyspace
  const sums: Sums = {bytes: tableBytes(engine, table), nodes: 0, expiring: 0}
  const slots = dict.slots(table)
  for (let slot = 0; slot < slots; slot++) {
    for (let node = dict.head(table, slot); node !== 0; node = word(memory, node, WORD_NEXT)) {
      sums.nodes++
      sums.bytes += memory.capacity(node)
      if ((nodeFlags(memory, node) & FLAG_EXPIRES) !== 0) sums.expiring++
      expect(slotOf(engine, table, word(memory, node, WORD_HASH))).toBe(slot)
      const bytes = pageBytes(memory, node)
      const hash = engine.keyspace.hash(bytes, keyOffset(memory, node), keyLength(memory, node))
      expect(hash).toBe(word(memory, node, WORD_HASH))
      expect(dict.find(table, hash, bytes, keyOffset(memory, node), keyLength(memory, node))).toBe(node)
      visit(node)
    }
  }
  expect(dict.count(table)).toBe(sums.nodes)
  expect(dict.expiring(table)).toBe(sums.expiring)
  expect(slots).toBeLessThanOrEqual(Math.max(4, sums.nodes * 4))
  return sums
}

function slotOf(engine: Engine, table: number, hash: number): number {
  const {memory} = engine.keyspace
  const level = word(memory, table, D_LEVEL)
  const low = hash & ((1 << level) - 1)
  return low < word(memory, table, D_SPLIT) ? hash & ((1 << (level + 1)) - 1) : low
}

function tableBytes(engine: Engine, table: number): number {
  const {memory} = engine.keyspace
  const block = word(memory, table, D_TABLE)
  if (block === 0) return 0
  const capacity = word(memory, table, D_CAPACITY)
  let bytes = memory.capacity(block)
  for (let i = 0; i < capacity; i++) {
    const segment = word(memory, block, i)
    if (segment !== 0) bytes += memory.capacity(segment)
  }
  return bytes
}

function add(all: Sums, sums: Sums): void {
  all.bytes += sums.bytes
  all.expiring += sums.expiring
}

export interface PlainField {
  readonly value: string
  readonly at: number
}

export interface PlainKey {
  readonly at: number
  readonly value: string | Record<string, PlainField>
}

/** Everything in the keyspace, expired or not. */
export function contents(engine: Engine): Record<string, PlainKey> {
  const {keyspace, maps} = engine
  const {memory, dict} = keyspace
  const keys: Record<string, PlainKey> = {}
  for (const bucket of bucketsWithKeys(engine)) {
    const table = keyspace.table(bucket)
    for (let slot = 0; slot < dict.slots(table); slot++) {
      for (let node = dict.head(table, slot); node !== 0; node = word(memory, node, WORD_NEXT)) {
        const key = latin1(pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
        keys[key] = {at: expireAt(memory, node), value: isMap(memory, node) ? fields(maps, node) : text(engine, node)}
      }
    }
  }
  return keys
}

function text(engine: Engine, node: number): string {
  const {memory} = engine.keyspace
  return latin1(pageBytes(memory, node), valueOffset(memory, node), valueLength(memory, node))
}

function fields(maps: Engine['maps'], node: number): Record<string, PlainField> {
  const found: Record<string, PlainField> = {}
  maps.each(node, (field, fieldFrom, fieldBytes, value, valueFrom, valueBytes, at) => {
    found[latin1(field, fieldFrom, fieldBytes)] = {value: latin1(value, valueFrom, valueBytes), at}
  })
  return found
}

function latin1(bytes: Buffer, from: number, length: number): string {
  return bytes.toString('latin1', from, from + length)
}
