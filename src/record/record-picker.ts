/** Copies some of the records of rows of frames: what was a group stays one. Groups are of one bucket, so who picks by bucket and seq picks whole ones. */
import {RecordWriter} from './writer.ts'
import type {RecordCursor} from './cursor.ts'

export class RecordPicker {
  readonly #writer = new RecordWriter()
  #isInGroup = false

  /** Copies the record at the cursor behind those before it. */
  pick(cursor: RecordCursor): void {
    if (!this.#isInGroup && !cursor.isGroupEnd) {
      this.#isInGroup = true
      this.#writer.beginGroup()
    }
    this.#writer.copy(cursor)
    if (this.#isInGroup && cursor.isGroupEnd) {
      this.#isInGroup = false
      this.#writer.endGroup()
    }
  }

  /** What was picked since the last call, as frames; the bytes are the caller's. */
  take(): Buffer {
    return Buffer.from(this.#writer.frame())
  }
}
