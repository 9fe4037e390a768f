import fc from 'fast-check'
import {crc32} from 'node:zlib'
import {expect, test} from 'vitest'
import {RECORD_BATCH_BYTES_MAX, RECORD_BYTES_MAX} from '../../src/constants.ts'
import {
  checkFrame,
  FRAME_HEAD_BYTES,
  FrameChain,
  readFrame,
  RecordCursor,
  RecordWriter,
  sealFrame,
  type FrameVerdict,
} from '../../src/record/codec.ts'
import {arbitraryRecord, makeFrame, makeRecord, readFrames, readGroups, writeRecord, type PlainRecord} from './make.ts'

const sample = makeFrame([makeRecord({value: 'one'}), makeRecord({seq: 2, value: 'two'})])

function faultOf(verdict: FrameVerdict): readonly [string, number] | string {
  return verdict.kind === 'bad' ? [verdict.fault.code, verdict.fault.offset] : verdict.kind
}

/** Makes head and CRC right again after a change: what a hostile writer would send. */
function reseal(frame: Buffer): Buffer {
  frame.writeUInt32LE(crc32(frame.subarray(0, 20)), 20)
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_HEAD_BYTES), frame.readUInt32LE(20)), 24)
  return frame
}

test('frame: the bytes are those of the layout', () => {
  const frame = readFrames(sample)[0]!
  expect(sample.subarray(0, 4).toString('latin1')).toBe('KVB\x01')
  expect(sample.readUInt32LE(4)).toBe(sample.length - FRAME_HEAD_BYTES)
  expect(sample.readUInt32LE(8)).toBe(2)
  const whole = Buffer.concat([sample.subarray(0, 20), sample.subarray(FRAME_HEAD_BYTES)])
  expect(frame.crc).toBe(crc32(whole))
  expect(frame).toMatchObject({start: 0, end: sample.length, previous: null, isContinued: false, isContinuation: false})
})

test('frame: read byte by byte it asks for more until it is whole, never for too much', () => {
  const bytes = Buffer.concat([Buffer.from('xx'), sample, Buffer.from('rest')])
  for (let end = 2; end < 2 + sample.length; end++) {
    const verdict = readFrame(bytes, 2, end)
    if (verdict.kind !== 'need') throw new Error(`with ${end - 2} bytes: ${JSON.stringify(verdict)}`)
    expect(verdict.bytes).toBeGreaterThan(0)
    expect(end + verdict.bytes).toBeLessThanOrEqual(2 + sample.length)
  }
  expect(readFrame(bytes, 2, 2 + sample.length).kind).toBe('ok')
  expect(readFrame(bytes, 2, bytes.length).kind).toBe('ok')
})

test('frame: a flip of any bit is found', () => {
  for (let bit = 0; bit < sample.length * 8; bit++) {
    const bytes = Buffer.from(sample)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    expect(readFrame(bytes, 0, bytes.length).kind).toBe('bad')
  }
})

test('frame: damage, foreign bytes and other versions are told apart', () => {
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(sample)
    change(bytes)
    return bytes
  }
  const read = (bytes: Buffer): unknown => faultOf(readFrame(bytes, 0, bytes.length))
  expect(read(Buffer.from('*3\r\n$3\r\nSET'))).toEqual(['magic', 0])
  expect(read(Buffer.from('K*'))).toEqual(['magic', 0])
  expect(read(changed((b) => (b[3] = 2)))).toEqual(['version', 3])
  expect(read(changed((b) => b.writeUInt32LE(1e9, 4)))).toEqual(['head', 0])
  expect(read(changed((b) => (b[40] = 9)))).toEqual(['crc', 0])
  expect(read(reseal(changed((b) => b.writeUInt32LE(0, 8))))).toEqual(['length', 4])
  expect(read(reseal(changed((b) => b.writeUInt32LE(1000, 8))))).toEqual(['length', 4])
  expect(read(reseal(changed((b) => b.writeUInt32LE(RECORD_BATCH_BYTES_MAX + 1, 4))))).toEqual(['length', 4])
  expect(read(reseal(changed((b) => b.writeUInt32LE(77, 12))))).toEqual(['head', 12])
  expect(read(reseal(changed((b) => (b[16] = 8))))).toEqual(['head', 16])
  expect(read(reseal(changed((b) => (b[18] = 1))))).toEqual(['head', 16])
})

test('frame: even a sealed head cannot ask for more than one record may have', () => {
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  sealFrame(head, 0, FRAME_HEAD_BYTES, 1, 0, null)
  for (const [length, kind] of [
    [RECORD_BYTES_MAX, 'need'],
    [RECORD_BYTES_MAX + 1, 'bad'],
    [0xffffffff, 'bad'],
  ] as const) {
    head.writeUInt32LE(length, 4)
    expect(readFrame(reseal(head), 0, head.length).kind).toBe(kind)
  }
})

test('frame: records that are not what the head says are found before they are applied', () => {
  const cursor = new RecordCursor()
  const check = (change: (bytes: Buffer) => void): string | null => {
    const bytes = Buffer.from(sample)
    change(bytes)
    return checkFrame(cursor, bytes, readFrames(reseal(bytes))[0]!)?.code ?? null
  }
  const lastFlags = FRAME_HEAD_BYTES + (sample.length - FRAME_HEAD_BYTES) / 2 + 1
  expect(check(() => undefined)).toBeNull()
  expect(check((b) => b.writeUInt32LE(1, 8))).toBe('count')
  expect(check((b) => (b[FRAME_HEAD_BYTES] = 99))).toBe('op')
  expect(check((b) => (b[lastFlags]! |= 8))).toBe('group')
  expect(check((b) => (b[16] = 1))).toBe('group')
  expect(check((b) => ((b[16] = 1), (b[lastFlags]! |= 8)))).toBeNull()
})

test('chain: a frame that is missing, doubled, swapped or of another chain is found', () => {
  const writer = new RecordWriter()
  writer.chain(42)
  const frames = ['a', 'b', 'c'].map((value) => {
    writeRecord(writer, makeRecord({value}))
    return Buffer.from(writer.frame())
  })
  const [a, b, c] = frames as [Buffer, Buffer, Buffer]
  expect(readGroups(Buffer.concat(frames), 42)).toHaveLength(3)
  expect(writer.previous).toBe(readFrames(c)[0]!.crc)
  for (const row of [[b, c], [a, c], [a, a], [a, c, b], [a, b, sample], [sample]]) {
    expect(() => readGroups(Buffer.concat(row), 42)).toThrow('does not follow')
  }
  expect(() => readGroups(a, 43)).toThrow('does not follow')
  expect(() => readGroups(a, null)).toThrow('does not follow')
})

test('chain: what is reset leaves the chain where it was', () => {
  const writer = new RecordWriter(100)
  writer.chain(1)
  for (let i = 0; i < 10; i++) writeRecord(writer, makeRecord({value: 'x'.repeat(50)}))
  writer.reset()
  expect(writer.previous).toBe(1)
  expect(writer.frame()).toHaveLength(0)
  writeRecord(writer, makeRecord())
  expect(readGroups(writer.frame(), 1)).toEqual([[makeRecord()]])
})

test('groups: a group is not split over frames unless it is larger than one', () => {
  const limit = 400
  fc.assert(
    fc.property(
      fc.array(fc.array(arbitraryRecord, {minLength: 1, maxLength: 6}), {minLength: 1, maxLength: 12}),
      fc.boolean(),
      (groups, isChained) => {
        const writer = new RecordWriter(limit)
        if (isChained) writer.chain(7)
        for (const group of groups) {
          writer.beginGroup()
          writer.beginGroup()
          for (const record of group) writeRecord(writer, record)
          writer.endGroup()
          writer.endGroup()
        }
        const bytes = writer.frame()
        expect(readGroups(bytes, isChained ? 7 : null)).toEqual(groups)
        checkCuts(bytes, limit)
      },
    ),
    {numRuns: 1000},
  )
})

/** A frame is over the limit only with one record, and only where a group alone is larger than the limit is it cut. */
function checkCuts(bytes: Buffer, limit: number): void {
  const cursor = new RecordCursor()
  let isOpen = false
  for (const frame of readFrames(bytes)) {
    const size = frame.end - frame.recordsOff
    if (frame.count > 1) expect(size).toBeLessThanOrEqual(limit)
    expect(checkFrame(cursor, bytes, frame)).toBeNull()
    expect(frame.isContinuation).toBe(isOpen)
    isOpen = frame.isContinued
    cursor.openFrame(bytes, frame)
    let ends = 0
    while (cursor.next()) if (cursor.isGroupEnd) ends++
    if (frame.isContinued) expect(ends).toBe(0)
  }
  expect(isOpen).toBe(false)
}

test('groups: a cut at the very end of the buffer loses nothing', () => {
  // The buffer begins with 64 KiB; the frame is cut at every distance from its end.
  for (let limit = 65_400; limit < 65_540; limit++) {
    const writer = new RecordWriter(limit)
    const first = makeRecord({value: 'x'.repeat(65_000)})
    const group = Array.from({length: 30}, (_, seq) => makeRecord({seq, value: `${seq}`}))
    writeRecord(writer, first)
    writer.beginGroup()
    for (const record of group) writeRecord(writer, record)
    writer.endGroup()
    expect(readGroups(writer.frame())).toEqual([[first], group])
  }
})

test('groups: a reader can tell that a group is not all there', () => {
  const writer = new RecordWriter(100)
  const records: PlainRecord[] = Array.from({length: 9}, (_, seq) => makeRecord({seq, value: 'x'.repeat(20)}))
  writer.beginGroup()
  for (const record of records) writeRecord(writer, record)
  writer.endGroup()
  const bytes = Buffer.from(writer.frame())
  const frames = readFrames(bytes)
  expect(frames.length).toBeGreaterThan(3)
  expect(readGroups(bytes)).toEqual([records])
  expect(() => readGroups(bytes.subarray(0, frames[1]!.end))).toThrow('not whole')
  expect(() => readGroups(bytes.subarray(frames[1]!.start))).toThrow('not begun')
  const missing = Buffer.concat([bytes.subarray(0, frames[0]!.end), sample])
  expect(() => readGroups(missing)).toThrow('not continued')
})

test('groups: records without a group are groups of one; an unfinished group is not sent', () => {
  const writer = new RecordWriter()
  writeRecord(writer, makeRecord({seq: 1}))
  writer.beginGroup()
  writer.endGroup()
  writeRecord(writer, makeRecord({seq: 2}))
  writer.beginGroup()
  writeRecord(writer, makeRecord({seq: 3}))
  expect(() => writer.frame()).toThrow('must be ended')
  writer.endGroup()
  expect(readGroups(writer.frame()).map((group) => group.map(({seq}) => seq))).toEqual([[1], [2], [3]])
})

test('writer: frames that are taken are the taker’s until the next record', () => {
  const writer = new RecordWriter()
  writeRecord(writer, makeRecord({value: 'first'}))
  const view = writer.frame()
  const copy = Buffer.from(view)
  expect(writer.frame()).toHaveLength(0)
  expect(view).toEqual(copy)
  writeRecord(writer, makeRecord({value: 'again'}))
  expect(readGroups(writer.frame())[0]![0]!.value).toBe('again')
  expect(readGroups(copy)[0]![0]!.value).toBe('first')
})

test('chain: a long row of frames through one writer', () => {
  const writer = new RecordWriter(2000)
  const chain = new FrameChain(0)
  writer.chain(0)
  let records = 0
  for (let i = 0; i < 500; i++) {
    for (let j = 0; j < i % 50; j++) writeRecord(writer, makeRecord({seq: records++, value: 'v'.repeat(j * 3)}))
    const bytes = writer.frame()
    for (const frame of bytes.length === 0 ? [] : readFrames(bytes)) expect(chain.accept(frame)).toBeNull()
  }
  expect(chain.previous).toBe(writer.previous)
})
