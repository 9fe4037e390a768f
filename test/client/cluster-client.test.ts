import {afterEach, describe, expect, test} from 'vitest'
import {keyBucket} from '../../src/base/crc16.ts'
import {formatAddress, type Address} from '../../src/base/address.ts'
import {ClusterClient} from '../../src/client/cluster-client.ts'
import {parseMoved, parseSlots} from '../../src/client/slot-map.ts'
import {CLIENT_REDIRECTS_MAX} from '../../src/constants.ts'
import {freePort} from '../support/ports.ts'
import {startScriptedServer, type Request, type ScriptedServer} from './scripted-server.ts'

const servers: ScriptedServer[] = []
const clients: ClusterClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  for (const server of servers.splice(0)) await server.stop()
})

/** A two-node cluster whose owners a test can change: buckets below `split` are a's, the others b's. */
async function twoNodes(): Promise<{a: ScriptedServer; b: ScriptedServer; state: {split: number; told: number}}> {
  const state = {split: 8192, told: 8192}
  const rangesOf = (split: number): [number, number, Address][] => {
    const ranges: [number, number, Address][] = [
      [0, split - 1, a.address],
      [split, 16_383, b.address],
    ]
    return ranges.filter(([first, last]) => first <= last)
  }
  const answer = (self: 'a' | 'b', request: Request): string | undefined => {
    const [name, key = ''] = request
    if (name === 'CLUSTER') return slotsReply(rangesOf(state.told))
    if (name !== 'GET') return name === 'HELLO' ? undefined : '+OK\r\n'
    const bucket = keyBucket(Buffer.from(key), 0, Buffer.byteLength(key))
    const owner = bucket < state.split ? 'a' : 'b'
    const at = owner === 'a' ? a.address : b.address
    return owner === self ? `+${self}\r\n` : `-MOVED ${bucket} ${formatAddress(at)}\r\n`
  }
  const a = await startScriptedServer((request) => answer('a', request))
  const b = await startScriptedServer((request) => answer('b', request))
  servers.push(a, b)
  return {a, b, state}
}

function slotsReply(ranges: [number, number, Address][]): string {
  const rows = ranges.map(
    ([first, last, {host, port}]) => `*3\r\n:${first}\r\n:${last}\r\n*2\r\n$${host.length}\r\n${host}\r\n:${port}\r\n`,
  )
  return `*${rows.length}\r\n${rows.join('')}`
}

async function connect(...seeds: Address[]): Promise<ClusterClient> {
  const client = await ClusterClient.connect(seeds, {replyTimeoutMs: 2_000})
  clients.push(client)
  return client
}

/** Keys whose buckets are 12182 (b's at first) and 5061 (a's). */
const FOO = 'foo'
const BAR = 'bar'

describe('routing', () => {
  test('goes straight to the master of the key', async () => {
    const {a, b} = await twoNodes()
    const client = await connect(a.address)
    expect(await client.send(['GET', FOO], FOO)).toBe('b')
    expect(await client.send(['GET', BAR], Buffer.from(BAR))).toBe('a')
    expect(a.requests.filter(([name]) => name === 'GET')).toEqual([['GET', BAR]])
    expect(b.requests.filter(([name]) => name === 'GET')).toEqual([['GET', FOO]])
  })

  test('follows MOVED, and knows better the next time', async () => {
    const {a, b, state} = await twoNodes()
    const client = await connect(a.address)
    state.split = 16_384
    expect(await client.send(['GET', FOO], FOO)).toBe('a')
    state.told = 16_384
    await client.refresh()
    expect(await client.send(['GET', FOO], FOO)).toBe('a')
    expect(b.requests.filter(([name]) => name === 'GET')).toHaveLength(1)
  })

  test('sendTo says who answered in the end', async () => {
    const {a, b} = await twoNodes()
    const client = await connect(a.address)
    expect(await client.sendTo(a.address, ['GET', FOO])).toEqual({reply: 'b', from: b.address})
  })

  test('gives up on a circle of MOVED and hands it over', async () => {
    const server = await startScriptedServer(([name]) => {
      if (name === 'CLUSTER') return slotsReply([[0, 16_383, server.address]])
      return name === 'GET' ? `-MOVED 5061 ${formatAddress(server.address)}\r\n` : undefined
    })
    servers.push(server)
    const client = await connect(server.address)
    expect(await client.send(['GET', BAR], BAR)).toMatchObject({kind: 'error'})
    expect(server.requests.filter(([name]) => name === 'GET')).toHaveLength(CLIENT_REDIRECTS_MAX + 1)
  })

  test('any seed that answers will do; without one the last error is thrown', async () => {
    const {a} = await twoNodes()
    const dead = {host: '127.0.0.1', port: await freePort()}
    const client = await connect(dead, a.address)
    expect(await client.send(['GET', BAR], BAR)).toBe('a')
    await expect(ClusterClient.connect([dead])).rejects.toMatchObject({code: 'E_CONNECT'})
  })

  test('connects again after a node closed, without sending anything twice', async () => {
    const {a} = await twoNodes()
    const client = await connect(a.address)
    const first = await client.connectionTo(a.address)
    for (const socket of a.sockets) socket.destroy()
    await expect.poll(() => first.isOpen).toBe(false)
    expect(await client.send(['GET', BAR], BAR)).toBe('a')
    expect(a.requests.filter(([name]) => name === 'GET')).toHaveLength(1)
  })

  test('a client that was not connected learns the map from MOVED', async () => {
    const {a, b} = await twoNodes()
    const client = new ClusterClient([a.address])
    clients.push(client)
    expect(await client.send(['GET', FOO], FOO)).toBe('b')
    expect(await client.send(['GET', FOO], FOO)).toBe('b')
    expect(a.requests.filter(([name]) => name === 'GET')).toHaveLength(1)
    expect(b.requests.filter(([name]) => name === 'GET')).toHaveLength(2)
  })

  test('an error instead of the map is said as it is', async () => {
    const server = await startScriptedServer(([name]) => (name === 'CLUSTER' ? '-LOADING the dataset\r\n' : undefined))
    servers.push(server)
    await expect(ClusterClient.connect([server.address])).rejects.toMatchObject({
      code: 'E_REPLY',
      message: 'LOADING the dataset',
    })
  })

  test('a closed client sends nothing', async () => {
    const {a} = await twoNodes()
    const client = await connect(a.address)
    await client.close()
    await expect(client.send(['GET', BAR], BAR)).rejects.toMatchObject({code: 'E_CLOSED_UNSENT'})
  })
})

describe('CLUSTER SLOTS', () => {
  const asked = {host: '10.0.0.1', port: 7379}

  test('an empty, null or unknown host is the one that was asked', () => {
    for (const host of [Buffer.from(''), null, Buffer.from('?')]) {
      const map = parseSlots([[0, 16_383, [host, 7380, Buffer.from('id')]]], asked)
      expect(map.ownerOf(7)).toEqual({host: '10.0.0.1', port: 7380})
    }
  })

  test('buckets that nobody serves have no owner', () => {
    const map = parseSlots([[5, 9, [Buffer.from('h'), 1]]], asked)
    expect([4, 5, 9, 10].map((bucket) => map.ownerOf(bucket)?.port)).toEqual([undefined, 1, 1, undefined])
    expect(map.masters).toEqual([{host: 'h', port: 1}])
  })

  test('a Redis outside a cluster serves everything', () => {
    const map = parseSlots({kind: 'error', text: 'ERR This instance has cluster support disabled'}, asked)
    expect(map.ownerOf(16_383)).toEqual(asked)
  })

  test.each([
    ['not an array', 'OK'],
    ['a range that is not one', [[1]]],
    ['a bucket too far', [[0, 16_384, [Buffer.from('h'), 1]]]],
    ['a range backwards', [[9, 5, [Buffer.from('h'), 1]]]],
    ['a port that is none', [[0, 5, [Buffer.from('h'), 0]]]],
    ['a node that is none', [[0, 5, 'h:1']]],
  ])('%s is refused', (_name, reply) => {
    expect(() => parseSlots(reply, asked)).toThrow('CLUSTER SLOTS')
  })

  test('MOVED in its forms', () => {
    expect(parseMoved('MOVED 3999 127.0.0.1:6381', asked)).toEqual({bucket: 3999, to: {host: '127.0.0.1', port: 6381}})
    expect(parseMoved('MOVED 1 ::1:6381', asked)?.to).toEqual({host: '::1', port: 6381})
    expect(parseMoved('MOVED 1 :6381', asked)?.to).toEqual({host: '10.0.0.1', port: 6381})
    for (const text of ['MOVED 1', 'MOVED 99999 h:1', 'MOVED 1 h:99999', 'ASK 1 h:1', 'ERR MOVED 1 h:1']) {
      expect(parseMoved(text, asked)).toBeUndefined()
    }
  })
})
