/**
 * The last records of all buckets of which this node is master, as they were sent: what a data-log node missed while it was away, if that is not too much. Kept
 * only while the map has a data-log node, up or down. They lie in chunks that are used again, the oldest first.
 */
import {LOG_BACKLOG_BYTES_MAX, LOG_BACKLOG_CHUNK_BYTES} from '../../constants.ts'
import {assert} from '../../base/assert.ts'
import {RecordCursor, RecordPicker, walkFrames} from '../../record/codec.ts'

interface Chunk {
  readonly bytes: Buffer
  /** Whole frames of whole groups up to here. */
  end: number
}

export class Backlog {
  readonly #chunks: Chunk[] = []
  /** Of all chunks, filled or not. */
  #bytes = 0
  readonly #cursor = new RecordCursor()
  readonly #picker = new RecordPicker()

  /** Frames of whole groups; they are copied. */
  push(frames: Buffer): void {
    let chunk = this.#chunks.at(-1)
    if (!chunk || chunk.bytes.length - chunk.end < frames.length) chunk = this.#begin(frames.length)
    frames.copy(chunk.bytes, chunk.end)
    chunk.end += frames.length
  }

  /**
   * Frames of the records of these buckets that follow `epoch` and `seq` of each, in order; where they end is left in `wanted`. Buckets of which the next
   * record is not there any more stay where they were.
   */
  since(wanted: Map<number, {readonly epoch: number; seq: number}>): Buffer {
    for (const {bytes, end} of this.#chunks) {
      const fault = walkFrames(bytes.subarray(0, end), this.#cursor, (cursor) => {
        const place = wanted.get(cursor.bucket)
        if (place?.epoch !== cursor.epoch || cursor.seq !== place.seq + 1) return
        place.seq = cursor.seq
        this.#picker.pick(cursor)
      })
      assert(fault === null, 'the backlog has what was sent')
    }
    return this.#picker.take()
  }

  /** A chunk with room for so many bytes, in place of the oldest ones if there are enough. */
  #begin(bytes: number): Chunk {
    const size = Math.max(bytes, LOG_BACKLOG_CHUNK_BYTES)
    let bytesOf: Buffer | null = null
    while (this.#chunks.length > 0 && this.#bytes + size > LOG_BACKLOG_BYTES_MAX) {
      const {bytes: oldest} = this.#chunks.shift()!
      this.#bytes -= oldest.length
      if (oldest.length === size) bytesOf = oldest
    }
    const chunk = {bytes: bytesOf ?? Buffer.allocUnsafeSlow(size), end: 0}
    this.#chunks.push(chunk)
    this.#bytes += size
    return chunk
  }
}
