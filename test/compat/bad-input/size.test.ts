/** Requests that are too large, or only say so: refused or served, but memory follows what really arrived. */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {KEY_BYTES_MAX, REQUEST_ARGS_MAX} from '../../../src/constants.ts'
import {fingerprint} from '../../support/fingerprint.ts'
import {rssBytes} from '../../support/process-memory.ts'
import {encodeCommand, rawConnection, withConnection} from '../../support/raw-connection.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess, SUBJECT} from '../../support/subject.ts'
import {sleep} from '../../support/wait.ts'
import {besideBystander} from './bystander.ts'

const MB = 1024 * 1024
const MILLION = 1_000_000

let subject: TestServer
beforeAll(async () => {
  subject = await startSubjectProcess()
  await withConnection(subject.port, (connection) => connection.call('SET', 'before', 'untouched'))
})
afterAll(() => subject?.stop())

/** A request of `count` arguments, the name included, all of the rest the same. */
function repeated(name: string, arg: string, count: number): Buffer {
  const one = Buffer.from(`$${arg.length}\r\n${arg}\r\n`)
  const head = Buffer.from(`*${count}\r\n$${name.length}\r\n${name}\r\n`)
  const bytes = Buffer.alloc(head.length + one.length * (count - 1))
  head.copy(bytes)
  bytes.fill(one, head.length)
  return bytes
}

describe('very large requests', () => {
  it('a million arguments are served', async () => {
    await withConnection(subject.port, async (connection) => {
      connection.write(repeated('EXISTS', 'before', MILLION))
      expect((await connection.reply(20_000)).toString()).toBe(`:${MILLION - 1}\r\n`)
      connection.write(repeated('DEL', 'absent', MILLION))
      expect((await connection.reply(20_000)).toString()).toBe(':0\r\n')
      connection.write(repeated('MGET', 'absent', MILLION))
      expect(await connection.reply(20_000)).toEqual(
        Buffer.concat([Buffer.from(`*${MILLION - 1}\r\n`), Buffer.alloc(5 * (MILLION - 1), '$-1\r\n')]),
      )
    })
  })

  it('a million arguments to a command that takes one are refused, and nothing is applied', async () => {
    const before = await fingerprint(subject.port)
    await withConnection(subject.port, async (connection) => {
      connection.write(repeated('GET', 'x', MILLION))
      expect((await connection.reply(20_000)).toString()).toBe("-ERR wrong number of arguments for 'get' command\r\n")
      connection.write(repeated('MSET', 'before', MILLION))
      expect((await connection.reply(20_000)).toString()).toBe("-ERR wrong number of arguments for 'mset' command\r\n")
      expect(await connection.call('PING')).toBe('+PONG\r\n')
    })
    expect(await fingerprint(subject.port)).toBe(before)
  })

  it('a map of half a million fields in one request', async () => {
    const service = await besideBystander(subject.port, () =>
      withConnection(subject.port, async (connection) => {
        const fields = Array.from({length: 500_000}, (_, i) => `f${i}`).flatMap((field) => [field, 'v'])
        connection.write(encodeCommand(['HSET', 'huge', ...fields]))
        expect((await connection.reply(30_000)).toString()).toBe(':500000\r\n')
        expect(await connection.call('HLEN', 'huge')).toBe(':500000\r\n')
        expect(await connection.call('DEL', 'huge')).toBe(':1\r\n')
      }),
    )
    expect(service.worstMs).toBeLessThan(5_000)
  })

  it('a value of 64 MB travels both ways', async () => {
    await withConnection(subject.port, async (connection) => {
      const value = Buffer.alloc(64 * MB, 'abcdefg\x00\xff\r\n', 'latin1')
      connection.write(encodeCommand(['SET', 'large', value]))
      expect((await connection.reply(20_000)).toString()).toBe('+OK\r\n')
      connection.write(encodeCommand(['GET', 'large']))
      const reply = await connection.reply(20_000)
      expect(reply.length).toBe(64 * MB + `$${64 * MB}\r\n\r\n`.length)
      expect(reply.subarray(reply.indexOf(10) + 1, -2).equals(value)).toBe(true)
      expect(await connection.call('DEL', 'large')).toBe(':1\r\n')
    })
  })
})

describe('requests that announce more than they bring', () => {
  const announcements: readonly (readonly [string, string])[] = [
    ['an array of a million', '*1000000\r\n'],
    ['a bulk string of 512 MB', '*2\r\n$3\r\nGET\r\n$536870912\r\n'],
    ['many arguments, each large', '*1000000\r\n$400000000\r\nx'],
  ]
  it.each(announcements)('%s, on 50 connections: memory follows what arrived', async (_name, bytes) => {
    const before = rssBytes(subject.pid)
    const connections = await Promise.all(Array.from({length: 50}, () => rawConnection(subject.port)))
    for (const connection of connections) connection.write(bytes)
    const service = await besideBystander(subject.port, () => sleep(300))
    expect(rssBytes(subject.pid) - before).toBeLessThan(100 * MB)
    expect(service.worstMs).toBeLessThan(1_000)
    for (const connection of connections) expect(connection.closed).toBe(false)
    for (const connection of connections) connection.close()
  })
})

if (SUBJECT === 'kv') {
  describe("kv's own limits", () => {
    it('one argument past the limit is a protocol error', async () => {
      await withConnection(subject.port, async (connection) => {
        connection.write(`*${REQUEST_ARGS_MAX + 1}\r\n`)
        expect((await connection.untilClosed()).toString()).toBe('-ERR Protocol error: invalid multibulk length\r\n')
      })
    })

    it('a key that is too long is refused, nothing is applied, the connection lives', async () => {
      const before = await fingerprint(subject.port)
      await withConnection(subject.port, async (connection) => {
        const key = Buffer.alloc(KEY_BYTES_MAX + 1, 'k')
        for (const args of [
          ['SET', key, 'v'],
          ['HSET', key, 'f', 'v'],
          ['HSET', 'h', key, 'v'],
        ]) {
          connection.write(encodeCommand(args))
          expect((await connection.reply(20_000)).toString('latin1', 0, 5)).toBe('-ERR ')
        }
        expect(await connection.call('PING')).toBe('+PONG\r\n')
      })
      expect(await fingerprint(subject.port)).toBe(before)
    })
  })
}
