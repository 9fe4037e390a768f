/** Builders of records for tests: a plain object for each record, written and read back through the real codec. */
import fc from 'fast-check'
import {EPOCH_MAX, SEQ_MAX, TIME_MS_MAX} from '../../src/constants.ts'
import {FrameChain, NO_EXPIRY, readFrame, RecordCursor, RecordWriter, type Frame} from '../../src/record/codec.ts'
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
} from '../../src/record/op.ts'

export interface PlainRecord {
  readonly op: number
  readonly bucket: number
  readonly epoch: number
  readonly seq: number
  readonly time: number
  readonly key: string
  readonly field: string
  readonly value: string
  readonly expireAt: number
}

/** Bytes as one character each, so that records compare as plain values. */
export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

export function makeRecord(given: Partial<PlainRecord> = {}): PlainRecord {
  const base = {
    op: OP_SET,
    bucket: 1,
    epoch: 1,
    seq: 1,
    time: 1.8e12,
    key: 'key',
    field: '',
    value: '',
    expireAt: NO_EXPIRY,
  }
  return {...base, ...given}
}

export const arbitraryRecord: fc.Arbitrary<PlainRecord> = fc
  .record({
    op: fc.integer({min: OP_SET, max: OP_CLEAR}),
    bucket: fc.integer({min: 0, max: 16383}),
    epoch: fc.oneof(fc.constantFrom(0, 1, 2 ** 31, EPOCH_MAX), fc.integer({min: 0, max: EPOCH_MAX})),
    seq: fc.oneof(
      fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, SEQ_MAX),
      fc.maxSafeNat().map((n) => n % SEQ_MAX),
    ),
    time: fc.oneof(fc.constantFrom(0, TIME_MS_MAX), fc.integer({min: 1.7e12, max: 1.9e12})),
    key: fc.uint8Array({maxLength: 60}),
    field: fc.uint8Array({maxLength: 40}),
    value: fc.uint8Array({maxLength: 300}),
    expireAt: fc.oneof(
      fc.constantFrom(NO_EXPIRY, 0, -1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 2 ** 32, -(2 ** 32)),
      fc.maxSafeInteger(),
    ),
  })
  .map((r) => shapeRecord({...r, key: text(r.key), field: text(r.field), value: text(r.value)}))

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

/** Leaves out what the op has no use for. */
export function shapeRecord(r: PlainRecord): PlainRecord {
  const hasField = [OP_MAP_SET, OP_MAP_DELETE, OP_FIELD_EXPIRE_AT, OP_FIELD_PERSIST].includes(r.op)
  const hasValue = r.op === OP_SET || r.op === OP_MAP_SET
  const mustExpire = r.op === OP_EXPIRE_AT || r.op === OP_FIELD_EXPIRE_AT
  const expireAt = mustExpire && r.expireAt === NO_EXPIRY ? 5 : mustExpire || hasValue ? r.expireAt : NO_EXPIRY
  return {
    ...r,
    key: r.op === OP_CLEAR ? '' : r.key,
    field: hasField ? r.field : '',
    value: hasValue ? r.value : '',
    // fast-check draws -0, which is written as 0.
    expireAt: expireAt + 0,
  }
}

/** Writes a record from the middle of larger buffers, as the engine does. */
export function writeRecord(writer: RecordWriter, r: PlainRecord): void {
  const pad = '\xffpad'
  const key = latin1(pad + r.key + pad)
  const field = latin1(r.field + pad)
  const value = latin1(pad + pad + r.value)
  const {bucket, epoch, seq, time, expireAt} = r
  const k = r.key.length
  const f = r.field.length
  const v = r.value.length
  if (r.op === OP_SET) writer.set(bucket, epoch, seq, time, key, 4, k, value, 8, v, expireAt)
  else if (r.op === OP_DELETE) writer.delete(bucket, epoch, seq, time, key, 4, k)
  else if (r.op === OP_MAP_SET) writer.mapSet(bucket, epoch, seq, time, key, 4, k, field, 0, f, value, 8, v, expireAt)
  else if (r.op === OP_MAP_DELETE) writer.mapDelete(bucket, epoch, seq, time, key, 4, k, field, 0, f)
  else if (r.op === OP_EXPIRE_AT) writer.expireAt(bucket, epoch, seq, time, key, 4, k, expireAt)
  else if (r.op === OP_PERSIST) writer.persist(bucket, epoch, seq, time, key, 4, k)
  else if (r.op === OP_FIELD_EXPIRE_AT) writer.fieldExpireAt(bucket, epoch, seq, time, key, 4, k, field, 0, f, expireAt)
  else if (r.op === OP_FIELD_PERSIST) writer.fieldPersist(bucket, epoch, seq, time, key, 4, k, field, 0, f)
  else writer.clear(bucket, epoch, seq, time)
}

export function plainRecord(c: RecordCursor): PlainRecord {
  const {op, bucket, epoch, seq, time, expireAt, buf} = c
  const key = buf.toString('latin1', c.keyOff, c.keyOff + c.keyLen)
  const field = buf.toString('latin1', c.fieldOff, c.fieldOff + c.fieldLen)
  const value = buf.toString('latin1', c.valueOff, c.valueOff + c.valueLen)
  return {op, bucket, epoch, seq, time, key, field, value, expireAt}
}

/** All frames of a buffer; throws if one is not good. */
export function readFrames(buf: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let off = 0; off < buf.length;) {
    const verdict = readFrame(buf, off, buf.length)
    if (verdict.kind !== 'ok') throw new Error(`frame at ${off}: ${JSON.stringify(verdict)}`)
    frames.push(verdict.frame)
    off = verdict.frame.end
  }
  return frames
}

/** The records of a buffer of frames, in groups as they would be applied. */
export function readGroups(buf: Buffer, previous: number | null = null): PlainRecord[][] {
  const chain = new FrameChain(previous)
  const cursor = new RecordCursor()
  const groups: PlainRecord[][] = []
  let group: PlainRecord[] = []
  for (const frame of readFrames(buf)) {
    const fault = chain.accept(frame)
    if (fault !== null) throw new Error(fault.words)
    cursor.openFrame(buf, frame)
    while (cursor.next()) {
      group.push(plainRecord(cursor))
      if (!cursor.isGroupEnd) continue
      groups.push(group)
      group = []
    }
    if (cursor.fault !== null) throw new Error(cursor.fault.words)
  }
  if (group.length > 0 || chain.isGroupOpen) throw new Error('the last group is not whole')
  return groups
}

/** One frame with the given records, each its own group. */
export function makeFrame(records: readonly PlainRecord[]): Buffer {
  const writer = new RecordWriter()
  for (const record of records) writeRecord(writer, record)
  return Buffer.from(writer.frame())
}
