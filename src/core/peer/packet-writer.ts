/**
 * The packets that a link makes of its messages, and their memory. A packet is kept until the peer has executed it, and where a disk is waited for that takes
 * milliseconds: buffers of their own would grow old in great numbers and be freed by full collections, several a second. So packets lie one behind the other
 * in slabs, and a slab is used again when the last packet in it is given back.
 *
 *   append, append, ... --> open packet --take--> kept by the link --give--> slab free again
 *
 * Messages of more than LINK_PACKET_BYTES_MAX in one turn are cut into parts anywhere, and put together again by the receiver.
 */
import {assert} from '../../base/assert.ts'
import {LINK_PACKET_BYTES_MAX, LINK_SLABS_FREE_MAX, LINK_SLAB_BYTES} from '../../constants.ts'

/** Room in front of each packet, for the link's head. */
export const LINK_HEAD_BYTES = 44
export const MESSAGE_HEAD_BYTES = 5

interface Slab {
  readonly bytes: Buffer
  /** Where the next packet begins. */
  end: number
  /** Packets in it that are kept. */
  packets: number
}

export interface Packet {
  /** The head, not filled in yet, and the content. */
  readonly bytes: Buffer
  readonly slab: Slab
}

export class PacketWriter {
  readonly #isReusing: boolean
  readonly #free: Slab[] = []
  #slab: Slab | null = null
  /** The open packet is `start..end` of the slab; nothing is open while both are 0. */
  #start = 0
  #end = 0
  /** Parts of this turn's packet that are full. */
  #parts: Packet[] = []
  readonly #head = Buffer.alloc(MESSAGE_HEAD_BYTES)
  /** Bytes of messages that were not taken yet. */
  pendingBytes = 0

  /** `isReusing`: nobody looks at the bytes of a packet any more when it is given back. */
  constructor(isReusing: boolean) {
    this.#isReusing = isReusing
  }

  /** The bytes are copied. */
  append(type: number, body: Buffer): void {
    const head = this.#head
    head[0] = type
    head.writeUInt32LE(body.length, 1)
    this.#write(head)
    this.#write(body)
    this.pendingBytes += MESSAGE_HEAD_BYTES + body.length
  }

  /** What was appended since the last call: one packet, or the parts of one. */
  take(): readonly Packet[] {
    if (this.#end > 0) this.#close()
    const parts = this.#parts
    this.#parts = []
    this.pendingBytes = 0
    return parts
  }

  give({slab}: Packet): void {
    slab.packets--
    assert(slab.packets >= 0, 'a packet is given back once')
    if (slab.packets > 0 || !this.#isReusing) return
    if (slab !== this.#slab) this.#retire(slab)
    else if (this.#end === 0) slab.end = 0
  }

  /** Forgets all packets. Those that were taken may be on their way still: their memory is not used again. */
  forget(): void {
    this.#slab = null
    this.#start = this.#end = 0
    this.#parts = []
    this.pendingBytes = 0
  }

  #write(source: Buffer): void {
    for (let from = 0; from < source.length;) {
      const room = this.#end === 0 ? LINK_PACKET_BYTES_MAX : LINK_PACKET_BYTES_MAX + LINK_HEAD_BYTES - this.#size
      if (room === 0) {
        this.#close()
        continue
      }
      const count = Math.min(room, source.length - from)
      this.#reserve(count)
      source.copy(this.#slab!.bytes, this.#end, from, from + count)
      this.#end += count
      from += count
    }
  }

  get #size(): number {
    return this.#end - this.#start
  }

  /** Room for so many bytes at the end of the open packet, which is begun if there is none. */
  #reserve(count: number): void {
    const isOpen = this.#end > 0
    const size = isOpen ? this.#size : LINK_HEAD_BYTES
    const slab = this.#slab
    if (slab && (isOpen ? this.#end : slab.end + size) + count <= slab.bytes.length) {
      if (isOpen) return
      this.#start = slab.end
      this.#end = slab.end + size
      return
    }
    const next = this.#next(size + count)
    if (isOpen) slab!.bytes.copy(next.bytes, 0, this.#start, this.#end)
    this.#slab = next
    this.#start = 0
    this.#end = size
    if (slab?.packets === 0 && this.#isReusing) this.#retire(slab)
  }

  /** An empty slab with room for so many bytes, and for a packet that grows on. */
  #next(bytes: number): Slab {
    if (bytes <= LINK_SLAB_BYTES) {
      const free = this.#free.pop()
      if (free) return free
      return {bytes: Buffer.allocUnsafeSlow(LINK_SLAB_BYTES), end: 0, packets: 0}
    }
    const room = Math.min(2 * bytes, LINK_PACKET_BYTES_MAX + LINK_HEAD_BYTES)
    return {bytes: Buffer.allocUnsafeSlow(room), end: 0, packets: 0}
  }

  #retire(slab: Slab): void {
    if (slab.bytes.length !== LINK_SLAB_BYTES || this.#free.length >= LINK_SLABS_FREE_MAX) return
    slab.end = 0
    this.#free.push(slab)
  }

  #close(): void {
    const slab = this.#slab!
    slab.packets++
    slab.end = this.#end
    this.#parts.push({bytes: slab.bytes.subarray(this.#start, this.#end), slab})
    this.#start = this.#end = 0
  }
}
