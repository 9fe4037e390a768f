/** Makes the log of a long life in a short time: SETs of random keys, in all buckets, appended as a log node appends what masters send. */
import {setTimeout as sleep} from 'node:timers/promises'
import {keyBucket} from '../../../src/base/crc16.ts'
import {Prng} from '../../../src/base/prng.ts'
import {BUCKET_COUNT, LOG_SEGMENT_BYTES} from '../../../src/constants.ts'
import {openLogWriter} from '../../../src/datalog/log-writer.ts'
import {NO_EXPIRY, RecordWriter} from '../../../src/record/codec.ts'
import {
  encodeLogLines,
  IMAGE_FIRST,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_RECORDS,
  type LogLine,
} from '../../../src/record/log-entry.ts'

const KEY_BYTES = 16
const EPOCH = 1
/** Of an entry: about what one turn of a busy master gives. */
const RECORDS_PER_ENTRY = 500
const PENDING_BYTES_MAX = 32 * 1024 * 1024
const SEED = 20_261_122

export interface LogShape {
  readonly records: number
  /** Different keys that may occur. */
  readonly keys: number
  readonly valueBytes: number
}

/** Writes the log into an empty folder; returns how many different keys it has. Errors: those of the disk. */
export async function makeLog(dir: string, {records, keys: keyCount, valueBytes}: LogShape): Promise<number> {
  const failures: Error[] = []
  const writer = await openLogWriter(dir, {
    identity: {clusterId: 'c'.repeat(40), nodeId: 'd'.repeat(40)},
    ...{isDaily: false, segmentBytes: LOG_SEGMENT_BYTES, onFailed: (error: Error) => failures.push(error)},
  })
  const time = Date.now()
  for (const kind of [LOG_IMAGE_BEGIN, LOG_IMAGE_END]) writer.append(kind, encodeLogLines(emptyBuckets()), time)
  const changes = new Changes(keyCount, valueBytes)
  for (let left = records; left > 0; left -= RECORDS_PER_ENTRY) {
    writer.append(LOG_RECORDS, changes.next(Math.min(left, RECORDS_PER_ENTRY), time), time)
    while (writer.pendingBytes > PENDING_BYTES_MAX && failures.length === 0) await sleep(1)
  }
  await writer.close()
  if (failures[0]) throw failures[0]
  return changes.touched
}

function emptyBuckets(): LogLine[] {
  return Array.from({length: BUCKET_COUNT}, (_, bucket) => ({bucket, epoch: EPOCH, seq: 0, code: IMAGE_FIRST}))
}

/** SETs of random keys, each bucket's in order. */
class Changes {
  readonly #prng = new Prng(SEED)
  readonly #keyCount: number
  readonly #keys: Buffer
  readonly #bucketOf: Uint16Array
  readonly #seq = new Float64Array(BUCKET_COUNT)
  readonly #isTouched: Uint8Array
  readonly #value: Buffer
  readonly #writer = new RecordWriter()
  touched = 0

  constructor(keyCount: number, valueBytes: number) {
    this.#keyCount = keyCount
    this.#keys = Buffer.alloc(keyCount * KEY_BYTES)
    this.#bucketOf = new Uint16Array(keyCount)
    this.#isTouched = new Uint8Array(keyCount)
    for (let i = 0; i < keyCount; i++) {
      this.#keys.write(`key:${String(i).padStart(KEY_BYTES - 4, '0')}`, i * KEY_BYTES)
      this.#bucketOf[i] = keyBucket(this.#keys, i * KEY_BYTES, KEY_BYTES)
    }
    this.#value = Buffer.alloc(valueBytes, 'v')
  }

  /** Frames of so many records; the bytes are the caller's. */
  next(count: number, time: number): Buffer {
    for (let i = 0; i < count; i++) {
      const key = this.#prng.below(this.#keyCount)
      const bucket = this.#bucketOf[key]!
      if (this.#isTouched[key] === 0) this.touched++
      this.#isTouched[key] = 1
      // Every change has a value of its own.
      this.#value.writeUInt32LE(this.#prng.next32(), 0)
      const seq = ++this.#seq[bucket]!
      const [value, valueBytes, keyOff] = [this.#value, this.#value.length, key * KEY_BYTES]
      this.#writer.set(bucket, EPOCH, seq, time, this.#keys, keyOff, KEY_BYTES, value, 0, valueBytes, NO_EXPIRY)
    }
    return Buffer.from(this.#writer.frame())
  }
}
