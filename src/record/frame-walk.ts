/**
 * Goes through the records of a body that consists of whole frames and whole groups: a message between nodes, an entry of the data log. Whoever must not
 * apply anything before all of it is known to be well-formed uses `checkFrame` instead.
 */
import {readFrame} from './batch.ts'
import type {RecordCursor} from './cursor.ts'

const GROUP_CUT = 'a group of records is not whole'

/** Calls `visit` at each record, in order. Returns what is wrong with the body, in words, or null; what stands before the fault was visited. */
export function walkFrames(body: Buffer, cursor: RecordCursor, visit: (cursor: RecordCursor) => void): string | null {
  let isGroupOpen = false
  for (let off = 0; off < body.length;) {
    const verdict = readFrame(body, off, body.length)
    if (verdict.kind === 'need') return 'the last batch is cut'
    if (verdict.kind === 'bad') return verdict.fault.words
    const {frame} = verdict
    if (frame.isContinuation !== isGroupOpen) return GROUP_CUT
    cursor.openFrame(body, frame)
    let isGroupEnd = true
    while (cursor.next()) {
      isGroupEnd = cursor.isGroupEnd
      visit(cursor)
    }
    if (cursor.fault !== null) return cursor.fault.words
    if (isGroupEnd === frame.isContinued) return GROUP_CUT
    isGroupOpen = frame.isContinued
    off = frame.end
  }
  return isGroupOpen ? GROUP_CUT : null
}
