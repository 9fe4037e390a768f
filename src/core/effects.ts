/**
 * The only way to change the keyspace of a serving node: one method for each op of a record (src/record/op.ts). Each
 * does the change, advances the bucket's seq, and, if someone listens to the bucket, writes the record.
 *
 *   command -> Effects -> Keyspace / MapStore      the state
 *                      -> RecordWriter             replicas, images, the data log (only where one is set)
 *                      -> Watches                  WATCHed keys, and keys that clients have kept
 *                      -> KeyEvents                what expired, went or is new
 *
 * Replaying the records through `Replay` gives the same state (test/core/replay.test.ts).
 * With no listener nothing is encoded: the hot path pays one addition and one load.
 */
import {keyBucket} from '../base/crc16.ts'
import {NO_EXPIRY, expireAt, isMap, keyLength, keyOffset, pageBytes, valueLength, valueOffset} from './keyspace/node.ts'
import {EVENT_EVICTED, EVENT_EXPIRED, EVENT_GENERIC, EVENT_MAP, EVENT_NEW, KeyEvents} from './events.ts'
import {RecordFeed} from './record-feed.ts'
import {Watches} from './watches.ts'
import type {Keyspace} from './keyspace/keyspace.ts'
import type {MapStore} from './keyspace/map-store.ts'

export class Effects extends RecordFeed {
  readonly keyspace: Keyspace
  readonly maps: MapStore
  readonly watches = new Watches()
  readonly events = new KeyEvents()
  expiredKeys = 0
  expiredFields = 0
  evictedKeys = 0

  constructor(keyspace: Keyspace, maps: MapStore) {
    super()
    this.keyspace = keyspace
    this.maps = maps
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
    const writer = this.next(bucket)
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
    if (node === 0) this.#isNew(key, keyFrom, keyBytes)
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
    if (node === 0) this.#isNew(key, keyFrom, keyBytes)
    return this.keyspace.resizeString(bucket, hash, node, key, keyFrom, keyBytes, valueBytes)
  }

  /** The string of this node was written in place. */
  stringWritten(bucket: number, node: number): void {
    const {memory} = this.keyspace
    this.#recordString(bucket, node)
    if (this.watches.isActive) {
      this.watches.touch(pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
    }
  }

  #recordString(bucket: number, node: number): void {
    const writer = this.next(bucket)
    if (writer === null) return
    const {memory} = this.keyspace
    const bytes = pageBytes(memory, node)
    writer.set(
      bucket,
      this.epoch[bucket]!,
      this.seq[bucket]!,
      this.time,
      bytes,
      keyOffset(memory, node),
      keyLength(memory, node),
      bytes,
      valueOffset(memory, node),
      valueLength(memory, node),
      expireAt(memory, node),
    )
  }

  delete(bucket: number, node: number): void {
    const memory = this.keyspace.memory
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    this.recordDelete(bucket, bytes, from, length)
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
    this.recordField(bucket, key, keyFrom, keyBytes, field, fieldFrom, fieldBytes, value, valueFrom, valueBytes, at)
    if (this.watches.isActive) this.watches.touch(key, keyFrom, keyBytes)
    if (node === 0) this.#isNew(key, keyFrom, keyBytes)
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
    const writer = this.next(bucket)
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
    this.recordExpiry(bucket, bytes, from, length, at)
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
    const writer = this.next(bucket)
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
    if (this.watches.isActive) this.watches.touchBucket(bucket, (key) => this.#has(key))
    this.#clear(bucket)
  }

  #clear(bucket: number): void {
    if (this.keyspace.bucketCount(bucket) === 0) return
    const writer = this.next(bucket)
    if (writer !== null) writer.clear(bucket, this.epoch[bucket]!, this.seq[bucket]!, this.time)
    this.keyspace.clearBucket(bucket)
  }

  /** Empties every bucket: FLUSHALL. */
  clearAll(isOurs: (bucket: number) => boolean): void {
    const {keyspace} = this
    if (this.watches.isActive) this.watches.touchAll((key) => this.#has(key))
    for (let bucket = keyspace.nextBucket(0); bucket >= 0; bucket = keyspace.nextBucket(bucket + 1)) {
      if (isOurs(bucket)) this.#clear(bucket)
    }
  }

  #has(key: Buffer): boolean {
    const {keyspace} = this
    const bucket = keyBucket(key, 0, key.length)
    return keyspace.find(bucket, keyspace.hash(key, 0, key.length), key, 0, key.length) !== 0
  }

  /** The key's time has come. */
  expire(bucket: number, node: number): void {
    this.expiredKeys++
    this.#deleteAs(EVENT_EXPIRED, 'expired', bucket, node)
  }

  /** The time of a field has come. Returns the map's node, or 0 if it went with the field. */
  expireField(bucket: number, node: number, field: Buffer, fieldFrom: number, fieldBytes: number): number {
    this.expiredFields++
    const key = (this.events.mask & (EVENT_MAP | EVENT_GENERIC)) === 0 ? null : this.#keyOf(node)
    const map = this.mapDelete(bucket, node, field, fieldFrom, fieldBytes)
    if (key !== null) this.#tellFieldExpired(key, map === 0)
    return map
  }

  /** The time of all fields of a map has come. */
  expireMap(bucket: number, node: number): void {
    this.expiredFields += this.maps.count(node)
    const key = (this.events.mask & (EVENT_MAP | EVENT_GENERIC)) === 0 ? null : this.#keyOf(node)
    this.delete(bucket, node)
    if (key !== null) this.#tellFieldExpired(key, true)
  }

  #tellFieldExpired(key: Buffer, isLast: boolean): void {
    const {events} = this
    if ((events.mask & EVENT_MAP) !== 0) events.emit('hexpired', key, 0, key.length)
    if (isLast && (events.mask & EVENT_GENERIC) !== 0) events.emit('del', key, 0, key.length)
  }

  #deleteAs(kind: number, event: string, bucket: number, node: number): void {
    const key = (this.events.mask & kind) === 0 ? null : this.#keyOf(node)
    this.delete(bucket, node)
    if (key !== null) this.events.emit(event, key, 0, key.length)
  }

  /** A copy: the node is about to go. */
  #keyOf(node: number): Buffer {
    const {memory} = this.keyspace
    const from = keyOffset(memory, node)
    return Buffer.from(pageBytes(memory, node).subarray(from, from + keyLength(memory, node)))
  }

  #isNew(key: Buffer, from: number, length: number): void {
    if ((this.events.mask & EVENT_NEW) !== 0) this.events.emit('new', key, from, length)
  }

  /** Room is needed. */
  evict(bucket: number, node: number): void {
    this.evictedKeys++
    this.#deleteAs(EVENT_EVICTED, 'evicted', bucket, node)
  }

  /** The value of `node` moves to another key of the bucket; `target` is that key's node now, or 0. Returns the new node. */
  rename(bucket: number, node: number, target: number, key: Buffer, keyFrom: number, keyBytes: number): number {
    const {memory} = this.keyspace
    this.beginGroup()
    if (target !== 0) this.recordDelete(bucket, key, keyFrom, keyBytes)
    this.recordDelete(bucket, pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
    const fresh = this.moveKey(bucket, node, target, key, keyFrom, keyBytes)
    this.#recordWhole(bucket, fresh)
    this.endGroup()
    return fresh
  }

  /** The change of `rename` without its records: a job has written them. */
  moveKey(bucket: number, node: number, target: number, key: Buffer, keyFrom: number, keyBytes: number): number {
    const {keyspace} = this
    const {memory} = keyspace
    if (this.watches.isActive) {
      this.watches.touch(pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
      this.watches.touch(key, keyFrom, keyBytes)
    }
    if (target !== 0) keyspace.remove(bucket, target)
    this.#isNew(key, keyFrom, keyBytes)
    return keyspace.rename(bucket, node, key, keyFrom, keyBytes)
  }

  /** Puts a map that a job has built (MapStore.makeDetached) in the place of its key's node `target`, or of none (0). */
  putMap(bucket: number, target: number, map: number): void {
    const {keyspace} = this
    const {memory} = keyspace
    if (this.watches.isActive) {
      this.watches.touch(pageBytes(memory, map), keyOffset(memory, map), keyLength(memory, map))
    }
    if (target !== 0) keyspace.remove(bucket, target)
    this.#isNew(pageBytes(memory, map), keyOffset(memory, map), keyLength(memory, map))
    keyspace.enterNode(bucket, 0, map)
  }

  /** Advances seq by what it takes to build the key's value anew, and writes those records if someone listens. */
  #recordWhole(bucket: number, node: number): void {
    const {memory} = this.keyspace
    const at = expireAt(memory, node)
    if (!isMap(memory, node)) this.#recordString(bucket, node)
    else if (this.listener(bucket) === null) this.skip(bucket, this.maps.count(node) + (at === NO_EXPIRY ? 0 : 1))
    else {
      const key = pageBytes(memory, node)
      const from = keyOffset(memory, node)
      const length = keyLength(memory, node)
      this.maps.each(node, (...field) => this.recordField(bucket, key, from, length, ...field))
      if (at !== NO_EXPIRY) this.recordExpiry(bucket, key, from, length, at)
    }
  }
}
