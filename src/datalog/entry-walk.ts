/** Goes through what an entry speaks of, record by record or line by line. Whoever writes, indexes or checks a log does it here. */
import {walkFrames} from '../record/codec.ts'
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
  if (kind === LOG_RECORDS || kind === LOG_IMAGE) {
    return walkFrames(body, cursor, ({bucket, epoch, seq}) => visitor.record(kind, bucket, epoch, seq))
  }
  const lines = decodeLogLines(body)
  if (lines === null) return 'the entry does not consist of lines'
  for (const line of lines) visitor.line(kind, line)
  return null
}
