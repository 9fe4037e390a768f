/**
 * What a data log consists of, in the order in which a data-log node heard of it. An entry is a kind and a body:
 *
 *   RECORDS      frames (batch.ts) of whole groups: changes, of any buckets, as their masters sent them
 *   IMAGE        frames of whole groups that are part of the images of buckets
 *   IMAGE_BEGIN  lines: the bucket begins anew here, empty, at this position; what stands before is not continued. Why: `code`
 *   IMAGE_END    lines: the image, together with the RECORDS of the bucket since its begin, is whole
 *   EPOCH        lines: the bucket goes on from this seq in this epoch, under a new master that has the same content
 *   NOTE         JSON of the process that writes: when it began, which incarnation, which version
 *
 * All lines are the same 15 bytes, little-endian: bucket u16, epoch u32, seq f64, code u8.
 *
 * A bucket is *whole* after IMAGE_END, until its next IMAGE_BEGIN. In RECORDS, a record of a bucket that has had an IMAGE_BEGIN has its epoch and its seq + 1
 * (log-position.ts). The content of a bucket at any point of the log is: begin empty at the last IMAGE_BEGIN whose IMAGE_END is there, and apply all
 * records of the bucket in IMAGE and RECORDS from there on, in order.
 */
import {BUCKET_COUNT} from '../constants.ts'

export const LOG_RECORDS = 1
export const LOG_IMAGE = 2
export const LOG_IMAGE_BEGIN = 3
export const LOG_IMAGE_END = 4
export const LOG_EPOCH = 5
export const LOG_NOTE = 6

/** Why an image begins. The first: the log knew nothing of the bucket. A gap: it knew something that its master could not go on from. */
export const IMAGE_FIRST = 0
export const IMAGE_GAP = 1
/** Made by compaction: no node sent it. */
export const IMAGE_COMPACTED = 2

export interface LogLine {
  readonly bucket: number
  readonly epoch: number
  readonly seq: number
  /** Of IMAGE_BEGIN: IMAGE_*. Else 0. */
  readonly code: number
}

export interface LogEntry {
  /** LOG_*. */
  readonly kind: number
  readonly body: Buffer
}

const LINE_BYTES = 15

export function encodeLogLines(lines: readonly LogLine[]): Buffer {
  const body = Buffer.allocUnsafe(lines.length * LINE_BYTES)
  lines.forEach(({bucket, epoch, seq, code}, i) => {
    const at = i * LINE_BYTES
    body.writeUInt16LE(bucket, at)
    body.writeUInt32LE(epoch, at + 2)
    body.writeDoubleLE(seq, at + 6)
    body[at + 14] = code
  })
  return body
}

/** Null: the bytes are no lines. */
export function decodeLogLines(body: Buffer): LogLine[] | null {
  if (body.length % LINE_BYTES !== 0) return null
  const lines: LogLine[] = []
  for (let at = 0; at < body.length; at += LINE_BYTES) {
    const bucket = body.readUInt16LE(at)
    const seq = body.readDoubleLE(at + 6)
    if (bucket >= BUCKET_COUNT || !Number.isSafeInteger(seq) || seq < 0) return null
    lines.push({bucket, epoch: body.readUInt32LE(at + 2), seq, code: body[at + 14]!})
  }
  return lines
}
