/**
 * The image of a bucket: records that build it anew, written in steps while commands go on changing it.
 *
 * From the first step to the last the bucket's own records go to the same writer, between those of the image. All are absolute,
 * so their order decides: a key that changes before it is visited is written as it then is, one that changes
 * after is followed by its record, one that is deleted before it is visited is not written at all. When `step` says that it is done,
 * what was written gives exactly the state of that moment. While a job holds the bucket the image waits (record-feed.ts).
 */
import {
  NO_EXPIRY,
  expireAt,
  isLargeMap,
  isMap,
  keyLength,
  keyOffset,
  pageBytes,
  valueLength,
  valueOffset,
} from './node.ts'
import type {Effects} from '../effects.ts'
import type {RecordWriter} from '../../record/codec.ts'

/** A record counts as one, and once more for each so many bytes of its value: copying those takes as long. */
const BYTES_PER_RECORD = 1024

/** A large map whose fields are being written: found again by its key, because nodes move. */
interface OpenMap {
  readonly key: Buffer
  readonly table: number
  cursor: number
}

export class BucketImage {
  readonly #effects: Effects
  readonly #writer: RecordWriter
  readonly bucket: number
  #cursor = 0
  #isLastSlot = false
  #hasBegun = false
  readonly #maps: OpenMap[] = []
  readonly #listens: boolean
  /** Keys written so far. */
  keys = 0

  /** `listens` false: the owner sees to it that the bucket's own records follow those of the image, in order. */
  constructor(effects: Effects, bucket: number, writer: RecordWriter, listens = true) {
    this.#listens = listens
    this.#effects = effects
    this.bucket = bucket
    this.#writer = writer
  }

  /** Writes about `budget` records; returns what is left of the budget, 0 or less if there is more to write. */
  step(budget: number): number {
    let left = budget
    if (this.#effects.isBusy(this.bucket)) return 0
    if (!this.#hasBegun) {
      this.#hasBegun = true
      if (this.#listens) this.#effects.listen(this.bucket, this.#writer)
    }
    const {dict} = this.#effects.keyspace
    const table = this.#effects.keyspace.table(this.bucket)
    while (left > 0) {
      const map = this.#maps[this.#maps.length - 1]
      if (map) {
        left -= this.#stepMap(map)
        continue
      }
      if (this.#isLastSlot) {
        this.end()
        return left
      }
      this.#cursor = dict.scan(table, this.#cursor, (node) => {
        left -= this.#visit(node)
      })
      left -= 0.25
      this.#isLastSlot = this.#cursor === 0
    }
    return 0
  }

  /** Stops listening, done or not. */
  end(): void {
    if (this.#effects.listener(this.bucket) === this.#writer) this.#effects.listen(this.bucket, null)
  }

  #visit(node: number): number {
    const {memory} = this.#effects.keyspace
    const {maps} = this.#effects
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    this.keys++
    if (!isMap(memory, node)) {
      const epoch = this.#effects.epoch[this.bucket]!
      const seq = this.#effects.seq[this.bucket]!
      const at = expireAt(memory, node)
      this.#writer.set(
        this.bucket,
        epoch,
        seq,
        this.#effects.time,
        bytes,
        from,
        length,
        bytes,
        valueOffset(memory, node),
        valueLength(memory, node),
        at,
      )
      return 1 + valueLength(memory, node) / BYTES_PER_RECORD
    }
    const key = Buffer.from(bytes.subarray(from, from + length))
    if (isLargeMap(memory, node)) {
      this.#maps.push({key, table: maps.table(node), cursor: 0})
      return 1
    }
    const count = maps.count(node)
    maps.each(node, (...field) => this.#writeField(key, ...field))
    this.#writeExpiry(node, key)
    return count
  }

  #stepMap(map: OpenMap): number {
    const {keyspace, maps} = this.#effects
    const node = keyspace.find(this.bucket, keyspace.hash(map.key, 0, map.key.length), map.key, 0, map.key.length)
    const isThere = node !== 0 && isLargeMap(keyspace.memory, node) && maps.table(node) === map.table
    if (!isThere) {
      // Deleted or replaced: its records tell.
      this.#maps.pop()
      return 1
    }
    let written = 0
    map.cursor = keyspace.dict.scan(map.table, map.cursor, (field) => {
      maps.visitField(field, (...parts) => {
        written += 1 + parts[5] / BYTES_PER_RECORD
        this.#writeField(map.key, ...parts)
      })
    })
    if (map.cursor === 0) {
      this.#writeExpiry(node, map.key)
      this.#maps.pop()
    }
    return written + 0.25
  }

  #writeField(
    key: Buffer,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
    at: number,
  ): void {
    const epoch = this.#effects.epoch[this.bucket]!
    const seq = this.#effects.seq[this.bucket]!
    const {time} = this.#effects
    this.#writer.mapSet(
      this.bucket,
      epoch,
      seq,
      time,
      key,
      0,
      key.length,
      field,
      fieldFrom,
      fieldBytes,
      value,
      valueFrom,
      valueBytes,
      at,
    )
  }

  #writeExpiry(node: number, key: Buffer): void {
    const at = expireAt(this.#effects.keyspace.memory, node)
    if (at === NO_EXPIRY) return
    const epoch = this.#effects.epoch[this.bucket]!
    this.#writer.expireAt(
      this.bucket,
      epoch,
      this.#effects.seq[this.bucket]!,
      this.#effects.time,
      key,
      0,
      key.length,
      at,
    )
  }
}
