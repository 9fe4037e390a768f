/** Goes through what an entry speaks of, record by record or line by line. Whoever writes, indexes or checks a log does it here. */
import {readFrame} from '../record/batch.ts'
import {decodeLogLines, LOG_IMAGE, LOG_NOTE, LOG_RECORDS} from '../record/log-entry.ts'
import type {LogLine} from '../record/log-entry.ts'
import type {RecordCursor} from '../record/codec.ts'

export interface EntryVisitor {
  /** A record of RECORDS or IMAGE (`kind`). */
  record(kind: number, bucket: number, epoch: number, seq: number): void
  /** A line of IMAGE_BEGIN, IMAGE_END or EPOCH. */
  line(kind: number, line: LogLine): void
}

/** Returns what is wrong with the body, in words, or null. What stands before the fault was told. */
export function walkEntry(kind: number, body: Buffer, cursor: RecordCursor, visitor: EntryVisitor): string | null {
  if (kind === LOG_NOTE) return null
  if (kind === LOG_RECORDS || kind === LOG_IMAGE) return walkFrames(kind, body, cursor, visitor)
  const lines = decodeLogLines(body)
  if (lines === null) return 'the entry does not consist of lines'
  for (const line of lines) visitor.line(kind, line)
  return null
}

function walkFrames(kind: number, body: Buffer, cursor: RecordCursor, visitor: EntryVisitor): string | null {
  let isGroupOpen = false
  for (let off = 0; off < body.length;) {
    const verdict = readFrame(body, off, body.length)
    if (verdict.kind === 'need') return 'the last batch of the entry is cut'
    if (verdict.kind === 'bad') return verdict.fault.words
    const {frame} = verdict
    if (frame.isContinuation !== isGroupOpen) return 'a group of records is not whole'
    cursor.openFrame(body, frame)
    let isGroupEnd = true
    while (cursor.next()) {
      visitor.record(kind, cursor.bucket, cursor.epoch, cursor.seq)
      isGroupEnd = cursor.isGroupEnd
    }
    if (cursor.fault !== null) return cursor.fault.words
    if (isGroupEnd === frame.isContinued) return 'a group of records is not whole'
    isGroupOpen = frame.isContinued
    off = frame.end
  }
  return isGroupOpen ? 'a group of records is not whole' : null
}
