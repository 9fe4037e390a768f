/**
 * Applies records to a keyspace: the other half of Effects. Used when a savefile is loaded, and by whoever receives
 * records. It decides nothing, emits nothing and may see the same record twice: the state is then the same.
 */
import {
  OP_CLEAR,
  OP_DELETE,
  OP_EXPIRE_AT,
  OP_FIELD_EXPIRE_AT,
  OP_FIELD_PERSIST,
  OP_MAP_DELETE,
  OP_MAP_SET,
  OP_PERSIST,
  OP_SET,
} from '../record/op.ts'
import {isMap} from './keyspace/node.ts'
import {NO_EXPIRY} from '../record/codec.ts'
import type {RecordCursor} from '../record/codec.ts'
import type {Effects} from './effects.ts'
import type {Keyspace} from './keyspace/keyspace.ts'
import type {MapStore} from './keyspace/map-store.ts'

export class Replay {
  readonly #effects: Effects
  readonly #keyspace: Keyspace
  readonly #maps: MapStore

  constructor(effects: Effects) {
    this.#effects = effects
    this.#keyspace = effects.keyspace
    this.#maps = effects.maps
  }

  /** Applies the record at which the cursor stands; the bucket's epoch and seq become the record's. */
  apply(record: RecordCursor): void {
    const {bucket, buf, keyOff, keyLen} = record
    this.#effects.epoch[bucket] = record.epoch
    this.#effects.seq[bucket] = record.seq
    if (record.op === OP_CLEAR) return this.#keyspace.clearBucket(bucket)
    const hash = this.#keyspace.hash(buf, keyOff, keyLen)
    const node = this.#keyspace.find(bucket, hash, buf, keyOff, keyLen)
    switch (record.op) {
      case OP_SET:
        this.#keyspace.setString(
          bucket,
          hash,
          node,
          buf,
          keyOff,
          keyLen,
          buf,
          record.valueOff,
          record.valueLen,
          record.expireAt,
        )
        return
      case OP_DELETE:
        if (node !== 0) this.#keyspace.remove(bucket, node)
        return
      case OP_EXPIRE_AT:
        if (node !== 0) this.#keyspace.setExpiry(bucket, node, record.expireAt)
        return
      case OP_PERSIST:
        if (node !== 0) this.#keyspace.setExpiry(bucket, node, NO_EXPIRY)
        return
      default:
        this.#applyToMap(record, hash, node)
    }
  }

  #applyToMap(record: RecordCursor, hash: number, found: number): void {
    const {bucket, buf, keyOff, keyLen, fieldOff, fieldLen} = record
    let node = found
    if (node !== 0 && !isMap(this.#keyspace.memory, node)) {
      // The master wrote a field, so the key is a map there: a string here is what a lost record left.
      if (record.op !== OP_MAP_SET) return
      this.#keyspace.remove(bucket, node)
      node = 0
    }
    if (record.op === OP_MAP_SET) {
      const {valueOff, valueLen, expireAt} = record
      this.#maps.set(
        bucket,
        hash,
        node,
        buf,
        keyOff,
        keyLen,
        buf,
        fieldOff,
        fieldLen,
        buf,
        valueOff,
        valueLen,
        expireAt,
      )
      return
    }
    if (node === 0 || !this.#maps.get(node, buf, fieldOff, fieldLen)) return
    if (record.op === OP_MAP_DELETE) {
      const map = this.#maps.delete(bucket, node, buf, fieldOff, fieldLen)
      if (this.#maps.count(map) === 0) this.#keyspace.remove(bucket, map)
    } else if (record.op === OP_FIELD_EXPIRE_AT) {
      this.#maps.setFieldExpiry(bucket, node, buf, fieldOff, fieldLen, record.expireAt)
    } else if (record.op === OP_FIELD_PERSIST) {
      this.#maps.setFieldExpiry(bucket, node, buf, fieldOff, fieldLen, NO_EXPIRY)
    }
  }
}
