/** The methods of the client library against a real node. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {connect, type ClientError, type KvClient} from '../../src/client/index.ts'
import {startKv} from '../support/kv.ts'
import {failure} from './library.ts'
import type {TestServer} from '../support/server.ts'

let server: TestServer
let kv: KvClient

beforeAll(async () => {
  server = await startKv()
  kv = await connect(`127.0.0.1:${server.port}`)
})
afterAll(async () => {
  await kv?.close()
  await server?.stop()
})
beforeEach(async () => {
  await kv.send(['FLUSHALL'])
})

describe('strings', () => {
  test('text, bytes, numbers, conditions', async () => {
    expect(await kv.get('a')).toBeNull()
    expect(await kv.set('a', 'é\r\n')).toBe(true)
    expect(await kv.get('a')).toBe('é\r\n')
    const bytes = Buffer.from(Array.from({length: 70_000}, (_, i) => i % 256))
    await kv.set(bytes.subarray(0, 300), bytes)
    expect(await kv.getBuffer(bytes.subarray(0, 300))).toEqual(bytes)
    expect(await kv.set('a', 1, {nx: true})).toBe(false)
    expect(await kv.set('b', 1, {xx: true})).toBe(false)
    expect(await kv.set('a', 2n, {xx: true, get: true})).toBe('é\r\n')
    expect(await kv.getMany(['a', 'none', 'a'])).toEqual(['2', null, '2'])
    expect(await failure(Promise.resolve().then(() => kv.set('a', 1, {ex: 1, px: 1})))).toMatchObject({code: 'E_USAGE'})
  })

  test('a value of many megabytes, as text and as bytes, beside small ones', async () => {
    const large = 'grün '.repeat(1_000_000)
    const [, small] = await Promise.all([kv.set('large', large), kv.set('small', 1)])
    expect(small).toBe(true)
    const [text, bytes, one] = await Promise.all([kv.get('large'), kv.getBuffer('large'), kv.get('small')])
    expect(text === large).toBe(true)
    expect(bytes?.length).toBe(Buffer.byteLength(large))
    expect(one).toBe('1')
  })

  test('counters, expiry, deletion', async () => {
    expect(await kv.increment('n')).toBe(1)
    expect(await kv.decrement('n', 11)).toBe(-10)
    expect(await kv.ttl('n')).toBe(Infinity)
    expect(await kv.ttl('none')).toBeNull()
    expect(await kv.expire('n', 100_000)).toBe(true)
    expect(await kv.ttl('n')).toBeGreaterThan(90_000)
    expect(await kv.persist('n')).toBe(true)
    expect(await kv.persist('n')).toBe(false)
    await kv.set('m', 1, {px: 100_000})
    expect(await kv.exists(['n', 'm', 'none'])).toBe(2)
    expect(await kv.delete(['n', 'm', 'none'])).toBe(2)
    expect(await kv.delete('n')).toBe(0)
    await kv.set('huge', '9007199254740992')
    expect(await failure(kv.increment('huge'))).toMatchObject({code: 'E_PROTOCOL', outcome: 'done'})
  })

  test('send: any command, plain answers', async () => {
    expect(await kv.send(['HSET', 'h', 'a', 1])).toBe(1)
    expect(await kv.send(['HGETALL', 'h'])).toEqual(new Map([['a', '1']]))
    expect(await kv.send(['HGETALL', 'h'], {buffers: true})).toEqual(new Map([[Buffer.from('a'), Buffer.from('1')]]))
    expect(await kv.send(['INCRBYFLOAT', 'f', '0.5'])).toBe('0.5')
    expect(await kv.send(['object', 'encoding', 'f'])).toBeTypeOf('string')
    expect(await kv.send(['MGET', '{t}a', '{t}b'])).toEqual([null, null])
    expect(await failure(kv.send(['NOSUCH', 'x']))).toMatchObject({code: 'E_REPLY', outcome: 'none', word: 'ERR'})
  })
})

test('a map, from its first field to its last', async () => {
  const map = kv.map('products')
  expect(await map.getAll()).toEqual(new Map())
  expect(await map.set('lamp', 30)).toBe(1)
  expect(await map.set({lamp: 31, desk: 'oak'})).toBe(1)
  expect(await map.set(new Map([['chair', '4']]))).toBe(1)
  expect(await map.get('lamp')).toBe('31')
  expect(await map.getBuffer('desk')).toEqual(Buffer.from('oak'))
  expect(await map.getMany(['desk', 'none'])).toEqual(['oak', null])
  expect(await map.getAll()).toEqual(new Map(Object.entries({lamp: '31', desk: 'oak', chair: '4'})))
  expect((await map.getAllBuffers()).get('chair')).toEqual(Buffer.from('4'))
  expect([await map.has('lamp'), await map.has('none'), await map.size()]).toEqual([true, false, 3])
  expect([await map.increment('lamp', 9), await map.decrement('lamp')]).toEqual([40, 39])
  expect((await map.keys()).sort()).toEqual(['chair', 'desk', 'lamp'])
  expect((await map.values()).sort()).toEqual(['39', '4', 'oak'])
  expect([await map.expireField('lamp', 100_000), await map.expireField('none', 1)]).toEqual([true, false])
  expect(await map.fieldTtl('lamp')).toBeGreaterThan(90_000)
  expect([await map.fieldTtl('desk'), await map.fieldTtl('none')]).toEqual([Infinity, null])
  expect([await map.persistField('lamp'), await map.persistField('lamp')]).toEqual([true, false])
  expect([await map.expire(100_000), await map.persist(), await map.ttl()]).toEqual([true, true, Infinity])
  const seen: string[] = []
  for await (const [field, value] of map) seen.push(`${field}=${value}`)
  expect(seen.sort()).toEqual(['chair=4', 'desk=oak', 'lamp=39'])
  expect(await map.delete(['desk', 'none'])).toBe(1)
  expect([await map.clear(), await map.clear(), await map.ttl()]).toEqual([true, false, null])
  expect(await failure(Promise.resolve().then(() => map.set({})))).toMatchObject({code: 'E_USAGE'})
  expect([await kv.map('gone').fieldTtl('f'), await kv.map('gone').expireField('f', 5)]).toEqual([null, false])
})

test('a pipeline: one write, results in order, a failure hides nothing', async () => {
  const batch = kv
    .pipeline()
    .set('a', 'x')
    .increment('a')
    .get('a')
    .mapSet('m', {f: 1})
    .mapGetAll('m')
    .send(['STRLEN', 'a'])
  expect(batch.length).toBe(6)
  const results = await batch.run()
  expect(results.map(({value, error}) => value ?? error?.outcome)).toEqual([
    true,
    'none',
    'x',
    1,
    new Map([['f', '1']]),
    1,
  ])
  expect(await batch.run()).toEqual([])
  expect(await kv.pipeline().get('a').getBuffer('a').expire('a', 100_000).mapIncrement('m', 'f').runAll()).toEqual([
    'x',
    Buffer.from('x'),
    true,
    2,
  ])
  expect((await failure(kv.pipeline().set('a', 1).increment('m').runAll())).message).toContain('WRONGTYPE')
})

describe('transactions', () => {
  test('all or nothing, with the answers', async () => {
    const {value, replies} = await kv.transaction(['{t}a'], async (tx) => {
      const before = await tx.get('{t}a')
      tx.set('{t}a', 5)
      tx.increment('{t}a')
      tx.mapSet('{t}m', {f: 1})
      tx.send(['HGETALL', '{t}m'])
      return before
    })
    expect(value).toBeNull()
    expect(replies).toEqual(['OK', 6, 1, new Map([['f', '1']])])
  })

  test('contention: every increment counts once', async () => {
    const add = (): Promise<unknown> =>
      kv.transaction('contended', async (tx) => tx.set('contended', Number((await tx.get('contended')) ?? 0) + 1), {
        tries: 1_000,
      })
    await Promise.all(Array.from({length: 20}, add))
    expect(await kv.get('contended')).toBe('20')
  })

  test('who always loses is told so after as many tries as he wanted', async () => {
    let runs = 0
    const lose = kv.transaction(
      ['lost'],
      async (tx) => {
        runs++
        await kv.increment('lost')
        tx.set('lost', 0)
      },
      {tries: 3},
    )
    expect(await failure(lose)).toMatchObject({code: 'E_CONFLICT', outcome: 'none'})
    expect([runs, await kv.get('lost')]).toEqual([3, '3'])
  })

  test('what the body throws is thrown, and nothing is written', async () => {
    const refuse = kv.transaction(['x'], (tx) => {
      tx.set('x', 1)
      throw new Error('no')
    })
    await expect(refuse).rejects.toThrow('no')
    expect(await kv.exists('x')).toBe(0)
    expect(await failure(kv.transaction(['x'], (tx) => tx.set('y', 1)))).toMatchObject({code: 'E_USAGE'})
    expect(await failure(kv.transaction(['x'], (tx) => tx.send(['NOSUCH', 'x'])))).toMatchObject({code: 'E_REPLY'})
    // Connections that come back to the pool watch nothing and queue nothing.
    expect((await kv.transaction(['x'], (tx) => tx.set('x', 2))).replies).toEqual(['OK'])
  })

  test('a command that fails in EXEC is told as done: the others were applied', async () => {
    await kv.map('{e}m').set('f', 'text')
    const error = await failure(
      kv.transaction(['{e}m'], (tx) => {
        tx.set('{e}a', 1)
        tx.mapIncrement('{e}m', 'f')
      }),
    )
    expect(error).toMatchObject({code: 'E_PARTIAL', outcome: 'done'})
    expect(await kv.get('{e}a')).toBe('1')
  })

  test('a signal ends it', async () => {
    const controller = new AbortController()
    const ended = kv.transaction(
      ['s'],
      async (tx) => {
        controller.abort()
        await tx.get('s')
        tx.set('s', 1)
      },
      {signal: controller.signal},
    )
    expect(await failure(ended)).toMatchObject({code: 'E_INTERRUPTED', outcome: 'none'})
    expect(await kv.exists('s')).toBe(0)
  })
})

describe('scan', () => {
  test('every key once, also binary ones, filtered on demand', async () => {
    const names = Array.from({length: 500}, (_, i) => `k:${i}`)
    const tagged = Array.from({length: 1_200}, (_, i) => `{one}${i}`)
    await Promise.all([...names, ...tagged].map((key) => kv.set(key, 1)))
    await kv.map('m:1').set('f', 1)
    await kv.set(Buffer.from([0xff, 0x00, 0x7b]), 1)
    const all: string[] = []
    for await (const key of kv.scan({count: 100})) all.push(key)
    expect(all).toHaveLength(names.length + tagged.length + 2)
    expect(new Set(all).size).toBe(all.length)
    const some: string[] = []
    for await (const key of kv.scan({match: 'k:1*'})) some.push(key)
    expect(some.sort()).toEqual(names.filter((name) => name.startsWith('k:1')).sort())
    const maps: string[] = []
    for await (const key of kv.scan({type: 'map'})) maps.push(key)
    expect(maps).toEqual(['m:1'])
  })
})

test('an error has everything that a program needs', async () => {
  await kv.set('text', 'x')
  const error: ClientError = await failure(kv.increment('text'))
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({code: 'E_REPLY', outcome: 'none', word: 'ERR'})
})
