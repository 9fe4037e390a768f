/**
 * Reads records in place. Hot path: one cursor is reused for all batches, its numeric fields describe the current record,
 * and no object is made per record. The layout is in layout.ts.
 *
 * The bytes may be hostile even where a CRC was right. Every length is checked against its limit and against the end
 * before it is used; a fault ends the reading and is a value (`fault`), never thrown.
 */
import {BUCKET_COUNT, KEY_BYTES_MAX, VALUE_BYTES_MAX} from '../constants.ts'
import {assert} from '../base/assert.ts'
import type {Frame} from './batch.ts'
import {
  FLAG_EXPIRE_AT,
  FLAG_FIELD,
  FLAG_MORE_IN_GROUP,
  FLAG_VALUE,
  NO_EXPIRY,
  OP_SHAPE_MAY,
  OP_SHAPE_MUST,
  RECORD_HEAD_BYTES,
  type Fault,
} from './layout.ts'
import {OP_CLEAR, OP_MAX, OP_NAMES} from './op.ts'

export type RecordFaultCode = 'cut' | 'op' | 'flags' | 'bucket' | 'length' | 'expiry' | 'count'

const TWO_32 = 2 ** 32
const NOTHING = Buffer.alloc(0)

export class RecordCursor {
  /** The buffer that the offsets below count in. */
  buf: Buffer = NOTHING
  /** What is wrong with the bytes, once `next()` returned false; null: all records were read. */
  fault: Fault<RecordFaultCode> | null = null

  /** The current record lies at `recordOff..recordEnd`. */
  recordOff = 0
  recordEnd = 0
  op = 0
  bucket = 0
  epoch = 0
  seq = 0
  /** Unix ms. */
  time = 0
  keyOff = 0
  keyLen = 0
  /** Length 0 both for an absent field or value and for an empty one: the op tells. */
  fieldOff = 0
  fieldLen = 0
  valueOff = 0
  valueLen = 0
  /** Unix ms, or NO_EXPIRY if the record has none. */
  expireAt = NO_EXPIRY
  /** The last record of its group: all since the one before it are applied now, or none. */
  isGroupEnd = true

  #view: DataView = new DataView(NOTHING.buffer)
  #base = 0
  #next = 0
  #end = 0
  #left = -1

  /**
   * Starts before the first of the records at `off..end`. With `count` it is a fault to find more or fewer than that.
   * The bytes must not change while they are read.
   */
  open(buf: Buffer, off: number, end: number, count = -1): void {
    assert(off >= 0 && off <= end && end <= buf.length, 'records must lie in their buffer')
    if (this.#view.buffer !== buf.buffer) this.#view = new DataView(buf.buffer)
    this.buf = buf
    this.#base = buf.byteOffset
    this.#next = off
    this.#end = end
    this.#left = count
    this.fault = null
  }

  /** Starts before the first record of a frame that `readFrame` found good. */
  openFrame(buf: Buffer, frame: Frame): void {
    this.open(buf, frame.recordsOff, frame.end, frame.count)
  }

  /** Lets go of the buffer, so that it can be collected. */
  close(): void {
    this.open(NOTHING, 0, 0)
    this.#view = new DataView(NOTHING.buffer)
  }

  /** Moves to the next record. False: there is none, or `fault` says what is wrong; the numeric fields then mean nothing. */
  next(): boolean {
    const off = this.#next
    const end = this.#end
    if (off === end) return this.#finish()
    if (end - off < RECORD_HEAD_BYTES) return this.#fail('cut', off, 'a record is cut')
    const view = this.#view
    const at = this.#base + off
    const op = view.getUint8(at)
    const flags = view.getUint8(at + 1)
    const bucket = view.getUint16(at + 2, true)
    if (op === 0 || op > OP_MAX) return this.#fail('op', off, `there is no op ${op}`)
    const must = OP_SHAPE_MUST[op]!
    if ((flags & must) !== must || (flags & ~OP_SHAPE_MAY[op]!) !== 0) {
      return this.#fail('flags', off + 1, `a record of op ${OP_NAMES[op]} cannot have flags ${flags}`)
    }
    if (bucket >= BUCKET_COUNT) return this.#fail('bucket', off + 2, `there is no bucket ${bucket}`)

    this.recordOff = off
    this.op = op
    this.bucket = bucket
    this.epoch = view.getUint32(at + 4, true)
    this.seq = view.getUint16(at + 12, true) * TWO_32 + view.getUint32(at + 8, true)
    this.time = view.getUint16(at + 18, true) * TWO_32 + view.getUint32(at + 14, true)
    this.isGroupEnd = (flags & FLAG_MORE_IN_GROUP) === 0
    return this.#readBody(off, end, flags, view.getUint32(at + 20, true))
  }

  /** Lengths, expiry, and where the bytes lie. */
  #readBody(off: number, end: number, flags: number, keyLen: number): boolean {
    const view = this.#view
    const base = this.#base
    let p = off + RECORD_HEAD_BYTES
    const lengthsEnd =
      p + (flags & FLAG_FIELD ? 4 : 0) + (flags & FLAG_VALUE ? 4 : 0) + (flags & FLAG_EXPIRE_AT ? 8 : 0)
    if (lengthsEnd > end) return this.#fail('cut', off, 'a record is cut')
    let fieldLen = 0
    let valueLen = 0
    if (flags & FLAG_FIELD) {
      fieldLen = view.getUint32(base + p, true)
      p += 4
    }
    if (flags & FLAG_VALUE) {
      valueLen = view.getUint32(base + p, true)
      p += 4
    }
    if (keyLen > KEY_BYTES_MAX || fieldLen > KEY_BYTES_MAX || valueLen > VALUE_BYTES_MAX) {
      return this.#fail('length', off, `key, field or value is too long (${keyLen}, ${fieldLen}, ${valueLen} bytes)`)
    }
    if (this.op === OP_CLEAR && keyLen !== 0) return this.#fail('length', off + 20, 'a clear cannot have a key')
    if (flags & FLAG_EXPIRE_AT) {
      this.expireAt = view.getInt32(base + p + 4, true) * TWO_32 + view.getUint32(base + p, true)
      if (!Number.isSafeInteger(this.expireAt)) return this.#fail('expiry', p, 'no such expiry time')
    } else {
      this.expireAt = NO_EXPIRY
    }
    const recordEnd = lengthsEnd + keyLen + fieldLen + valueLen
    if (recordEnd > end) return this.#fail('cut', off, `a record of ${recordEnd - off} bytes is cut`)
    this.keyOff = lengthsEnd
    this.keyLen = keyLen
    this.fieldOff = lengthsEnd + keyLen
    this.fieldLen = fieldLen
    this.valueOff = lengthsEnd + keyLen + fieldLen
    this.valueLen = valueLen
    this.recordEnd = recordEnd
    this.#next = recordEnd
    if (this.#left === 0) return this.#fail('count', off, 'more records than the batch says')
    if (this.#left > 0) this.#left--
    return true
  }

  #finish(): boolean {
    if (this.#left > 0 && this.fault === null) {
      return this.#fail('count', this.#end, `${this.#left} records fewer than the batch says`)
    }
    return false
  }

  /** Nothing is read after a fault: the cursor stands at the end. */
  #fail(code: RecordFaultCode, offset: number, words: string): false {
    this.fault = {code, offset, words}
    this.#next = this.#end
    this.#left = -1
    return false
  }
}
