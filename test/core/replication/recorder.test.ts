/** A data-log node writes down what follows, and says once what does not. */
import {beforeEach, describe, expect, test} from 'vitest'
import {Engine} from '../../../src/core/engine.ts'
import {REFUSED_GAP, REFUSED_STALE} from '../../../src/core/peer/message.ts'
import {Recorder} from '../../../src/core/replication/recorder.ts'
import {NO_EXPIRY, RecordCursor, RecordWriter, checkFrame, readFrame} from '../../../src/record/codec.ts'
import {
  IMAGE_FIRST,
  IMAGE_GAP,
  LOG_EPOCH,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_RECORDS,
  decodeLogLines,
} from '../../../src/record/log-entry.ts'
import {LogPositions} from '../../../src/record/log-position.ts'
import type {Host} from '../../../src/core/host.ts'
import type {LogEntry} from '../../../src/record/log-entry.ts'

const MASTER = 3
const EPOCH = 5
const KEY = Buffer.from('key')

let entries: LogEntry[]
let recorder: Recorder

function makeRecorder(positions = new LogPositions()): Recorder {
  const engine = new Engine({nodeId: '', seed: 1, now: 0}, {requestWork: () => undefined} as unknown as Host)
  const sink = {append: (kind: number, body: Buffer) => entries.push({kind, body: Buffer.from(body)})}
  return new Recorder(engine.effects, {fenced: () => undefined}, sink, positions)
}

beforeEach(() => {
  entries = []
  recorder = makeRecorder()
})

type Change = readonly [bucket: number, seq: number, epoch?: number]

/** A message of records; `groups` of them are whole or not at all. */
function message(...groups: readonly (readonly Change[])[]): Buffer {
  const writer = new RecordWriter()
  for (const group of groups) {
    writer.beginGroup()
    for (const [bucket, seq, epoch = EPOCH] of group) {
      writer.set(bucket, epoch, seq, 0, KEY, 0, KEY.length, KEY, 0, KEY.length, NO_EXPIRY)
    }
    writer.endGroup()
  }
  return Buffer.from(writer.frame())
}

/** What was written: records as `bucket.seq`, a bar behind each group; lines as `bucket@epoch.seq/code`. */
function written(): string[] {
  return entries.map(({kind, body}) => {
    if (kind === LOG_RECORDS || kind === LOG_IMAGE)
      return `${kind === LOG_IMAGE ? 'image' : 'records'} ${records(body)}`
    const lines = (decodeLogLines(body) ?? []).map(({bucket, epoch, seq, code}) => `${bucket}@${epoch}.${seq}/${code}`)
    return `${{[LOG_IMAGE_BEGIN]: 'begin', [LOG_IMAGE_END]: 'end', [LOG_EPOCH]: 'epoch'}[kind]} ${lines.join()}`
  })
}

function records(body: Buffer): string {
  const cursor = new RecordCursor()
  const verdict = readFrame(body, 0, body.length)
  if (verdict.kind !== 'ok') return verdict.kind
  expect(checkFrame(cursor, body, verdict.frame)).toBeNull()
  let text = ''
  cursor.openFrame(body, verdict.frame)
  while (cursor.next()) text += `${cursor.bucket}.${cursor.seq}${cursor.isGroupEnd ? '|' : ' '}`
  return text
}

function giveImage(bucket: number, seq: number, epoch = EPOCH): void {
  recorder.syncBegin(MASTER, {bucket, epoch, positionEpoch: epoch, seq, index: 0})
  recorder.syncEnd(MASTER, {bucket, epoch})
}

test('an image, the records of its time, and those behind it', () => {
  recorder.syncBegin(MASTER, {bucket: 7, epoch: EPOCH, positionEpoch: EPOCH, seq: 40, index: 0})
  recorder.image(MASTER, message([[7, 40]]))
  expect(recorder.records(MASTER, message([[7, 41]]))).toEqual([])
  expect(recorder.isWhole(7)).toBe(false)
  recorder.syncEnd(MASTER, {bucket: 7, epoch: EPOCH})
  expect(recorder.isWhole(7)).toBe(true)
  recorder.records(MASTER, message([[7, 42]], [[7, 43]]))
  expect(written()).toEqual([
    `begin 7@5.40/${IMAGE_FIRST}`,
    'image 7.40|',
    'records 7.41|',
    'end 7@5.41/0',
    'records 7.42|7.43|',
  ])
  expect(recorder.mark).toBe(5)
})

test('records of a bucket without an image are refused, once', () => {
  expect(recorder.records(MASTER, message([[7, 1]]))).toEqual([{bucket: 7, epoch: EPOCH, code: REFUSED_GAP}])
  expect(recorder.records(MASTER, message([[7, 2]]))).toEqual([])
  expect(written()).toEqual([])
})

test('a gap is refused once, and healed by an image that says so', () => {
  giveImage(7, 1)
  expect(recorder.records(MASTER, message([[7, 3]]))).toEqual([{bucket: 7, epoch: EPOCH, code: REFUSED_GAP}])
  expect(recorder.records(MASTER, message([[7, 4]]))).toEqual([])
  expect(recorder.isWhole(7)).toBe(false)
  giveImage(7, 4)
  expect(recorder.isWhole(7)).toBe(true)
  expect(written().slice(2)).toEqual([`begin 7@5.4/${IMAGE_GAP}`, 'end 7@5.4/0'])
  expect(recorder.gaps).toBe(1)
})

test('of a message only what follows is written, groups whole', () => {
  giveImage(7, 1)
  giveImage(9, 1)
  entries = []
  const verdicts = recorder.records(
    MASTER,
    message(
      [
        [7, 2],
        [7, 3],
      ],
      [[9, 5]],
      [[7, 4]],
      [[9, 6]],
    ),
  )
  expect(verdicts).toEqual([{bucket: 9, epoch: EPOCH, code: REFUSED_GAP}])
  expect(written()).toEqual(['records 7.2 7.3|7.4|'])
})

test('who is master no more writes nothing, and is told of the new epoch', () => {
  giveImage(7, 1)
  recorder.learn(7, EPOCH + 1, MASTER + 1)
  entries = []
  const stale = [{bucket: 7, epoch: EPOCH + 1, code: REFUSED_STALE}]
  expect(recorder.records(MASTER, message([[7, 2]]))).toEqual(stale)
  recorder.image(MASTER, message([[7, 2]]))
  expect(recorder.syncBegin(MASTER, {bucket: 7, epoch: EPOCH, positionEpoch: EPOCH, seq: 2, index: 0})).toBe(false)
  recorder.syncEnd(MASTER, {bucket: 7, epoch: EPOCH})
  expect(recorder.agree(MASTER, {bucket: 7, epoch: EPOCH, positionEpoch: EPOCH, seq: 1})).toBeNull()
  expect(written()).toEqual([])
})

describe('a new master asks where the log is', () => {
  beforeEach(() => {
    giveImage(7, 1)
    entries = []
  })
  const ask = (positionEpoch: number, seq: number): boolean | null =>
    recorder.agree(MASTER, {bucket: 7, epoch: EPOCH + 1, positionEpoch, seq})

  test('where it is itself: the log goes on in its epoch', () => {
    expect(ask(EPOCH, 1)).toBe(true)
    recorder.records(MASTER, message([[7, 2, EPOCH + 1]]))
    expect(written()).toEqual(['epoch 7@6.1/0', 'records 7.2|'])
    // Asked again in the middle of its reign.
    expect(ask(EPOCH + 1, 2)).toBe(true)
    expect(written()).toHaveLength(2)
  })

  test.each([
    ['ahead', EPOCH, 2],
    ['behind', EPOCH, 0],
    ['of another past', EPOCH - 1, 1],
  ])('%s: it waits for an image, in silence', (_, positionEpoch, seq) => {
    expect(ask(positionEpoch, seq)).toBe(false)
    expect(recorder.records(MASTER, message([[7, 2, EPOCH + 1]]))).toEqual([])
    expect(written()).toEqual([])
  })

  test('after a restart with what was durable', () => {
    const before = recorder.positions
    recorder = makeRecorder(before)
    expect(ask(EPOCH, 1)).toBe(true)
  })
})
