/**
 * The keys of a node: for each bucket an index (dict.ts) over nodes (node.ts) in memory of our own (memory.ts).
 *
 * This class knows keys, strings and expiry; maps are in map-store.ts. It changes what it is told to change and decides
 * nothing: it emits no record and does not look at the clock. `Effects` is its only writer while a node serves.
 *
 * A pointer to a node stays valid until the next call that changes that key; writers return the new one.
 *
 * Hot path: `find` and `setString`, measured by `npm run bench`.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {keyBucket} from '../../base/crc16.ts'
import {hashBytes} from './hash.ts'
import {DESCRIPTOR_BYTES, Dict} from './dict.ts'
import {ExpiryWheel} from './expiry-wheel.ts'
import {GRANULE_MASK, KIND_FIXED, KIND_NODES, Memory, PAGE_SHIFT} from './memory.ts'
import {
  FLAG_EXPIRES,
  FLAG_FIELD,
  FLAG_LARGE,
  FLAG_LIVE,
  FLAG_MAP,
  FLAG_RAW,
  NO_EXPIRY,
  WORD_HASH,
  WORD_KEY,
  WORD_NEXT,
  WORD_USED,
  WORD_VALUE,
  copyBytes,
  expireAt,
  headerBytes,
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

const DESCRIPTOR_GRANULES = DESCRIPTOR_BYTES / 8
/** Buckets are counted in groups, so that a random key or the next bucket with keys is found without 16,384 steps. */
const GROUP_SHIFT = 7
const GROUP_BUCKETS = 1 << GROUP_SHIFT
const GROUPS = BUCKET_COUNT >> GROUP_SHIFT
/** A map or bucket with fewer nodes is freed on the spot. */
const FREE_NOW_MAX = 16
/** Nodes of a table that are freed before what they brought with them is counted. */
const CLEAR_STEP = 64

/** Hardly any slot holds more nodes. */
const FAIR_PLACES = 8
const FAIR_TRIES = 200

/** A table whose nodes wait to be freed. */
interface Garbage {
  readonly dict: number
}

export class Keyspace {
  readonly memory: Memory
  readonly dict: Dict
  readonly wheel: ExpiryWheel
  readonly seed: number

  /** Keys, and keys with an expiry. */
  keyCount = 0
  expiringCount = 0
  /** Seconds, written to a key when it is used; the driver keeps it up to date. */
  usedClock = 0

  readonly #buckets: number
  readonly #groups = new Int32Array(GROUPS)
  readonly #garbage: Garbage[] = []
  #freedNodes = 0

  /** `seed`: 32 random bits for the hash. `now`: Unix ms. */
  constructor(seed: number, now: number) {
    this.seed = seed | 0
    this.memory = new Memory()
    this.dict = new Dict(this.memory)
    this.wheel = new ExpiryWheel(this.memory, now)
    this.#buckets = this.memory.alloc(BUCKET_COUNT * DESCRIPTOR_BYTES, KIND_FIXED)
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.dict.reset(this.table(bucket))
  }

  /** Descriptor of the bucket's index. */
  table(bucket: number): number {
    return this.#buckets + bucket * DESCRIPTOR_GRANULES
  }

  hash(bytes: Uint8Array, offset: number, length: number): number {
    return hashBytes(bytes, offset, length, this.seed)
  }

  bucketCount(bucket: number): number {
    return this.dict.count(this.table(bucket))
  }

  /** The key's node, or 0; an expired key is still found. */
  find(bucket: number, hash: number, bytes: Uint8Array, offset: number, length: number): number {
    return this.dict.find(this.table(bucket), hash, bytes, offset, length)
  }

  /**
   * Makes the key this string. `node` is the key's node now, or 0. `at` is NO_EXPIRY or Unix ms.
   * `value` must not be a view of this keyspace's own memory that the call could free: pass a copy then.
   */
  setString(
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
    const memory = this.memory
    const flags = at === NO_EXPIRY ? FLAG_LIVE : FLAG_LIVE | FLAG_EXPIRES
    const header = headerBytes(flags)
    if (node !== 0 && (word(memory, node, WORD_KEY) & 0xff & ~FLAG_RAW) === flags) {
      if (memory.fitsExactly(node, header + keyBytes + valueBytes)) {
        const page = node >>> PAGE_SHIFT
        const granule = node & GRANULE_MASK
        const words = memory.words[page]!
        const index = granule << 1
        words[index + WORD_KEY] = (keyBytes << 8) | flags
        words[index + WORD_VALUE] = valueBytes
        words[index + WORD_USED] = this.usedClock
        copyBytes(memory.bytes[page]!, (granule << 3) + header + keyBytes, value, valueFrom, valueBytes)
        if (at !== NO_EXPIRY) this.#moveExpiry(node, at)
        return node
      }
    }
    const fresh = this.#allocNode(hash, flags, key, keyFrom, keyBytes, valueBytes)
    const page = memory.bytes[fresh >>> PAGE_SHIFT]!
    copyBytes(page, ((fresh & GRANULE_MASK) << 3) + header + keyBytes, value, valueFrom, valueBytes)
    if (at !== NO_EXPIRY) setExpireAt(memory, fresh, at)
    this.#enter(bucket, node, fresh)
    return fresh
  }

  /**
   * A string with room for `valueBytes`, holding what of the old value fits, the rest zero: for APPEND and SETRANGE. `node` may be 0.
   * Keeps the expiry. Growing doubles the room, up to 1 MB more, as Redis does.
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
    const memory = this.memory
    const oldBytes = node === 0 ? 0 : valueLength(memory, node)
    if (node !== 0) {
      const room = memory.capacity(node) - headerBytes(nodeFlags(memory, node)) - keyBytes
      if (valueBytes <= room) {
        this.#zero(node, oldBytes, valueBytes)
        setWord(memory, node, WORD_VALUE, valueBytes)
        setWord(memory, node, WORD_KEY, word(memory, node, WORD_KEY) | FLAG_RAW)
        return node
      }
    }
    const slack = node === 0 ? 0 : Math.min(valueBytes, 1 << 20)
    const flags = FLAG_LIVE | FLAG_RAW | (node === 0 ? 0 : nodeFlags(memory, node) & FLAG_EXPIRES)
    const fresh = this.#allocNode(hash, flags, key, keyFrom, keyBytes, valueBytes + slack)
    setWord(memory, fresh, WORD_VALUE, valueBytes)
    if (node !== 0) {
      copyBytes(
        pageBytes(memory, fresh),
        valueOffset(memory, fresh),
        pageBytes(memory, node),
        valueOffset(memory, node),
        oldBytes,
      )
      if ((flags & FLAG_EXPIRES) !== 0) setExpireAt(memory, fresh, expireAt(memory, node))
    }
    this.#zero(fresh, oldBytes, valueBytes)
    this.#enter(bucket, node, fresh)
    return fresh
  }

  /** Removes the key and frees it, a large map in steps. */
  remove(bucket: number, node: number): void {
    this.dict.remove(this.table(bucket), node)
    this.#count(bucket, -1)
    if (expireAt(this.memory, node) !== NO_EXPIRY) this.expiringCount--
    this.release(node)
  }

  /** Sets or takes away (NO_EXPIRY) the key's expiry; the node may move. */
  setExpiry(bucket: number, node: number, at: number): number {
    const was = (nodeFlags(this.memory, node) & FLAG_EXPIRES) !== 0
    if (was && at !== NO_EXPIRY) {
      this.#moveExpiry(node, at)
      return node
    }
    if (!was && at === NO_EXPIRY) return node
    return this.#rebuild(bucket, node, at)
  }

  /** Gives the node's value to another key of the same bucket, whose own node must be gone; keeps the expiry. */
  rename(bucket: number, node: number, key: Buffer, keyFrom: number, keyBytes: number): number {
    const memory = this.memory
    const flags = nodeFlags(memory, node) & (FLAG_LIVE | FLAG_EXPIRES | FLAG_MAP | FLAG_LARGE | FLAG_RAW)
    const bytes = (flags & FLAG_LARGE) !== 0 ? 0 : valueLength(memory, node)
    const fresh = this.#allocNode(this.hash(key, keyFrom, keyBytes), flags, key, keyFrom, keyBytes, bytes)
    this.#copyValue(node, fresh, flags, bytes)
    if ((flags & FLAG_EXPIRES) !== 0) setExpireAt(memory, fresh, expireAt(memory, node))
    this.dict.remove(this.table(bucket), node)
    this.#freeNode(node)
    this.dict.insert(this.table(bucket), fresh)
    if ((flags & FLAG_EXPIRES) !== 0) this.wheel.link(fresh)
    return fresh
  }

  /** Empties the bucket at once; its nodes are freed in steps. */
  clearBucket(bucket: number): void {
    const table = this.table(bucket)
    const count = this.dict.count(table)
    if (count === 0) return
    this.expiringCount -= this.dict.expiring(table)
    this.#count(bucket, -count)
    const detached = this.memory.alloc(DESCRIPTOR_BYTES, KIND_FIXED)
    for (let i = 0; i < DESCRIPTOR_BYTES / 4; i++) setWord(this.memory, detached, i, word(this.memory, table, i))
    this.dict.reset(table)
    this.#garbage.push({dict: detached})
  }

  get hasGarbage(): boolean {
    return this.#garbage.length > 0
  }

  /** Frees up to about `budget` nodes of what was removed in bulk; returns what is left of the budget. */
  collect(budget: number): number {
    let left = budget
    while (left > 0 && this.#garbage.length > 0) {
      const {dict} = this.#garbage[this.#garbage.length - 1]!
      // Releasing a key may append its own table; this one is then finished later.
      const before = this.#garbage.length
      const freed = this.#freedNodes
      // A few at a time: each may be a map of some fields, which count as well.
      this.dict.clear(dict, Math.min(left, CLEAR_STEP), this.#releaseVisitor)
      left -= this.#freedNodes - freed + 1
      if (this.#garbage.length !== before || this.dict.slots(dict) > 0) continue
      this.#garbage.pop()
      this.memory.free(dict)
    }
    return Math.max(left, 0)
  }

  /** Frees a node that is in no table any more, and all that hangs on it. */
  release(node: number): void {
    const flags = nodeFlags(this.memory, node)
    if ((flags & FLAG_LARGE) !== 0) this.#releaseTable(word(this.memory, node, WORD_VALUE))
    this.#freeNode(node)
  }

  /** The bucket that a key's node is in. */
  bucketOf(node: number): number {
    return keyBucket(pageBytes(this.memory, node), keyOffset(this.memory, node), keyLength(this.memory, node))
  }

  /** True if the node is a key that can be reached (not one that waits to be freed). */
  isReachable(bucket: number, node: number): boolean {
    const memory = this.memory
    const bytes = pageBytes(memory, node)
    return (
      this.find(bucket, word(memory, node, WORD_HASH), bytes, keyOffset(memory, node), keyLength(memory, node)) === node
    )
  }

  /** True if the key's time has come. `now`: Unix ms. */
  isExpired(node: number, now: number): boolean {
    return expireAt(this.memory, node) <= now
  }

  /** The first bucket at or after `from` that has keys, or -1. */
  nextBucket(from: number): number {
    for (let bucket = from; bucket < BUCKET_COUNT; bucket++) {
      if ((bucket & (GROUP_BUCKETS - 1)) === 0) {
        while (bucket < BUCKET_COUNT && this.#groups[bucket >> GROUP_SHIFT] === 0) bucket += GROUP_BUCKETS
        if (bucket >= BUCKET_COUNT) return -1
      }
      if (this.bucketCount(bucket) > 0) return bucket
    }
    return -1
  }

  /** A key chosen by three random numbers (0..1), nearly evenly; 0 if there is none. */
  randomKey(random1: number, random2: number, random3: number): number {
    if (this.keyCount === 0) return 0
    const bucket = this.#bucketAt(Math.floor(random1 * this.keyCount))
    return this.randomNode(this.table(bucket), random2, random3)
  }

  /** As `randomKey`, each key with nearly the same chance; a few times slower. `random` gives numbers of 0..1. */
  fairKey(random: () => number): number {
    if (this.keyCount === 0) return 0
    return this.fairNode(this.table(this.#bucketAt(Math.floor(random() * this.keyCount))), random)
  }

  /** A node of the table, each with nearly the same chance: a random place of a random slot, until a node is there. */
  fairNode(table: number, random: () => number): number {
    const slots = this.dict.slots(table)
    for (let i = 0; i < FAIR_TRIES && slots > 0; i++) {
      let node = this.dict.head(table, Math.floor(random() * slots))
      for (let skip = Math.floor(random() * FAIR_PLACES); skip > 0 && node !== 0; skip--) {
        node = word(this.memory, node, WORD_NEXT)
      }
      if (node !== 0) return node
    }
    return this.randomNode(table, random(), random())
  }

  /** A node of the table, chosen by a random slot and a random place in it; 0 if it is empty. */
  randomNode(table: number, random1: number, random2: number): number {
    const slots = this.dict.slots(table)
    if (slots === 0 || this.dict.count(table) === 0) return 0
    let slot = Math.floor(random1 * slots)
    let head = this.dict.head(table, slot)
    while (head === 0) {
      slot = slot + 1 === slots ? 0 : slot + 1
      head = this.dict.head(table, slot)
    }
    let length = 0
    for (let node = head; node !== 0; node = word(this.memory, node, WORD_NEXT)) length++
    let node = head
    for (let skip = Math.floor(random2 * length); skip > 0; skip--) node = word(this.memory, node, WORD_NEXT)
    return node
  }

  /** A map's node in place of `node` (0 = the key is new): packed, with room for `valueBytes`. Used by MapStore. */
  makeNode(
    hash: number,
    node: number,
    flags: number,
    key: Buffer,
    keyFrom: number,
    keyBytes: number,
    valueBytes: number,
  ): number {
    const memory = this.memory
    const kept = node === 0 ? 0 : nodeFlags(memory, node) & FLAG_EXPIRES
    const fresh = this.#allocNode(hash, flags | FLAG_LIVE | kept, key, keyFrom, keyBytes, valueBytes)
    if (kept !== 0) setExpireAt(memory, fresh, expireAt(memory, node))
    return fresh
  }

  /** Puts `fresh` (from `makeNode`) in the index; `node`, if not 0, is replaced and its block freed. */
  enterNode(bucket: number, node: number, fresh: number): void {
    this.#enter(bucket, node, fresh)
  }

  #bucketAt(index: number): number {
    let left = index
    let group = 0
    while (left >= this.#groups[group]!) left -= this.#groups[group++]!
    let bucket = group << GROUP_SHIFT
    for (; left >= this.bucketCount(bucket); bucket++) left -= this.bucketCount(bucket)
    return bucket
  }

  #allocNode(hash: number, flags: number, key: Buffer, keyFrom: number, keyBytes: number, valueBytes: number): number {
    const memory = this.memory
    const header = headerBytes(flags)
    const node = memory.alloc(header + keyBytes + valueBytes, KIND_NODES)
    const page = node >>> PAGE_SHIFT
    const granule = node & GRANULE_MASK
    const words = memory.words[page]!
    const index = granule << 1
    words[index + WORD_HASH] = hash
    words[index + WORD_KEY] = (keyBytes << 8) | flags
    words[index + WORD_VALUE] = valueBytes
    words[index + WORD_USED] = this.usedClock
    copyBytes(memory.bytes[page]!, (granule << 3) + header, key, keyFrom, keyBytes)
    return node
  }

  /** Enters `fresh` in the index in place of `old` (0 = new key) and links its expiry; frees `old` and what hangs on it. */
  #enter(bucket: number, old: number, fresh: number): void {
    const table = this.table(bucket)
    if (old === 0) {
      this.dict.insert(table, fresh)
      this.#count(bucket, 1)
    } else {
      this.dict.replace(table, old, fresh)
      if (expireAt(this.memory, old) !== NO_EXPIRY) this.expiringCount--
      this.release(old)
    }
    if ((word(this.memory, fresh, WORD_KEY) & FLAG_EXPIRES) !== 0) {
      this.wheel.link(fresh)
      this.expiringCount++
    }
  }

  /** The same key and value with (or, for NO_EXPIRY, without) an expiry in the header. */
  #rebuild(bucket: number, node: number, at: number): number {
    const memory = this.memory
    const old = nodeFlags(memory, node) & (FLAG_LIVE | FLAG_MAP | FLAG_LARGE | FLAG_RAW)
    const flags = at === NO_EXPIRY ? old : old | FLAG_EXPIRES
    const bytes = (flags & FLAG_LARGE) !== 0 ? 0 : valueLength(memory, node)
    const source = pageBytes(memory, node)
    const fresh = this.#allocNode(
      word(memory, node, WORD_HASH),
      flags,
      source,
      keyOffset(memory, node),
      keyLength(memory, node),
      bytes,
    )
    this.#copyValue(node, fresh, flags, bytes)
    this.dict.replace(this.table(bucket), node, fresh)
    this.#freeNode(node)
    if (at !== NO_EXPIRY) {
      setExpireAt(memory, fresh, at)
      this.wheel.link(fresh)
    }
    this.expiringCount += at === NO_EXPIRY ? -1 : 1
    return fresh
  }

  #copyValue(from: number, to: number, flags: number, bytes: number): void {
    const memory = this.memory
    if ((flags & FLAG_LARGE) !== 0) {
      const table = word(memory, from, WORD_VALUE)
      setWord(memory, to, WORD_VALUE, table)
      this.dict.setOwner(table, to)
      return
    }
    copyBytes(pageBytes(memory, to), valueOffset(memory, to), pageBytes(memory, from), valueOffset(memory, from), bytes)
  }

  #moveExpiry(node: number, at: number): void {
    this.wheel.unlink(node)
    setExpireAt(this.memory, node, at)
    this.wheel.link(node)
  }

  /** Frees the block alone, not a map's fields. */
  #freeNode(node: number): void {
    if ((nodeFlags(this.memory, node) & FLAG_EXPIRES) !== 0) this.wheel.unlink(node)
    this.memory.free(node)
    this.#freedNodes++
  }

  #releaseTable(table: number): void {
    this.dict.setOwner(table, 0)
    if (this.dict.count(table) <= FREE_NOW_MAX) {
      this.dict.clear(table, Number.MAX_SAFE_INTEGER, this.#releaseVisitor)
      this.memory.free(table)
    } else {
      this.#garbage.push({dict: table})
    }
  }

  readonly #releaseVisitor = (node: number): void => this.release(node)

  #zero(node: number, from: number, to: number): void {
    if (to <= from) return
    const start = valueOffset(this.memory, node)
    pageBytes(this.memory, node).fill(0, start + from, start + to)
  }

  #count(bucket: number, change: number): void {
    this.keyCount += change
    this.#groups[bucket >> GROUP_SHIFT]! += change
  }
}

/** True for a node that is a key, false for a field of a large map. */
export function isKeyNode(memory: Memory, node: number): boolean {
  return (nodeFlags(memory, node) & FLAG_FIELD) === 0
}
