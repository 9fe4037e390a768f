/**
 * Maps: keys whose value is a set of fields.
 *
 * A small map is packed in its key's node, in the order the fields came:
 *
 *   value = count u16 | { field length u8, value length u8, field, value } ...
 *
 * It becomes large when it has more than 128 fields, a field or value longer than 64 bytes, or a field that expires;
 * then each field is a node of its own in a table (dict.ts) and the key's node points at the table's descriptor. A large
 * map stays large. Thresholds and behaviour are those of Redis' listpack and hashtable encodings.
 *
 * A lookup leaves its answer in `bytes, offset, length, expireAt` and allocates nothing. Writers return
 * the map's node, which may have moved.
 */
import {
  FLAG_EXPIRES,
  FLAG_FIELD,
  FLAG_LARGE,
  FLAG_LIVE,
  FLAG_MAP,
  NO_EXPIRY,
  WORD_HASH,
  WORD_KEY,
  WORD_NEXT,
  WORD_USED,
  WORD_VALUE,
  copyBytes,
  expireAt,
  headerBytes,
  isLargeMap,
  keyLength,
  keyOffset,
  nodeFlags,
  pageBytes,
  setExpireAt,
  setWord,
  valueLength,
  valueOffset,
  word,
} from './node.ts'
import {DESCRIPTOR_BYTES} from './dict.ts'
import {KIND_FIXED, KIND_NODES} from './memory.ts'
import type {Dict} from './dict.ts'
import type {Keyspace} from './keyspace.ts'
import type {Memory} from './memory.ts'

export const PACKED_FIELDS_MAX = 128
export const PACKED_BYTES_MAX = 64
const PACKED_HEADER = 2
const PACKED_FIELD_HEADER = 2

/** Called for each field: where its name, its value and when it expires. Views are valid during the call only. */
export type FieldVisitor = (
  fieldBytes: Buffer,
  fieldFrom: number,
  fieldLength: number,
  valueBytes: Buffer,
  valueFrom: number,
  valueLength: number,
  expireAt: number,
) => void

export class MapStore {
  readonly #keyspace: Keyspace
  readonly #memory: Memory
  readonly #dict: Dict

  /** The value that the last `get` found. */
  bytes: Buffer = Buffer.alloc(0)
  offset = 0
  length = 0
  /** When that field expires, Unix ms, or NO_EXPIRY. */
  expireAt = NO_EXPIRY
  /** When the value that the last `set` replaced would have expired; 0 if there was none. */
  replacedUntil = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.#memory = keyspace.memory
    this.#dict = keyspace.dict
  }

  count(node: number): number {
    if (isLargeMap(this.#memory, node)) return this.#dict.count(this.table(node))
    const at = valueOffset(this.#memory, node)
    const bytes = pageBytes(this.#memory, node)
    return bytes[at]! | (bytes[at + 1]! << 8)
  }

  /** Fields that expire. */
  expiring(node: number): number {
    return isLargeMap(this.#memory, node) ? this.#dict.expiring(this.table(node)) : 0
  }

  /** Descriptor of a large map's table. */
  table(node: number): number {
    return word(this.#memory, node, WORD_VALUE)
  }

  /** Looks the field up; true if it is there (expired or not), and then `bytes, offset, length, expireAt` say what it holds. */
  get(node: number, field: Buffer, from: number, length: number): boolean {
    if (isLargeMap(this.#memory, node)) {
      const found = this.#findField(node, field, from, length)
      if (found === 0) return false
      this.#pointAt(found)
      return true
    }
    const at = this.#findPacked(node, field, from, length)
    if (at < 0) return false
    const bytes = pageBytes(this.#memory, node)
    this.bytes = bytes
    this.offset = at + PACKED_FIELD_HEADER + length
    this.length = bytes[at + 1]!
    this.expireAt = NO_EXPIRY
    return true
  }

  /** Field becomes value, with this expiry or none. `node` = 0 makes the map. `value` must not be a view of this map. */
  set(
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
    this.replacedUntil = 0
    let map = node === 0 ? this.#make(bucket, hash, key, keyFrom, keyBytes) : node
    if (!isLargeMap(this.#memory, map)) {
      const isPackable = fieldBytes <= PACKED_BYTES_MAX && valueBytes <= PACKED_BYTES_MAX && at === NO_EXPIRY
      if (isPackable) {
        const found = this.#findPacked(map, field, fieldFrom, fieldBytes)
        if (found >= 0) {
          this.replacedUntil = NO_EXPIRY
          return this.#replacePacked(bucket, map, found, value, valueFrom, valueBytes)
        }
        if (this.count(map) < PACKED_FIELDS_MAX) {
          return this.#appendPacked(bucket, map, field, fieldFrom, fieldBytes, value, valueFrom, valueBytes)
        }
      }
      map = this.enlarge(bucket, map)
    }
    this.#setField(map, field, fieldFrom, fieldBytes, value, valueFrom, valueBytes, at)
    return map
  }

  /** Removes the field; the map stays, even without fields: the caller removes it then. Returns the map's node, or 0 if there is no such field. */
  delete(bucket: number, node: number, field: Buffer, from: number, length: number): number {
    if (isLargeMap(this.#memory, node)) {
      const found = this.#findField(node, field, from, length)
      if (found === 0) return 0
      this.#dict.remove(this.table(node), found)
      this.#keyspace.release(found)
      return node
    }
    const at = this.#findPacked(node, field, from, length)
    if (at < 0) return 0
    const size = PACKED_FIELD_HEADER + length + pageBytes(this.#memory, node)[at + 1]!
    return this.#splicePacked(bucket, node, at, size, 0, -1)
  }

  /** Gives the field (which must be there) an expiry, or takes it away (NO_EXPIRY); the map becomes large if need be. */
  setFieldExpiry(bucket: number, node: number, field: Buffer, from: number, length: number, at: number): number {
    if (at === NO_EXPIRY && !isLargeMap(this.#memory, node)) return node
    const map = isLargeMap(this.#memory, node) ? node : this.enlarge(bucket, node)
    const found = this.#findField(map, field, from, length)
    const bytes = pageBytes(this.#memory, found)
    const fresh = this.#allocField(
      map,
      word(this.#memory, found, WORD_HASH),
      field,
      from,
      length,
      valueLength(this.#memory, found),
      at,
    )
    copyBytes(
      pageBytes(this.#memory, fresh),
      valueOffset(this.#memory, fresh),
      bytes,
      valueOffset(this.#memory, found),
      valueLength(this.#memory, found),
    )
    this.#replaceField(map, found, fresh)
    return map
  }

  /** Every field, in the order of the table; `visit` must not change the map. */
  each(node: number, visit: FieldVisitor): void {
    if (!isLargeMap(this.#memory, node)) return this.#eachPacked(node, visit)
    const table = this.table(node)
    const slots = this.#dict.slots(table)
    for (let slot = 0; slot < slots; slot++) this.eachInSlot(table, slot, visit)
  }

  /** The fields of one slot of a large map's table, for walks in steps. */
  eachInSlot(table: number, slot: number, visit: FieldVisitor): void {
    const memory = this.#memory
    for (let field = this.#dict.head(table, slot); field !== 0; field = word(memory, field, WORD_NEXT))
      this.visitField(field, visit)
  }

  /** Calls `visit` with what a field's node holds. */
  visitField(field: number, visit: FieldVisitor): void {
    const memory = this.#memory
    const bytes = pageBytes(memory, field)
    visit(
      bytes,
      keyOffset(memory, field),
      keyLength(memory, field),
      bytes,
      valueOffset(memory, field),
      valueLength(memory, field),
      expireAt(memory, field),
    )
  }

  /** HSCAN: the fields of some slots, and the next cursor (0 = end). A packed map is visited whole. */
  scan(node: number, cursor: number, count: number, visit: FieldVisitor): number {
    if (!isLargeMap(this.#memory, node)) {
      this.#eachPacked(node, visit)
      return 0
    }
    const table = this.table(node)
    let seen = 0
    let next = cursor
    const visitNode = (field: number): void => {
      seen++
      this.visitField(field, visit)
    }
    for (let steps = 0; seen < count && steps < count * 10; steps++) {
      next = this.#dict.scan(table, next, visitNode)
      if (next === 0) break
    }
    return next
  }

  /** Turns a packed map into a large one; returns its new node. */
  enlarge(bucket: number, node: number): number {
    const memory = this.#memory
    const source = pageBytes(memory, node)
    const table = memory.alloc(DESCRIPTOR_BYTES, KIND_FIXED)
    this.#dict.reset(table)
    const fresh = this.#keyspace.makeNode(
      word(memory, node, WORD_HASH),
      node,
      FLAG_MAP | FLAG_LARGE,
      source,
      keyOffset(memory, node),
      keyLength(memory, node),
      0,
    )
    setWord(memory, fresh, WORD_VALUE, table)
    this.#dict.setOwner(table, fresh)
    this.#eachPacked(node, (bytes, fieldFrom, fieldLength, valueBytes, valueFrom, length) => {
      this.#insertField(fresh, bytes, fieldFrom, fieldLength, valueBytes, valueFrom, length, NO_EXPIRY)
    })
    this.#keyspace.enterNode(bucket, node, fresh)
    return fresh
  }

  /** A large map without fields, with this expiry or none, that is in no index yet: for jobs that build one. */
  makeDetached(hash: number, key: Buffer, keyFrom: number, keyBytes: number, at: number): number {
    const memory = this.#memory
    const flags = FLAG_MAP | FLAG_LARGE | (at === NO_EXPIRY ? 0 : FLAG_EXPIRES)
    const map = this.#keyspace.makeNode(hash, 0, flags, key, keyFrom, keyBytes, 0)
    if (at !== NO_EXPIRY) setExpireAt(memory, map, at)
    const table = memory.alloc(DESCRIPTOR_BYTES, KIND_FIXED)
    this.#dict.reset(table)
    setWord(memory, map, WORD_VALUE, table)
    this.#dict.setOwner(table, map)
    return map
  }

  /** Field of a large map becomes value; the map's node stays where it is. */
  setInLarge(
    map: number,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
    at: number,
  ): void {
    this.#setField(map, field, fieldFrom, fieldBytes, value, valueFrom, valueBytes, at)
  }

  /** The n-th field (0-based) of a packed map, in the order they came. */
  packedField(node: number, n: number, visit: FieldVisitor): void {
    let index = 0
    this.#eachPacked(node, (...field) => {
      if (index++ === n) visit(...field)
    })
  }

  #make(bucket: number, hash: number, key: Buffer, keyFrom: number, keyBytes: number): number {
    const fresh = this.#keyspace.makeNode(hash, 0, FLAG_MAP, key, keyFrom, keyBytes, PACKED_HEADER)
    const at = valueOffset(this.#memory, fresh)
    const bytes = pageBytes(this.#memory, fresh)
    bytes[at] = 0
    bytes[at + 1] = 0
    this.#keyspace.enterNode(bucket, 0, fresh)
    return fresh
  }

  #pointAt(field: number): void {
    const memory = this.#memory
    this.bytes = pageBytes(memory, field)
    this.offset = valueOffset(memory, field)
    this.length = valueLength(memory, field)
    this.expireAt = expireAt(memory, field)
  }

  #findField(node: number, field: Buffer, from: number, length: number): number {
    return this.#dict.find(this.table(node), this.#keyspace.hash(field, from, length), field, from, length)
  }

  /** Where the packed field begins (its length byte), or -1. */
  #findPacked(node: number, field: Buffer, from: number, length: number): number {
    const memory = this.#memory
    const bytes = pageBytes(memory, node)
    let at = valueOffset(memory, node)
    const end = at + valueLength(memory, node)
    at += PACKED_HEADER
    while (at < end) {
      const fieldLength = bytes[at]!
      if (fieldLength === length) {
        let i = 0
        while (i < length && bytes[at + PACKED_FIELD_HEADER + i] === field[from + i]) i++
        if (i === length) return at
      }
      at += PACKED_FIELD_HEADER + fieldLength + bytes[at + 1]!
    }
    return -1
  }

  #eachPacked(node: number, visit: FieldVisitor): void {
    const memory = this.#memory
    const bytes = pageBytes(memory, node)
    let at = valueOffset(memory, node)
    const end = at + valueLength(memory, node)
    at += PACKED_HEADER
    while (at < end) {
      const fieldLength = bytes[at]!
      const length = bytes[at + 1]!
      const field = at + PACKED_FIELD_HEADER
      visit(bytes, field, fieldLength, bytes, field + fieldLength, length, NO_EXPIRY)
      at = field + fieldLength + length
    }
  }

  #replacePacked(
    bucket: number,
    node: number,
    at: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
  ): number {
    const bytes = pageBytes(this.#memory, node)
    const inner = PACKED_FIELD_HEADER + bytes[at]!
    const start = at - valueOffset(this.#memory, node)
    const map = this.#splicePacked(bucket, node, at + inner, bytes[at + 1]!, valueBytes, 0)
    const target = pageBytes(this.#memory, map)
    const to = valueOffset(this.#memory, map) + start
    target[to + 1] = valueBytes
    copyBytes(target, to + inner, value, valueFrom, valueBytes)
    return map
  }

  #appendPacked(
    bucket: number,
    node: number,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
  ): number {
    const memory = this.#memory
    const used = valueLength(memory, node)
    const map = this.#splicePacked(
      bucket,
      node,
      valueOffset(memory, node) + used,
      0,
      PACKED_FIELD_HEADER + fieldBytes + valueBytes,
      1,
    )
    const bytes = pageBytes(memory, map)
    const at = valueOffset(memory, map) + used
    bytes[at] = fieldBytes
    bytes[at + 1] = valueBytes
    copyBytes(bytes, at + PACKED_FIELD_HEADER, field, fieldFrom, fieldBytes)
    copyBytes(bytes, at + PACKED_FIELD_HEADER + fieldBytes, value, valueFrom, valueBytes)
    return map
  }

  /** Replaces `removed` bytes at page offset `at` by a gap of `added` bytes and changes the count; the node may move. */
  #splicePacked(bucket: number, node: number, at: number, removed: number, added: number, countChange: number): number {
    const memory = this.#memory
    const old = pageBytes(memory, node)
    const start = valueOffset(memory, node)
    const used = valueLength(memory, node)
    const size = used - removed + added
    const flags = nodeFlags(memory, node)
    const total = headerBytes(flags) + keyLength(memory, node) + size
    let map = node
    if (memory.fitsExactly(node, total)) {
      old.copyWithin(at + added, at + removed, start + used)
      setWord(memory, node, WORD_VALUE, size)
    } else {
      map = this.#keyspace.makeNode(
        word(memory, node, WORD_HASH),
        node,
        FLAG_MAP,
        old,
        keyOffset(memory, node),
        keyLength(memory, node),
        size,
      )
      const bytes = pageBytes(memory, map)
      const to = valueOffset(memory, map)
      copyBytes(bytes, to, old, start, at - start)
      copyBytes(bytes, to + (at - start) + added, old, at + removed, start + used - at - removed)
      this.#keyspace.enterNode(bucket, node, map)
    }
    if (countChange !== 0) {
      const bytes = pageBytes(memory, map)
      const to = valueOffset(memory, map)
      const count = (bytes[to]! | (bytes[to + 1]! << 8)) + countChange
      bytes[to] = count & 0xff
      bytes[to + 1] = count >>> 8
    }
    return map
  }

  #setField(
    map: number,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
    at: number,
  ): void {
    const memory = this.#memory
    const found = this.#findField(map, field, fieldFrom, fieldBytes)
    if (found === 0) return this.#insertField(map, field, fieldFrom, fieldBytes, value, valueFrom, valueBytes, at)
    this.replacedUntil = expireAt(memory, found)
    const isSameShape = this.replacedUntil === NO_EXPIRY && at === NO_EXPIRY
    if (isSameShape && memory.fitsExactly(found, headerBytes(0) + fieldBytes + valueBytes)) {
      setWord(memory, found, WORD_VALUE, valueBytes)
      copyBytes(pageBytes(memory, found), valueOffset(memory, found), value, valueFrom, valueBytes)
      return
    }
    const fresh = this.#allocField(map, word(memory, found, WORD_HASH), field, fieldFrom, fieldBytes, valueBytes, at)
    copyBytes(pageBytes(memory, fresh), valueOffset(memory, fresh), value, valueFrom, valueBytes)
    this.#replaceField(map, found, fresh)
  }

  #insertField(
    map: number,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
    at: number,
  ): void {
    const hash = this.#keyspace.hash(field, fieldFrom, fieldBytes)
    const fresh = this.#allocField(map, hash, field, fieldFrom, fieldBytes, valueBytes, at)
    copyBytes(pageBytes(this.#memory, fresh), valueOffset(this.#memory, fresh), value, valueFrom, valueBytes)
    this.#dict.insert(this.table(map), fresh)
    if (at !== NO_EXPIRY) this.#keyspace.wheel.link(fresh)
  }

  #replaceField(map: number, old: number, fresh: number): void {
    this.#dict.replace(this.table(map), old, fresh)
    this.#keyspace.release(old)
    if (expireAt(this.#memory, fresh) !== NO_EXPIRY) this.#keyspace.wheel.link(fresh)
  }

  #allocField(
    map: number,
    hash: number,
    field: Buffer,
    from: number,
    length: number,
    valueBytes: number,
    at: number,
  ): number {
    const memory = this.#memory
    const flags = FLAG_LIVE | FLAG_FIELD | (at === NO_EXPIRY ? 0 : FLAG_EXPIRES)
    const node = memory.alloc(headerBytes(flags) + length + valueBytes, KIND_NODES)
    setWord(memory, node, WORD_HASH, hash)
    setWord(memory, node, WORD_KEY, (length << 8) | flags)
    setWord(memory, node, WORD_VALUE, valueBytes)
    setWord(memory, node, WORD_USED, this.table(map))
    if (at !== NO_EXPIRY) setExpireAt(memory, node, at)
    copyBytes(pageBytes(memory, node), keyOffset(memory, node), field, from, length)
    return node
  }
}
