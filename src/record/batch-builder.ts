/**
 * Gathers encoded records in one reused buffer and cuts them into frames. `RecordWriter` puts the bytes of records in; this
 * decides where frames begin and end. Between two calls of `take()` the buffer holds a row of frames, the last one open:
 *
 *   | head | records ..... | head | records .... | group so far ... |
 *   0     sealed           start                 group      last    end
 *
 * A record that would push the open frame over the limit first closes it. In the middle of a group the frame is cut before
 * the group, and the group moves up by one head; only a group that fills the frame alone is cut where it stands
 * (`continued`).
 */
import {RECORD_BATCH_BYTES_MAX, RECORD_BYTES_MAX, RECORD_WRITER_KEEP_BYTES_MAX} from '../constants.ts'
import {assert} from '../base/assert.ts'
import {FRAME_CONTINUATION, FRAME_CONTINUED, FRAME_HEAD_BYTES, chainFrames, sealFrame} from './batch.ts'
import {FLAG_MORE_IN_GROUP} from './layout.ts'

const INITIAL_BYTES = 64 * 1024
const GROW_BYTES_MAX = 64 * 1024 * 1024
const NOTHING = Buffer.alloc(0)

export class BatchBuilder {
  /** Where records are written; replaced as it grows, so read it again after every `reserve`. */
  buf: Buffer
  view: DataView
  /** Records put in since the last `take()`. */
  recordCount = 0

  readonly #batchBytesMax: number
  #end = 0
  /** The open frame. */
  #start = 0
  #count = 0
  #flags = 0
  /** The record written last, and the group being written: its first record and how many lie in the open frame. */
  #last = 0
  #group = 0
  #groupCount = 0
  #depth = 0
  /** The crc that the next frame names as the one before it, and what it was at the last `take()`. */
  #previous: number | null = null
  #previousTaken: number | null = null
  /** Frames before the row in `buf`: our own, and those of other writers between them. */
  #adopted: Buffer[] = []
  #adoptedBytes = 0

  constructor(batchBytesMax: number) {
    assert(batchBytesMax > 0 && batchBytesMax <= RECORD_BATCH_BYTES_MAX, 'no reader takes a larger batch')
    this.#batchBytesMax = batchBytesMax
    // Not from the pool: it is overwritten for as long as the writer lives.
    this.buf = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    this.view = new DataView(this.buf.buffer)
  }

  get pendingBytes(): number {
    return this.#adoptedBytes + this.#end
  }

  get previous(): number | null {
    return this.#previousTaken
  }

  chain(previous: number): void {
    assert(this.pendingBytes === 0, 'a chain begins at a frame')
    this.#previous = previous
    this.#previousTaken = previous
  }

  beginGroup(): void {
    if (this.#depth++ === 0) this.#groupCount = 0
  }

  endGroup(): void {
    assert(this.#depth > 0, 'a group ends that was not begun')
    this.#depth--
  }

  /** Makes room for the next record and counts it. Returns where its `size` bytes belong; all of them must be written. */
  reserve(size: number): number {
    assert(size <= RECORD_BYTES_MAX, 'a record exceeds its limit')
    if (this.#end === 0) this.#begin()
    if (this.#count > 0 && this.#end - this.#start - FRAME_HEAD_BYTES + size > this.#batchBytesMax) this.#cut(size)
    const at = this.#end
    if (at + size > this.buf.length) this.#grow(at + size)
    if (this.#depth > 0) {
      if (this.#groupCount++ === 0) this.#group = at
      else this.buf[this.#last + 1]! |= FLAG_MORE_IN_GROUP
    }
    this.#last = at
    this.#end = at + size
    this.#count++
    this.recordCount++
    return at
  }

  /** Seals the open frame and gives the whole row. The bytes are the taker's until the next `reserve`. */
  take(): Buffer {
    if (this.#adopted.length === 0) return this.#takeRow()
    return Buffer.concat(this.takeAll())
  }

  /** As `take`, in as many pieces as it takes to copy little. They are the taker's. */
  takeAll(): Buffer[] {
    const rows = this.#adopted
    const last = this.#takeRow()
    this.#adopted = []
    this.#adoptedBytes = 0
    if (last.length > 0) rows.push(Buffer.from(last))
    return rows
  }

  #takeRow(): Buffer {
    assert(this.#depth === 0, 'a group must be ended before it is sent')
    const row = this.#end === 0 ? NOTHING : this.buf.subarray(0, this.#end)
    if (this.#end > 0) this.#seal(this.#end, this.#count, 0)
    this.#previousTaken = this.#previous
    this.#clear()
    return row
  }

  /** Gives the frames that are sealed already, also in the middle of a group; the open one stays. They are the taker's. */
  takeSealed(): Buffer {
    assert(
      this.#previous === null && this.#adopted.length === 0,
      'parts are taken only where nothing follows from them',
    )
    if (this.#end === 0 || this.#start === 0) return NOTHING
    const sealed = this.#start
    const row = Buffer.from(this.buf.subarray(0, sealed))
    this.buf.copyWithin(0, sealed, this.#end)
    this.#start = 0
    this.#end -= sealed
    this.#last -= sealed
    this.#group -= sealed
    return row
  }

  /** Takes over frames that another builder sealed, behind what was put in so far. */
  adopt(rows: readonly Buffer[]): void {
    assert(this.#depth === 0, 'frames stand outside of groups')
    if (this.#end > 0) {
      this.#seal(this.#end, this.#count, 0)
      this.#keep(Buffer.from(this.buf.subarray(0, this.#end)))
      this.#end = 0
    }
    for (const row of rows) {
      if (this.#previous !== null) this.#previous = chainFrames(row, this.#previous)
      this.#keep(row)
    }
  }

  #keep(row: Buffer): void {
    this.#adopted.push(row)
    this.#adoptedBytes += row.length
  }

  /** Forgets what was put in since the last `take()`, an unfinished group too. */
  reset(): void {
    this.#previous = this.#previousTaken
    this.#depth = 0
    this.#adopted = []
    this.#adoptedBytes = 0
    this.#clear()
  }

  #clear(): void {
    this.#end = 0
    this.recordCount = 0
  }

  #begin(): void {
    if (this.buf.length > RECORD_WRITER_KEEP_BYTES_MAX) this.#replace(INITIAL_BYTES)
    this.#openFrame(0, 0)
  }

  /** Room for the head is made with that for the first record. */
  #openFrame(at: number, flags: number): void {
    this.#start = at
    this.#end = at + FRAME_HEAD_BYTES
    this.#count = 0
    this.#flags = flags
  }

  #seal(end: number, count: number, flags: number): void {
    const crc = sealFrame(this.buf, this.#start, end, count, this.#flags | flags, this.#previous)
    if (this.#previous !== null) this.#previous = crc
  }

  /** Closes the open frame because a record of `size` bytes does not fit. */
  #cut(size: number): void {
    const isInGroup = this.#depth > 0 && this.#groupCount > 0
    if (!isInGroup) {
      this.#seal(this.#end, this.#count, 0)
      this.#openFrame(this.#end, 0)
      return
    }
    if (this.#group > this.#start + FRAME_HEAD_BYTES) {
      this.#cutBeforeGroup()
      if (this.#end - this.#start - FRAME_HEAD_BYTES + size <= this.#batchBytesMax) return
    }
    this.buf[this.#last + 1]! |= FLAG_MORE_IN_GROUP
    this.#seal(this.#end, this.#count, FRAME_CONTINUED)
    this.#openFrame(this.#end, FRAME_CONTINUATION)
    this.#groupCount = 0
  }

  #cutBeforeGroup(): void {
    const group = this.#group
    const end = this.#end + FRAME_HEAD_BYTES
    if (end > this.buf.length) this.#grow(end)
    this.buf.copyWithin(group + FRAME_HEAD_BYTES, group, this.#end)
    this.#seal(group, this.#count - this.#groupCount, 0)
    this.#openFrame(group, 0)
    this.#count = this.#groupCount
    this.#group += FRAME_HEAD_BYTES
    this.#last += FRAME_HEAD_BYTES
    this.#end = end
  }

  #grow(bytes: number): void {
    const old = this.buf
    this.#replace(Math.max(bytes, Math.min(2 * old.length, old.length + GROW_BYTES_MAX)))
    old.copy(this.buf, 0, 0, this.#end)
  }

  #replace(bytes: number): void {
    this.buf = Buffer.allocUnsafeSlow(bytes)
    this.view = new DataView(this.buf.buffer)
  }
}
