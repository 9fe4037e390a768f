/** The order of what one client is sent: nothing overtakes what was said before it, whatever has to wait. */
import {expect, test} from 'vitest'
import {Output} from '../../src/node/output.ts'
import {Turn, type Recipient} from '../../src/node/turn.ts'
import type {Socket} from 'node:net'
import type {Barrier} from '../../src/core/replication/gate.ts'
import type {ReplyWriter} from '../../src/resp/reply-writer.ts'
import {Session} from '../../src/core/session.ts'

interface FakeSocket {
  written: string
  writableLength: number
  write(bytes: Uint8Array, done: () => void): void
}

/** One client whose socket takes everything at once. */
function makeClient(turn = new Turn()): {turn: Turn; output: Output; recipient: Recipient; socket: FakeSocket} {
  const socket: FakeSocket = {
    written: '',
    writableLength: 0,
    write(bytes, done) {
      this.written += Buffer.from(bytes).toString('latin1')
      done()
    },
  }
  const recipient: Recipient = {
    send: (bytes) => output.send(bytes),
    sent: () => undefined,
    sendPosted: () => {
      if (output.hasMessages) output.sendMessages()
    },
  }
  const output: Output = new Output(turn, recipient, socket as unknown as Socket, () => undefined)
  return {turn, output, recipient, socket}
}

const says =
  (text: string) =>
  (out: ReplyWriter): void =>
    out.raw(Buffer.from(`${text} `))

function barrier(): Barrier {
  return {session: new Session(1, 'client', 'here', 0, true), buckets: [], unproven: [], ticket: 0, isOpen: false}
}

/** A reply is written; it is a piece of the turn, or held. */
function reply({turn, output, recipient}: ReturnType<typeof makeClient>, text: string, wait?: Barrier | null): void {
  const start = turn.writer.pos
  says(text)(turn.writer)
  if (wait === undefined) turn.add(recipient, start)
  else output.hold(start, wait)
}

test('a message comes behind the replies of its turn', () => {
  const client = makeClient()
  reply(client, 'one')
  client.output.push(2, says('message'), false)
  client.turn.flush()
  expect(client.socket.written).toBe('one message ')
})

test('a message waits behind a reply that waits, and so does what follows it', () => {
  const client = makeClient()
  const first = barrier()
  reply(client, 'value', first)
  client.output.push(3, says('invalidate'), false)
  reply(client, 'next', null)
  client.output.release()
  client.turn.flush()
  expect(client.socket.written).toBe('')
  first.isOpen = true
  client.output.release()
  client.turn.flush()
  expect(client.socket.written).toBe('value invalidate next ')
})

test('a message for a session that is being answered is a part of the same piece, held or not', () => {
  const client = makeClient()
  const wait = barrier()
  const start = client.turn.writer.pos
  says('reply')(client.turn.writer)
  client.output.push(2, says('own'), true)
  client.output.writeMessages()
  client.output.hold(start, wait)
  client.turn.flush()
  expect(client.socket.written).toBe('')
  wait.isOpen = true
  client.output.release()
  client.turn.flush()
  expect(client.socket.written).toBe('reply own ')
})

test('a message that was posted comes before what its session is answered later in the same turn', () => {
  const client = makeClient()
  client.output.push(2, says('message'), false)
  client.output.addMessages()
  reply(client, 'unsubscribed')
  client.turn.flush()
  expect(client.socket.written).toBe('message unsubscribed ')
})

test('a message does not disturb the replies of another session that are being written', () => {
  const turn = new Turn()
  const [one, other] = [makeClient(turn), makeClient(turn)]
  const start = turn.writer.pos
  says('half')(turn.writer)
  other.output.push(2, says('message'), false)
  says('whole')(turn.writer)
  turn.add(one.recipient, start)
  turn.flush()
  expect([one.socket.written, other.socket.written]).toEqual(['half whole ', 'message '])
})

test('pieces of a long reply wait like any other', () => {
  const client = makeClient()
  const wait = barrier()
  client.output.holdAll([Buffer.from('long '), Buffer.from('reply ')], wait)
  client.output.push(3, says('invalidate'), false)
  expect(client.output.owedBytes).toBe('long reply invalidate '.length)
  wait.isOpen = true
  client.output.release()
  client.turn.flush()
  expect(client.socket.written).toBe('long reply invalidate ')
  expect(client.output.owedBytes).toBe(0)
})
