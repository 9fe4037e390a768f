/**
 * Who hears of changes, and in what order: the bucket's seq, its listener, and groups of records.
 *
 * A change that takes many turns of the loop (a job) must be one group, but the listener's writer cannot hold a group open
 * meanwhile: other buckets write to it, and it is sent every turn. So between `beginLong` and `endLong` the bucket's records
 * gather in a writer of their own, which hands its frames over as they are. The bucket is parked, so all records of it
 * are the job's. An image of the bucket waits: it would carry a seq from the middle.
 */
import {BUCKET_COUNT} from '../constants.ts'
import {assert} from '../base/assert.ts'
import {NO_EXPIRY, RecordWriter} from '../record/codec.ts'

/** A change under way: the bucket's listener, and what it will be given. */
interface LongChange {
  listener: RecordWriter | null
  readonly writer: RecordWriter | null
  readonly frames: Buffer[]
}

export class RecordFeed {
  /** Changes so far of each bucket; with the epoch it orders them. */
  readonly seq = new Float64Array(BUCKET_COUNT)
  readonly epoch = new Uint32Array(BUCKET_COUNT)
  /** Unix ms, stamped on records; the driver sets it before each input. */
  time = 0
  /** Changes since the node started. */
  changes = 0
  /** Number of the present turn: rises with each flush that had records. */
  ticket = 1
  /** The ticket of each bucket's last record that somebody else must get; 0 = none. */
  readonly ticketOf = new Float64Array(BUCKET_COUNT)

  /** Where the bucket's records go now; during a long change not the listener itself. */
  readonly #writers: (RecordWriter | null)[] = new Array<RecordWriter | null>(BUCKET_COUNT).fill(null)
  readonly #long = new Map<number, LongChange>()
  readonly #inGroup: RecordWriter[] = []
  #groupDepth = 0

  /**
   * From now on every record of the bucket is also written to `writer`; null ends it. Not inside a group, nor while the
   * bucket is busy: the listener would miss what came before.
   */
  listen(bucket: number, writer: RecordWriter | null): void {
    const long = this.#long.get(bucket)
    assert(!long || writer === null, 'nobody begins to listen in the middle of a long change')
    if (long) long.listener = null
    else this.#writers[bucket] = writer
  }

  listener(bucket: number): RecordWriter | null {
    const long = this.#long.get(bucket)
    return long ? long.listener : this.#writers[bucket]!
  }

  /** Records until `endGroup` are applied whole or not at all, wherever they go. Groups nest. */
  beginGroup(): void {
    this.#groupDepth++
  }

  endGroup(): void {
    if (--this.#groupDepth > 0) return
    for (const writer of this.#inGroup) writer.endGroup()
    this.#inGroup.length = 0
  }

  /** True while a long change of the bucket is under way: no image of it may begin or go on. */
  isBusy(bucket: number): boolean {
    return this.#long.has(bucket)
  }

  /** The records of this bucket form one group from now until `endLong`, over many turns. Within a group there is no need. */
  beginLong(bucket: number): void {
    assert(!this.#long.has(bucket), 'one long change of a bucket at a time')
    if (this.#groupDepth > 0) return
    const listener = this.#writers[bucket]!
    const writer = listener === null ? null : new RecordWriter()
    writer?.beginGroup()
    this.#long.set(bucket, {listener, writer, frames: []})
    this.#writers[bucket] = writer
  }

  /** Called between steps: what is complete is set aside, so that no buffer grows without end. */
  stepLong(bucket: number): void {
    const long = this.#long.get(bucket)
    if (!long?.writer) return
    const frames = long.writer.takeSealed()
    if (frames.length > 0) long.frames.push(frames)
  }

  endLong(bucket: number): void {
    const long = this.#long.get(bucket)
    if (!long) return
    this.#long.delete(bucket)
    this.#writers[bucket] = long.listener
    if (!long.writer) return
    long.writer.endGroup()
    long.frames.push(Buffer.from(long.writer.frame()))
    if (!long.listener) return
    long.listener.adopt(long.frames)
    this.ticketOf[bucket] = this.ticket
  }

  /** The record that the key is gone; the caller sees to it that it is. */
  recordDelete(bucket: number, key: Buffer, from: number, length: number): void {
    const writer = this.next(bucket)
    if (writer !== null) writer.delete(bucket, this.epoch[bucket]!, this.seq[bucket]!, this.time, key, from, length)
  }

  /** The record of a field with its value and expiry. */
  recordField(
    bucket: number,
    key: Buffer,
    keyFrom: number,
    keyBytes: number,
    field: Buffer,
    fieldFrom: number,
    fieldBytes: number,
    value: Buffer,
    valueFrom: number,
    valueBytes: number,
    at: number,
  ): void {
    const writer = this.next(bucket)
    if (writer === null) return
    const epoch = this.epoch[bucket]!
    const seq = this.seq[bucket]!
    writer.mapSet(
      bucket,
      epoch,
      seq,
      this.time,
      key,
      keyFrom,
      keyBytes,
      field,
      fieldFrom,
      fieldBytes,
      value,
      valueFrom,
      valueBytes,
      at,
    )
  }

  /** The record of the key's expiry; NO_EXPIRY takes it away. */
  recordExpiry(bucket: number, key: Buffer, from: number, length: number, at: number): void {
    const writer = this.next(bucket)
    if (writer === null) return
    const epoch = this.epoch[bucket]!
    const seq = this.seq[bucket]!
    if (at === NO_EXPIRY) writer.persist(bucket, epoch, seq, this.time, key, from, length)
    else writer.expireAt(bucket, epoch, seq, this.time, key, from, length, at)
  }

  /** As many changes whose records nobody wants to have. */
  protected skip(bucket: number, count: number): void {
    this.changes += count
    this.seq[bucket]! += count
  }

  /** Advances the bucket's seq for one change; returns who listens, its group opened if one is due. */
  protected next(bucket: number): RecordWriter | null {
    this.changes++
    this.seq[bucket]!++
    const writer = this.#writers[bucket]!
    if (writer === null) return null
    this.ticketOf[bucket] = this.ticket
    if (this.#groupDepth > 0 && !this.#inGroup.includes(writer)) {
      writer.beginGroup()
      this.#inGroup.push(writer)
    }
    return writer
  }
}
