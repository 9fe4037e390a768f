/**
 * How far a data log is, for each bucket: the position that its entries (log-entry.ts) lead to, and whether they follow each other without a gap. Whoever
 * writes a log, reads one, or checks one keeps such a table; it can be written down and read again.
 */
import {BUCKET_COUNT} from '../constants.ts'
import {LOG_EPOCH, LOG_IMAGE_BEGIN, LOG_IMAGE_END} from './log-entry.ts'
import type {LogLine} from './log-entry.ts'

/** Nothing is known of the bucket; an image of it has begun; it is whole. */
export const LOG_NONE = 0
export const LOG_BEGUN = 1
export const LOG_WHOLE = 2

/** Bytes of the table when it is written down. */
export const LOG_POSITION_BYTES = BUCKET_COUNT * 13

export class LogPositions {
  readonly state = new Uint8Array(BUCKET_COUNT)
  readonly epoch = new Uint32Array(BUCKET_COUNT)
  readonly seq = new Float64Array(BUCKET_COUNT)

  /** A record of RECORDS. False: it does not follow what is there, and changes nothing. */
  record(bucket: number, epoch: number, seq: number): boolean {
    if (this.state[bucket] === LOG_NONE || epoch !== this.epoch[bucket] || seq !== this.seq[bucket]! + 1) return false
    this.seq[bucket] = seq
    return true
  }

  /** A line of IMAGE_BEGIN, IMAGE_END or EPOCH. False: it does not follow what is there, and changes nothing. */
  line(kind: number, {bucket, epoch, seq}: LogLine): boolean {
    const state = this.state[bucket]
    if (kind === LOG_IMAGE_BEGIN) {
      this.state[bucket] = LOG_BEGUN
      this.seq[bucket] = seq
    } else if (kind === LOG_IMAGE_END) {
      if (state !== LOG_BEGUN || epoch !== this.epoch[bucket] || seq !== this.seq[bucket]) return false
      this.state[bucket] = LOG_WHOLE
    } else if (kind !== LOG_EPOCH || state !== LOG_WHOLE || seq !== this.seq[bucket] || epoch < this.epoch[bucket]!) {
      return false
    }
    this.epoch[bucket] = epoch
    return true
  }

  copyFrom({state, epoch, seq}: LogPositions): void {
    this.state.set(state)
    this.epoch.set(epoch)
    this.seq.set(seq)
  }

  encode(): Buffer {
    const bytes = Buffer.allocUnsafe(LOG_POSITION_BYTES)
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const at = bucket * 13
      bytes[at] = this.state[bucket]!
      bytes.writeUInt32LE(this.epoch[bucket]!, at + 1)
      bytes.writeDoubleLE(this.seq[bucket]!, at + 5)
    }
    return bytes
  }

  /** Null: the bytes are no table. */
  static decode(bytes: Buffer): LogPositions | null {
    if (bytes.length !== LOG_POSITION_BYTES) return null
    const table = new LogPositions()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const at = bucket * 13
      const seq = bytes.readDoubleLE(at + 5)
      if (bytes[at]! > LOG_WHOLE || !Number.isSafeInteger(seq) || seq < 0) return null
      table.state[bucket] = bytes[at]!
      table.epoch[bucket] = bytes.readUInt32LE(at + 1)
      table.seq[bucket] = seq
    }
    return table
  }
}
