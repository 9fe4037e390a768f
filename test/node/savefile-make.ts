/** Savefiles for tests: built in memory from the same parts, and read from memory through the real scanner. */
import type {NodeId} from '../../src/base/brand.ts'
import type {FileSystem} from '../../src/disk/durable-file.ts'
import {encodeFooter, encodeHeader, type SavefileMeta} from '../../src/node/savefile-format.ts'
import {scanSavefile, SavefileWriter, type ByteSource, type SavefileSummary} from '../../src/node/savefile.ts'
import {RecordCursor, RecordWriter, type Fault} from '../../src/record/codec.ts'
import {makeRecord, plainRecord, readFrames, writeRecord, type PlainRecord} from '../record/make.ts'

export const meta: SavefileMeta = {
  kind: 'final',
  nodeId: '0123456789abcdef0123456789abcdef01234567' as NodeId,
  createdUnixMs: 1_790_000_000_123,
}

/** The parts of a savefile, so that a test can leave one out. */
export function makeParts(
  batches: readonly (readonly PlainRecord[])[],
  given: SavefileMeta = meta,
): {header: Buffer; batches: Buffer[]; footer: Buffer} {
  const header = encodeHeader(given)
  const writer = new RecordWriter()
  writer.chain(header.readUInt32LE(124))
  const frames = batches.map((records) => {
    for (const record of records) writeRecord(writer, record)
    return Buffer.from(writer.frame())
  })
  return {header, batches: frames, footer: makeFooter(header, frames)}
}

/** A footer that fits what is before it. */
export function makeFooter(header: Buffer, batches: readonly Buffer[], keys = 3): Buffer {
  const frames = batches.flatMap(readFrames)
  const records = frames.reduce((sum, frame) => sum + frame.count, 0)
  const offset = batches.reduce((sum, batch) => sum + batch.length, header.length)
  const previous = frames.at(-1)?.crc ?? header.readUInt32LE(124)
  return encodeFooter({records, keys, batches: frames.length}, offset, previous)
}

export function makeSavefile(batches: readonly (readonly PlainRecord[])[]): Buffer {
  const parts = makeParts(batches)
  return Buffer.concat([parts.header, ...parts.batches, parts.footer])
}

/** Three batches of small records. */
export function smallSavefile(): Buffer {
  return makeSavefile([
    [makeRecord({seq: 1, key: 'a', value: 'one'}), makeRecord({seq: 2, key: 'b', value: ''})],
    [makeRecord({seq: 3, key: 'c', value: 'three', expireAt: 1_800_000_000_000})],
    [makeRecord({seq: 4, op: 3, key: 'm', field: 'f', value: 'v'})],
  ])
}

export function memorySource(bytes: Buffer, chunk = Infinity): ByteSource {
  return {
    size: bytes.length,
    read: (target, at, length, position) => {
      const end = Math.min(bytes.length, position + Math.min(length, chunk))
      return Promise.resolve(bytes.copy(target, at, position, end))
    },
  }
}

export async function faultOf(bytes: Buffer, chunk?: number): Promise<Fault | null> {
  const result = await scanSavefile(memorySource(bytes, chunk), null)
  return 'words' in result ? result : null
}

/** Writes records in batches of at most `perBatch`, as a node would. */
export async function saveRecords(
  path: string,
  records: readonly PlainRecord[],
  perBatch = 10,
  fs?: FileSystem,
): Promise<SavefileSummary> {
  const file = await SavefileWriter.open(path, meta, fs)
  const writer = new RecordWriter()
  writer.chain(file.previous)
  for (const [i, record] of records.entries()) {
    writeRecord(writer, record)
    if (i % perBatch === perBatch - 1) await file.append(writer.frame())
  }
  await file.append(writer.frame())
  return file.commit(records.length)
}

/** An `apply` that collects plain records. */
export function collector(): {
  records: PlainRecord[]
  apply: (buf: Buffer, frame: ReturnType<typeof readFrames>[0]) => void
} {
  const cursor = new RecordCursor()
  const records: PlainRecord[] = []
  const apply = (buf: Buffer, frame: ReturnType<typeof readFrames>[0]): void => {
    cursor.openFrame(buf, frame)
    while (cursor.next()) records.push(plainRecord(cursor))
  }
  return {records, apply}
}
