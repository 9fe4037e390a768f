/**
 * Frames of the peer protocol, and the reader that finds them in a stream of bytes.
 *
 *    0  u32 LE  length of the payload
 *    4  u8      type
 *    5  u24 LE  check of the head: low 24 bits of CRC32(bytes 0..4)
 *    8  u32 LE  CRC32(bytes 0..4, payload)
 *   12  payload
 *
 * The head has a check of its own: a damaged length would else make the reader wait for bytes that never come, and swallow
 * what does come. The layout of the head and of the hello's first bytes stays the same in every version of the protocol, so
 * that an older node can still be told why it is turned away.
 */
import {crc32} from 'node:zlib'
import {assert} from '../../base/assert.ts'
import {PEER_BLOCK_BYTES, PEER_CONTROL_BYTES_MAX, PEER_PACKET_BYTES_MAX} from '../../constants.ts'

export const PEER_FRAME_HEAD_BYTES = 12

/** What a frame is; peer-link.ts says which may come when. */
export const FRAME = {hello: 1, proof: 2, open: 3, duplicate: 4, refuse: 5, packet: 6, goodbye: 7} as const
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

const TYPES: ReadonlySet<number> = new Set(Object.values(FRAME))
const CHECKED_BYTES = 5
const NOTHING = Buffer.alloc(0)

/** The checked part of a head, copied here because crc32 wants a buffer of its own. */
const scratch = Buffer.alloc(CHECKED_BYTES)

/** Writes the head of a frame with this payload at `off`. */
export function writeFrameHead(target: Buffer, off: number, type: FrameType, payload: Buffer): void {
  assert(payload.length <= bytesMaxOf(type), 'a frame keeps to its limit')
  scratch.writeUInt32LE(payload.length, 0)
  scratch[4] = type
  const headCrc = crc32(scratch)
  scratch.copy(target, off)
  target.writeUIntLE(headCrc & 0xff_ffff, off + 5, 3)
  target.writeUInt32LE(crc32(payload, headCrc), off + 8)
}

/** A whole frame. */
export function encodeFrame(type: FrameType, payload: Buffer = NOTHING): Buffer {
  const frame = Buffer.allocUnsafe(PEER_FRAME_HEAD_BYTES + payload.length)
  writeFrameHead(frame, 0, type, payload)
  payload.copy(frame, PEER_FRAME_HEAD_BYTES)
  return frame
}

function bytesMaxOf(type: number): number {
  return type === FRAME.packet ? PEER_PACKET_BYTES_MAX : PEER_CONTROL_BYTES_MAX
}

/**
 * Takes a whole frame; true to go on reading. The payload belongs to the receiver: nothing writes to it again. (To keep a few
 * bytes for long, copy them: they may be a part of a chunk of 64 KB.)
 */
export type TakeFrame = (type: FrameType, payload: Buffer) => boolean

/**
 * Cuts a stream into frames. A frame that lies in one chunk is not copied at all, one that lies across two is copied once,
 * one of many chunks twice at most. Memory follows what has arrived, never what was announced.
 */
export class FrameReader {
  /** No packet is taken, however small, until this is set: who has not shown who it is cannot make us keep more than a control frame. */
  takesPackets = false
  readonly #take: TakeFrame
  /** The frame that is not all there yet. */
  #partial = NOTHING
  #held = 0
  /** Bytes of that frame: its head's, until that is known. */
  #need = PEER_FRAME_HEAD_BYTES
  #type: FrameType = FRAME.hello
  #crc = 0
  /** What the frame's CRC must become. */
  #wantedCrc = 0

  constructor(take: TakeFrame) {
    this.#take = take
  }

  /** Bytes kept for a frame that is not all there. */
  get heldBytes(): number {
    return this.#partial.length
  }

  /** Takes the next chunk, which must not change afterwards. Returns what is wrong with the stream, if anything is; it is then at its end. */
  receive(chunk: Buffer): string | null {
    let off = 0
    while (off < chunk.length) {
      if (this.#held === 0 && chunk.length - off >= PEER_FRAME_HEAD_BYTES) {
        const fault = this.#readHead(chunk, off)
        if (fault !== null) return fault
        const end = off + this.#need
        if (end <= chunk.length) {
          const payload = chunk.subarray(off + PEER_FRAME_HEAD_BYTES, end)
          this.#crc = crc32(payload, this.#crc)
          const verdict = this.#finish(payload)
          if (verdict !== true) return verdict
          off = end
          continue
        }
      }
      off = this.#gather(chunk, off)
      const verdict = this.#advance()
      if (verdict !== true) return verdict
    }
    return null
  }

  /** Judges the head at `off`; `#need`, `#type` and the CRCs are then those of its frame. */
  #readHead(buf: Buffer, off: number): string | null {
    buf.copy(scratch, 0, off, off + CHECKED_BYTES)
    const headCrc = crc32(scratch)
    if (buf.readUIntLE(off + 5, 3) !== (headCrc & 0xff_ffff)) return 'bytes that are not a frame'
    const length = buf.readUInt32LE(off)
    const type = scratch[4]!
    if (!TYPES.has(type)) return `a frame of the unknown type ${type}`
    if (type === FRAME.packet && !this.takesPackets) return 'a packet before the hello was over'
    if (length > bytesMaxOf(type)) return `a frame of ${length} bytes, more than the limit of ${bytesMaxOf(type)}`
    this.#type = type as FrameType
    this.#need = PEER_FRAME_HEAD_BYTES + length
    this.#crc = headCrc
    this.#wantedCrc = buf.readUInt32LE(off + 8)
    return null
  }

  /** Copies what the frame still needs; returns where the next one begins. */
  #gather(chunk: Buffer, off: number): number {
    const taken = Math.min(this.#need - this.#held, chunk.length - off)
    const held = this.#held + taken
    if (this.#partial.length < held) this.#grow(held)
    chunk.copy(this.#partial, this.#held, off, off + taken)
    // The sum goes along, so that the last piece of a large packet does not stop the loop for all of it.
    const payloadFrom = Math.max(this.#held, PEER_FRAME_HEAD_BYTES)
    if (payloadFrom < held) this.#crc = crc32(this.#partial.subarray(payloadFrom, held), this.#crc)
    this.#held = held
    return off + taken
  }

  /** Small frames get their room at once, large ones twice what has arrived. */
  #grow(bytes: number): void {
    const room = Math.min(this.#need, Math.max(PEER_BLOCK_BYTES, 2 * bytes))
    const larger = Buffer.allocUnsafeSlow(room)
    this.#partial.copy(larger, 0, 0, this.#held)
    this.#partial = larger
  }

  /** Goes on with the gathered frame as far as its bytes go. */
  #advance(): true | string | null {
    if (this.#held < this.#need) return true
    if (this.#need === PEER_FRAME_HEAD_BYTES) {
      const fault = this.#readHead(this.#partial, 0)
      if (fault !== null) return fault
      if (this.#held < this.#need) return true
    }
    return this.#finish(this.#partial.subarray(PEER_FRAME_HEAD_BYTES, this.#need))
  }

  /** True: go on. Null: who takes the frames wants no more. */
  #finish(payload: Buffer): true | string | null {
    this.#partial = NOTHING
    this.#held = 0
    this.#need = PEER_FRAME_HEAD_BYTES
    if (this.#crc !== this.#wantedCrc) return `a damaged frame of ${payload.length} bytes`
    return this.#take(this.#type, payload) ? true : null
  }
}
