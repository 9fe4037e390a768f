import {createServer} from 'node:net'
import {setTimeout as sleep} from 'node:timers/promises'
import {afterEach, describe, expect, test} from 'vitest'
import {Connection, type ConnectionOptions} from '../../src/client/connection.ts'
import {ClientError, ReplyError} from '../../src/client/errors.ts'
import type {Push} from '../../src/client/reply.ts'
import {KvError} from '../../src/errors.ts'
import {freePort} from '../support/ports.ts'
import {startDeafServer, startScriptedServer, type Script, type ScriptedServer} from './scripted-server.ts'

const servers: ScriptedServer[] = []
const connections: Connection[] = []

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close()
  for (const server of servers.splice(0)) await server.stop()
})

async function serve(script: Script): Promise<ScriptedServer> {
  const server = await startScriptedServer(script)
  servers.push(server)
  return server
}

async function connect(server: ScriptedServer, options: ConnectionOptions = {}): Promise<Connection> {
  const connection = await Connection.connect(server.address, options)
  connections.push(connection)
  return connection
}

/** The error of a promise, as the fields that callers look at. */
async function failure(
  promise: Promise<unknown>,
): Promise<{code: string; outcome: string | undefined; message: string}> {
  const error = await promise.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason as KvError,
  )
  expect(error).toBeInstanceOf(KvError)
  return {code: error.code, outcome: error instanceof ClientError ? error.outcome : undefined, message: error.message}
}

describe('handshake', () => {
  test('asks for RESP3 and sends the password with it', async () => {
    const server = await serve(() => undefined)
    const connection = await connect(server, {password: 'pw'})
    expect(connection.resp).toBe(3)
    expect(server.requests).toEqual([['HELLO', '3', 'AUTH', 'default', 'pw']])
  })

  test.each(['-NOPROTO unsupported protocol version', '-ERR unknown command `HELLO`, with args beginning with: `3`, '])(
    'falls back to RESP2 on %s',
    async (refusal) => {
      const server = await serve(([name]) => (name === 'HELLO' ? `${refusal}\r\n` : '+OK\r\n'))
      const connection = await connect(server, {password: 'pw'})
      expect(connection.resp).toBe(2)
      expect(server.requests.slice(1)).toEqual([['AUTH', 'pw']])
    },
  )

  test('RESP2 on request sends nothing at all', async () => {
    const server = await serve(() => '+OK\r\n')
    const connection = await connect(server, {resp: 2})
    await connection.send(['PING'])
    expect(server.requests).toEqual([['PING']])
  })

  test.each([
    ['-NOAUTH HELLO must be called with the client already authenticated', 'E_AUTH', 'wants a password'],
    ['-WRONGPASS invalid username-password pair or user is disabled.', 'E_AUTH', 'does not accept this password'],
    ['-ERR max number of clients reached', 'E_REPLY', 'max number of clients'],
  ])('%s is %s', async (reply, code, message) => {
    const server = await serve(() => `${reply}\r\n`)
    const error = await failure(connect(server))
    expect(error.code).toBe(code)
    expect(error.message).toContain(message)
  })
})

describe('what cannot be connected to', () => {
  test('nothing listens', async () => {
    const address = {host: '127.0.0.1', port: await freePort()}
    const error = await failure(Connection.connect(address))
    expect(error).toMatchObject({code: 'E_CONNECT', outcome: 'none'})
    expect(error.message).toBe(`Cannot connect to 127.0.0.1:${address.port}: nothing listens there.`)
  })

  test('a host that does not answer: the connect timeout is its own', async () => {
    const {address, stop} = await startDeafServer()
    const started = performance.now()
    const error = await failure(Connection.connect(address, {connectTimeoutMs: 100, replyTimeoutMs: 60_000}))
    await stop()
    expect(error).toMatchObject({code: 'E_CONNECT', outcome: 'none'})
    expect(error.message).toContain('no answer within 100 ms')
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('a node that accepts and says nothing: the reply timeout ends the handshake', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const {port} = silent.address() as {port: number}
    const error = await failure(Connection.connect({host: '127.0.0.1', port}, {replyTimeoutMs: 50}))
    silent.close()
    expect(error).toMatchObject({code: 'E_CONNECT', outcome: 'none'})
    expect(error.message).toContain('does not answer')
  })

  test('a port that closes at once', async () => {
    const server = await serve((_request, socket) => void socket.destroy())
    expect(await failure(connect(server))).toMatchObject({code: 'E_CONNECT', outcome: 'none'})
  })

  test('something that speaks another protocol', async () => {
    const server = await serve(() => 'HTTP/1.1 400 Bad Request\r\n\r\n')
    expect(await failure(connect(server))).toMatchObject({code: 'E_PROTOCOL'})
  })

  test('a signal that is already aborted', async () => {
    const server = await serve(() => undefined)
    expect(await failure(connect(server, {signal: AbortSignal.abort()}))).toMatchObject({
      code: 'E_INTERRUPTED',
      outcome: 'none',
    })
  })
})

describe('requests', () => {
  const echo: Script = ([name, value]) => (name === 'ECHO' ? `$${value!.length}\r\n${value}\r\n` : undefined)

  test('thousands in flight come back to their callers, in one write', async () => {
    const server = await serve(echo)
    const connection = await connect(server)
    const texts = Array.from({length: 5_000}, (_, index) => `v${index}`)
    const replies = await Promise.all(texts.map((text) => connection.send(['ECHO', text])))
    expect(replies.map(String)).toEqual(texts)
  })

  test('an error reply is a value of send and thrown by call', async () => {
    const server = await serve(([name]) => (name === 'GET' ? '-WRONGTYPE Operation against a key\r\n' : undefined))
    const connection = await connect(server)
    expect(await connection.send(['GET', 'a'])).toEqual({kind: 'error', text: 'WRONGTYPE Operation against a key'})
    const error: unknown = await connection.call(['GET', 'a']).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ReplyError)
    expect(error).toMatchObject({code: 'E_REPLY', word: 'WRONGTYPE'})
  })

  test('pushes go past the replies', async () => {
    const pushes: Push[] = []
    const server = await serve(([name]) =>
      name === 'GET' ? '>2\r\n+invalidate\r\n:1\r\n+value\r\n>1\r\n+late\r\n' : undefined,
    )
    const connection = await connect(server, {onPush: (push) => pushes.push(push)})
    expect(await connection.send(['GET', 'a'])).toBe('value')
    expect(pushes).toEqual([['invalidate', 1], ['late']])
  })

  test('late replies fail their requests, not the connection', async () => {
    const server = await serve(([name], socket) => {
      if (name === 'SLOW') setTimeout(() => socket.write('+slow\r\n+fast\r\n'), 150)
      return undefined
    })
    const connection = await connect(server, {replyTimeoutMs: 80})
    const slow = failure(connection.send(['SLOW']))
    await sleep(40)
    const fast = connection.send(['FAST'])
    expect(await slow).toMatchObject({code: 'E_TIMEOUT', outcome: 'maybe'})
    await expect(fast).rejects.toMatchObject({code: 'E_TIMEOUT'})
    await sleep(100)
    const next = connection.send(['NEXT'])
    for (const socket of server.sockets) socket.write('+next\r\n')
    expect(await next).toBe('next')
    expect(connection.isOpen).toBe(true)
  })

  test('a reply that nobody asked for ends the connection', async () => {
    const server = await serve(() => undefined)
    const ended: (KvError | undefined)[] = []
    const connection = await connect(server, {onClose: (error) => ended.push(error)})
    for (const socket of server.sockets) socket.write('-ERR idle for too long\r\n')
    await expect.poll(() => ended.length).toBe(1)
    expect(ended[0]).toMatchObject({code: 'E_PROTOCOL'})
    expect(ended[0]?.message).toContain('ERR idle for too long')
    expect(await failure(connection.send(['PING']))).toMatchObject({outcome: 'none'})
  })
})

describe('the end of a connection says what may have happened', () => {
  test('closed while a request is under way: maybe', async () => {
    const server = await serve(([name], socket) => (name === 'INCR' ? void socket.destroy() : undefined))
    const connection = await connect(server)
    expect(await failure(connection.send(['INCR', 'a']))).toMatchObject({code: 'E_CLOSED_MAYBE', outcome: 'maybe'})
  })

  test('closed in the middle of a reply: maybe, and it says so', async () => {
    const server = await serve(([name], socket) => {
      if (name === 'GET') socket.end('$10\r\nhalf')
      return undefined
    })
    const connection = await connect(server)
    const error = await failure(connection.send(['GET', 'a']))
    expect(error).toMatchObject({code: 'E_CLOSED_MAYBE', outcome: 'maybe'})
    expect(error.message).toContain('in the middle of a reply')
  })

  test('replies before the close are delivered, the rest fails', async () => {
    const server = await serve(([name], socket) => {
      if (name === 'A') socket.end('+a\r\n')
      return undefined
    })
    const connection = await connect(server)
    const results = await Promise.allSettled([connection.send(['A']), connection.send(['B'])])
    expect(results[0]).toEqual({status: 'fulfilled', value: 'a'})
    expect(results[1]).toMatchObject({status: 'rejected', reason: {code: 'E_CLOSED_MAYBE'}})
  })

  test('sent after the close: surely not', async () => {
    const server = await serve((_request, socket) => void socket.end('%0\r\n'))
    const connection = await connect(server)
    await expect.poll(() => connection.isOpen).toBe(false)
    expect(await failure(connection.send(['SET', 'a', '1']))).toMatchObject({code: 'E_CLOSED_UNSENT', outcome: 'none'})
  })

  test('closed by us in the turn of the request, before it left: surely not', async () => {
    const server = await serve(() => undefined)
    const connection = await connect(server)
    const sent = failure(connection.send(['SET', 'a', '1']))
    connection.close()
    expect(await sent).toMatchObject({code: 'E_CLOSED_UNSENT', outcome: 'none'})
    expect(server.requests.map(([name]) => name)).toEqual(['HELLO'])
  })

  test('hostile bytes fail what is under way and shut the connection', async () => {
    const server = await serve(([name]) => (name === 'GET' ? '$5\r\nabcdefgh\r\n' : undefined))
    const connection = await connect(server)
    expect(await failure(connection.send(['GET', 'a']))).toMatchObject({code: 'E_PROTOCOL', outcome: 'maybe'})
    expect(connection.isOpen).toBe(false)
  })

  test('an aborted signal ends everything at once', async () => {
    const server = await serve(() => undefined)
    const controller = new AbortController()
    const connection = await connect(server, {signal: controller.signal})
    const waiting = [failure(connection.send(['A'])), failure(connection.send(['B']))]
    await sleep(10)
    controller.abort()
    for (const error of await Promise.all(waiting)) {
      expect(error).toMatchObject({code: 'E_INTERRUPTED', outcome: 'maybe'})
    }
  })

  test('a signal that is a deadline is a timeout', async () => {
    const server = await serve(() => undefined)
    const connection = await connect(server, {signal: AbortSignal.timeout(60)})
    expect(await failure(connection.send(['A']))).toMatchObject({code: 'E_TIMEOUT', outcome: 'maybe'})
  })
})

describe('goodbye', () => {
  test('waits for what is in flight, then GOODBYE, then QUIT where GOODBYE is not known', async () => {
    const server = await serve(([name]) => {
      if (name === 'GOODBYE') return '-ERR unknown command\r\n'
      return name === 'HELLO' ? undefined : '+OK\r\n'
    })
    const connection = await connect(server)
    const last = connection.send(['SET', 'a', '1'])
    await connection.goodbye()
    expect(await last).toBe('OK')
    expect(server.requests.map(([name]) => name)).toEqual(['HELLO', 'SET', 'GOODBYE', 'QUIT'])
    expect(connection.isOpen).toBe(false)
  })

  test('does not throw on a connection that is lost', async () => {
    const server = await serve(([name], socket) => (name === 'GOODBYE' ? void socket.destroy() : undefined))
    const connection = await connect(server)
    await connection.goodbye()
    await connection.goodbye()
    expect(connection.isOpen).toBe(false)
  })
})
