/** Messages between real nodes: whoever is subscribed anywhere hears what is published anywhere, with stock clients and without. */
import {Cluster as RedisCluster, Redis} from 'ioredis'
import {createCluster} from 'redis'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {ProcessCluster} from './processes.ts'
import {encodeCommand, rawConnection, type Arg, type RawConnection} from '../support/raw-connection.ts'
import {parseReply} from '../support/resp-split.ts'
import {waitFor} from '../support/wait.ts'
import {plain, type Plain} from '../core/server-support.ts'

const HOST = '127.0.0.1'
const TIMEOUT_MS = 30_000

let nodes: ProcessCluster
const open: RawConnection[] = []

beforeAll(async () => {
  nodes = await ProcessCluster.start(3, {replicas: 1})
  await nodes.settled(2)
})

afterAll(async () => {
  for (const connection of open) connection.close()
  await nodes?.stop()
})

async function connect(port: number): Promise<RawConnection> {
  const connection = await rawConnection(port)
  open.push(connection)
  return connection
}

async function call(connection: RawConnection, ...args: readonly Arg[]): Promise<Plain> {
  connection.write(encodeCommand(args))
  return receive(connection)
}

async function receive(connection: RawConnection): Promise<Plain> {
  return plain(parseReply(await connection.reply(TIMEOUT_MS)))
}

describe('PUBLISH reaches every node', () => {
  test('from each to each, in order, and tells how many heard it at the node that was asked', async () => {
    const listeners = await Promise.all(nodes.ports.map(connect))
    for (const listener of listeners)
      expect(await call(listener, 'SUBSCRIBE', 'news')).toEqual(['subscribe', 'news', 1])
    const speakers = await Promise.all(nodes.ports.map(connect))
    for (const [n, speaker] of speakers.entries()) {
      for (let i = 0; i < 100; i++) expect(await call(speaker, 'PUBLISH', 'news', `${n}:${i}`)).toBe(1)
      for (const listener of listeners) {
        for (let i = 0; i < 100; i++) expect(await receive(listener)).toEqual(['message', 'news', `${n}:${i}`])
      }
    }
  })

  test('a message of 8 MB, and one that is refused because it is too long', async () => {
    const [first, second] = nodes.ports
    const listener = await connect(first!)
    const speaker = await connect(second!)
    await call(listener, 'PSUBSCRIBE', 'big*')
    const message = Buffer.alloc(8 * 1024 * 1024, 'x')
    expect(await call(speaker, 'PUBLISH', 'big one', message)).toBe(0)
    expect(await receive(listener)).toEqual(['pmessage', 'big*', 'big one', message.toString('latin1')])
    expect(await call(speaker, 'PUBLISH', 'big one', Buffer.alloc(33 * 1024 * 1024))).toMatch(
      /^-ERR a channel and its message/,
    )
  })
})

describe('stock clients', () => {
  test('ioredis in cluster mode', async () => {
    const cluster = new RedisCluster([{host: HOST, port: nodes.ports[0]!}])
    const speaker = new Redis({host: HOST, port: nodes.ports[1]!})
    const heard: string[] = []
    cluster.on('message', (channel, message) => heard.push(`${channel} ${message}`))
    await cluster.subscribe('ioredis')
    await speaker.publish('ioredis', 'from another node')
    await cluster.publish('ioredis', 'from itself')
    await waitFor('both messages', () => heard.length === 2)
    expect(heard.sort()).toEqual(['ioredis from another node', 'ioredis from itself'])
    await cluster.unsubscribe('ioredis')
    await cluster.quit()
    await speaker.quit()
  })

  test('node-redis in cluster mode, channels and sharded channels', async () => {
    const cluster = createCluster({rootNodes: [{url: `redis://${HOST}:${nodes.ports[0]!}`}]})
    await cluster.connect()
    const heard: string[] = []
    await cluster.subscribe('node-redis', (message) => void heard.push(message))
    await cluster.sSubscribe('sharded', (message) => void heard.push(message))
    await cluster.publish('node-redis', 'to all')
    await cluster.sPublish('sharded', 'to the shard')
    await waitFor('both messages', () => heard.length === 2)
    expect(heard.sort()).toEqual(['to all', 'to the shard'])
    await cluster.close()
  })
})
