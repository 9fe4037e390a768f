/** The backlog gives what follows, in order and whole, or leaves a bucket where it was. */
import {expect, test} from 'vitest'
import {LOG_BACKLOG_BYTES_MAX, LOG_BACKLOG_CHUNK_BYTES} from '../../../src/constants.ts'
import {Backlog} from '../../../src/core/replication/backlog.ts'
import {NO_EXPIRY, RecordCursor, RecordWriter, checkFrame, readFrame} from '../../../src/record/codec.ts'

type Change = readonly [bucket: number, seq: number]

function frames(valueBytes: number, ...groups: readonly (readonly Change[])[]): Buffer {
  const writer = new RecordWriter()
  const value = Buffer.alloc(valueBytes)
  for (const group of groups) {
    writer.beginGroup()
    for (const [bucket, seq] of group) writer.set(bucket, 2, seq, 0, value, 0, 1, value, 0, valueBytes, NO_EXPIRY)
    writer.endGroup()
  }
  return Buffer.from(writer.frame())
}

function records(row: Buffer): string {
  if (row.length === 0) return ''
  const cursor = new RecordCursor()
  const verdict = readFrame(row, 0, row.length)
  if (verdict.kind !== 'ok') return verdict.kind
  expect(checkFrame(cursor, row, verdict.frame)).toBeNull()
  cursor.openFrame(row, verdict.frame)
  let text = ''
  while (cursor.next()) text += `${cursor.bucket}.${cursor.seq}${cursor.isGroupEnd ? '|' : ' '}`
  return text
}

test('records that follow come in order, with their groups', () => {
  const backlog = new Backlog()
  backlog.push(frames(1, [[7, 1]], [[8, 1]]))
  backlog.push(
    frames(
      1,
      [
        [7, 2],
        [7, 3],
      ],
      [[8, 2]],
      [[7, 4]],
    ),
  )
  const wanted = new Map([[7, {epoch: 2, seq: 1}]])
  expect(records(backlog.since(wanted))).toBe('7.2 7.3|7.4|')
  expect(wanted.get(7)?.seq).toBe(4)
})

test('what is not there any more, or of another epoch, is not made up', () => {
  const backlog = new Backlog()
  backlog.push(frames(1, [[7, 5]], [[8, 2]]))
  const wanted = new Map([
    [7, {epoch: 2, seq: 1}],
    [8, {epoch: 1, seq: 1}],
  ])
  expect(records(backlog.since(wanted))).toBe('')
  expect([...wanted.values()].map(({seq}) => seq)).toEqual([1, 1])
})

test('it forgets the oldest', () => {
  const backlog = new Backlog()
  const size = 100_000
  const count = Math.ceil(LOG_BACKLOG_BYTES_MAX / size) + 5
  for (let seq = 1; seq <= count; seq++) backlog.push(frames(size, [[7, seq]]))
  const wanted = new Map([[7, {epoch: 2, seq: 0}]])
  backlog.since(wanted)
  expect(wanted.get(7)?.seq).toBe(0)
  // It is forgotten in chunks.
  wanted.set(7, {epoch: 2, seq: 10 + Math.ceil((2 * LOG_BACKLOG_CHUNK_BYTES) / size)})
  backlog.since(wanted)
  expect(wanted.get(7)?.seq).toBe(count)
})
