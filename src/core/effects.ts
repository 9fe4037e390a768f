/**
 * The only way to change the keyspace of a serving node: one method for each op of a record (src/record/op.ts). Each
 * does the change, advances the bucket's seq, and, if someone listens to the bucket, writes the record.
 *
 *   command -> Effects -> Keyspace / MapStore      the state
 *                      -> RecordWriter             replicas, images, the data log (only where one is set)
 *                      -> Watches                  WATCHed keys
 *
 * Replaying the records through `Replay` gives the same state (test/core/replay.test.ts).
 * With no listener nothing is encoded: the hot path pays one addition and one load.
 */
import {keyBucket} from '../base/crc16.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {NO_EXPIRY, expireAt, isMap, keyLength, keyOffset, pageBytes, valueLength, valueOffset} from './keyspace/node.ts'
import {Watches} from './watches.ts'
import type {Keyspace} from './keyspace/keyspace.ts'
import type {MapStore} from './keyspace/map-store.ts'
import type {RecordWriter} from '../record/codec.ts'

export class Effects {
  readonly keyspace: Keyspace
  readonly maps: MapStore
  readonly watches = new Watches()
  /** Changes so far of each bucket; with the epoch it orders them. */
  readonly seq = new Float64Array(BUCKET_COUNT)
  readonly epoch = new Uint32Array(BUCKET_COUNT)
  /** Unix ms, stamped on records; the driver sets it before each input. */
  time = 0
  /** Changes since the node started. */
  changes = 0
  expiredKeys = 0
  expiredFields = 0
  evictedKeys = 0

  readonly #listeners: (RecordWriter | null)[] = new Array<RecordWriter | null>(BUCKET_COUNT).fill(null)
  readonly #inGroup: RecordWriter[] = []
  #groupDepth = 0

  constructor(keyspace: Keyspace, maps: MapStore) {
    this.keyspace = keyspace
    this.maps = maps
  }

  /** From now on every record of the bucket is also written to `writer`; null ends it. Not inside a group. */
  listen(bucket: number, writer: RecordWriter | null): void {
    this.#listeners[bucket] = writer
  }

  listener(bucket: number): RecordWriter | null {
    return this.#listeners[bucket]!
  }

  /** Records until `endGroup` are applied whole or not at all, wherever they go. Groups nest. */
  beginGroup(): void {
    this.#groupDepth++
  }

  endGroup(): void {
    if (--this.#groupDepth > 0) return
    for (const writer of this.#inGroup) writer.endGroup()
    this.#inGroup.length = 0
  }

  /** Key becomes this string with this expiry. `node`: the key's node or 0. Returns the new node. */
  set(
    bucket: number,
    hash: number,
    node: number,
    key: Buffer,
    keyFrom: number,
    keyBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
    at: number,
  ): number {
    const writer = this.#next(bucket)
    if (writer !== null) {
      writer.set(
        bucket,
        this.epoch[bucket]!,
        this.seq[bucket]!,
        this.time,
        key,
        keyFrom,
        keyBytes,
        value,
        valueFrom,
        valueBytes,
        at,
      )
    }
    if (this.watches.isActive) this.watches.touch(key, keyFrom, keyBytes)
    return this.keyspace.setString(bucket, hash, node, key, keyFrom, keyBytes, value, valueFrom, valueBytes, at)
  }

  /**
   * A string of `valueBytes`, old bytes kept, new ones zero, for the caller to write into; then it must call
   * `stringWritten`. `node` may be 0 (a new key).
   */
  resizeString(
    bucket: number,
    hash: number,
    node: number,
    key: Buffer,
    keyFrom: number,
    keyBytes: number,
    valueBytes: number,
  ): number {
    return this.keyspace.resizeString(bucket, hash, node, key, keyFrom, keyBytes, valueBytes)
  }

  /** The string of this node was written in place. */
  stringWritten(bucket: number, node: number): void {
    const memory = this.keyspace.memory
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    const writer = this.#next(bucket)
    if (writer !== null) {
      const valueFrom = valueOffset(memory, node)
      const at = expireAt(memory, node)
      writer.set(
        bucket,
        this.epoch[bucket]!,
        this.seq[bucket]!,
        this.time,
        bytes,
        from,
        length,
        bytes,
        valueFrom,
        valueLength(memory, node),
        at,
      )
    }
    if (this.watches.isActive) this.watches.touch(bytes, from, length)
  }

  delete(bucket: number, node: number): void {
    const memory = this.keyspace.memory
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    const writer = this.#next(bucket)
    if (writer !== null) writer.delete(bucket, this.epoch[bucket]!, this.seq[bucket]!, this.time, bytes, from, length)
    if (this.watches.isActive) this.watches.touch(bytes, from, length)
    this.keyspace.remove(bucket, node)
  }

  /** Field of the key's map becomes value. `node`: the key's map or 0. Returns the map's node. */
  mapSet(
    bucket: number,
    hash: number,
    node: number,
    key: Buffer,
    keyFrom: number,
    keyBytes: number,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
    at: number,
  ): number {
    const writer = this.#next(bucket)
    if (writer !== null) {
      const seq = this.seq[bucket]!
      const epoch = this.epoch[bucket]!
      writer.mapSet(
        bucket,
        epoch,
        seq,
        this.time,
        key,
        keyFrom,
        keyBytes,
        field,
        fieldFrom,
        fieldBytes,
        value,
        valueFrom,
        valueBytes,
        at,
      )
    }
    if (this.watches.isActive) this.watches.touch(key, keyFrom, keyBytes)
    return this.maps.set(
      bucket,
      hash,
      node,
      key,
      keyFrom,
      keyBytes,
      field,
      fieldFrom,
      fieldBytes,
      value,
      valueFrom,
      valueBytes,
      at,
    )
  }

  /**
   * Field of the map, which must be there, is gone, and the map with its last field. Returns the map's node, or 0 if it went: then the
   * record says that the key is deleted, so that a map that is made anew begins without an expiry wherever it is replayed.
   */
  mapDelete(bucket: number, node: number, field: Buffer, fieldFrom: number, fieldBytes: number): number {
    if (this.maps.count(node) === 1) {
      this.delete(bucket, node)
      return 0
    }
    const memory = this.keyspace.memory
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    const writer = this.#next(bucket)
    if (writer !== null) {
      writer.mapDelete(
        bucket,
        this.epoch[bucket]!,
        this.seq[bucket]!,
        this.time,
        bytes,
        from,
        length,
        field,
        fieldFrom,
        fieldBytes,
      )
    }
    if (this.watches.isActive) this.watches.touch(bytes, from, length)
    return this.maps.delete(bucket, node, field, fieldFrom, fieldBytes)
  }

  /** Sets the key's expiry, or takes it away (NO_EXPIRY). Returns the key's node. */
  setExpiry(bucket: number, node: number, at: number): number {
    const memory = this.keyspace.memory
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    const writer = this.#next(bucket)
    if (writer !== null) {
      const seq = this.seq[bucket]!
      if (at === NO_EXPIRY) writer.persist(bucket, this.epoch[bucket]!, seq, this.time, bytes, from, length)
      else writer.expireAt(bucket, this.epoch[bucket]!, seq, this.time, bytes, from, length, at)
    }
    if (this.watches.isActive) this.watches.touch(bytes, from, length)
    return this.keyspace.setExpiry(bucket, node, at)
  }

  /** Sets the expiry of a field that is there, or takes it away (NO_EXPIRY). Returns the map's node. */
  setFieldExpiry(
    bucket: number,
    node: number,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    at: number,
  ): number {
    const memory = this.keyspace.memory
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    const writer = this.#next(bucket)
    if (writer !== null) {
      const seq = this.seq[bucket]!
      const epoch = this.epoch[bucket]!
      if (at === NO_EXPIRY)
        writer.fieldPersist(bucket, epoch, seq, this.time, bytes, from, length, field, fieldFrom, fieldBytes)
      else writer.fieldExpireAt(bucket, epoch, seq, this.time, bytes, from, length, field, fieldFrom, fieldBytes, at)
    }
    if (this.watches.isActive) this.watches.touch(bytes, from, length)
    return this.maps.setFieldExpiry(bucket, node, field, fieldFrom, fieldBytes, at)
  }

  /** Empties the bucket; nothing happens if it is empty. */
  clear(bucket: number): void {
    if (this.watches.isActive) this.watches.touchWhere((key) => this.#has(key, bucket))
    this.#clear(bucket)
  }

  #clear(bucket: number): void {
    if (this.keyspace.bucketCount(bucket) === 0) return
    const writer = this.#next(bucket)
    if (writer !== null) writer.clear(bucket, this.epoch[bucket]!, this.seq[bucket]!, this.time)
    this.keyspace.clearBucket(bucket)
  }

  /** Empties every bucket: FLUSHALL. */
  clearAll(): void {
    const {keyspace} = this
    if (this.watches.isActive) this.watches.touchWhere((key) => this.#has(key, -1))
    for (let bucket = keyspace.nextBucket(0); bucket >= 0; bucket = keyspace.nextBucket(bucket + 1)) this.#clear(bucket)
  }

  /** True if the key exists, in this bucket if it is not -1. */
  #has(key: Buffer, wanted: number): boolean {
    const {keyspace} = this
    const bucket = keyBucket(key, 0, key.length)
    if (wanted >= 0 && bucket !== wanted) return false
    return keyspace.find(bucket, keyspace.hash(key, 0, key.length), key, 0, key.length) !== 0
  }

  /** The key's time has come. */
  expire(bucket: number, node: number): void {
    this.expiredKeys++
    this.delete(bucket, node)
  }

  /** The time of a field has come. Returns the map's node, or 0 if it went with the field. */
  expireField(bucket: number, node: number, field: Buffer, fieldFrom: number, fieldBytes: number): number {
    this.expiredFields++
    return this.mapDelete(bucket, node, field, fieldFrom, fieldBytes)
  }

  /** Room is needed. */
  evict(bucket: number, node: number): void {
    this.evictedKeys++
    this.delete(bucket, node)
  }

  /** The value of `node` moves to another key of the bucket, which must not exist. */
  rename(bucket: number, node: number, key: Buffer, keyFrom: number, keyBytes: number): number {
    const {keyspace} = this
    const memory = keyspace.memory
    this.beginGroup()
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    const writer = this.#next(bucket)
    if (writer !== null) writer.delete(bucket, this.epoch[bucket]!, this.seq[bucket]!, this.time, bytes, from, length)
    if (this.watches.isActive) this.watches.touch(bytes, from, length)
    const fresh = keyspace.rename(bucket, node, key, keyFrom, keyBytes)
    this.recordWhole(bucket, fresh)
    this.endGroup()
    return fresh
  }

  /** Advances seq by what it takes to build the key's value anew, and writes those records if someone listens. */
  recordWhole(bucket: number, node: number): void {
    const {memory} = this.keyspace
    if (!isMap(memory, node)) return this.stringWritten(bucket, node)
    const key = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    this.maps.each(node, (field, fieldFrom, fieldBytes, value, valueFrom, valueBytes, at) => {
      const writer = this.#next(bucket)
      if (writer === null) return
      const epoch = this.epoch[bucket]!
      const seq = this.seq[bucket]!
      writer.mapSet(
        bucket,
        epoch,
        seq,
        this.time,
        key,
        from,
        length,
        field,
        fieldFrom,
        fieldBytes,
        value,
        valueFrom,
        valueBytes,
        at,
      )
    })
    const at = expireAt(memory, node)
    if (at !== NO_EXPIRY) {
      this.#next(bucket)?.expireAt(bucket, this.epoch[bucket]!, this.seq[bucket]!, this.time, key, from, length, at)
    }
    if (this.watches.isActive) this.watches.touch(key, from, length)
  }

  /** Advances the bucket's seq for one change; returns who listens, its group opened if one is due. */
  #next(bucket: number): RecordWriter | null {
    this.changes++
    this.seq[bucket]!++
    const writer = this.#listeners[bucket]!
    if (writer !== null && this.#groupDepth > 0 && !this.#inGroup.includes(writer)) {
      writer.beginGroup()
      this.#inGroup.push(writer)
    }
    return writer
  }
}
