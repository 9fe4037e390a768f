/** Nodes find each other, keep one connection a pair, and come back together after whatever happened to it. */
import {createServer, connect, type AddressInfo, type Socket} from 'node:net'
import {describe, expect, onTestFinished, test} from 'vitest'
import {PEER_QUEUE_BYTES_MAX} from '../../../src/constants.ts'
import {SILENT_LOG} from '../../../src/node/log.ts'
import {PeerNet, type PeerAddress, type PeerNetOptions} from '../../../src/node/peer/peer-net.ts'
import {seededRandom} from '../../support/random.ts'
import {sleep, waitFor} from '../../support/wait.ts'

const HOST = '127.0.0.1'

/** A net that notes what it is told: `+id`, `-id`, and packets as `id:text`. */
interface TestNode {
  readonly id: string
  readonly net: PeerNet
  readonly port: number
  readonly address: PeerAddress
  readonly events: string[]
  readonly packets: string[]
  /** Both, as they came. */
  readonly log: string[]
  readonly refusals: {readonly id: string | null; readonly reason: string}[]
}

function idOf(letter: string): string {
  return letter.repeat(40)
}

async function startNode(letter: string, options: Partial<PeerNetOptions> = {}): Promise<TestNode> {
  const id = idOf(letter)
  const [events, packets, log, refusals]: [string[], string[], string[], TestNode['refusals'][number][]] = [
    [],
    [],
    [],
    [],
  ]
  const note = (list: string[], text: string): void => {
    list.push(text)
    log.push(text)
  }
  const defaults = {nodeId: id, incarnation: `${letter}1`, host: HOST, port: 0, clusterId: () => 'c', secret: null}
  const net = new PeerNet(
    {...defaults, log: SILENT_LOG, ...options},
    {
      packet: (from, _, bytes) => note(packets, `${from[0]}:${bytes.toString('latin1')}`),
      connected: (peer, incarnation) => note(events, `+${peer[0]} ${incarnation}`),
      disconnected: (peer) => note(events, `-${peer[0]}`),
      refused: (address, reason) => void refusals.push({id: address?.id[0] ?? null, reason}),
    },
  )
  onTestFinished(() => net.close())
  const port = await net.listen()
  return {id, net, port, address: {id, host: HOST, port}, events, packets, log, refusals}
}

async function connected(...nodes: readonly TestNode[]): Promise<void> {
  await waitFor('all are connected', () =>
    nodes.every(({net, id}) => nodes.every((other) => other.id === id || net.isConnected(other.id))),
  )
}

/** Starts nodes that know each other, and waits until they are connected. */
async function startPair(options: Partial<PeerNetOptions> = {}): Promise<[TestNode, TestNode]> {
  const [a, b] = [await startNode('a', options), await startNode('b', options)]
  a.net.setPeers([b.address])
  b.net.setPeers([a.address])
  await connected(a, b)
  return [a, b]
}

/** A relay in front of a port, which can do to a connection what networks do. */
class Relay {
  readonly pairs: {readonly near: Socket; readonly far: Socket}[] = []
  port = 0
  /** The end of one half is kept from the other. */
  isSilent = false
  /** Changes what goes to the port. */
  onBytes: (bytes: Buffer) => Buffer | null = (bytes) => bytes

  static async start(target: number): Promise<Relay> {
    const relay = new Relay()
    const server = createServer((near) => {
      const far = connect(target, HOST)
      relay.pairs.push({near, far})
      near.on('data', (bytes: Buffer) => {
        const passed = relay.onBytes(bytes)
        if (passed) far.write(passed)
      })
      far.on('data', (bytes: Buffer) => near.write(bytes))
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on('error', () => one.destroy())
        one.on('end', () => other.end())
        one.on('close', () => !relay.isSilent && other.destroy())
      }
    })
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
    relay.port = (server.address() as AddressInfo).port
    onTestFinished(() => {
      server.close()
      relay.cut()
    })
    return relay
  }

  cut(): void {
    for (const {near, far} of this.pairs.splice(0)) {
      near.destroy()
      far.destroy()
    }
  }
}

describe('two nodes', () => {
  test('that both dial have one connection, and packets arrive in order, both ways', async () => {
    const [a, b] = await startPair()
    a.net.setPeers([{...b.address}])
    for (let i = 0; i < 500; i++) {
      expect(a.net.send(b.id, Buffer.from(`${i}`))).toBe(true)
      expect(b.net.send(a.id, Buffer.alloc(i, 'x'))).toBe(true)
    }
    await waitFor('all have arrived', () => a.packets.length === 500 && b.packets.length === 500)
    expect(b.packets).toEqual(Array.from({length: 500}, (_, i) => `a:${i}`))
    expect(a.packets).toEqual(Array.from({length: 500}, (_, i) => `b:${'x'.repeat(i)}`))
    expect([a.events, b.events]).toEqual([['+b b1'], ['+a a1']])
    expect(a.net.stats).toMatchObject({connects: 1, packetsIn: 500, packetsOut: 500})
    expect(a.net.stats.bytesOut).toBe(b.net.stats.bytesIn)
    expect(b.net.stats.bytesOut).toBe(a.net.stats.bytesIn)
    expect(a.net.queuedBytes(b.id)).toBe(0)
  })

  test('are connected also if only the one with the larger id reaches the other', async () => {
    const [a, b] = [await startNode('a'), await startNode('b')]
    a.net.setPeers([{...b.address, port: 1}])
    b.net.setPeers([a.address])
    await connected(a, b)
    expect([a.net.stats.connects, b.net.stats.connects]).toEqual([1, 1])
  })

  test('of which one was not there yet find each other later', async () => {
    const a = await startNode('a')
    const relay = await Relay.start(1)
    relay.cut()
    a.net.setPeers([{id: idOf('b'), host: HOST, port: relay.port}])
    expect(a.net.send(idOf('b'), Buffer.from('lost'))).toBe(false)
    await waitFor('it was dialled again and again', () => relay.pairs.length >= 3)
    const b = await startNode('b')
    a.net.setPeers([b.address])
    await connected(a, b)
  })

  test('reconnect after the connection was cut', async () => {
    const [a, b] = [await startNode('a'), await startNode('b')]
    const relay = await Relay.start(b.port)
    a.net.setPeers([{...b.address, port: relay.port}])
    await connected(a, b)
    for (let round = 1; round <= 3; round++) {
      relay.cut()
      await waitFor('both know', () => a.events.length >= 2 * round && b.events.length >= 2 * round)
      await connected(a, b)
      a.net.send(b.id, Buffer.from(`${round}`))
      await waitFor('a packet arrives', () => b.packets.length === round)
    }
    expect(a.events).toEqual(['+b b1', '-b', '+b b1', '-b', '+b b1', '-b', '+b b1'])
    expect(a.refusals).toEqual([])
  })

  test('replace a connection that only one of them has lost', async () => {
    const [a, b] = [await startNode('a'), await startNode('b')]
    const relay = await Relay.start(b.port)
    a.net.setPeers([{...b.address, port: relay.port}])
    await connected(a, b)
    // Nothing tells a: its half stays.
    b.net.setPeers([a.address])
    relay.isSilent = true
    relay.onBytes = () => null
    const [{near, far}] = relay.pairs as [(typeof relay.pairs)[0]]
    far.destroy()
    await waitFor('b has dialled', () => b.events.length === 3)
    await connected(a, b)
    expect(a.events).toEqual(['+b b1', '-b', '+b b1'])
    await waitFor('a has dropped its half', () => near.destroyed || near.readableEnded)
    a.net.send(b.id, Buffer.from('x'))
    await waitFor('a packet arrives', () => b.packets.length === 1)
  })

  test('redial after a frame was damaged on its way, and say so', async () => {
    const [a, b] = [await startNode('a'), await startNode('b')]
    const relay = await Relay.start(b.port)
    a.net.setPeers([{...b.address, port: relay.port}])
    await connected(a, b)
    relay.onBytes = (bytes) => {
      relay.onBytes = (other) => other
      const flipped = Buffer.from(bytes)
      flipped[flipped.length - 1]! ^= 1
      return flipped
    }
    a.net.send(b.id, Buffer.from('hello'))
    await waitFor('both have seen it', () => a.refusals.length === 1 && b.refusals.length === 1)
    expect(b.refusals).toEqual([{id: null, reason: 'it sent a damaged frame of 5 bytes'}])
    expect(a.refusals).toEqual([{id: 'b', reason: 'it turned us away: it sent a damaged frame of 5 bytes'}])
    await waitFor('they are connected again', () => a.events.length === 3)
    await connected(a, b)
    expect(b.packets).toEqual([])
  })
})

describe('a peer', () => {
  test('that was started anew takes the place of its old connection at once', async () => {
    const [a, b] = await startPair()
    // The old process still holds its socket, as after a loss of power.
    const again = await startNode('b', {incarnation: 'b2'})
    again.net.setPeers([a.address])
    await waitFor('a has the new one', () => a.events.includes('+b b2'))
    expect(a.events).toEqual(['+b b1', '-b', '+b b2'])
    await connected(a, again)
    await b.net.close()
    a.net.send(again.id, Buffer.from('new'))
    await waitFor('the new one has it', () => again.packets.length === 1)
  })

  test('that is no longer named is sent what is queued, then disconnected', async () => {
    const [a, b] = await startPair()
    const large = Buffer.alloc(20_000_000, 'l')
    for (let i = 0; i < 3; i++) expect(a.net.send(b.id, large)).toBe(true)
    b.net.setPeers([])
    await waitFor('b has ended it', () => a.events.includes('-b'))
    await a.net.close()

    const [c, d] = await startPair()
    c.net.send(d.id, large)
    c.net.send(d.id, Buffer.from('last'))
    d.events.length = 0
    c.net.setPeers([])
    expect(c.events).toEqual(['+b b1', '-b'])
    expect(c.net.send(d.id, Buffer.from('later'))).toBe(false)
    await waitFor('d knows', () => d.events.length > 0)
    expect(d.packets.map((text) => text.length)).toEqual([large.length + 2, 'a:last'.length])
  })

  test('that moved is dialled at its new address', async () => {
    const a = await startNode('a')
    const old = await startNode('b')
    a.net.setPeers([old.address])
    await connected(a, old)
    const moved = await startNode('b', {incarnation: 'b2'})
    a.net.setPeers([moved.address])
    expect(a.events).toEqual(['+b b1', '-b'])
    await connected(a, moved)
    expect(a.events).toEqual(['+b b1', '-b', '+b b2'])
  })

  test('that nobody named may stay, and is not dialled when it is named', async () => {
    const [a, b] = [await startNode('a'), await startNode('b')]
    a.net.setPeers([b.address])
    await connected(a, b)
    b.net.setPeers([])
    b.net.send(a.id, Buffer.from('from a stranger'))
    await waitFor('a has it', () => a.packets.length === 1)
    b.net.setPeers([a.address])
    await sleep(100)
    expect([a.net.stats.connects, b.net.stats.connects]).toEqual([1, 1])
    b.net.setPeers([])
    await waitFor('now it is dropped', () => a.events.includes('-b'))
  })

  test('that does not read has a bounded queue', async () => {
    const [a, b] = [await startNode('a'), await startNode('b')]
    const relay = await Relay.start(b.port)
    a.net.setPeers([{...b.address, port: relay.port}])
    await connected(a, b)
    relay.pairs[0]!.near.pause()
    const packet = Buffer.alloc(32 * 1024 * 1024)
    let sent = 0
    while (a.net.send(b.id, packet)) sent++
    expect(sent).toBe(7)
    expect(a.net.queuedBytes(b.id)).toBeLessThanOrEqual(PEER_QUEUE_BYTES_MAX)
    expect(a.net.isConnected(b.id)).toBe(true)
    // Small ones still fit.
    expect(a.net.send(b.id, Buffer.from('x'))).toBe(true)
    relay.cut()
    await waitFor('the queue is gone', () => a.events.includes('-b'))
    expect(a.net.queuedBytes(b.id)).toBe(0)
  })
})

describe('turned away are', () => {
  test.each([
    ['nodes of another cluster', {clusterId: () => 'd'}, /they belong to two clusters, [cd] and [cd]$/],
    ['nodes with another secret', {secret: 'other'}, 'their cluster secrets differ'],
    ['nodes without a secret', {secret: null}, 'only one of them has a cluster secret'],
    ['nodes with our own id', {nodeId: idOf('a')}, /two processes have the node id a+/],
  ] as const)('%s', async (_, options, reason) => {
    const a = await startNode('a', {secret: 'secret'})
    const b = await startNode('b', {secret: 'secret', ...options})
    a.net.setPeers([{...b.address, id: idOf('b')}])
    await waitFor('both were told', () => a.refusals.length > 0 && b.refusals.length > 0)
    expect(a.refusals[0]).toEqual({id: 'b', reason: expect.stringMatching(reason) as string})
    expect(b.refusals[0]).toEqual({id: null, reason: expect.stringMatching(reason) as string})
    expect([...a.events, ...b.events]).toEqual([])
  })

  test('another node at the address, and a node at its own', async () => {
    const [a, b] = [await startNode('a'), await startNode('b')]
    a.net.setPeers([
      {...b.address, id: idOf('c')},
      {...a.address, id: idOf('d')},
    ])
    await waitFor('both were found', () => new Set(a.refusals.map(({id}) => id)).size >= 2)
    const reasonOf = (id: string): string | undefined => a.refusals.find((refusal) => refusal.id === id)?.reason
    expect(reasonOf('c')).toBe(`node ${b.id} answers at the address of node ${idOf('c')}`)
    expect(reasonOf('d')).toMatch(/the address leads a node to itself/)
    expect(a.events).toEqual([])
  })

  test('not those that join and have no cluster yet, nor those with the same secret', async () => {
    const [a, b] = [await startNode('a', {secret: 's'}), await startNode('b', {secret: 's', clusterId: () => ''})]
    b.net.setPeers([a.address])
    await connected(a, b)
  })
})

describe('many nodes', () => {
  test('are all connected with each other by one connection a pair', async () => {
    const nodes = await Promise.all([...'fbdace'].map((letter) => startNode(letter, {secret: 's'})))
    const addresses = nodes.map(({address}) => address)
    for (const {net} of nodes) net.setPeers(addresses)
    await connected(...nodes)
    for (const {net, events} of nodes) {
      expect(net.stats.connects).toBe(5)
      expect(events.length).toBe(5)
    }
  })

  test('under cuts at random lose nothing within a connection and end up connected', async () => {
    const random = seededRandom(3)
    const nodes = await Promise.all([...'abc'].map((letter) => startNode(letter)))
    const relays = await Promise.all(nodes.map(({port}) => Relay.start(port)))
    const addresses = nodes.map(({address}, i) => ({...address, port: relays[i]!.port}))
    for (const {net} of nodes) net.setPeers(addresses)
    const counts = new Map<string, number>()
    for (let step = 0; step < 150; step++) {
      const [from, to] = [random.pick(nodes), random.pick(nodes)]
      const pair = from.id + to.id
      for (let i = 0; i < 20; i++) {
        const count = counts.get(pair) ?? 0
        if (from.net.send(to.id, Buffer.from(`${count}`))) counts.set(pair, count + 1)
      }
      if (random.chance(0.06)) random.pick(relays).cut()
      if (random.chance(0.05)) random.pick(nodes).net.setPeers(addresses.filter(() => random.chance(0.7)))
      await sleep(5)
    }
    for (const {net} of nodes) net.setPeers(addresses)
    await connected(...nodes)
    for (const node of nodes) for (const other of nodes) checkLog(node.log, other.id[0]!)
    expect(nodes.reduce((sum, {packets}) => sum + packets.length, 0)).toBeGreaterThan(100)
    expect(nodes.flatMap(({refusals}) => refusals)).toEqual([])
  })
})

describe('the end', () => {
  test('is a goodbye to those who are connected, and for good', async () => {
    const [a, b] = await startPair()
    b.net.send(a.id, Buffer.from('last words'))
    const closing = b.net.close()
    expect(b.net.close()).toBe(closing)
    await closing
    expect(b.events).toEqual(['+a a1', '-a'])
    await waitFor('a knows', () => a.events.includes('-b'))
    expect(a.packets).toEqual(['b:last words'])
    expect(b.net.send(a.id, Buffer.from('x'))).toBe(false)
    b.net.setPeers([a.address])
    await sleep(50)
    expect(b.net.stats.connects).toBe(1)
  })
})

/** What a node was told of one peer: it is there, packets without a gap, it is gone; and no packet twice. */
function checkLog(log: readonly string[], peer: string): void {
  let isThere = false
  let isFirst = true
  let last = -1
  for (const text of log.filter((entry) => /^[+-]?(.)/.exec(entry)![1] === peer)) {
    if (text[0] === '+' || text[0] === '-') {
      expect(isThere).toBe(text[0] === '-')
      isThere = !isThere
      isFirst = true
      continue
    }
    expect(isThere).toBe(true)
    const number = Number(text.slice(2))
    if (isFirst) expect(number).toBeGreaterThan(last)
    else expect(number).toBe(last + 1)
    last = number
    isFirst = false
  }
}
