/** What the tester's client makes of what servers say, or do not say: done, certainly not done, or unknown. Nothing is ever sent twice. */
import {createServer, type Server, type Socket} from 'node:net'
import {afterEach, expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {ChaosClient} from '../../src/chaos/client.ts'
import {ReplyDecoder} from '../../src/client/decoder.ts'
import type {Address} from '../../src/base/address.ts'
import type {Outcome, Reply, Request} from '../../src/workload/types.ts'

const servers: Server[] = []
const sockets: Socket[] = []
const clients: ChaosClient[] = []

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

/** A server that answers each request with what `answer` says; null: nothing, and 'close' ends the connection. */
async function serve(answer: (words: string[]) => string | null): Promise<{address: Address; seen: string[][]}> {
  const seen: string[][] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    const onReply = (request: unknown): void => {
      const words = (request as unknown[]).map(String)
      seen.push(words)
      const text = answer(words)
      if (text === 'close') socket.destroy()
      else if (text !== null) socket.write(text)
    }
    const decoder = new ReplyDecoder({onReply, onPush: () => undefined})
    socket.on('data', (chunk) => decoder.write(chunk))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {address: {host: '127.0.0.1', port: (server.address() as {port: number}).port}, seen}
}

function clientOf(addresses: readonly Address[], odd: string[] = []): ChaosClient {
  const client = new ChaosClient({
    addresses: () => addresses,
    random: new Prng(1),
    replyTimeoutMs: 100,
    connectTimeoutMs: 500,
    onOddReply: (text) => void odd.push(text),
  })
  clients.push(client)
  return client
}

function send(client: ChaosClient, ...requests: Request[]): Promise<{outcome: Outcome; replies: readonly Reply[]}> {
  return new Promise((resolve) => client.send('k', requests, (outcome, replies) => resolve({outcome, replies})))
}

test('an answer is ok, and is given as text', async () => {
  const {address} = await serve(() => '$5\r\nhello\r\n')
  expect(await send(clientOf([address]), ['GET', 'k'])).toEqual({outcome: 'ok', replies: ['hello']})
})

test('MOVED is followed and remembered', async () => {
  const right = await serve(() => '+OK\r\n')
  const wrong = await serve(() => `-MOVED 7629 127.0.0.1:${right.address.port}\r\n`)
  const client = clientOf([wrong.address])
  expect((await send(client, ['SET', 'k', '1'])).outcome).toBe('ok')
  expect((await send(client, ['SET', 'k', '2'])).outcome).toBe('ok')
  expect(wrong.seen.length).toBe(1)
  expect(right.seen.length).toBe(2)
})

test('nodes that point at each other for ever: failed', async () => {
  const ports: number[] = []
  const a = await serve(() => `-MOVED 7629 127.0.0.1:${ports[1]}\r\n`)
  const b = await serve(() => `-MOVED 7629 127.0.0.1:${ports[0]}\r\n`)
  ports.push(a.address.port, b.address.port)
  expect((await send(clientOf([a.address]), ['INCR', 'k'])).outcome).toBe('failed')
})

test('ASK is followed for once, with ASKING', async () => {
  const target = await serve(([name]) => (name === 'ASKING' ? '+OK\r\n' : ':1\r\n'))
  const source = await serve(() => `-ASK 7629 127.0.0.1:${target.address.port}\r\n`)
  const client = clientOf([source.address])
  expect(await send(client, ['INCR', 'k'])).toEqual({outcome: 'ok', replies: [1]})
  expect(target.seen).toEqual([['ASKING'], ['INCR', 'k']])
})

test.each(['CLUSTERDOWN Hash slot not served', 'NOREPLICAS no', 'LOADING wait'])(
  'an error that comes before anything is applied, %s: failed',
  async (text) => {
    const {address, seen} = await serve(() => `-${text}\r\n`)
    expect((await send(clientOf([address]), ['SET', 'k', '1'])).outcome).toBe('failed')
    expect(seen.length).toBe(1)
  },
)

test('an error that nobody knows: unknown, and it is told', async () => {
  const odd: string[] = []
  const {address} = await serve(() => '-ERR something else\r\n')
  expect((await send(clientOf([address], odd), ['SET', 'k', '1'])).outcome).toBe('unknown')
  expect(odd).toEqual(['ERR something else'])
})

test('nobody listens: failed', async () => {
  const {address} = await serve(() => null)
  servers[0]!.close()
  expect((await send(clientOf([address]), ['SET', 'k', '1'])).outcome).toBe('failed')
})

test('nobody is known: failed', async () => {
  expect((await send(clientOf([]), ['SET', 'k', '1'])).outcome).toBe('failed')
})

test.each([null, 'close'])('no reply (%s): unknown, and the request is not sent again', async (answer) => {
  const {address, seen} = await serve(() => answer)
  expect((await send(clientOf([address]), ['INCR', 'k'])).outcome).toBe('unknown')
  expect(seen.length).toBe(1)
})

test('after a reply that did not come the next one comes over a new connection', async () => {
  let isSilent = true
  const {address} = await serve(() => (isSilent ? null : ':7\r\n'))
  const client = clientOf([address])
  await send(client, ['INCR', 'k'])
  isSilent = false
  expect(await send(client, ['INCR', 'k'])).toEqual({outcome: 'ok', replies: [7]})
  expect(sockets.length).toBe(2)
})

test('a transaction that was not executed because of MOVED goes to the other node, whole', async () => {
  const right = await serve(([name]) =>
    name === 'EXEC' ? '*1\r\n:1\r\n' : name === 'MULTI' ? '+OK\r\n' : '+QUEUED\r\n',
  )
  const moved = `-MOVED 7629 127.0.0.1:${right.address.port}\r\n`
  const wrong = await serve(([name]) => (name === 'MULTI' ? '+OK\r\n' : name === 'EXEC' ? '-EXECABORT no\r\n' : moved))
  const result = await send(clientOf([wrong.address]), ['MULTI'], ['INCR', 'k'], ['EXEC'])
  expect(result).toEqual({outcome: 'ok', replies: ['OK', 'QUEUED', [1]]})
})

test('a transaction of which a part failed: unknown', async () => {
  const {address} = await serve(([name]) => (name === 'EXEC' ? '*2\r\n:1\r\n-ERR no\r\n' : '+QUEUED\r\n'))
  expect((await send(clientOf([address]), ['MULTI'], ['INCR', 'k'], ['EXEC'])).outcome).toBe('unknown')
})

test('a second round goes over the same connection, and is not redirected', async () => {
  const {address} = await serve(([name]) => (name === 'EXEC' ? `-MOVED 7629 127.0.0.1:1\r\n` : '$1\r\nx\r\n'))
  const outcome = await new Promise<Outcome>((resolve) => {
    clientOf([address]).sendTwice(
      'k',
      [
        ['WATCH', 'k'],
        ['GET', 'k'],
      ],
      () => [['EXEC']],
      resolve,
    )
  })
  expect(outcome).toBe('failed')
  expect(sockets.length).toBe(1)
})
