/** What clients keep stays true while buckets move and nodes die; who listens to a sharded channel is told when it moves; events of keys. */
import {createCluster} from 'redis'
import {afterEach, describe, expect, test} from 'vitest'
import {keyBucket} from '../../src/base/crc16.ts'
import {ClusterClient} from '../../src/client/cluster-client.ts'
import {CachingReader} from './caching-reader.ts'
import type {Reply} from '../../src/client/reply.ts'
import {moveSome} from './moves.ts'
import {ProcessCluster} from './processes.ts'
import {plain, type Plain} from '../core/server-support.ts'
import {encodeCommand, rawConnection, type RawConnection} from '../support/raw-connection.ts'
import {parseReply} from '../support/resp-split.ts'
import {waitFor} from '../support/wait.ts'

const HOST = '127.0.0.1'
const TIMEOUT_MS = 30_000
/** Buckets that are moved: 400 from each. */
const FIRST = 1_000
const KEYS_COUNT = 60

let nodes: ProcessCluster
const ends: (() => void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) end()
  await nodes.stop()
})

/** Names whose buckets are among those that move. */
const KEYS = Array.from({length: 20_000}, (_, i) => `key:${i}`)
  .filter((key) => {
    const bucket = keyBucket(Buffer.from(key), 0, key.length)
    return bucket >= FIRST && bucket < FIRST + 400
  })
  .slice(0, KEYS_COUNT)

async function receive(connection: RawConnection): Promise<Plain> {
  return plain(parseReply(await connection.reply(TIMEOUT_MS)))
}

async function call(connection: RawConnection, ...args: readonly string[]): Promise<Plain> {
  connection.write(encodeCommand(args))
  return receive(connection)
}

async function connectTo(port: number): Promise<RawConnection> {
  const connection = await rawConnection(port)
  ends.push(() => connection.close())
  return connection
}

/** Port of the master of this bucket, as the cluster says. */
async function masterOf(bucket: number): Promise<number> {
  const {members, ranges} = await nodes.linked((link) => link.state())
  const [, , master] = ranges.find(([from, to]) => from <= bucket && bucket <= to)!
  return members.find(({slot}) => slot === master)!.port
}

/** As the reader keeps it. */
function shown(reply: Reply): string | null {
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : (reply as string | null)
}

/** Writers and a caching reader, until `stop`; then what is kept is compared with what is there. */
class Hammer {
  readonly reader = new CachingReader(() => nodes.ports)
  readonly #clients: ClusterClient[] = []
  #isOver = false
  #written = 0
  #work: Promise<void>[] = []

  async start(): Promise<void> {
    this.#isOver = false
    const seeds = nodes.ports.map((port) => ({host: HOST, port}))
    for (let i = 0; i < 3; i++) this.#clients.push(await ClusterClient.connect(seeds))
    this.#work = [...this.#clients.map((client) => this.#write(client)), ...[1, 2, 3, 4].map(() => this.#read())]
  }

  async #write(client: ClusterClient): Promise<void> {
    while (!this.#isOver) {
      const key = KEYS[Math.floor(Math.random() * KEYS.length)]!
      // What fails is not known to have happened; the next one goes on. A map that is old is learnt anew.
      await client.send(['INCR', key], key).catch(() => client.refresh().catch(() => undefined))
      this.#written++
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  async #read(): Promise<void> {
    while (!this.#isOver) {
      await this.reader.read(KEYS[Math.floor(Math.random() * KEYS.length)]!)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async progress(): Promise<void> {
    const {hits, misses} = this.reader
    const from = this.#written
    await waitFor('writes, hits and misses', () => {
      const {reader} = this
      return this.#written > from + 200 && reader.hits > hits + 200 && reader.misses > misses + 50
    })
  }

  /** Ends the load and compares: strictly, since what was acknowledged was told before. */
  async compare(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#work)
    for (const client of this.#clients.splice(0)) client.cut()
    await this.reader.settle()
    const kept = [...this.reader.cache]
    const client = await ClusterClient.connect(nodes.ports.map((port) => ({host: HOST, port})))
    const there = await Promise.all(kept.map(async ([key]) => [key, shown(await client.send(['GET', key], key))]))
    client.cut()
    expect(kept.map(([key, {value}]) => [key, value])).toEqual(there)
  }
}

describe('client-side caching', () => {
  test('what is kept is what is there, while buckets move and a node is killed', async () => {
    nodes = await ProcessCluster.start(3, {replicas: 1})
    await nodes.settled(2)
    const hammer = new Hammer()
    ends.push(() => hammer.reader.close())
    for (const port of nodes.ports) {
      await hammer.start()
      await hammer.progress()
      await moveSome(nodes, port, FIRST).catch((error: unknown) => {
        // It has most of them already.
        if (!String(error).includes('greater than')) throw error
      })
      await hammer.progress()
      await hammer.compare()
    }
    await hammer.start()
    const victim = nodes.nodes.find(({port}) => port !== nodes.ports[0])!
    await victim.kill()
    await hammer.progress()
    await hammer.compare()
    expect(hammer.reader.invalidations).toBeGreaterThan(100)
  })

  test('keys of a bucket that moves are invalidated, though nobody writes them', async () => {
    nodes = await ProcessCluster.start(2, {replicas: 0})
    await nodes.settled(1)
    const [a, b] = nodes.ports
    await moveSome(nodes, a!, FIRST).catch(() => undefined)
    const reader = new CachingReader(() => [a!])
    ends.push(() => reader.close())
    for (const key of KEYS) await reader.read(key)
    expect(reader.cache.size).toBe(KEYS.length)
    await moveSome(nodes, b!, FIRST)
    await reader.settle()
    expect(reader.cache.size).toBe(0)
  })

  test("node-redis' own cache", async () => {
    nodes = await ProcessCluster.start(2, {replicas: 0})
    await nodes.settled(1)
    const options = {rootNodes: [{url: `redis://${HOST}:${nodes.ports[0]!}`}], RESP: 3 as const}
    const cached = createCluster({...options, clientSideCache: {ttl: 0, maxEntries: 0, evictPolicy: 'LRU'}})
    const plainOne = createCluster(options)
    await Promise.all([cached.connect(), plainOne.connect()])
    for (const key of KEYS.slice(0, 10)) {
      await plainOne.set(key, 'old')
      expect(await cached.get(key)).toBe('old')
      expect(await cached.get(key)).toBe('old')
      await plainOne.set(key, 'new')
      await waitFor('the new value', async () => (await cached.get(key)) === 'new')
    }
    expect(cached.clientSideCache!.stats().hitCount).toBeGreaterThanOrEqual(10)
    await Promise.all([cached.close(), plainOne.close()])
  })
})

describe('sharded channels', () => {
  test('subscribers are told that the bucket moves, and go on at its new master', async () => {
    nodes = await ProcessCluster.start(2, {replicas: 0})
    await nodes.settled(1)
    const [a, b] = nodes.ports
    await moveSome(nodes, a!, FIRST).catch(() => undefined)
    const [channel] = KEYS
    const bucket = keyBucket(Buffer.from(channel!), 0, channel!.length)
    expect(await masterOf(bucket)).toBe(a)
    const listener = await connectTo(a!)
    const speaker = await connectTo(a!)
    await call(listener, 'HELLO', '3')
    expect(await call(listener, 'SSUBSCRIBE', channel!)).toEqual(['ssubscribe', channel, 1])
    expect(await call(speaker, 'SPUBLISH', channel!, 'before')).toBe(1)
    expect(await receive(listener)).toEqual(['smessage', channel, 'before'])
    await moveSome(nodes, b!, FIRST)
    expect(await receive(listener)).toEqual(['sunsubscribe', channel, 0])
    expect(await call(listener, 'SSUBSCRIBE', channel!)).toBe(`-MOVED ${bucket} ${HOST}:${b}`)
    expect(await call(speaker, 'SPUBLISH', channel!, 'lost')).toBe(`-MOVED ${bucket} ${HOST}:${b}`)
    const again = await connectTo(b!)
    const other = await connectTo(b!)
    expect(await call(again, 'SSUBSCRIBE', channel!)).toEqual(['ssubscribe', channel, 1])
    expect(await call(other, 'SPUBLISH', channel!, 'after')).toBe(1)
    expect(await receive(again)).toEqual(['smessage', channel, 'after'])
  })

  test('node-redis goes on by itself', async () => {
    nodes = await ProcessCluster.start(2, {replicas: 0})
    await nodes.settled(1)
    const [a, b] = nodes.ports
    await moveSome(nodes, a!, FIRST).catch(() => undefined)
    const [channel] = KEYS
    const client = createCluster({rootNodes: [{url: `redis://${HOST}:${a!}`}]})
    await client.connect()
    const heard: string[] = []
    await client.sSubscribe(channel!, (message) => void heard.push(message))
    await client.sPublish(channel!, 'before')
    await waitFor('the first message', () => heard.includes('before'))
    await moveSome(nodes, b!, FIRST)
    await waitFor('a message after the move', async () => {
      await client.sPublish(channel!, 'after').catch(() => undefined)
      return heard.includes('after')
    })
    await client.close()
  })
})

describe('keyspace notifications', () => {
  test('the master of a key tells, its replica does not', async () => {
    nodes = await ProcessCluster.start(2, {replicas: 1})
    await nodes.settled(2)
    const bucket = keyBucket(Buffer.from('k'), 0, 1)
    const master = await masterOf(bucket)
    const [master1, replica1] = [master, nodes.ports.find((port) => port !== master)!]
    const listeners = await Promise.all([master1, replica1].map(connectTo))
    for (const listener of listeners) {
      expect(await call(listener, 'CONFIG', 'SET', 'notify-keyspace-events', 'KEA')).toBe('OK')
      await call(listener, 'PSUBSCRIBE', '__keyevent@0__:*')
    }
    const writer = await connectTo(master)
    await call(writer, 'SET', 'k', 'v')
    await call(writer, 'PEXPIRE', 'k', '30')
    const event = (name: string): Plain => ['pmessage', '__keyevent@0__:*', `__keyevent@0__:${name}`, 'k']
    for (const name of ['set', 'expire', 'expired']) expect(await receive(listeners[0]!)).toEqual(event(name))
    await call(writer, 'SET', 'k', 'v')
    await call(writer, 'DEL', 'k')
    for (const name of ['set', 'del']) expect(await receive(listeners[0]!)).toEqual(event(name))
    // Whatever the replica had said would come before this.
    expect(await call(listeners[1]!, 'PING')).toEqual(['pong', ''])
  })
})
