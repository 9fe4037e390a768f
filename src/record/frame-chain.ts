/**
 * Judging whole frames: are its records well-formed, and does it follow the frame before it? `readFrame` has already said
 * that the bytes are those that were written; this says that they make sense. Both come before anything is applied.
 */
import type {Frame, FrameFaultCode} from './batch.ts'
import type {RecordCursor} from './cursor.ts'
import type {Fault} from './layout.ts'

/**
 * Checks every record of a frame before any is applied: a batch with a right CRC can still come from a faulty or hostile
 * writer. Returns what is wrong, or null. Costs one pass of the cursor.
 */
export function checkFrame(cursor: RecordCursor, buf: Buffer, frame: Frame): Fault | null {
  cursor.openFrame(buf, frame)
  let isGroupEnd = true
  while (cursor.next()) isGroupEnd = cursor.isGroupEnd
  if (cursor.fault !== null) return cursor.fault
  if (isGroupEnd !== frame.isContinued) return null
  const words = isGroupEnd ? 'the batch says its last group goes on, it does not' : 'the last group of the batch is cut'
  return {code: 'group', offset: frame.start, words}
}

/** Follows a row of frames: each must name the one before it, and a group that was begun must be continued at once. */
export class FrameChain {
  /** What the next frame must name as `previous`; null: frames of this row are not chained. */
  previous: number | null
  /** The last frame ended in the middle of a group; what there is of it must not be applied. */
  isGroupOpen = false

  constructor(previous: number | null) {
    this.previous = previous
  }

  /** Takes the next frame of the row, or says why it cannot be that. */
  accept(frame: Frame): Fault<FrameFaultCode> | null {
    if (frame.previous !== this.previous) {
      const words = 'the batch does not follow the one before it: batches are missing, swapped or of another file'
      return {code: 'chain', offset: frame.start, words}
    }
    if (frame.isContinuation !== this.isGroupOpen) {
      const words = this.isGroupOpen
        ? 'the group that was begun is not continued'
        : 'continues a group that was not begun'
      return {code: 'group', offset: frame.start, words}
    }
    if (this.previous !== null) this.previous = frame.crc
    this.isGroupOpen = frame.isContinued
    return null
  }
}
