/** Subscriptions at kv and at redis-server: all kinds, with a slow reader; over a restart. That a bucket moves meanwhile: test/e2e/client-subscription.test.ts. */
import {afterAll, afterEach, describe, expect, test} from 'vitest'
import type {KvClient, Subscription, SubscriptionEvent} from '../../src/client/index.ts'
import {startRedis} from '../support/redis.ts'
import {startChild, type Child} from '../support/child.ts'
import {startKv} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor, within} from '../support/wait.ts'
import {client, closeAll, closeLater, failure} from './library.ts'
import {startScriptedServer} from './scripted-server.ts'

const dir = tempDir('subscription')

afterEach(closeAll)
afterAll(() => dir.remove())

/** A redis-server outside any cluster, at this port. */
async function lonelyRedis(port: number): Promise<Child> {
  const child = startChild('redis-server', [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--dir',
    dir.path,
  ])
  await waitFor('it accepts connections', () => /Ready to accept/.test(child.stdout()))
  return child
}

async function read(subscription: Subscription, count: number): Promise<SubscriptionEvent[]> {
  const events: SubscriptionEvent[] = []
  while (events.length < count) {
    const {value, done} = await within(subscription.next(), 30_000, 'a message comes')
    if (done) break
    events.push(value)
  }
  return events
}

describe.each([
  ['kv', startKv],
  ['redis-server', startRedis],
] as const)('messages at %s', (_name, start) => {
  async function connected(): Promise<KvClient> {
    const server = closeLater(await start())
    return client({host: server.host, port: server.port})
  }

  test('channels, patterns and sharded channels, as text and bytes', async () => {
    const kv = await connected()
    const news = await kv.subscribe(['news', 'sport'])
    const all = await kv.subscribe('n*', {patterns: true})
    const sharded = await kv.subscribe(['a', 'b', '{a}2'], {sharded: true})
    await kv.publish('news', 'é')
    await kv.publish('sport', Buffer.from([0xff]))
    await kv.publish('a', 'one', {sharded: true})
    await kv.publish('b', 'two', {sharded: true})
    expect(await read(news, 2)).toMatchObject([
      {type: 'message', channel: 'news', message: 'é', pattern: undefined},
      {type: 'message', channel: 'sport', bytes: Buffer.from([0xff])},
    ])
    expect(await read(all, 1)).toMatchObject([{channel: 'news', message: 'é', pattern: 'n*'}])
    expect((await read(sharded, 2)).map((event) => event.type === 'message' && event.message).sort()).toEqual([
      'one',
      'two',
    ])
  })

  test('for await ends with close, and with the client', async () => {
    const kv = await connected()
    const subscription = await kv.subscribe('c')
    await kv.publish('c', '1')
    const seen: string[] = []
    for await (const event of subscription) {
      if (event.type === 'message') seen.push(event.message)
      if (seen.length === 1) break
    }
    expect(subscription.isClosed).toBe(true)
    const other = await kv.subscribe('c')
    const end = other.next()
    await kv.close()
    expect(await end).toEqual({value: undefined, done: true})
    expect(seen).toEqual(['1'])
    expect(await failure(kv.subscribe('c'))).toMatchObject({code: 'E_CLOSED_UNSENT'})
  })

  test('a reader that is too slow is told what it missed', async () => {
    const kv = await connected()
    const subscription = await kv.subscribe('c', {bufferMax: 10})
    const heard: string[] = []
    const fast = (await kv.subscribe('c')).listen((event) => heard.push(event.type))
    await Promise.all(Array.from({length: 25}, (_, i) => kv.publish('c', i)))
    await expect.poll(() => heard.length, {timeout: 30_000}).toBe(25)
    fast.close()
    await kv.get('flush')
    const events = await read(subscription, 11)
    expect(events[0]).toMatchObject({type: 'gap', reason: 'overflow'})
    expect(events.at(-1)).toMatchObject({message: '24'})
  })

  test('what makes no sense is refused', async () => {
    const kv = await connected()
    expect(await failure(kv.subscribe([]))).toMatchObject({code: 'E_USAGE'})
    expect(await failure(kv.subscribe('a*', {patterns: true, sharded: true}))).toMatchObject({code: 'E_USAGE'})
    expect(await failure(kv.subscribe('a', {signal: AbortSignal.abort()}))).toMatchObject({code: 'E_INTERRUPTED'})
  })
})

describe('losses', () => {
  test('a server that restarts: a gap, and then messages again', async () => {
    const port = await freePort()
    const first = await lonelyRedis(port)
    const kv = await client({host: '127.0.0.1', port})
    const subscription = await kv.subscribe('c')
    await kv.publish('c', 'before')
    expect(await read(subscription, 1)).toMatchObject([{message: 'before'}])
    await first.stop()
    const second = await lonelyRedis(port)
    const [gap] = await read(subscription, 1)
    expect(gap).toMatchObject({type: 'gap', reason: 'lost'})
    await kv.publish('c', 'after')
    expect(await read(subscription, 1)).toMatchObject([{message: 'after'}])
    await kv.close()
    await second.stop()
  })

  test('a sharded channel follows its bucket when the node says sunsubscribe', async () => {
    let subscriptions = 0
    const server = closeLater(
      await startScriptedServer(([name, channel], socket) => {
        if (name === 'CLUSTER') return '-ERR This instance has cluster support disabled\r\n'
        if (name !== 'SSUBSCRIBE') return name === 'HELLO' ? undefined : '+OK\r\n'
        subscriptions++
        const push = (word: string): string => `>3\r\n$${word.length}\r\n${word}\r\n$1\r\n${channel}\r\n:1\r\n`
        if (subscriptions === 1) setTimeout(() => socket.write(push('sunsubscribe')), 50)
        return push('ssubscribe')
      }),
    )
    const kv = await client(server.address)
    const subscription = await kv.subscribe('c', {sharded: true})
    expect(await read(subscription, 1)).toMatchObject([{type: 'gap', reason: 'lost'}])
    expect(subscriptions).toBe(2)
  })

  test('a node that refuses the channel is an error of subscribe', async () => {
    const server = closeLater(
      await startScriptedServer(([name]) => {
        if (name === 'CLUSTER') return '-ERR This instance has cluster support disabled\r\n'
        if (name === 'HELLO') return undefined
        return name === 'SUBSCRIBE' ? '-NOPERM no\r\n' : '+OK\r\n'
      }),
    )
    const kv = await client(server.address)
    expect(await failure(kv.subscribe('c'))).toMatchObject({code: 'E_REPLY', outcome: 'none', word: 'NOPERM'})
  })
})
