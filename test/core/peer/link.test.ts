/** The stream between two nodes: order, loss, and who is sent what again. */
import {expect, test} from 'vitest'
import {Link} from '../../../src/core/peer/link.ts'
import {LINK_PACKET_BYTES_MAX, LINK_RESEND_MS, LINK_LAZY_BYTES} from '../../../src/constants.ts'

const A = '0000000a'
const B = '0000000b'

interface End {
  readonly link: Link
  readonly heard: string[]
  /** Packets on their way to the other end. */
  readonly sent: Buffer[]
}

/** `mark`: what must be durable before what comes now is acknowledged. */
function makeEnd(own: string, peer: string, mark: () => number = () => 0): End {
  const heard: string[] = []
  const sent: Buffer[] = []
  const link = new Link('peer', peer, own, {
    keepsPackets: false,
    sendPacket: (packet) => sent.push(Buffer.from(packet)) > 0,
    canExecute: () => true,
    message: (_, body) => heard.push(body.toString()),
    loose: () => undefined,
    mark,
    broken: () => undefined,
  })
  link.connected(0)
  return {link, heard, sent}
}

function deliver(from: End, to: End, now: number): void {
  for (const packet of from.sent.splice(0)) to.link.receive(packet, now)
}

function say(end: End, text: string, now: number): void {
  end.link.append(1, Buffer.from(text))
  end.link.flush(now)
}

test('messages arrive in order, each once, though a packet comes twice', () => {
  const [a, b] = [makeEnd(A, B), makeEnd(B, A)]
  say(a, 'one', 0)
  say(a, 'two', 1)
  a.sent.push(Buffer.from(a.sent[0]!))
  deliver(a, b, 2)
  expect(b.heard).toEqual(['one', 'two'])
})

test('a lost packet is sent again though new ones keep being sent behind it', () => {
  const [a, b] = [makeEnd(A, B), makeEnd(B, A)]
  say(a, 'lost', 0)
  a.sent.length = 0
  // Never a pause as long as that after which a packet is sent again.
  for (let now = 10; now <= LINK_RESEND_MS + 10; now += 10) {
    say(a, `at ${now}`, now)
    a.link.tick(now)
  }
  deliver(a, b, LINK_RESEND_MS + 20)
  expect(b.heard[0]).toBe('lost')
})

test('an acknowledgement says that everything up to it was executed', () => {
  const [a, b] = [makeEnd(A, B), makeEnd(B, A)]
  say(a, 'one', 0)
  expect(a.link.isAcked(a.link.position)).toBe(false)
  deliver(a, b, 1)
  b.link.flush(1)
  deliver(b, a, 2)
  expect(a.link.isAcked(a.link.position)).toBe(true)
  expect(a.link.lateness(50)).toBe(0)
})

test('a packet of or for another incarnation is dropped', () => {
  const [a, b] = [makeEnd(A, B), makeEnd('0000000c', A)]
  say(a, 'one', 0)
  deliver(a, b, 1)
  expect(b.heard).toEqual([])
})

test('what is said in several packets is acknowledging only when the last of them was executed', () => {
  const [a, b] = [makeEnd(A, B), makeEnd(B, A)]
  say(a, 'a record', 0)
  deliver(a, b, 1)
  // The answer, too long for one packet: its end may refuse what its beginning acknowledges.
  b.link.append(1, Buffer.alloc(LINK_PACKET_BYTES_MAX, 'x'))
  b.link.append(1, Buffer.from('refused'))
  b.link.flush(2)
  expect(b.sent.length).toBe(2)
  a.link.receive(b.sent[0]!, 3)
  expect(a.link.isAcked(1)).toBe(false)
  a.link.receive(b.sent[1]!, 4)
  expect(a.heard.at(-1)).toBe('refused')
  expect(a.link.isAcked(1)).toBe(true)
})

test('what is not durable is not acknowledged, and then all of it at once', () => {
  let written = 0
  const [a, b] = [makeEnd(A, B), makeEnd(B, A, () => ++written)]
  const send = (text: string): number => {
    a.link.append(1, Buffer.from(text), 1, 10)
    a.link.flush(0)
    return a.link.position
  }
  const positions = ['one', 'two', 'three'].map(send)
  const settle = (mark: number): boolean[] => {
    b.link.release(mark)
    b.link.flush(2)
    deliver(b, a, 3)
    return positions.map((position) => a.link.isAcked(position))
  }
  deliver(a, b, 1)
  expect(b.heard).toEqual(['one', 'two', 'three'])
  expect(settle(0)).toEqual([false, false, false])
  expect(a.link.unackedRecords).toBe(30)
  expect(settle(2)).toEqual([true, true, false])
  expect(a.link.unackedRecords).toBe(10)
  expect(settle(3)).toEqual([true, true, true])
  expect([a.link.unackedRecords, a.link.unackedBytes]).toEqual([0, 0])
})

test('a lazy link gathers messages for a while, or until there are many, and says what it holds back', () => {
  const [a, b] = [makeEnd(A, B), makeEnd(B, A)]
  a.link.lazyMs = 5
  const endTurns = (from: number, to: number): void => {
    for (let now = from; now <= to; now++) a.link.endTurn(now)
  }
  a.link.append(1, Buffer.from('one'), 1, 3)
  endTurns(0, 4)
  a.link.append(1, Buffer.from('two'), 2, 4)
  expect([a.sent.length, a.link.pendingRecords, a.link.unackedRecords]).toEqual([0, 7, 0])
  endTurns(5, 5)
  expect([a.sent.length, a.link.pendingRecords, a.link.unackedRecords]).toEqual([1, 0, 7])
  a.link.append(1, Buffer.alloc(LINK_LAZY_BYTES))
  endTurns(6, 6)
  a.link.append(1, Buffer.from('now'))
  a.link.flush(7)
  expect(a.sent.length).toBe(3)
  deliver(a, b, 8)
  expect([b.heard[0], b.heard[1], b.heard.at(-1)]).toEqual(['one', 'two', 'now'])
})
