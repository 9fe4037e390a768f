/** The client library on a cluster of real processes, while these hang, stop, die and come back. */
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import {formatAddress} from '../../src/base/address.ts'
import {connect, type ClientError, type KvClient} from '../../src/client/index.ts'
import {sleep, within} from '../support/wait.ts'
import {failure} from '../client/library.ts'
import {ProcessCluster, type NodeProcess} from './processes.ts'

let cluster: ProcessCluster
let kv: KvClient

beforeAll(async () => {
  cluster = await ProcessCluster.start(3)
  await cluster.settled(2)
  kv = await connect(addresses(), {timeoutMs: 30_000})
})
afterAll(async () => {
  await kv?.close()
  await cluster?.stop()
})
afterEach(async () => {
  for (const node of cluster.nodes) if (!node.isRunning) await node.start(cluster.ports)
  await cluster.settled(2)
})

function addresses(): string[] {
  return cluster.ports.map((port) => formatAddress({host: '127.0.0.1', port}))
}

/** A key whose master is this node. */
async function keyAt(node: NodeProcess, prefix: string): Promise<string> {
  const own = await connect(formatAddress({host: '127.0.0.1', port: node.port}))
  try {
    const ranges = (await own.send(['CLUSTER', 'SLOTS'])) as unknown as [number, number, [string, number]][]
    for (let i = 0; ; i++) {
      const bucket = (await own.send(['CLUSTER', 'KEYSLOT', `${prefix}${i}`])) as number
      const owner = ranges.find(([first, last]) => first <= bucket && bucket <= last)
      if (owner?.[2][1] === node.port) return `${prefix}${i}`
    }
  } finally {
    await own.close()
  }
}

test('a node that hangs costs the reply timeout, a slow one does not; afterwards all is well', async () => {
  const node = cluster.nodes[1]!
  const key = await keyAt(node, 'hang')
  const own = await connect(addresses(), {replyTimeoutMs: 1_000, timeoutMs: 30_000})
  try {
    await own.set(key, 0)
    node.signal('SIGSTOP')
    const slow = own.increment(key)
    await sleep(300)
    node.signal('SIGCONT')
    expect(await slow).toBe(1)
    node.signal('SIGSTOP')
    const write = failure(own.increment(key))
    const read = own.get(key)
    expect(await write).toMatchObject({code: 'E_TIMEOUT', outcome: 'maybe'})
    // Another node has the bucket by now.
    expect(['1', '2']).toContain(await within(read, 30_000, 'the read is answered elsewhere'))
    expect([2, 3]).toContain(await own.increment(key))
  } finally {
    node.signal('SIGCONT')
    await own.close()
  }
})

test('increments under kill -9: every one that was told done counts, none twice', async () => {
  const keys = Array.from({length: 64}, (_, i) => `count:${i}`)
  const done = new Array<number>(keys.length).fill(0)
  const maybe = new Array<number>(keys.length).fill(0)
  let isOver = false
  const work = async (lane: number): Promise<void> => {
    for (let i = lane; !isOver; i = (i + 7) % keys.length) {
      await kv.increment(keys[i]!).then(
        () => done[i]!++,
        ({outcome}: ClientError) => {
          if (outcome !== 'none') maybe[i]!++
        },
      )
    }
  }
  const workers = Array.from({length: 16}, (_, lane) => work(lane))
  await sleep(500)
  await cluster.nodes[2]!.kill()
  await sleep(3_000)
  isOver = true
  await Promise.all(workers)
  const values = (await kv.getMany(keys)).map(Number)
  values.forEach((value, i) => {
    expect(value).toBeGreaterThanOrEqual(done[i]!)
    expect(value).toBeLessThanOrEqual(done[i]! + maybe[i]!)
  })
  expect(done.reduce((a, b) => a + b)).toBeGreaterThan(1_000)
})

test('a planned stop and a new start cost no error at all', async () => {
  const errors: ClientError[] = []
  let isOver = false
  let count = 0
  const work = async (lane: number): Promise<void> => {
    for (; !isOver; count++) {
      await kv.increment(`planned:${lane}:${count % 100}`).catch((error: ClientError) => errors.push(error))
    }
  }
  const workers = Array.from({length: 16}, (_, lane) => work(lane))
  await sleep(300)
  expect(await cluster.nodes[0]!.stop()).toBe(0)
  await cluster.nodes[0]!.start(cluster.ports)
  await cluster.settled(2)
  isOver = true
  await Promise.all(workers)
  expect(errors.map(({code, message}) => `${code} ${message}`)).toEqual([])
  expect(count).toBeGreaterThan(1_000)
})

test('transactions of many clients lose no update, whatever dies', async () => {
  const clients = await Promise.all([0, 1, 2].map(() => connect(addresses(), {timeoutMs: 30_000})))
  let done = 0
  let maybe = 0
  await kv.set('{tx}a', 0)
  await kv.set('{tx}b', 0)
  const work = async (client: KvClient): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      await client
        .transaction(
          ['{tx}a', '{tx}b'],
          async (tx) => {
            const [a, b] = [Number(await tx.get('{tx}a')), Number(await tx.get('{tx}b'))]
            expect(a).toBe(b)
            tx.set('{tx}a', a + 1)
            tx.set('{tx}b', b + 1)
          },
          {tries: 1_000},
        )
        .then(
          () => done++,
          (error: ClientError) => {
            if (error.outcome === undefined) throw error
            if (error.outcome !== 'none') maybe++
          },
        )
    }
  }
  const work3 = Promise.all(clients.flatMap((client) => [work(client), work(client)]))
  await sleep(300)
  const owner = await ownerOf('{tx}a')
  await owner.kill()
  await within(work3, 120_000, 'all transactions end')
  const value = Number(await kv.get('{tx}a'))
  expect(value).toBeGreaterThanOrEqual(done)
  expect(value).toBeLessThanOrEqual(done + maybe)
  expect(done).toBeGreaterThan(300)
  for (const client of clients) await client.close()
})

async function ownerOf(key: string): Promise<NodeProcess> {
  const bucket = (await kv.send(['CLUSTER', 'KEYSLOT', key])) as number
  const ranges = (await kv.send(['CLUSTER', 'SLOTS'])) as unknown as [number, number, [string, number]][]
  const port = ranges.find(([first, last]) => first <= bucket && bucket <= last)![2][1]
  return cluster.nodes.find((node) => node.port === port)!
}

test('a scan sees every key once, while buckets move and a node dies', async () => {
  const keys = Array.from({length: 20_000}, (_, i) => `scan:${i}`)
  for (let at = 0; at < keys.length; at += 1_000) {
    await Promise.all(keys.slice(at, at + 1_000).map((key) => kv.set(key, 'x')))
  }
  const large = Array.from({length: 3_000}, (_, i) => `scan:{large}${i}`)
  await Promise.all(large.map((key) => kv.set(key, 'x')))
  const moves = (async () => {
    await cluster.add()
    await sleep(200)
    await cluster.nodes[1]!.kill()
  })()
  const seen: string[] = []
  for (let walk = 0; walk < 2; walk++) {
    seen.length = 0
    for await (const key of kv.scan({match: 'scan:*', count: 100})) seen.push(key)
    expect(seen.length).toBe(keys.length + large.length)
    expect(new Set(seen)).toEqual(new Set([...keys, ...large]))
  }
  await moves
})

test('a large map is iterated whole, while its bucket changes its master', async () => {
  const map = kv.map('iterated')
  const fields = Array.from({length: 5_000}, (_, i) => [`f${i}`, String(i)] as const)
  await map.set(fields)
  const seen = new Map<string, string>()
  let count = 0
  for await (const [field, value] of map.iterate({count: 100})) {
    if (count++ === 500) await (await ownerOf('iterated')).kill()
    seen.set(field, value)
  }
  expect(count).toBe(fields.length)
  expect(seen).toEqual(new Map(fields))
})
