/**
 * The last records of all buckets of which this node is master, as they were sent: what a data-log node missed while it was away, if that is not too much. Kept
 * only while the map has a data-log node, up or down.
 */
import {LOG_BACKLOG_BYTES_MAX} from '../../constants.ts'
import {assert} from '../../base/assert.ts'
import {RecordCursor, RecordPicker, walkFrames} from '../../record/codec.ts'

export class Backlog {
  readonly #rows: Buffer[] = []
  #bytes = 0
  readonly #cursor = new RecordCursor()
  readonly #picker = new RecordPicker()

  /** Frames of whole groups; the bytes are kept, and not changed. */
  push(frames: Buffer): void {
    this.#rows.push(frames)
    this.#bytes += frames.length
    while (this.#bytes > LOG_BACKLOG_BYTES_MAX) this.#bytes -= this.#rows.shift()!.length
  }

  /**
   * Frames of the records of these buckets that follow `epoch` and `seq` of each, in order; where they end is left in `wanted`. Buckets of which the next
   * record is not there any more stay where they were.
   */
  since(wanted: Map<number, {readonly epoch: number; seq: number}>): Buffer {
    for (const row of this.#rows) {
      const fault = walkFrames(row, this.#cursor, (cursor) => {
        const place = wanted.get(cursor.bucket)
        if (place?.epoch !== cursor.epoch || cursor.seq !== place.seq + 1) return
        place.seq = cursor.seq
        this.#picker.pick(cursor)
      })
      assert(fault === null, 'the backlog has what was sent')
    }
    return this.#picker.take()
  }
}
