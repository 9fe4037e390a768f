/** Strangers at the peer port: whatever they say, they are turned away, the node lives, and its peers do not notice. */
import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Socket} from 'node:net'
import {describe, expect, onTestFinished, test} from 'vitest'
import {PEER_REASON_BYTES_MAX} from '../../../src/constants.ts'
import {SILENT_LOG} from '../../../src/node/log.ts'
import {encodeFrame, FRAME, FrameReader, type FrameType} from '../../../src/node/peer/peer-frame.ts'
import {encodeHello, makeProof} from '../../../src/node/peer/peer-hello.ts'
import {PeerNet} from '../../../src/node/peer/peer-net.ts'
import {seededRandom} from '../../support/random.ts'
import {waitFor} from '../../support/wait.ts'

const NODE_ID = '5'.repeat(40)
const LARGER = {nodeId: '9'.repeat(40), incarnation: 'i', clusterId: 'c'}
const SMALLER = {...LARGER, nodeId: '1'.repeat(40)}
const SECRET = 'secret'

interface Target {
  readonly net: PeerNet
  readonly port: number
  readonly refusals: string[]
  readonly events: string[]
}

async function startTarget(secret: string | null = SECRET): Promise<Target> {
  const [refusals, events]: [string[], string[]] = [[], []]
  const options = {nodeId: NODE_ID, incarnation: 'x', host: '127.0.0.1', port: 0, clusterId: () => 'c', secret}
  const net = new PeerNet(
    {...options, log: SILENT_LOG},
    {
      packet: (_, __, bytes) => void events.push(bytes.toString()),
      connected: () => void events.push('+'),
      disconnected: () => void events.push('-'),
      refused: (_, reason) => void refusals.push(reason),
    },
  )
  onTestFinished(() => net.close())
  return {net, port: await net.listen(), refusals, events}
}

/** Speaks frames by hand. */
class Stranger {
  readonly frames: {readonly type: FrameType; readonly payload: Buffer}[] = []
  readonly socket: Socket
  isClosed = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    const reader = new FrameReader((type, payload) => this.frames.push({type, payload}) > 0)
    reader.takesPackets = true
    this.socket.on('data', (bytes: Buffer) => void reader.receive(bytes))
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => (this.isClosed = true))
    onTestFinished(() => void this.socket.destroy())
  }

  say(type: FrameType, payload?: Buffer): void {
    this.socket.write(encodeFrame(type, payload))
  }

  /** The node's frame of this type, once it is there. */
  async frame(type: FrameType): Promise<Buffer> {
    return waitFor(`a frame of type ${type}`, () => this.frames.find((frame) => frame.type === type)?.payload)
  }

  async closed(): Promise<void> {
    await waitFor('it is closed', () => this.isClosed)
  }

  /** Says hello and gives both proofs, ours good; resolves with the hellos and their proof. */
  async greet(hello = LARGER): Promise<{mine: Buffer; theirs: Buffer; proof: Buffer}> {
    const mine = encodeHello(hello)
    this.say(FRAME.hello, mine)
    const theirs = await this.frame(FRAME.hello)
    const proof = await this.frame(FRAME.proof)
    return {mine, theirs, proof}
  }

  async prove(hello = LARGER): Promise<void> {
    const {mine, theirs} = await this.greet(hello)
    this.say(FRAME.proof, makeProof(SECRET, 'dialler', mine, theirs))
  }
}

describe('one who knows the secret', () => {
  test('is opened by the smaller id, and heard', async () => {
    const target = await startTarget()
    const peer = new Stranger(target.port)
    await peer.prove()
    await peer.frame(FRAME.open)
    peer.say(FRAME.packet, Buffer.from('hello'))
    await waitFor('it is heard', () => target.events.length === 2)
    expect(target.events).toEqual(['+', 'hello'])
  })

  test('opens by itself if its id is the smaller one', async () => {
    const target = await startTarget()
    const peer = new Stranger(target.port)
    await peer.prove(SMALLER)
    peer.say(FRAME.open)
    peer.say(FRAME.packet, Buffer.from('hello'))
    await waitFor('it is heard', () => target.events.length === 2)
    peer.say(FRAME.goodbye)
    await peer.closed()
    expect(target.events).toEqual(['+', 'hello', '-'])
  })

  test('and comes twice within a second is a duplicate the second time', async () => {
    const target = await startTarget()
    const [first, second] = [new Stranger(target.port), new Stranger(target.port)]
    await first.prove()
    await first.frame(FRAME.open)
    await second.prove()
    await second.frame(FRAME.duplicate)
    await second.closed()
    expect(first.isClosed).toBe(false)
    expect(target.events).toEqual(['+'])
    expect(target.refusals).toEqual([])
  })

  test('and is another process than before takes its place', async () => {
    const target = await startTarget()
    const [first, second] = [new Stranger(target.port), new Stranger(target.port)]
    await first.prove()
    await first.frame(FRAME.open)
    await second.prove({...LARGER, incarnation: 'new'})
    await second.frame(FRAME.open)
    await first.frame(FRAME.goodbye)
    await first.closed()
    expect(target.events).toEqual(['+', '-', '+'])
  })
})

describe('one who does not', () => {
  test('cannot send the proof back to its author', async () => {
    const target = await startTarget()
    const peer = new Stranger(target.port)
    const {mine, theirs, proof} = await peer.greet()
    expect(proof).toEqual(makeProof(SECRET, 'acceptor', theirs, mine))
    peer.say(FRAME.proof, proof)
    expect((await peer.frame(FRAME.refuse)).toString()).toBe('their cluster secrets differ')
    await peer.closed()
    expect(target.refusals).toEqual(['their cluster secrets differ'])
  })

  test('cannot use what it overheard', async () => {
    const target = await startTarget()
    const honest = new Stranger(target.port)
    const {mine, theirs} = await honest.greet()
    const proof = makeProof(SECRET, 'dialler', mine, theirs)
    const peer = new Stranger(target.port)
    peer.say(FRAME.hello, mine)
    await peer.frame(FRAME.proof)
    peer.say(FRAME.proof, proof)
    expect((await peer.frame(FRAME.refuse)).toString()).toBe('their cluster secrets differ')
    expect(target.events).toEqual([])
  })
})

describe('turned away with a reason is', () => {
  const hello = encodeHello(LARGER)
  const newer = Buffer.from(hello)
  newer[7] = 9
  test.each([
    ['another program', [Buffer.from('GET / HTTP/1.1\r\nHost: kv\r\n\r\n')], 'it sent bytes that are not a frame'],
    [
      'another version',
      [encodeFrame(FRAME.hello, newer)],
      'one speaks version 9 of the peer protocol, the other version 1',
    ],
    ['a malformed hello', [encodeFrame(FRAME.hello, hello.subarray(1))], 'it does not say hello as a node does'],
    ['a proof before the hello', [encodeFrame(FRAME.proof)], 'it sent a frame of type 2 out of turn'],
    [
      'a second hello',
      [encodeFrame(FRAME.hello, hello), encodeFrame(FRAME.hello, hello)],
      'it sent a frame of type 1 out of turn',
    ],
    [
      'an open before the proof',
      [encodeFrame(FRAME.hello, hello), encodeFrame(FRAME.open)],
      'it sent a frame of type 3 out of turn',
    ],
    ['a packet before the open', [encodeFrame(FRAME.packet, hello)], 'it sent a packet before the hello was over'],
  ])('%s', async (_, bytes, reason) => {
    const target = await startTarget()
    const peer = new Stranger(target.port)
    peer.socket.write(Buffer.concat(bytes))
    expect((await peer.frame(FRAME.refuse)).toString()).toBe(reason)
    await peer.closed()
    expect(target.refusals).toEqual([reason])
    expect(target.events).toEqual([])
  })

  test('the larger id that opens', async () => {
    const target = await startTarget(null)
    const peer = new Stranger(target.port)
    peer.say(FRAME.hello, encodeHello(LARGER))
    peer.say(FRAME.proof)
    await peer.frame(FRAME.open)
    peer.say(FRAME.open)
    expect((await peer.frame(FRAME.refuse)).toString()).toBe('it sent a frame of type 3 out of turn')
  })
})

test('the smaller id is left to dial first', async () => {
  const target = await startTarget()
  const calls: string[] = []
  const ports = await Promise.all(
    [SMALLER, LARGER].map(async ({nodeId}) => {
      const server = createServer((socket) => {
        calls.push(nodeId)
        socket.on('error', () => undefined)
      }).listen(0, '127.0.0.1')
      onTestFinished(() => void server.close())
      await once(server, 'listening')
      return {id: nodeId, host: '127.0.0.1', port: (server.address() as AddressInfo).port}
    }),
  )
  target.net.setPeers(ports)
  await waitFor('both are dialled', () => calls.length >= 2)
  expect(calls.slice(0, 2)).toEqual([LARGER.nodeId, SMALLER.nodeId])
})

test('a refusal is told without what could disturb a log', async () => {
  const target = await startTarget()
  const peer = new Stranger(target.port)
  peer.say(FRAME.refuse, Buffer.concat([Buffer.from('no\n\u001b[31m'), Buffer.alloc(PEER_REASON_BYTES_MAX, 'o')]))
  await waitFor('it is told', () => target.refusals.length === 1)
  expect(target.refusals[0]).toMatch(/^it turned us away: no\[31mo+$/)
  expect(target.refusals[0]!.length).toBeLessThan(PEER_REASON_BYTES_MAX + 30)
  await peer.closed()
})

test('one who says nothing, or stops half-way, is closed', async () => {
  const target = await startTarget()
  const peer = new Stranger(target.port)
  await peer.prove()
  await peer.frame(FRAME.open)
  const strangers = [new Stranger(target.port), new Stranger(target.port), new Stranger(target.port)]
  strangers[1]!.socket.write(encodeFrame(FRAME.hello, encodeHello(LARGER)).subarray(0, 40))
  strangers[2]!.say(FRAME.hello, encodeHello(LARGER))
  await Promise.all(strangers.map((stranger) => stranger.closed()))
  // For an open connection silence is no fault.
  expect(target.events).toEqual(['+'])
  expect(peer.isClosed).toBe(false)
})

test('random bytes and mutated hellos never harm the node nor its peer', async () => {
  const random = seededRandom(17)
  const target = await startTarget()
  const peer = new Stranger(target.port)
  await peer.prove()
  await peer.frame(FRAME.open)
  for (let round = 0; round < 30; round++) {
    const strangers = Array.from({length: 10}, () => new Stranger(target.port))
    for (const stranger of strangers) stranger.socket.end(makeAttack(random))
    await Promise.all(strangers.map((stranger) => stranger.closed()))
  }
  peer.say(FRAME.packet, Buffer.from('still here'))
  await waitFor('the peer is heard', () => target.events.length === 2)
  expect(target.events).toEqual(['+', 'still here'])
  expect(target.refusals.length).toBeGreaterThan(200)
})

/** Noise, a damaged conversation, or one in good frames that makes no sense. */
function makeAttack(random: ReturnType<typeof seededRandom>): Buffer {
  if (random.chance(0.3)) return random.bytes(1 + random.below(500))
  const isWhole = random.chance(0.5)
  const frames = Array.from({length: 1 + random.below(4)}, () => {
    const payload = random.chance(0.5) ? encodeHello(random.pick([LARGER, SMALLER])) : random.bytes(random.below(200))
    if (isWhole) for (let i = random.below(3); i > 0; i--) payload[random.below(payload.length)] = random.below(256)
    return encodeFrame(random.pick(Object.values(FRAME)), payload)
  })
  const bytes = Buffer.concat(frames)
  if (!isWhole) for (let i = 1 + random.below(5); i > 0; i--) bytes[random.below(bytes.length)] = random.below(256)
  return bytes.subarray(0, random.chance(0.2) ? random.below(bytes.length) : bytes.length)
}
