/**
 * ioredis and iovalkey share an API (one is a fork of the other), not a version: the same work on both.
 * Cluster mode throughout, as a user of a cluster would.
 */
import {afterAll, beforeAll, beforeEach, describe, expect, it} from 'vitest'
import type {Cluster} from 'ioredis'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess, SUBJECT} from '../../support/subject.ts'
import {waitFor} from '../../support/wait.ts'

export type OpenCluster = (server: TestServer) => Cluster

export function describeIoredisFamily(name: string, open: OpenCluster): void {
  describe(`${name} Cluster, unchanged`, () => {
    let server: TestServer
    let cluster: Cluster
    const errors: unknown[] = []

    beforeAll(async () => {
      server = await startSubjectProcess()
      cluster = open(server)
      cluster.on('error', (error: unknown) => errors.push(error))
      cluster.on('node error', (error: unknown) => errors.push(error))
      await waitFor('the cluster client is ready', () => cluster.status === 'ready')
    })
    afterAll(async () => {
      await cluster?.quit()
      await server?.stop()
    })
    beforeEach(() => cluster.flushall())

    it('strings, also as bytes', async () => {
      expect(await cluster.set('k', 'v')).toBe('OK')
      expect(await cluster.get('k')).toBe('v')
      expect(await cluster.get('none')).toBeNull()
      const key = Buffer.from([0xff, 0x00, 0x0d, 0x0a])
      await cluster.set(key, Buffer.from([0x80, 0x00]))
      expect(await cluster.getBuffer(key)).toEqual(Buffer.from([0x80, 0x00]))
      expect(await cluster.mset({'{t}a': '1', '{t}b': '2'})).toBe('OK')
      expect(await cluster.mget('{t}a', '{t}b', '{t}c')).toEqual(['1', '2', null])
      expect(await cluster.incrby('n', 41)).toBe(41)
      expect(await cluster.incrbyfloat('n', 0.5)).toBe('41.5')
      expect(await cluster.append('k', 'w')).toBe(2)
      expect(await cluster.set('k', 'x', 'NX')).toBeNull()
      expect(await cluster.set('k', 'x', 'XX', 'GET')).toBe('vw')
    })

    it('many keys on many connections at once', async () => {
      const keys = Array.from({length: 2_000}, (_, i) => `key:${i}`)
      await Promise.all(keys.map((key, i) => cluster.set(key, i)))
      const values = await Promise.all(keys.map((key) => cluster.get(key)))
      expect(values).toEqual(keys.map((_, i) => String(i)))
    })

    it('maps', async () => {
      expect(await cluster.hset('h', {a: '1', b: '2'})).toBe(2)
      expect(await cluster.hgetall('h')).toEqual({a: '1', b: '2'})
      expect(await cluster.hgetall('none')).toEqual({})
      expect(await cluster.hmget('h', 'a', 'none')).toEqual(['1', null])
      expect(await cluster.hincrby('h', 'a', 5)).toBe(6)
      expect(await cluster.hdel('h', 'a', 'b')).toBe(2)
      expect(await cluster.exists('h')).toBe(0)
    })

    it('expiry', async () => {
      await cluster.set('k', 'v', 'PX', 40)
      expect(await cluster.pttl('k')).toBeGreaterThan(0)
      await waitFor('the key is gone', async () => (await cluster.get('k')) === null)
      await cluster.set('k', 'v')
      expect(await cluster.expire('k', 100)).toBe(1)
      expect(await cluster.ttl('k')).toBe(100)
      expect(await cluster.persist('k')).toBe(1)
      expect(await cluster.ttl('k')).toBe(-1)
    })

    it('transactions', async () => {
      const done = await cluster.multi().set('{t}a', '1').incr('{t}a').hset('{t}h', 'f', 'v').exec()
      expect(done).toEqual([
        [null, 'OK'],
        [null, 2],
        [null, 1],
      ])
      const failed = await cluster.multi().set('{t}s', 'text').incr('{t}s').get('{t}s').exec()
      expect(failed?.[1]?.[0]?.message).toContain('not an integer')
      expect(failed?.[2]).toEqual([null, 'text'])
    })

    it('check-and-set with WATCH', async () => {
      const own = cluster.nodes('master')[0]!.duplicate()
      await own.watch('{t}w')
      await cluster.set('{t}w', 'theirs')
      expect(await own.multi().set('{t}w', 'mine').exec()).toBeNull()
      await own.watch('{t}w')
      expect(await own.multi().set('{t}w', 'mine').exec()).toEqual([[null, 'OK']])
      expect(await cluster.get('{t}w')).toBe('mine')
      await own.quit()
    })

    it('pipelines', async () => {
      const pipeline = cluster.pipeline()
      for (let i = 0; i < 500; i++) pipeline.set(`{p}${i}`, i).get(`{p}${i}`)
      const replies = await pipeline.exec()
      expect(replies).toHaveLength(1_000)
      expect(
        replies?.every(([error], i) => error === null && (i % 2 === 0 || replies[i]![1] === String((i - 1) / 2))),
      ).toBe(true)
    })

    it('scans', async () => {
      const keys = Array.from({length: 300}, (_, i) => `scan:${i}`)
      await Promise.all(keys.map((key) => cluster.set(key, 'v')))
      const seen = new Set<string>()
      for (const node of cluster.nodes('master'))
        for await (const batch of node.scanStream({match: 'scan:*', count: 20}))
          for (const key of batch as string[]) seen.add(key)
      expect(seen.size).toBe(300)
      await cluster.hset('h', Object.fromEntries(keys.map((key) => [key, 'v'])))
      const fields = new Set<string>()
      for await (const batch of cluster.hscanStream('h', {count: 50}))
        for (const field of batch as string[]) fields.add(field)
      expect(fields.size).toBe(301)
    })

    it('errors carry the server text, and nothing went wrong behind our back', async () => {
      await cluster.set('k', 'text')
      await expect(cluster.incr('k')).rejects.toThrow('ERR value is not an integer or out of range')
      await expect(cluster.hget('k', 'f')).rejects.toThrow('WRONGTYPE')
      await expect(cluster.mget('a', 'b')).rejects.toThrow('CROSSSLOT')
      expect(errors).toEqual([])
    })

    if (SUBJECT === 'kv') {
      it('fields that expire', async () => {
        await cluster.hset('h', {a: '1', b: '2'})
        expect(await cluster.call('HPEXPIRE', 'h', '40', 'FIELDS', '1', 'a')).toEqual([1])
        await waitFor('the field is gone', async () => (await cluster.hget('h', 'a')) === null)
        expect(await cluster.hgetall('h')).toEqual({b: '2'})
      })
    }
  })
}
