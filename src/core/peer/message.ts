/**
 * What nodes say to each other. Messages of the stream (link.ts) arrive in order, each once; loose ones may be lost. Little-endian. Who cannot
 * read a body gets null and treats it as damage.
 *
 *   RECORDS      frames (record/batch.ts) of whole groups
 *   IMAGE        frames of a bucket that is being copied
 *   SYNC_BEGIN   bucket u16, epoch u32, index f64, positionEpoch u32, seq f64      a copy of the bucket begins; forget what you have
 *   SYNC_END     bucket u16, epoch u32                                             you have everything
 *   AGREE        lines of bucket u16, epoch u32, positionEpoch u32, seq f64         a new master asks: are you where I am?
 *   AGREED       lines of bucket u16, epoch u32, isSame u8
 *   REFUSED      lines of bucket u16, epoch u32, reason u8                          your records were not applied
 *   SERVING      lines of bucket u16, epoch u32                                     I answer clients now
 *   LOG_AT       lines as AGREE's                                                  the data log is not there, but here: can you go on from it?
 *   PUBLISH      what was published, loose: core/pubsub/relay.ts
 *   the others   JSON or Raft's own bytes
 */
import {BUCKET_COUNT} from '../../constants.ts'

export const MESSAGE_RECORDS = 1
export const MESSAGE_IMAGE = 2
export const MESSAGE_SYNC_BEGIN = 3
export const MESSAGE_SYNC_END = 4
export const MESSAGE_AGREE = 5
export const MESSAGE_AGREED = 6
export const MESSAGE_REFUSED = 7
export const MESSAGE_SERVING = 8
export const MESSAGE_RAFT = 9
export const MESSAGE_LEASE = 10
export const MESSAGE_GRANT = 11
export const MESSAGE_PROPOSE = 12
export const MESSAGE_JOIN = 13
export const MESSAGE_JOIN_REPLY = 14
export const MESSAGE_LOG_AT = 15
export const MESSAGE_PUBLISH = 16

/** A newer epoch is known here. */
export const REFUSED_STALE = 1
/** The copy here does not reach up to the record. */
export const REFUSED_GAP = 2

export interface BucketEpoch {
  readonly bucket: number
  readonly epoch: number
}

/** How far a copy is: the epoch of its last record and its seq. */
export interface Position extends BucketEpoch {
  readonly positionEpoch: number
  readonly seq: number
}

export interface Verdict extends BucketEpoch {
  /** AGREED: 1 = the same position. REFUSED: the reason. */
  readonly code: number
}

const EPOCH_LINE = 6
const VERDICT_LINE = 7
const POSITION_LINE = 18

export function encodeEpochs(lines: readonly BucketEpoch[]): Buffer {
  const body = Buffer.allocUnsafe(lines.length * EPOCH_LINE)
  lines.forEach(({bucket, epoch}, i) => writeEpoch(body, i * EPOCH_LINE, bucket, epoch))
  return body
}

export function decodeEpochs(body: Buffer): BucketEpoch[] | null {
  return lines(body, EPOCH_LINE, (at) => ({...readEpoch(body, at)}))
}

export function encodeVerdicts(verdicts: readonly Verdict[]): Buffer {
  const body = Buffer.allocUnsafe(verdicts.length * VERDICT_LINE)
  verdicts.forEach(({bucket, epoch, code}, i) => {
    writeEpoch(body, i * VERDICT_LINE, bucket, epoch)
    body[i * VERDICT_LINE + 6] = code
  })
  return body
}

export function decodeVerdicts(body: Buffer): Verdict[] | null {
  return lines(body, VERDICT_LINE, (at) => ({...readEpoch(body, at), code: body[at + 6]!}))
}

export function encodePositions(positions: readonly Position[]): Buffer {
  const body = Buffer.allocUnsafe(positions.length * POSITION_LINE)
  positions.forEach(({bucket, epoch, positionEpoch, seq}, i) => {
    const at = i * POSITION_LINE
    writeEpoch(body, at, bucket, epoch)
    body.writeUInt32LE(positionEpoch, at + 6)
    body.writeDoubleLE(seq, at + 10)
  })
  return body
}

export function decodePositions(body: Buffer): Position[] | null {
  return lines(body, POSITION_LINE, (at) => ({
    ...readEpoch(body, at),
    positionEpoch: body.readUInt32LE(at + 6),
    seq: body.readDoubleLE(at + 10),
  }))
}

export interface SyncBegin extends Position {
  /** The master had applied the agreed log up to here: older entries must not undo what begins now. */
  readonly index: number
}

export function encodeSyncBegin({bucket, epoch, positionEpoch, seq, index}: SyncBegin): Buffer {
  const body = Buffer.allocUnsafe(POSITION_LINE + 8)
  writeEpoch(body, 0, bucket, epoch)
  body.writeUInt32LE(positionEpoch, 6)
  body.writeDoubleLE(seq, 10)
  body.writeDoubleLE(index, POSITION_LINE)
  return body
}

export function decodeSyncBegin(body: Buffer): SyncBegin | null {
  if (body.length !== POSITION_LINE + 8) return null
  const position = {...readEpoch(body, 0), positionEpoch: body.readUInt32LE(6), seq: body.readDoubleLE(10)}
  return position.bucket < BUCKET_COUNT ? {...position, index: body.readDoubleLE(POSITION_LINE)} : null
}

function writeEpoch(body: Buffer, at: number, bucket: number, epoch: number): void {
  body.writeUInt16LE(bucket, at)
  body.writeUInt32LE(epoch, at + 2)
}

function readEpoch(body: Buffer, at: number): BucketEpoch {
  return {bucket: body.readUInt16LE(at), epoch: body.readUInt32LE(at + 2)}
}

function lines<T extends BucketEpoch>(body: Buffer, size: number, read: (at: number) => T): T[] | null {
  if (body.length % size !== 0) return null
  const result: T[] = []
  for (let at = 0; at < body.length; at += size) {
    const line = read(at)
    if (line.bucket >= BUCKET_COUNT) return null
    result.push(line)
  }
  return result
}
