/**
 * Writes records, one method an op. Hot path: every write command ends here, so a record is built from (buffer, offset,
 * length) triples and plain numbers, with no object and no view per record; hence the long parameter lists.
 * `node test/record/bench.ts` measures it. The bytes are described in layout.ts, batches and groups in batch-builder.ts.
 *
 * All methods share: `bucket`, `epoch` and `seq` of the change, `time` (integer unix ms), then the bytes. What does not hold
 * (a range outside its buffer, a number outside its field) is our bug and throws AssertionError.
 */
import {
  BUCKET_COUNT,
  EPOCH_MAX,
  KEY_BYTES_MAX,
  RECORD_BATCH_BYTES_MAX,
  SEQ_MAX,
  TIME_MS_MAX,
  VALUE_BYTES_MAX,
} from '../constants.ts'
import {assert} from '../base/assert.ts'
import {BatchBuilder} from './batch-builder.ts'
import type {RecordCursor} from './cursor.ts'
import {
  copyBytes,
  FLAG_EXPIRE_AT,
  FLAG_FIELD,
  FLAG_MORE_IN_GROUP,
  FLAG_VALUE,
  NO_EXPIRY,
  RECORD_HEAD_BYTES,
} from './layout.ts'
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
} from './op.ts'

const TWO_32 = 2 ** 32
const NOTHING = Buffer.alloc(0)

function checkBytes(buf: Buffer, off: number, len: number, lenMax: number): void {
  assert(off >= 0 && len >= 0 && off + len <= buf.length, 'the bytes of a record must lie in their buffer')
  assert(len <= lenMax, 'key, field or value exceeds its limit')
}

function isIntegerUpTo(n: number, max: number): boolean {
  return n >= 0 && n <= max && Math.floor(n) === n
}

export class RecordWriter {
  readonly #batch: BatchBuilder

  /** `batchBytesMax`: limit of one batch's records, for tests; a reader takes no more than the default. */
  constructor(batchBytesMax = RECORD_BATCH_BYTES_MAX) {
    this.#batch = new BatchBuilder(batchBytesMax)
  }

  /** Frames from now on name the one before them; the first names `previous` (a file header's CRC, the last frame's). */
  chain(previous: number): void {
    this.#batch.chain(previous)
  }

  /** The crc of the last frame that was taken, from which a chain goes on; null without a chain. */
  get previous(): number | null {
    return this.#batch.previous
  }

  /** Records written since the last `frame()`. */
  get recordCount(): number {
    return this.#batch.recordCount
  }

  /** Bytes that `frame()` would give now, 0 if nothing is pending. Past RECORD_BATCH_BYTES_MAX it is time to take them. */
  get pendingBytes(): number {
    return this.#batch.pendingBytes
  }

  /** All records up to the matching `endGroup()` are applied as a whole or not at all. Groups nest; the outermost counts. */
  beginGroup(): void {
    this.#batch.beginGroup()
  }

  endGroup(): void {
    this.#batch.endGroup()
  }

  /**
   * Seals what is pending and gives it: one frame, or several back to back if the limit was passed; empty if nothing is
   * pending. The bytes are the caller's only until the next record is written: who keeps them longer (a socket that has
   * not yet sent them, a queue) copies them.
   */
  frame(): Buffer {
    return this.#batch.take()
  }

  /** As `frame()`, in several pieces if there is much: nothing large is copied, and the bytes are the caller's for good. */
  frames(): Buffer[] {
    return this.#batch.takeAll()
  }

  /** Gives what is sealed already, in the middle of a group too, and forgets it. The caller's for good. Not on a chain. */
  takeSealed(): Buffer {
    return this.#batch.takeSealed()
  }

  /** Appends frames that an unchained writer sealed; on a chain they become links of it. Not within a group. They are ours now. */
  adopt(frames: readonly Buffer[]): void {
    this.#batch.adopt(frames)
  }

  /** Forgets what was written since the last `frame()`, an unfinished group too. A chain stands where that left it. */
  reset(): void {
    this.#batch.reset()
  }

  /** Key becomes this string. `expireAt`: integer unix ms or NO_EXPIRY. */
  set(
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    expireAt: number,
  ): void {
    checkBytes(value, valueOff, valueLen, VALUE_BYTES_MAX)
    const hasExpiry = expireAt !== NO_EXPIRY
    const size = (hasExpiry ? 12 : 4) + valueLen
    let p = this.#head(
      OP_SET,
      hasExpiry ? FLAG_VALUE | FLAG_EXPIRE_AT : FLAG_VALUE,
      bucket,
      epoch,
      seq,
      time,
      key,
      keyOff,
      keyLen,
      size,
    )
    this.#batch.view.setUint32(p, valueLen, true)
    p += 4
    if (hasExpiry) p = this.#expiry(p, expireAt)
    copyBytes(this.#batch.buf, p, key, keyOff, keyLen)
    copyBytes(this.#batch.buf, p + keyLen, value, valueOff, valueLen)
  }

  /** Key is gone. */
  delete(bucket: number, epoch: number, seq: number, time: number, key: Buffer, keyOff: number, keyLen: number): void {
    const p = this.#head(OP_DELETE, 0, bucket, epoch, seq, time, key, keyOff, keyLen, 0)
    copyBytes(this.#batch.buf, p, key, keyOff, keyLen)
  }

  /** Field of the map becomes this value. `expireAt` of the field: integer unix ms or NO_EXPIRY. */
  mapSet(
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    field: Buffer,
    fieldOff: number,
    fieldLen: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    expireAt: number,
  ): void {
    checkBytes(field, fieldOff, fieldLen, KEY_BYTES_MAX)
    checkBytes(value, valueOff, valueLen, VALUE_BYTES_MAX)
    const hasExpiry = expireAt !== NO_EXPIRY
    const flags = FLAG_FIELD | FLAG_VALUE | (hasExpiry ? FLAG_EXPIRE_AT : 0)
    const size = (hasExpiry ? 16 : 8) + fieldLen + valueLen
    let p = this.#head(OP_MAP_SET, flags, bucket, epoch, seq, time, key, keyOff, keyLen, size)
    this.#batch.view.setUint32(p, fieldLen, true)
    this.#batch.view.setUint32(p + 4, valueLen, true)
    p += 8
    if (hasExpiry) p = this.#expiry(p, expireAt)
    copyBytes(this.#batch.buf, p, key, keyOff, keyLen)
    copyBytes(this.#batch.buf, p + keyLen, field, fieldOff, fieldLen)
    copyBytes(this.#batch.buf, p + keyLen + fieldLen, value, valueOff, valueLen)
  }

  /** Field of the map is gone; a map without fields too. */
  mapDelete(
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    field: Buffer,
    fieldOff: number,
    fieldLen: number,
  ): void {
    this.#fieldRecord(
      OP_MAP_DELETE,
      bucket,
      epoch,
      seq,
      time,
      key,
      keyOff,
      keyLen,
      field,
      fieldOff,
      fieldLen,
      NO_EXPIRY,
    )
  }

  /** Field of the map expires at `expireAt`, integer unix ms. */
  fieldExpireAt(
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    field: Buffer,
    fieldOff: number,
    fieldLen: number,
    expireAt: number,
  ): void {
    assert(expireAt !== NO_EXPIRY, 'a field that does not expire is a fieldPersist')
    this.#fieldRecord(
      OP_FIELD_EXPIRE_AT,
      bucket,
      epoch,
      seq,
      time,
      key,
      keyOff,
      keyLen,
      field,
      fieldOff,
      fieldLen,
      expireAt,
    )
  }

  /** Field of the map does not expire. */
  fieldPersist(
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    field: Buffer,
    fieldOff: number,
    fieldLen: number,
  ): void {
    this.#fieldRecord(
      OP_FIELD_PERSIST,
      bucket,
      epoch,
      seq,
      time,
      key,
      keyOff,
      keyLen,
      field,
      fieldOff,
      fieldLen,
      NO_EXPIRY,
    )
  }

  #fieldRecord(
    op: number,
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    field: Buffer,
    fieldOff: number,
    fieldLen: number,
    expireAt: number,
  ): void {
    checkBytes(field, fieldOff, fieldLen, KEY_BYTES_MAX)
    const hasExpiry = expireAt !== NO_EXPIRY
    const flags = hasExpiry ? FLAG_FIELD | FLAG_EXPIRE_AT : FLAG_FIELD
    let p = this.#head(op, flags, bucket, epoch, seq, time, key, keyOff, keyLen, (hasExpiry ? 12 : 4) + fieldLen)
    this.#batch.view.setUint32(p, fieldLen, true)
    p += 4
    if (hasExpiry) p = this.#expiry(p, expireAt)
    copyBytes(this.#batch.buf, p, key, keyOff, keyLen)
    copyBytes(this.#batch.buf, p + keyLen, field, fieldOff, fieldLen)
  }

  /** Key expires at `expireAt`, integer unix ms. */
  expireAt(
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    expireAt: number,
  ): void {
    let p = this.#head(OP_EXPIRE_AT, FLAG_EXPIRE_AT, bucket, epoch, seq, time, key, keyOff, keyLen, 8)
    p = this.#expiry(p, expireAt)
    copyBytes(this.#batch.buf, p, key, keyOff, keyLen)
  }

  /** Key does not expire. */
  persist(bucket: number, epoch: number, seq: number, time: number, key: Buffer, keyOff: number, keyLen: number): void {
    const p = this.#head(OP_PERSIST, 0, bucket, epoch, seq, time, key, keyOff, keyLen, 0)
    copyBytes(this.#batch.buf, p, key, keyOff, keyLen)
  }

  /** The bucket is empty. */
  clear(bucket: number, epoch: number, seq: number, time: number): void {
    this.#head(OP_CLEAR, 0, bucket, epoch, seq, time, NOTHING, 0, 0, 0)
  }

  /** Appends the record at which a cursor stands, as it is. Whether it is part of a group is decided here, not there. */
  copy(cursor: RecordCursor): void {
    const size = cursor.recordEnd - cursor.recordOff
    const at = this.#batch.reserve(size)
    copyBytes(this.#batch.buf, at, cursor.buf, cursor.recordOff, size)
    this.#batch.buf[at + 1]! &= ~FLAG_MORE_IN_GROUP
  }

  /** Writes the head of a record that has `restBytes` besides head and key; returns where the optional lengths belong. */
  #head(
    op: number,
    flags: number,
    bucket: number,
    epoch: number,
    seq: number,
    time: number,
    key: Buffer,
    keyOff: number,
    keyLen: number,
    restBytes: number,
  ): number {
    checkBytes(key, keyOff, keyLen, KEY_BYTES_MAX)
    assert(isIntegerUpTo(bucket, BUCKET_COUNT - 1), 'no such bucket')
    assert(isIntegerUpTo(epoch, EPOCH_MAX), 'an epoch has 32 bits')
    assert(isIntegerUpTo(seq, SEQ_MAX), 'a seq is an integer of 48 bits')
    assert(isIntegerUpTo(time, TIME_MS_MAX), 'a time is an integer of 48 bits')
    const at = this.#batch.reserve(RECORD_HEAD_BYTES + keyLen + restBytes)
    const view = this.#batch.view
    view.setUint32(at, op | (flags << 8) | (bucket << 16), true)
    view.setUint32(at + 4, epoch, true)
    view.setUint32(at + 8, seq, true)
    view.setUint16(at + 12, seq / TWO_32, true)
    view.setUint32(at + 14, time, true)
    view.setUint16(at + 18, time / TWO_32, true)
    view.setUint32(at + 20, keyLen, true)
    return at + RECORD_HEAD_BYTES
  }

  #expiry(at: number, expireAt: number): number {
    assert(Number.isSafeInteger(expireAt), 'an expiry is an integer of ms')
    this.#batch.view.setUint32(at, expireAt, true)
    this.#batch.view.setInt32(at + 4, Math.floor(expireAt / TWO_32), true)
    return at + 8
  }
}
