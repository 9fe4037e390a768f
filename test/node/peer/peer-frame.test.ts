/** Frames survive any cutting of the stream; damage, excess and nonsense are found, and cost no memory. */
import {crc32} from 'node:zlib'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {PEER_BLOCK_BYTES, PEER_CONTROL_BYTES_MAX, PEER_PACKET_BYTES_MAX} from '../../../src/constants.ts'
import {
  encodeFrame,
  FRAME,
  FrameReader,
  PEER_FRAME_HEAD_BYTES,
  type FrameType,
} from '../../../src/node/peer/peer-frame.ts'
import {seededRandom} from '../../support/random.ts'

interface Read {
  readonly frames: [FrameType, string][]
  readonly fault: string | null
}

/** Reads the stream in chunks of the given sizes, then the rest at once. */
function readIn(stream: Buffer, sizes: readonly number[] = []): Read {
  const frames: [FrameType, string][] = []
  const reader = new FrameReader((type, payload) => frames.push([type, payload.toString('hex')]) > 0)
  reader.takesPackets = true
  let off = 0
  for (const size of [...sizes, stream.length]) {
    // A copy, as a socket gives: what is kept must not depend on the stream.
    const fault = reader.receive(Buffer.from(stream.subarray(off, off + size)))
    if (fault !== null) return {frames, fault}
    off += size
  }
  return {frames, fault: null}
}

describe('a stream of frames', () => {
  test('gives the same frames in any pieces', () => {
    const payloads = fc.array(fc.uint8Array({maxLength: 200}), {maxLength: 8})
    const sizes = fc.array(fc.integer({min: 1, max: 40}), {maxLength: 60})
    fc.assert(
      fc.property(payloads, sizes, (list, cuts) => {
        const stream = Buffer.concat(list.map((bytes) => encodeFrame(FRAME.packet, Buffer.from(bytes))))
        expect(readIn(stream, cuts)).toEqual({
          frames: list.map((bytes) => [FRAME.packet, Buffer.from(bytes).toString('hex')]),
          fault: null,
        })
      }),
    )
  })

  test('gives large frames among small ones, in chunks of a socket', () => {
    const random = seededRandom(7)
    const list = [3, 70_000, 0, 300_000, 1, PEER_BLOCK_BYTES, 12].map((length) => random.bytes(length))
    const stream = Buffer.concat(list.map((bytes) => encodeFrame(FRAME.packet, bytes)))
    for (const size of [1000, 65_536, 99_999]) {
      const {frames, fault} = readIn(stream, new Array<number>(Math.floor(stream.length / size)).fill(size))
      expect(fault).toBeNull()
      expect(frames.map(([, hex]) => hex)).toEqual(list.map((bytes) => bytes.toString('hex')))
    }
  })

  test('takes a packet of the largest size', () => {
    const lengths: number[] = []
    const reader = new FrameReader((_, payload) => lengths.push(payload.length) > 0)
    reader.takesPackets = true
    const stream = encodeFrame(FRAME.packet, Buffer.alloc(PEER_PACKET_BYTES_MAX, 'p'))
    for (let off = 0; off < stream.length; off += 1 << 20) {
      expect(reader.receive(stream.subarray(off, off + (1 << 20)))).toBeNull()
    }
    expect(lengths).toEqual([PEER_PACKET_BYTES_MAX])
    expect(() => encodeFrame(FRAME.packet, Buffer.alloc(PEER_PACKET_BYTES_MAX + 1))).toThrow(/keeps to its limit/)
  })

  test('ends when its reader wants no more', () => {
    let count = 0
    const reader = new FrameReader(() => ++count < 2)
    const stream = Buffer.concat([1, 2, 3].map(() => encodeFrame(FRAME.goodbye)))
    expect(reader.receive(stream)).toBeNull()
    expect(count).toBe(2)
  })
})

describe('damage', () => {
  test('any flipped bit is found, whole or byte by byte, before a byte of its frame is given out', () => {
    const first = encodeFrame(FRAME.packet, Buffer.from('first'))
    const stream = Buffer.concat([first, encodeFrame(FRAME.packet, Buffer.from('second packet'))])
    for (let bit = 0; bit < stream.length * 8; bit++) {
      const bytes = Buffer.from(stream)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      for (const sizes of [[], new Array<number>(stream.length).fill(1)]) {
        const {frames, fault} = readIn(bytes, sizes)
        expect(fault).toMatch(/damaged|not a frame/)
        expect(frames.length).toBe(bit >> 3 < first.length ? 0 : 1)
      }
    }
  })

  test('a frame over its limit is refused by its head', () => {
    const tooLong = [
      {type: FRAME.hello, length: PEER_CONTROL_BYTES_MAX + 1},
      {type: FRAME.packet, length: PEER_PACKET_BYTES_MAX + 1},
      {type: FRAME.packet, length: 2 ** 32 - 1},
    ]
    for (const {type, length} of tooLong) {
      expect(readIn(makeHead(type, length)).fault).toBe(
        `a frame of ${length} bytes, more than the limit of ${type === FRAME.packet ? PEER_PACKET_BYTES_MAX : PEER_CONTROL_BYTES_MAX}`,
      )
    }
    expect(readIn(makeHead(99, 0)).fault).toBe('a frame of the unknown type 99')
  })

  test('a packet is refused by its head as long as the hello is not over', () => {
    const reader = new FrameReader(() => true)
    expect(reader.receive(makeHead(FRAME.packet, 1))).toBe('a packet before the hello was over')
  })

  test('random bytes are refused, in any pieces', () => {
    const random = seededRandom(11)
    for (let round = 0; round < 2000; round++) {
      const bytes = random.bytes(PEER_FRAME_HEAD_BYTES + random.below(100))
      expect(readIn(bytes, [1 + random.below(30)]).fault).not.toBeNull()
    }
  })
})

test('memory follows what has arrived, not what was announced', () => {
  const reader = new FrameReader(() => true)
  reader.takesPackets = true
  const arrived = [makeHead(FRAME.packet, PEER_PACKET_BYTES_MAX), ...new Array<Buffer>(40).fill(Buffer.alloc(50_000))]
  let bytes = 0
  for (const chunk of arrived) {
    expect(reader.receive(chunk)).toBeNull()
    bytes += chunk.length
    expect(reader.heldBytes).toBeLessThanOrEqual(Math.max(PEER_BLOCK_BYTES, 2 * bytes))
  }
  expect(bytes).toBeGreaterThan(2_000_000)
})

/** A head with a right check that announces `length` bytes. */
function makeHead(type: number, length: number): Buffer {
  const checked = Buffer.alloc(5)
  checked.writeUInt32LE(length, 0)
  checked[4] = type
  const head = Buffer.alloc(PEER_FRAME_HEAD_BYTES)
  checked.copy(head)
  head.writeUIntLE(crc32(checked) & 0xff_ffff, 5, 3)
  return head
}
