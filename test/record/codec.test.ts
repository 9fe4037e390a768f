import fc from 'fast-check'
import {expect, test} from 'vitest'
import {AssertionError} from '../../src/base/assert.ts'
import {KEY_BYTES_MAX, RECORD_WRITER_KEEP_BYTES_MAX, SEQ_MAX} from '../../src/constants.ts'
import {NO_EXPIRY, readFrame, RecordCursor, RecordWriter} from '../../src/record/codec.ts'
import {FLAG_VALUE, OP_SHAPE_MAY, OP_SHAPE_MUST, RECORD_HEAD_BYTES} from '../../src/record/layout.ts'
import {OP_CLEAR, OP_DELETE, OP_MAX, OP_NAMES, OP_SET} from '../../src/record/op.ts'
import {
  arbitraryRecord,
  latin1,
  makeFrame,
  makeRecord,
  plainRecord,
  readFrames,
  readGroups,
  writeRecord,
} from './make.ts'

test('record: what is written is read, for every op', () => {
  const writer = new RecordWriter()
  fc.assert(
    fc.property(fc.array(arbitraryRecord, {minLength: 1, maxLength: 30}), (records) => {
      for (const record of records) writeRecord(writer, record)
      expect(writer.recordCount).toBe(records.length)
      expect(readGroups(writer.frame()).flat()).toEqual(records)
      expect(writer.recordCount).toBe(0)
    }),
    {numRuns: 1000},
  )
})

test('record: equal records are equal bytes, and a copy is the same bytes', () => {
  fc.assert(
    fc.property(fc.array(arbitraryRecord, {minLength: 1, maxLength: 10}), (records) => {
      const bytes = makeFrame(records)
      expect(makeFrame(records)).toEqual(bytes)
      const [frame] = readFrames(bytes)
      const cursor = new RecordCursor()
      const copies = new RecordWriter()
      cursor.openFrame(bytes, frame!)
      while (cursor.next()) copies.copy(cursor)
      expect(copies.frame()).toEqual(bytes)
    }),
    {numRuns: 200},
  )
})

test('record: the bytes are those of the layout', () => {
  const bytes = makeFrame([
    makeRecord({
      bucket: 0x1234,
      epoch: 0xa1b2c3d4,
      seq: 0x0102_0304_0506,
      time: 0x0a0b_0c0d_0e0f,
      value: 'hi',
      expireAt: -2,
    }),
  ])
  const head = '01' + '06' + '3412' + 'd4c3b2a1' + '060504030201' + '0f0e0d0c0b0a' + '03000000'
  const rest = '02000000' + 'feffffffffffffff' + latin1('keyhi').toString('hex')
  expect(bytes.subarray(28).toString('hex')).toBe(head + rest)
})

test('record: every op has a name and a shape', () => {
  expect(OP_NAMES).toHaveLength(OP_MAX + 1)
  for (let op = 1; op <= OP_MAX; op++) expect(OP_SHAPE_MAY[op]! & OP_SHAPE_MUST[op]!).toBe(OP_SHAPE_MUST[op])
  expect(OP_SHAPE_MUST[OP_SET]).toBe(FLAG_VALUE)
})

test('record: the writer refuses what is our bug', () => {
  const writer = new RecordWriter()
  const key = latin1('key')
  const set = (bucket: number, epoch: number, seq: number, time: number, keyLen: number, expireAt = NO_EXPIRY): void =>
    writer.set(bucket, epoch, seq, time, key, 0, keyLen, key, 0, 3, expireAt)
  const bugs: (() => void)[] = [
    () => set(16384, 0, 0, 0, 3),
    () => set(-1, 0, 0, 0, 3),
    () => set(0, 2 ** 32, 0, 0, 3),
    () => set(0, 0, SEQ_MAX + 1, 0, 3),
    () => set(0, 0, 1.5, 0, 3),
    () => set(0, 0, NaN, 0, 3),
    () => set(0, 0, 0, 0.5, 3),
    () => set(0, 0, 0, 0, 4),
    () => set(0, 0, 0, 0, -1),
    () => writer.set(0, 0, 0, 0, key, 0, 3, key, 1, 3, NO_EXPIRY),
    () => writer.expireAt(0, 0, 0, 0, key, 0, 3, NO_EXPIRY),
    () => writer.fieldExpireAt(0, 0, 0, 0, key, 0, 3, key, 0, 3, NO_EXPIRY),
    () => writer.delete(0, 0, 0, 0, Buffer.alloc(KEY_BYTES_MAX + 1), 0, KEY_BYTES_MAX + 1),
    () => writer.endGroup(),
  ]
  for (const bug of bugs) {
    expect(bug).toThrow(AssertionError)
    writer.reset()
  }
})

test('cursor: says what is wrong and where, and reads no further', () => {
  const good = makeFrame([makeRecord({key: 'a', value: '12'}), makeRecord({key: 'b', value: '34'})]).subarray(28)
  const size = RECORD_HEAD_BYTES + 4 + 3
  const cursor = new RecordCursor()
  const faultOf = (change: (bytes: Buffer) => void, end = good.length, count = 2): unknown => {
    const bytes = Buffer.from(good)
    change(bytes)
    cursor.open(bytes, 0, end, count)
    while (cursor.next());
    expect(cursor.next()).toBe(false)
    return cursor.fault === null ? null : [cursor.fault.code, cursor.fault.offset]
  }
  const nothing = (): void => undefined
  expect(faultOf(nothing)).toBeNull()
  expect(faultOf((b) => (b[size] = 0))).toEqual(['op', size])
  expect(faultOf((b) => (b[size] = OP_MAX + 1))).toEqual(['op', size])
  expect(faultOf((b) => (b[size + 1] = 0))).toEqual(['flags', size + 1])
  expect(faultOf((b) => (b[size + 1] = 0x12))).toEqual(['flags', size + 1])
  expect(faultOf((b) => (b[size] = OP_DELETE))).toEqual(['flags', size + 1])
  expect(faultOf((b) => b.writeUInt16LE(16384, size + 2))).toEqual(['bucket', size + 2])
  expect(faultOf((b) => b.writeUInt32LE(KEY_BYTES_MAX + 1, size + 20))).toEqual(['length', size])
  expect(faultOf((b) => b.writeUInt32LE(0xffffffff, size + 24))).toEqual(['length', size])
  expect(faultOf((b) => b.writeUInt32LE(3, size + 24))).toEqual(['cut', size])
  expect(faultOf(nothing, size + 10)).toEqual(['cut', size])
  expect(faultOf(nothing, size + RECORD_HEAD_BYTES)).toEqual(['cut', size])
  expect(faultOf(nothing, good.length, 3)).toEqual(['count', good.length])
  expect(faultOf(nothing, good.length, 1)).toEqual(['count', size])

  const clear = makeFrame([makeRecord({op: OP_DELETE, key: 'a'})]).subarray(28)
  clear[0] = OP_CLEAR
  cursor.open(clear, 0, clear.length)
  expect(cursor.next()).toBe(false)
  expect(cursor.fault?.code).toBe('length')
  const expiry = makeFrame([makeRecord({expireAt: 1})]).subarray(28)
  expiry.writeInt32LE(2 ** 21, RECORD_HEAD_BYTES + 8)
  cursor.open(expiry, 0, expiry.length)
  expect(cursor.next()).toBe(false)
  expect(cursor.fault?.code).toBe('expiry')
})

test('cursor: one cursor goes over many buffers', () => {
  const cursor = new RecordCursor()
  for (let i = 0; i < 5; i++) {
    // From the middle of a larger buffer, as out of a socket.
    const frame = makeFrame([makeRecord({seq: i, value: `v${i}`})])
    const bytes = Buffer.concat([Buffer.alloc(i), frame]).subarray(0)
    const verdict = readFrame(bytes, i, bytes.length)
    if (verdict.kind !== 'ok') throw new Error('the frame is good')
    cursor.openFrame(bytes, verdict.frame)
    expect(cursor.next()).toBe(true)
    expect(plainRecord(cursor)).toEqual(makeRecord({seq: i, value: `v${i}`}))
    expect(cursor.next()).toBe(false)
    expect(cursor.fault).toBeNull()
    cursor.close()
    expect(cursor.next()).toBe(false)
  }
})

test('record: a huge value travels, alone in its frame, and its memory is given back', () => {
  const writer = new RecordWriter()
  const value = Buffer.alloc(20 * 1024 * 1024, 'v')
  const key = latin1('k')
  writer.set(1, 1, 1, 1, key, 0, 1, key, 0, 1, NO_EXPIRY)
  writer.set(1, 1, 2, 1, key, 0, 1, value, 0, value.length, NO_EXPIRY)
  writer.set(1, 1, 3, 1, key, 0, 1, key, 0, 1, NO_EXPIRY)
  const bytes = writer.frame()
  expect(readFrames(bytes).map((frame) => frame.count)).toEqual([1, 1, 1])
  const [, huge] = readFrames(bytes)
  const cursor = new RecordCursor()
  cursor.openFrame(bytes, huge!)
  expect(cursor.next()).toBe(true)
  expect(bytes.subarray(cursor.valueOff, cursor.valueOff + cursor.valueLen).equals(value)).toBe(true)
  writer.clear(1, 1, 1, 1)
  expect(writer.frame().buffer.byteLength).toBeLessThan(RECORD_WRITER_KEEP_BYTES_MAX)
})
