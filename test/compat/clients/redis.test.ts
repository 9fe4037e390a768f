/** node-redis (`redis`), createCluster, RESP3 by default. It shows the user every error but MOVED and ASK. */
import {createClient, createCluster} from 'redis'
import {afterAll, beforeAll, beforeEach, describe, expect, it} from 'vitest'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess, SUBJECT} from '../../support/subject.ts'
import {waitFor} from '../../support/wait.ts'

let server: TestServer
const errors: unknown[] = []

function openCluster() {
  const cluster = createCluster({rootNodes: [{url: `redis://${server.host}:${server.port}`}]})
  cluster.on('error', (error: unknown) => errors.push(error))
  return cluster
}

describe('redis createCluster, unchanged', () => {
  let cluster: ReturnType<typeof openCluster>

  beforeAll(async () => {
    server = await startSubjectProcess()
    cluster = openCluster()
    await cluster.connect()
  })
  afterAll(async () => {
    await cluster?.close()
    await server?.stop()
  })
  const flush = async () => {
    for (const master of cluster.masters) await (await cluster.nodeClient(master)).flushAll()
  }
  beforeEach(flush)

  it('strings, also as bytes', async () => {
    expect(await cluster.set('k', 'v')).toBe('OK')
    expect(await cluster.get('k')).toBe('v')
    expect(await cluster.get('none')).toBeNull()
    expect(await cluster.set('k', 'w', {condition: 'NX'})).toBeNull()
    expect(await cluster.set('k', 'w', {GET: true, expiration: {type: 'EX', value: 100}})).toBe('v')
    expect(await cluster.ttl('k')).toBe(100)
    expect(await cluster.mSet({'{t}a': '1', '{t}b': '2'})).toBe('OK')
    expect(await cluster.mGet(['{t}a', '{t}none'])).toEqual(['1', null])
    expect(await cluster.incrBy('n', 41)).toBe(41)
    expect(String(await cluster.incrByFloat('n', 0.5))).toBe('41.5')
    const bytes = Buffer.from([0xff, 0x00, 0x0d, 0x0a])
    await cluster.set(bytes, bytes)
    expect(await cluster.exists(bytes)).toBe(1)
  })

  it('many keys at once', async () => {
    const keys = Array.from({length: 2_000}, (_, i) => `key:${i}`)
    await Promise.all(keys.map((key, i) => cluster.set(key, String(i))))
    expect(await Promise.all(keys.map((key) => cluster.get(key)))).toEqual(keys.map((_, i) => String(i)))
  })

  it('maps', async () => {
    expect(await cluster.hSet('h', {a: '1', b: '2'})).toBe(2)
    expect({...(await cluster.hGetAll('h'))}).toEqual({a: '1', b: '2'})
    expect(await cluster.hmGet('h', ['a', 'none'])).toEqual(['1', null])
    expect(await cluster.hIncrBy('h', 'a', 5)).toBe(6)
    expect(await cluster.hKeys('h')).toEqual(['a', 'b'])
    expect(await cluster.hDel('h', ['a', 'b'])).toBe(2)
  })

  it('expiry', async () => {
    await cluster.set('k', 'v', {expiration: {type: 'PX', value: 40}})
    await waitFor('the key is gone', async () => (await cluster.get('k')) === null)
    await cluster.set('k', 'v')
    expect(await cluster.expire('k', 100)).toBe(1)
    expect(await cluster.expire('k', 50, 'GT')).toBe(0)
    expect(await cluster.ttl('k')).toBe(100)
  })

  it('transactions', async () => {
    const done = await cluster.multi().set('{t}a', '1').incr('{t}a').hSet('{t}h', 'f', 'v').exec()
    expect(done).toEqual(['OK', 2, 1])
  })

  it('check-and-set with WATCH', async () => {
    const own = createClient({url: `redis://${server.host}:${server.port}`})
    await own.connect()
    await own.watch('w')
    await cluster.set('w', 'theirs')
    await expect(own.multi().set('w', 'mine').exec()).rejects.toThrow('watched keys')
    await own.watch('w')
    expect(await own.multi().set('w', 'mine').exec()).toEqual(['OK'])
    await own.close()
  })

  it('pipelines', async () => {
    const batch = Array.from({length: 500}, (_, i) => i)
    const replies = await Promise.all(batch.flatMap((i) => [cluster.set(`{p}${i}`, String(i)), cluster.get(`{p}${i}`)]))
    expect(replies).toEqual(batch.flatMap((i) => ['OK', String(i)]))
  })

  it('scans', async () => {
    const keys = Array.from({length: 300}, (_, i) => `scan:${i}`)
    await Promise.all(keys.map((key) => cluster.set(key, 'v')))
    const seen = new Set<string>()
    for (const master of cluster.masters) {
      const node = await cluster.nodeClient(master)
      for await (const batch of node.scanIterator({MATCH: 'scan:*', COUNT: 20})) for (const key of batch) seen.add(key)
    }
    expect(seen.size).toBe(300)
  })

  it('errors carry the server text', async () => {
    await cluster.set('k', 'text')
    await expect(cluster.incr('k')).rejects.toThrow('ERR value is not an integer or out of range')
    await expect(cluster.hGet('k', 'f')).rejects.toThrow('WRONGTYPE')
    await expect(cluster.rename('a', 'b')).rejects.toThrow('CROSSSLOT')
  })

  if (SUBJECT === 'kv') {
    it('fields that expire', async () => {
      await cluster.hSet('h', {a: '1', b: '2'})
      expect(await cluster.hExpire('h', 'a', 100)).toEqual([1])
      expect(await cluster.hTTL('h', ['a', 'b'])).toEqual([100, -1])
      expect(await cluster.hPersist('h', 'a')).toEqual([1])
    })
  }

  it('nothing went wrong behind our back', () => {
    expect(errors).toEqual([])
  })
})
