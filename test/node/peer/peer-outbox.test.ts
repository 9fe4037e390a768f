/** What leaves in one turn leaves in one write, and nothing that was handed over is touched again. */
import type {Socket} from 'node:net'
import {Writable} from 'node:stream'
import {setImmediate as nextTurn} from 'node:timers/promises'
import {expect, test} from 'vitest'
import {PEER_COPY_BYTES_MAX} from '../../../src/constants.ts'
import {FRAME, FrameReader, PEER_FRAME_HEAD_BYTES} from '../../../src/node/peer/peer-frame.ts'
import {Outbox} from '../../../src/node/peer/peer-outbox.ts'
import {seededRandom} from '../../support/random.ts'

/** A socket that keeps what it is given, unread, until `drain`. */
class Sink extends Writable {
  readonly writes: Buffer[][] = []
  readonly waiting: (() => void)[] = []

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.#keep([chunk], done)
  }

  override _writev(chunks: {chunk: Buffer}[], done: () => void): void {
    this.#keep(
      chunks.map(({chunk}) => chunk),
      done,
    )
  }

  drain(): void {
    for (const done of this.waiting.splice(0)) done()
  }

  #keep(pieces: Buffer[], done: () => void): void {
    this.writes.push(pieces)
    this.waiting.push(done)
  }
}

function makeOutbox(): {sink: Sink; outbox: Outbox; flushed: () => number} {
  const sink = new Sink()
  let bytes = 0
  const outbox = new Outbox(sink as unknown as Socket, (count) => (bytes += count))
  return {sink, outbox, flushed: () => bytes}
}

test('packets of one turn leave in one write', async () => {
  const {sink, outbox, flushed} = makeOutbox()
  for (let i = 0; i < 1000; i++) outbox.push(FRAME.packet, Buffer.from(`packet ${i}`))
  outbox.push(FRAME.packet, Buffer.alloc(100_000))
  expect(sink.writes.length).toBe(0)
  const queued = outbox.bytes
  await nextTurn()
  expect(sink.writes.length).toBe(1)
  expect(flushed()).toBe(queued)
  expect(outbox.bytes).toBe(queued)
  sink.drain()
  await nextTurn()
  expect(outbox.bytes).toBe(0)
})

test('a large packet is sent from where it lies, a small one is copied', async () => {
  const {sink, outbox} = makeOutbox()
  const small = Buffer.from('small')
  const large = Buffer.alloc(PEER_COPY_BYTES_MAX + 1)
  outbox.push(FRAME.packet, small)
  outbox.push(FRAME.packet, large)
  outbox.push(FRAME.packet, small)
  await nextTurn()
  const pieces = sink.writes[0]!
  expect(pieces.map((piece) => piece.length)).toEqual([
    2 * PEER_FRAME_HEAD_BYTES + small.length,
    large.length,
    PEER_FRAME_HEAD_BYTES + small.length,
  ])
  expect(pieces[1]).toBe(large)
})

test('what was discarded does not leave', async () => {
  const {sink, outbox} = makeOutbox()
  outbox.push(FRAME.packet, Buffer.from('dropped'))
  outbox.discard()
  await nextTurn()
  outbox.flush()
  expect(sink.writes).toEqual([])
  expect(outbox.bytes).toBe(0)
})

test('any mix of packets and turns is read as it was sent, though the socket reads late', async () => {
  const random = seededRandom(5)
  const {sink, outbox} = makeOutbox()
  const sent: string[] = []
  for (let i = 0; i < 400; i++) {
    const bytes = random.bytes(random.chance(0.1) ? 10_000 + random.below(60_000) : random.below(300))
    sent.push(bytes.toString('base64'))
    outbox.push(FRAME.packet, bytes)
    if (random.chance(0.1)) await nextTurn()
    if (random.chance(0.05)) sink.drain()
  }
  while (outbox.bytes > 0) {
    await nextTurn()
    sink.drain()
  }
  const read: string[] = []
  const reader = new FrameReader((_, payload) => read.push(payload.toString('base64')) > 0)
  reader.takesPackets = true
  expect(reader.receive(Buffer.concat(sink.writes.flat()))).toBeNull()
  expect(read).toEqual(sent)
})
