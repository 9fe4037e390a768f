/**
 * Rebuilt buckets in memory: the engine's own keyspace without an engine. It holds the buckets of one partition at a time; `clear` makes
 * room for the next, in the same memory.
 */
import {assert} from '../base/assert.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {Effects} from '../core/effects.ts'
import {Keyspace} from '../core/keyspace/keyspace.ts'
import {MapStore} from '../core/keyspace/map-store.ts'
import {
  expireAt,
  isMap,
  keyLength,
  keyOffset,
  NO_EXPIRY,
  pageBytes,
  valueLength,
  valueOffset,
  WORD_NEXT,
  word,
} from '../core/keyspace/node.ts'
import {Replay} from '../core/replay.ts'
import type {RecordCursor} from '../record/codec.ts'

/** The hash of keys is for this process alone, and keys of a log are not chosen to collide under a seed that nobody can change: any will do. */
const SEED = 0x6b76
const COLLECT_ALL = Number.MAX_SAFE_INTEGER

/** A key that was rebuilt. Views and the node are valid until the store changes. */
export interface RebuiltKey {
  readonly bucket: number
  readonly key: Buffer
  readonly node: number
  readonly isMap: boolean
  /** Unix ms, or NO_EXPIRY. */
  readonly expireAt: number
}

export interface RebuiltField {
  readonly field: Buffer
  readonly value: Buffer
  /** Unix ms, or NO_EXPIRY. */
  readonly expireAt: number
}

export class BucketStore {
  readonly effects: Effects
  readonly #replay: Replay

  constructor() {
    const keyspace = new Keyspace(SEED, 0)
    this.effects = new Effects(keyspace, new MapStore(keyspace))
    this.#replay = new Replay(this.effects)
  }

  apply(record: RecordCursor): void {
    this.#replay.apply(record)
  }

  count(bucket: number): number {
    return this.effects.keyspace.bucketCount(bucket)
  }

  /** Everything is gone, and its memory free. */
  clear(): void {
    const {keyspace} = this.effects
    for (let bucket = keyspace.nextBucket(0); bucket >= 0; bucket = keyspace.nextBucket(bucket + 1)) {
      keyspace.clearBucket(bucket)
    }
    while (keyspace.hasGarbage) keyspace.collect(COLLECT_ALL)
    this.effects.epoch.fill(0)
    this.effects.seq.fill(0)
    assert(keyspace.keyCount === 0, 'a store that was cleared is empty')
  }

  /** Every key of the bucket, expired or not, in no order. The store must not change meanwhile. */
  *keys(bucket: number): Generator<RebuiltKey> {
    assert(bucket >= 0 && bucket < BUCKET_COUNT, 'no such bucket')
    const {memory, dict} = this.effects.keyspace
    const table = this.effects.keyspace.table(bucket)
    const slots = dict.slots(table)
    for (let slot = 0; slot < slots; slot++) {
      for (let node = dict.head(table, slot); node !== 0; node = word(memory, node, WORD_NEXT)) {
        const from = keyOffset(memory, node)
        const key = pageBytes(memory, node).subarray(from, from + keyLength(memory, node))
        yield {bucket, key, node, isMap: isMap(memory, node), expireAt: expireAt(memory, node)}
      }
    }
  }

  /** The value of a string. */
  value(node: number): Buffer {
    const {memory} = this.effects.keyspace
    const from = valueOffset(memory, node)
    return pageBytes(memory, node).subarray(from, from + valueLength(memory, node))
  }

  /** Fields of a map, expired or not. */
  fieldCount(node: number): number {
    return this.effects.maps.count(node)
  }

  /** The fields of a map, about `count` at a time. */
  *fields(node: number, count: number): Generator<RebuiltField[]> {
    for (let cursor = 0; ;) {
      const some: RebuiltField[] = []
      cursor = this.effects.maps.scan(node, cursor, count, (name, nameFrom, nameLength, value, from, length, at) => {
        const field = name.subarray(nameFrom, nameFrom + nameLength)
        some.push({field, value: value.subarray(from, from + length), expireAt: at})
      })
      if (some.length > 0) yield some
      if (cursor === 0) return
    }
  }
}

export {NO_EXPIRY}
