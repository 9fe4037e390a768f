/**
 * Records on their way from a log, where all buckets are mixed, to a memory that holds only some: spread over temporary files by bucket,
 * as they are, back to back. A file can be read as often as needed; no more than one write buffer for each and one read buffer is
 * in memory. A group is whole when its records come here, and buckets are apart, so the order within a file is all that counts.
 *
 * What these files hold is made again from the log when it is needed, so nothing is synced, and they are gone with `close`.
 */
import {mkdtemp, open, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {assert} from '../base/assert.ts'
import {BUCKET_COUNT, REBUILD_PARTITIONS, REBUILD_READ_BYTES, REBUILD_WRITE_BYTES} from '../constants.ts'
import {KvError} from '../errors.ts'
import {RecordCursor} from '../record/codec.ts'
import type {FileHandle} from 'node:fs/promises'

const BUCKETS = BUCKET_COUNT / REBUILD_PARTITIONS

export function partitionOf(bucket: number): number {
  return Math.floor(bucket / BUCKETS)
}

/** First bucket of the partition, and the one after its last. */
export function bucketsOf(partition: number): {readonly from: number; readonly to: number} {
  return {from: partition * BUCKETS, to: (partition + 1) * BUCKETS}
}

interface Partition {
  file: FileHandle | null
  buffer: Buffer | null
  used: number
  /** Bytes in the file. */
  size: number
  records: number
}

export class PartitionFiles {
  readonly #folder: string
  readonly #partitions: Partition[] = Array.from({length: REBUILD_PARTITIONS}, () => ({
    ...{file: null, buffer: null, used: 0, size: 0, records: 0},
  }))
  /** Partitions whose buffer is full, or would be. */
  readonly #waiting: {readonly partition: number; readonly bytes: Buffer}[] = []

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** `parent`: the folder in which a folder for them is made; default that of the system. Errors: E_TEMP_FILE. */
  static async create(parent: string = tmpdir()): Promise<PartitionFiles> {
    try {
      return new PartitionFiles(await mkdtemp(join(parent, 'kv-rebuild-')))
    } catch (error) {
      throw unusable(parent, error)
    }
  }

  records(partition: number): number {
    return this.#partitions[partition]!.records
  }

  /** Takes one record, which is copied. When `isFull`, `flush` must be awaited before more is added. */
  add(bucket: number, buf: Buffer, off: number, end: number): void {
    const number = partitionOf(bucket)
    const partition = this.#partitions[number]!
    const size = end - off
    partition.records++
    partition.buffer ??= Buffer.allocUnsafeSlow(REBUILD_WRITE_BYTES)
    if (partition.used + size > REBUILD_WRITE_BYTES) {
      this.#waiting.push({partition: number, bytes: Buffer.from(partition.buffer.subarray(0, partition.used))})
      partition.used = 0
    }
    if (size > REBUILD_WRITE_BYTES) {
      this.#waiting.push({partition: number, bytes: Buffer.from(buf.subarray(off, end))})
      return
    }
    buf.copy(partition.buffer, partition.used, off, end)
    partition.used += size
  }

  get isFull(): boolean {
    return this.#waiting.length > 0
  }

  /** Writes what does not fit the buffers any more. Errors: E_TEMP_FILE. */
  async flush(): Promise<void> {
    for (const {partition, bytes} of this.#waiting) await this.#write(partition, bytes)
    this.#waiting.length = 0
  }

  /** Everything was added. Errors: E_TEMP_FILE. */
  async seal(): Promise<void> {
    await this.flush()
    for (const [number, partition] of this.#partitions.entries()) {
      if (partition.buffer) await this.#write(number, partition.buffer.subarray(0, partition.used))
      partition.buffer = null
    }
  }

  async #write(number: number, bytes: Buffer): Promise<void> {
    const partition = this.#partitions[number]!
    try {
      partition.file ??= await open(join(this.#folder, String(number)), 'wx+')
      for (let at = 0; at < bytes.length;) {
        at += (await partition.file.write(bytes, at, bytes.length - at, partition.size + at)).bytesWritten
      }
      partition.size += bytes.length
    } catch (error) {
      throw unusable(this.#folder, error)
    }
  }

  /** Calls `visit` with each record of the partition, in the order in which they were added. Errors: E_TEMP_FILE. */
  async read(number: number, visit: (record: RecordCursor) => void): Promise<void> {
    const {file, size} = this.#partitions[number]!
    if (file === null) return
    const cursor = new RecordCursor()
    let buf: Buffer = Buffer.allocUnsafeSlow(Math.min(size, REBUILD_READ_BYTES))
    let held = 0
    for (let at = 0; at < size || held > 0;) {
      if (held === buf.length) buf = grown(buf, held)
      const length = Math.min(buf.length - held, size - at)
      await this.#fill(file, buf, held, length, at)
      at += length
      held += length
      cursor.open(buf, 0, held)
      while (cursor.next()) visit(cursor)
      const {fault} = cursor
      assert(fault === null || (fault.code === 'cut' && at < size), 'records come back as they were written')
      const rest = fault === null ? held : fault.offset
      buf.copyWithin(0, rest, held)
      held -= rest
    }
  }

  async #fill(file: FileHandle, buf: Buffer, off: number, length: number, position: number): Promise<void> {
    for (let done = 0; done < length;) {
      const {bytesRead} = await file.read(buf, off + done, length - done, position + done).catch((error: unknown) => {
        throw unusable(this.#folder, error)
      })
      assert(bytesRead > 0, 'a file of ours does not become shorter')
      done += bytesRead
    }
  }

  /** Removes the files. Never throws. */
  async close(): Promise<void> {
    for (const partition of this.#partitions) {
      await partition.file?.close().catch(() => undefined)
      partition.file = partition.buffer = null
    }
    await rm(this.#folder, {recursive: true, force: true}).catch(() => undefined)
  }
}

/** A record that is larger than the buffer (a huge value) makes it grow. */
function grown(buf: Buffer, held: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(buf.length * 2)
  buf.copy(larger, 0, 0, held)
  return larger
}

function unusable(folder: string, error: unknown): KvError {
  const words = error instanceof Error ? error.message : String(error)
  return new KvError(
    'E_TEMP_FILE',
    `Temporary files cannot be written in ${folder}: ${words}.`,
    'Name a folder with more room in the variable TMPDIR.',
  )
}
