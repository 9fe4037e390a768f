/** Packets of a link: whole, in order, and never overwritten while they are kept. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {LINK_SLAB_BYTES} from '../../../src/constants.ts'
import {LINK_HEAD_BYTES, MESSAGE_HEAD_BYTES, PacketWriter, type Packet} from '../../../src/core/peer/packet-writer.ts'

/** Lengths of the messages of each turn; how many of the oldest packets are given back after it. */
const TURNS = fc.array(
  fc.record({
    lengths: fc.array(fc.oneof(fc.nat(300), fc.nat(2 * LINK_SLAB_BYTES)), {minLength: 1, maxLength: 6}),
    given: fc.nat(4),
  }),
  {maxLength: 30},
)

function content(parts: readonly Packet[]): Buffer {
  return Buffer.concat(parts.map(({bytes}) => bytes.subarray(LINK_HEAD_BYTES)))
}

test('what is kept stays what it was, whatever is written and given back meanwhile', () => {
  fc.assert(
    fc.property(TURNS, fc.boolean(), (turns, isReusing) => {
      const writer = new PacketWriter(isReusing)
      const kept: {readonly parts: readonly Packet[]; readonly expected: Buffer}[] = []
      let fill = 0
      for (const {lengths, given} of turns) {
        const messages = lengths.map((length) => Buffer.alloc(length, ++fill))
        for (const message of messages) writer.append(7, message)
        expect(writer.pendingBytes).toBe(lengths.reduce((sum, length) => sum + length + MESSAGE_HEAD_BYTES, 0))
        const heads = messages.map(({length}) => Buffer.from([7, ...new Uint8Array(new Uint32Array([length]).buffer)]))
        const expected = Buffer.concat(messages.flatMap((message, i) => [heads[i]!, message]))
        kept.push({parts: writer.take(), expected})
        for (const {parts} of kept.splice(0, given)) for (const packet of parts) writer.give(packet)
        for (const {parts, expected} of kept) expect(content(parts).equals(expected)).toBe(true)
      }
    }),
    {numRuns: 60},
  )
})

test('memory is used again when the peer has executed what was in it, and only then', () => {
  const writer = new PacketWriter(true)
  const memory = new Set<ArrayBufferLike>()
  const turn = (): Packet => {
    writer.append(1, Buffer.alloc(LINK_SLAB_BYTES / 4))
    const [packet] = writer.take()
    memory.add(packet!.bytes.buffer)
    return packet!
  }
  for (let i = 0; i < 50; i++) writer.give(turn())
  expect(memory.size).toBe(1)
  const kept = Array.from({length: 8}, turn)
  expect(memory.size).toBeGreaterThan(2)
  const used = memory.size
  for (const packet of kept) writer.give(packet)
  for (let i = 0; i < 8; i++) turn()
  expect(memory.size).toBe(used)
})
