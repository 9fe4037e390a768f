/**
 * Hostile bytes into cursor and frame reader. Plain loops over a seeded generator: 800,000 cases in seconds, and a
 * failure names its case, which `KV_FUZZ_SEED` repeats.
 */
import {crc32} from 'node:zlib'
import {expect, test} from 'vitest'
import {assert} from '../../src/base/assert.ts'
import {Prng} from '../../src/base/prng.ts'
import {RECORD_BYTES_MAX} from '../../src/constants.ts'
import {checkFrame, FRAME_HEAD_BYTES, readFrame, RecordCursor, RecordWriter} from '../../src/record/codec.ts'
import {OP_CLEAR, OP_SET} from '../../src/record/op.ts'
import {plainRecord, writeRecord} from './make.ts'
import {mutate, randomBytes, randomRecord} from './mutate.ts'

const SEED = Number(process.env.KV_FUZZ_SEED ?? 20_240_601)
const CASES = 400_000

/** A good frame of 1..4 records of any op, as one group or each for itself. */
function goodFrame(prng: Prng, writer: RecordWriter): Buffer {
  const isGroup = prng.below(3) === 0
  if (isGroup) writer.beginGroup()
  for (let left = 1 + prng.below(4); left > 0; left--)
    writeRecord(writer, randomRecord(prng, OP_SET + prng.below(OP_CLEAR)))
  if (isGroup) writer.endGroup()
  return Buffer.from(writer.frame())
}

function makeCorpus(prng: Prng, count: number): Buffer[] {
  const writer = new RecordWriter()
  return Array.from({length: count}, () => goodFrame(prng, writer))
}

/** Reads all there is and holds it to what a cursor promises of any bytes. Returns the records that it took for good. */
function exhaust(cursor: RecordCursor, off: number, end: number): number {
  let records = 0
  let last = off
  while (cursor.next()) {
    assert(cursor.recordOff === last && cursor.recordEnd > last && cursor.recordEnd <= end, 'records lie end to end')
    assert(cursor.keyOff >= last + 24 && cursor.keyLen >= 0, 'the key lies in its record')
    assert(cursor.fieldOff === cursor.keyOff + cursor.keyLen && cursor.fieldLen >= 0, 'the field follows the key')
    assert(cursor.valueOff === cursor.fieldOff + cursor.fieldLen, 'the value follows the field')
    assert(cursor.valueOff + cursor.valueLen === cursor.recordEnd, 'the value ends the record')
    last = cursor.recordEnd
    records++
  }
  assert(records <= (end - off) / 24, 'no more records than bytes allow')
  const fault = cursor.fault
  assert(fault === null ? last === end : fault.offset >= last && fault.offset <= end, 'a fault lies in the bytes')
  assert(!cursor.next(), 'nothing is read after the end')
  return records
}

function inCase(seed: number, i: number, work: () => void): void {
  try {
    work()
  } catch (error) {
    throw new Error(`seed ${seed}, case ${i}`, {cause: error})
  }
}

test('cursor: hostile bytes are refused or read within their bounds', () => {
  const prng = new Prng(SEED)
  const corpus = makeCorpus(prng, 300)
  const cursor = new RecordCursor()
  const again = new RecordWriter()
  let faults = 0
  let good = 0
  for (let i = 0; i < CASES; i++) {
    inCase(SEED, i, () => {
      const frame = corpus[prng.below(corpus.length)]!
      const bytes = prng.below(5) === 0 ? randomBytes(prng, 120) : mutate(prng, frame.subarray(FRAME_HEAD_BYTES))
      // The bytes before and after must not be taken for a part.
      const off = prng.below(Math.min(3, bytes.length + 1))
      const end = bytes.length - prng.below(Math.min(3, bytes.length - off + 1))
      cursor.open(bytes, off, end, prng.below(2) === 0 ? -1 : prng.below(5))
      good += exhaust(cursor, off, end)
      if (cursor.fault !== null) faults++
      if (i % 16 !== 0) return
      // What is taken for a record is one: written anew it gives the same bytes.
      cursor.open(bytes, off, end)
      while (cursor.next()) {
        writeRecord(again, plainRecord(cursor))
        const written = again.frame().subarray(FRAME_HEAD_BYTES)
        const read = Buffer.from(bytes.subarray(cursor.recordOff, cursor.recordEnd))
        read[1]! &= ~8
        assert(written.equals(read), 'there is one way to write a record')
      }
    })
  }
  expect(faults).toBeGreaterThan(CASES / 4)
  expect(good).toBeGreaterThan(CASES / 4)
})

test('frame: hostile bytes are refused, wait for a bounded rest, or are what a CRC says', () => {
  const prng = new Prng(SEED + 1)
  const corpus = makeCorpus(prng, 300)
  const cursor = new RecordCursor()
  const verdicts = {ok: 0, need: 0, bad: 0, faulty: 0}
  for (let i = 0; i < CASES; i++) {
    inCase(SEED + 1, i, () => {
      const frame = corpus[prng.below(corpus.length)]!
      const kind = prng.below(8)
      const bytes = kind === 0 ? randomBytes(prng, 100) : mutate(prng, frame)
      if (kind >= 4) reseal(bytes)
      const verdict = readFrame(bytes, 0, bytes.length)
      verdicts[verdict.kind]++
      if (verdict.kind === 'need') {
        assert(verdict.bytes > 0 && verdict.bytes <= RECORD_BYTES_MAX + FRAME_HEAD_BYTES, 'a bounded rest')
      } else if (verdict.kind === 'bad') {
        assert(verdict.fault.offset >= 0 && verdict.fault.offset <= bytes.length, 'a fault lies in the bytes')
      } else {
        assert(verdict.frame.end <= bytes.length, 'a frame lies in the bytes')
        if (checkFrame(cursor, bytes, verdict.frame) !== null) verdicts.faulty++
        cursor.openFrame(bytes, verdict.frame)
        exhaust(cursor, verdict.frame.recordsOff, verdict.frame.end)
      }
    })
  }
  // Each answer was met often, or the loop tests nothing.
  for (const count of Object.values(verdicts)) expect(count).toBeGreaterThan(CASES / 50)
})

/** Makes length (mostly) and CRCs right again, as far as there are bytes: damage that only a hostile writer can make. */
function reseal(bytes: Buffer): void {
  if (bytes.length < FRAME_HEAD_BYTES) return
  bytes.write('KVB\x01', 0, 'latin1')
  bytes.writeUInt32LE(0, 12)
  bytes.writeUInt32LE(bytes.readUInt32LE(16) & 3, 16)
  bytes.writeUInt32LE(bytes.length - FRAME_HEAD_BYTES, 4)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20)
  bytes.writeUInt32LE(crc32(bytes.subarray(FRAME_HEAD_BYTES), bytes.readUInt32LE(20)), 24)
}
