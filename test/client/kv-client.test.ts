/** Routing, retries, timeouts and outcomes of the client library, against servers that do what a test says. */
import {afterEach, describe, expect, test} from 'vitest'
import {formatAddress} from '../../src/base/address.ts'
import {connect} from '../../src/client/index.ts'
import {startKvChild} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {sleep, within} from '../support/wait.ts'
import {BAR, bucketOf, client, closeAll, dataOf, failure, FOO, migratedPush, pair} from './library.ts'
import {startDeafServer, type Script} from './scripted-server.ts'

afterEach(closeAll)

/** Answers the first requests one way, and the rest OK. */
function first(count: number, answer: Script): Script {
  let left = count
  return (request, socket) => (left-- > 0 ? answer(request, socket) : '+OK\r\n')
}

describe('routing', () => {
  test('each key goes to its master; text and bytes alike', async () => {
    const {a, b} = await pair()
    const kv = await client(a.address)
    await Promise.all([kv.set(FOO, 'x'), kv.set(Buffer.from(BAR), Buffer.from('y')), kv.set('{foo}é', 1)])
    expect(dataOf(a)).toEqual([['SET', BAR, 'y']])
    expect(dataOf(b)).toEqual([
      ['SET', FOO, 'x'],
      ['SET', '{foo}é', '1'],
    ])
  })

  test('calls of one turn leave in one write, on one connection', async () => {
    const {a} = await pair()
    const kv = await client(a.address)
    const writes: number[] = []
    for (const socket of a.sockets) socket.on('data', (chunk) => writes.push(chunk.length))
    await Promise.all(Array.from({length: 50}, (_, i) => kv.set(`{bar}${i}`, 'v')))
    expect(a.sockets.size).toBe(1)
    expect(writes).toHaveLength(1)
  })

  test('MOVED is followed at once and remembered', async () => {
    const both = await pair()
    const {a, b, script} = both
    script.b = () => `-MOVED ${bucketOf(FOO)} ${formatAddress(a.address)}\r\n`
    const kv = await client(a.address)
    both.told = 16_384
    await kv.increment(FOO).catch(() => undefined)
    await kv.set(FOO, 'x')
    expect(dataOf(a).map(([name]) => name)).toEqual(['INCRBY', 'SET'])
    expect(dataOf(b)).toHaveLength(1)
  })

  test('an SMIGRATED push changes the map, without a question', async () => {
    const {a, b} = await pair()
    const kv = await client(a.address)
    const asked = a.requests.filter(([name]) => name === 'CLUSTER').length
    for (const socket of a.sockets) socket.write(migratedPush(7, b.address, a.address, '1-3,12182'))
    await sleep(50)
    await kv.set(FOO, 'x')
    expect(dataOf(a)).toEqual([['SET', FOO, 'x']])
    expect(dataOf(b)).toEqual([])
    expect(a.requests.filter(([name]) => name === 'CLUSTER')).toHaveLength(asked)
  })

  test('any address that answers will do; if none does, the error says so', async () => {
    const {a} = await pair()
    const dead = {host: '127.0.0.1', port: await freePort()}
    const kv = await client([dead, a.address])
    expect(await kv.set(BAR, 'x')).toBe(true)
    const error = await failure(connect([dead]))
    expect(error).toMatchObject({code: 'E_CONNECT', outcome: 'none'})
    expect(error.message).toContain(`127.0.0.1:${dead.port}: nothing listens there`)
  })

  test('what makes no sense is refused before anything is sent', async () => {
    const {a} = await pair()
    const kv = await client(a.address)
    for (const args of [['MGET', FOO, BAR], [], ['SUBSCRIBE', 'x'], ['client', 'reply', 'off']]) {
      expect(await failure(kv.send(args))).toMatchObject({code: 'E_USAGE', outcome: 'none'})
    }
    expect(await failure(kv.transaction([FOO, BAR], () => 1))).toMatchObject({code: 'E_USAGE'})
    expect(await failure(kv.send(['SET', FOO, null as never]))).toMatchObject({code: 'E_USAGE'})
    expect(await failure(kv.get(FOO, {timeoutMs: -1}))).toMatchObject({code: 'E_USAGE'})
    expect(await failure(connect('nowhere:x'))).toMatchObject({code: 'E_USAGE'})
    expect(await failure(connect('127.0.0.1', {backoff: {jitter: 2}}))).toMatchObject({code: 'E_USAGE'})
    expect(dataOf(a)).toEqual([])
    expect(await kv.set(BAR, 'still well')).toBe(true)
  })
})

describe('what is repeated, and what is not', () => {
  test.each(['CLUSTERDOWN Hash slot not served', 'LOADING it', 'TRYAGAIN later'])(
    '%s: nothing was done, so it is tried again',
    async (text) => {
      const {a, script} = await pair()
      script.a = first(3, () => `-${text}\r\n`)
      const kv = await client(a.address)
      expect(await kv.set(BAR, 'x')).toBe(true)
      expect(dataOf(a)).toHaveLength(4)
    },
  )

  test('any other error is the answer, and nothing happened', async () => {
    const {a, script} = await pair()
    script.a = () => '-WRONGTYPE no\r\n'
    const kv = await client(a.address)
    expect(await failure(kv.set(BAR, 'x'))).toMatchObject({code: 'E_REPLY', outcome: 'none', word: 'WRONGTYPE'})
    expect(dataOf(a)).toHaveLength(1)
  })

  test('a write whose answer is lost is never repeated', async () => {
    const {a, script} = await pair()
    script.a = first(1, (_, socket) => void socket.destroy())
    const kv = await client(a.address)
    expect(await failure(kv.increment(BAR))).toMatchObject({code: 'E_CLOSED_MAYBE', outcome: 'maybe'})
    await sleep(100)
    expect(dataOf(a)).toHaveLength(1)
  })

  test('a read is, and so is what the caller calls idempotent', async () => {
    const {a, script} = await pair()
    script.a = first(2, (_, socket) => void socket.destroy())
    const kv = await client(a.address)
    expect(await kv.get(BAR)).toBe('OK')
    script.a = first(2, (_, socket) => void socket.destroy())
    expect(await kv.set(BAR, 'x', {idempotent: true})).toBe(true)
    expect(dataOf(a)).toHaveLength(6)
  })

  test('a later refusal does not hide that an earlier try may have worked', async () => {
    const {a, script} = await pair()
    let requests = 0
    script.a = (_, socket) => (++requests === 1 ? void socket.destroy() : '-CLUSTERDOWN no\r\n')
    const kv = await client(a.address)
    const error = await failure(kv.set(BAR, 'x', {idempotent: true, timeoutMs: 400}))
    expect(error).toMatchObject({code: 'E_TIMEOUT', outcome: 'maybe'})
    expect(error.message).toContain('CLUSTERDOWN')
  })

  test('a failed server is not hammered, and the others go on', async () => {
    const {a, b, script} = await pair()
    const kv = await client(a.address, {backoff: {baseMs: 50, maxMs: 400}})
    await kv.set(FOO, 'x')
    const connectionsTo = (): number => b.requests.filter(([name]) => name === 'HELLO').length
    script.b = (_, socket) => void socket.destroy()
    const before = connectionsTo()
    const reads = Array.from({length: 20}, () => failure(kv.get(FOO, {timeoutMs: 1_500})))
    for (let i = 0; i < 20; i++) expect(await kv.set(BAR, i)).toBe(true)
    for (const error of await Promise.all(reads)) expect(error).toMatchObject({code: 'E_TIMEOUT', outcome: 'none'})
    const connections = connectionsTo() - before
    // 50, 100, 200, 400, 400 ... ms, each at least half of that.
    expect(connections).toBeGreaterThan(1)
    expect(connections).toBeLessThan(14)
  })

  test('after GOODBYE by the server the next call connects again', async () => {
    const {a} = await pair()
    const kv = await client(a.address)
    await kv.set(BAR, 1)
    for (const socket of a.sockets) socket.end()
    await sleep(50)
    expect(await kv.set(BAR, 2)).toBe(true)
    expect(dataOf(a)).toHaveLength(2)
  })
})

describe('timeouts', () => {
  test('a reply that is late fails with maybe, and its place in line stays', async () => {
    const {a, script} = await pair()
    script.a = ([, , value], socket) => {
      if (value === 'slow') setTimeout(() => socket.write('+OK\r\n+second\r\n'), 400)
      return undefined
    }
    const kv = await client(a.address, {replyTimeoutMs: 20_000})
    const slow = failure(kv.set(BAR, 'slow', {timeoutMs: 100}))
    const second = kv.send(['SET', BAR, 'second'])
    expect(await slow).toMatchObject({code: 'E_TIMEOUT', outcome: 'maybe'})
    expect(await second).toBe('second')
  })

  test('the overall time counts waiting, too: nothing was sent, so it did not happen', async () => {
    const {a, script} = await pair()
    script.a = () => '-CLUSTERDOWN no\r\n'
    const kv = await client(a.address, {timeoutMs: 300})
    const error = await failure(kv.increment(BAR))
    expect(error).toMatchObject({code: 'E_TIMEOUT', outcome: 'none'})
    expect(error.message).toContain('INCRBY was not done within 300 ms')
  })

  test('a process that was held up does not call a reply late that has come', async () => {
    const node = await startKvChild()
    try {
      const kv = await client(node, {replyTimeoutMs: 300})
      await kv.set(BAR, 1)
      const replies = Promise.all(Array.from({length: 100}, () => kv.increment(BAR)))
      // It is written, and the answer lies in the socket when this is over.
      setImmediate(() => {
        const end = performance.now() + 700
        while (performance.now() < end);
      })
      expect((await replies).at(-1)).toBe(101)
    } finally {
      await node.stop()
    }
  })

  test('a host that swallows packets costs the connect timeout, and no more', async () => {
    const deaf = await startDeafServer()
    try {
      const {a} = await pair()
      const error = await failure(within(connect(deaf.address, {connectTimeoutMs: 300}), 30_000, 'the timeout fires'))
      expect(error).toMatchObject({code: 'E_CONNECT', outcome: 'none'})
      expect(error.message).toContain('no answer within 300 ms')
      const kv = await client([deaf.address, a.address], {connectTimeoutMs: 300})
      expect(await kv.set(BAR, 1)).toBe(true)
    } finally {
      await deaf.stop()
    }
  })

  test('connect as a whole is bounded by timeoutMs', async () => {
    const {a} = await pair()
    const silent = await failure(connect(a.address, {timeoutMs: 1, signal: AbortSignal.abort()}))
    expect(['E_INTERRUPTED', 'E_CLOSED_UNSENT', 'E_TIMEOUT']).toContain(silent.code)
  })
})

describe('signals and the end', () => {
  test('an aborted call says whether it had left', async () => {
    const {a, script} = await pair()
    script.a = () => undefined
    const kv = await client(a.address)
    expect(await failure(kv.set(BAR, 1, {signal: AbortSignal.abort()}))).toMatchObject({
      code: 'E_INTERRUPTED',
      outcome: 'none',
    })
    const controller = new AbortController()
    const call = failure(kv.set(BAR, 1, {signal: controller.signal}))
    await sleep(20)
    controller.abort()
    expect(await call).toMatchObject({code: 'E_INTERRUPTED', outcome: 'maybe'})
    const late = failure(kv.set(BAR, 1, {signal: AbortSignal.timeout(50)}))
    expect(await late).toMatchObject({code: 'E_TIMEOUT', outcome: 'maybe'})
  })

  test('close answers what was sent, ends what waits, and says GOODBYE', async () => {
    const {a, b, script} = await pair()
    script.a = (_, socket) => void setTimeout(() => socket.write('+late\r\n'), 100)
    script.b = () => '-CLUSTERDOWN no\r\n'
    const kv = await connect(a.address)
    const sent = kv.send(['SET', BAR, 1])
    const waits = failure(kv.set(FOO, 1))
    await sleep(30)
    await kv.close()
    expect(await sent).toBe('late')
    expect(await waits).toMatchObject({code: 'E_CLOSED_UNSENT', outcome: 'none'})
    expect(await failure(kv.get(BAR))).toMatchObject({code: 'E_CLOSED_UNSENT'})
    for (const server of [a, b]) expect(server.requests.at(-1)).toEqual(['GOODBYE'])
  })

  test('the signal of the client ends everything', async () => {
    const {a, script} = await pair()
    script.a = () => undefined
    const controller = new AbortController()
    const kv = await client(a.address, {signal: controller.signal})
    const call = failure(kv.set(BAR, 1))
    await sleep(20)
    controller.abort()
    expect((await call).outcome).toBe('maybe')
    expect(await failure(kv.get(BAR))).toMatchObject({code: 'E_INTERRUPTED', outcome: 'none'})
  })

  test('await using closes it', async () => {
    const {a} = await pair()
    {
      await using kv = await connect(a.address)
      await kv.set(BAR, 1)
    }
    expect(a.requests.at(-1)).toEqual(['GOODBYE'])
  })
})

test('an answer that is none is told as done', async () => {
  const {a, script} = await pair()
  script.a = () => '*1\r\n:1\r\n'
  const kv = await client(a.address)
  expect(await failure(kv.increment(BAR))).toMatchObject({code: 'E_PROTOCOL', outcome: 'done'})
})
