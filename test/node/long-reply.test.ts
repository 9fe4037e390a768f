/** Replies that jobs form, on real sockets: in order, whole, and beside what other clients do. */
import {createHash} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {startKvChild} from '../support/kv.ts'
import {encodeCommand, rawConnection} from '../support/raw-connection.ts'
import {parseReply} from '../support/resp-split.ts'
import type {RawConnection} from '../support/raw-connection.ts'
import type {TestServer} from '../support/server.ts'

const FIELDS = 150_000
let server: TestServer
let client: RawConnection

beforeAll(async () => {
  server = await startKvChild()
  client = await rawConnection(server.port)
  for (let from = 0; from < FIELDS; from += 5000) {
    const pairs: string[] = []
    for (let i = from; i < from + 5000; i++) pairs.push(`f${i}`, `value ${i}`)
    await client.call('HSET', '{t}map', ...pairs)
  }
})

afterAll(async () => {
  client?.socket.destroy()
  await server?.stop()
})

function digest(reply: Buffer): string {
  return createHash('sha1').update(reply).digest('hex')
}

test('a long reply and those of the commands around it come in order', async () => {
  client.write(
    Buffer.concat([
      encodeCommand(['PING', 'before']),
      encodeCommand(['HGETALL', '{t}map']),
      encodeCommand(['PING', 'between']),
      encodeCommand(['COPY', '{t}map', '{t}copy']),
      encodeCommand(['HLEN', '{t}copy']),
      encodeCommand(['HGETALL', '{t}copy']),
      encodeCommand(['KEYS', '*']),
      encodeCommand(['PING', 'after']),
    ]),
  )
  expect((await client.reply()).toString()).toBe('$6\r\nbefore\r\n')
  const all = parseReply(await client.reply())
  expect(all.type === '*' && all.items.length).toBe(FIELDS * 2)
  expect((await client.reply()).toString()).toBe('$7\r\nbetween\r\n')
  expect((await client.reply()).toString()).toBe(':1\r\n')
  expect((await client.reply()).toString()).toBe(`:${FIELDS}\r\n`)
  const copied = parseReply(await client.reply())
  expect(copied.type === '*' && copied.items.length).toBe(FIELDS * 2)
  const keys = parseReply(await client.reply())
  expect(keys.type === '*' && keys.items.length).toBe(2)
  expect((await client.reply()).toString()).toBe('$5\r\nafter\r\n')
})

test('a client that reads slowly gets the same bytes, and others are served meanwhile', async () => {
  client.write(encodeCommand(['DUMP', '{t}map']))
  const want = digest(await client.reply())
  const slow = await rawConnection(server.port)
  slow.write(Buffer.concat([encodeCommand(['DUMP', '{t}map']), encodeCommand(['PING'])]))
  slow.socket.pause()
  await sleep(300)
  expect(await client.call('PING')).toBe('+PONG\r\n')
  expect(await client.call('HGET', '{t}map', 'f7')).toBe('$7\r\nvalue 7\r\n')
  slow.socket.resume()
  expect(digest(await slow.reply())).toBe(want)
  expect((await slow.reply()).toString()).toBe('+PONG\r\n')
  slow.socket.destroy()
})

test('a client that leaves in the middle of a long reply disturbs nobody', async () => {
  for (let i = 0; i < 5; i++) {
    const leaver = await rawConnection(server.port)
    leaver.write(encodeCommand([i % 2 === 0 ? 'HGETALL' : 'DUMP', '{t}map']))
    await sleep(i * 10)
    leaver.socket.destroy()
  }
  expect(await client.call('HSET', '{t}map', 'f1', 'value 1')).toBe(':0\r\n')
  expect(await client.call('HLEN', '{t}map')).toBe(`:${FIELDS}\r\n`)
})

test('a large payload is restored', async () => {
  client.write(encodeCommand(['DUMP', '{t}map']))
  const dump = await client.reply()
  const payload = dump.subarray(dump.indexOf('\n') + 1, -2)
  expect(await client.call('RESTORE', '{t}restored', 0, payload)).toBe('+OK\r\n')
  expect(await client.call('HLEN', '{t}restored')).toBe(`:${FIELDS}\r\n`)
  expect(await client.call('HGET', '{t}restored', 'f77777')).toBe('$11\r\nvalue 77777\r\n')
})
