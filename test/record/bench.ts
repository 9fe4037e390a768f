/**
 * Speed of the record codec: `node_modules/.bin/node test/record/bench.ts`. Prints ns per record (best of several rounds,
 * CPU of one core) and the JavaScript heap that it cost; not a test, the figures stand in src/record/layout.ts.
 */
import {performance} from 'node:perf_hooks'
import {NO_EXPIRY, readFrame, RecordCursor, RecordWriter} from '../../src/record/codec.ts'
import {RECORD_BATCH_BYTES_MAX} from '../../src/constants.ts'

const ROUNDS = 7
const RECORDS = 500_000
const source = Buffer.alloc(64 * 1024, 'kv')

interface Case {
  readonly name: string
  readonly run: () => number
}

function writeRecords(valueLen: number): () => number {
  const writer = new RecordWriter()
  return () => {
    for (let i = 0; i < RECORDS; i++) {
      writer.set(i & 16383, 3, 5e9 + i, 1.8e12 + i, source, i & 511, 16, source, i & 1023, valueLen, NO_EXPIRY)
      if (writer.pendingBytes > RECORD_BATCH_BYTES_MAX) writer.frame()
    }
    writer.frame()
    return RECORDS
  }
}

function writeMapRecords(): () => number {
  const writer = new RecordWriter()
  return () => {
    for (let i = 0; i < RECORDS; i++) {
      writer.mapSet(
        i & 16383,
        3,
        5e9 + i,
        1.8e12,
        source,
        i & 511,
        16,
        source,
        i & 255,
        8,
        source,
        i & 1023,
        64,
        1.9e12,
      )
      if (writer.pendingBytes > RECORD_BATCH_BYTES_MAX) writer.frame()
    }
    writer.frame()
    return RECORDS
  }
}

/** One frame for each record: what an unpipelined write pays. */
function writeFrames(): () => number {
  const writer = new RecordWriter()
  return () => {
    for (let i = 0; i < RECORDS / 5; i++) {
      writer.set(i & 16383, 3, 5e9 + i, 1.8e12 + i, source, i & 511, 16, source, i & 1023, 64, NO_EXPIRY)
      writer.frame()
    }
    return RECORDS / 5
  }
}

function fullFrame(): Buffer {
  const writer = new RecordWriter()
  while (writer.pendingBytes < RECORD_BATCH_BYTES_MAX - 200) {
    writer.set(1, 3, 5e9, 1.8e12, source, 0, 16, source, 0, 64, NO_EXPIRY)
  }
  return Buffer.from(writer.frame())
}

function readRecords(hasCrc: boolean): () => number {
  const bytes = fullFrame()
  const cursor = new RecordCursor()
  const first = readFrame(bytes, 0, bytes.length)
  return () => {
    let records = 0
    let sum = 0
    for (let i = 0; i < RECORDS / 2400; i++) {
      const verdict = hasCrc ? readFrame(bytes, 0, bytes.length) : first
      if (verdict.kind !== 'ok') throw new Error('the frame must be good')
      cursor.openFrame(bytes, verdict.frame)
      while (cursor.next()) {
        sum += cursor.seq + cursor.valueOff
        records++
      }
    }
    if (sum === 0) throw new Error('the loop must not be dropped')
    return records
  }
}

const cases: readonly Case[] = [
  {name: 'encode SET 16 B key, 64 B value', run: writeRecords(64)},
  {name: 'encode SET 16 B key, 1 KB value', run: writeRecords(1024)},
  {name: 'encode MAP_SET 16/8/64 B, expiry', run: writeMapRecords()},
  {name: 'encode SET 64 B + frame of its own', run: writeFrames()},
  {name: 'decode SET 64 B (cursor only)', run: readRecords(false)},
  {name: 'decode SET 64 B (CRC + cursor)', run: readRecords(true)},
]

for (const {name, run} of cases) {
  run()
  let best = Infinity
  let heap = 0
  for (let round = 0; round < ROUNDS; round++) {
    const heapBefore = process.memoryUsage().heapUsed
    const start = performance.now()
    const records = run()
    best = Math.min(best, ((performance.now() - start) * 1e6) / records)
    heap = Math.max(heap, (process.memoryUsage().heapUsed - heapBefore) / records)
  }
  console.log(`${name.padEnd(36)} ${best.toFixed(1).padStart(8)} ns  ${Math.max(heap, 0).toFixed(2)} heap bytes`)
}
