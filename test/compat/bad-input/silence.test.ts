/** Clients that stop in the middle, read nothing, or go away: they cost the server little and the others nothing. */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {UNREAD_REPLY_BYTES_MAX} from '../../../src/constants.ts'
import {fingerprint} from '../../support/fingerprint.ts'
import {rssBytes} from '../../support/process-memory.ts'
import {encodeCommand, rawConnection, withConnection, type RawConnection} from '../../support/raw-connection.ts'
import {startRedis} from '../../support/redis.ts'
import type {TestServer} from '../../support/server.ts'
import {startKvChild} from '../../support/kv.ts'
import {SUBJECT} from '../../support/subject.ts'
import {waitFor} from '../../support/wait.ts'
import {besideBystander} from './bystander.ts'

const MB = 1024 * 1024
const VALUE_BYTES = 4 * MB

let subject: TestServer
beforeAll(async () => {
  const limit = `normal ${UNREAD_REPLY_BYTES_MAX} 0 0`
  subject =
    SUBJECT === 'kv'
      ? await startKvChild()
      : await startRedis({config: {'client-output-buffer-limit': limit, hz: '100'}})
})
afterAll(() => subject?.stop())

describe('half a request, then silence', () => {
  const request = encodeCommand(['SET', '{half}key', 'value of some length'])

  it('cut at every byte: nothing is applied, others are served, and the rest is still welcome', async () => {
    const before = await fingerprint(subject.port)
    const cut: RawConnection[] = []
    for (let at = 1; at < request.length; at++) {
      const connection = await rawConnection(subject.port)
      connection.write(request.subarray(0, at))
      cut.push(connection)
    }
    const service = await besideBystander(subject.port, async () => {
      expect(await fingerprint(subject.port)).toBe(before)
      for (const [index, connection] of cut.entries()) {
        expect(connection.takeAll().toString()).toBe('')
        connection.write(request.subarray(index + 1))
        expect((await connection.reply()).toString()).toBe('+OK\r\n')
        connection.close()
      }
    })
    expect(service.worstMs).toBeLessThan(1_000)
  })

  it('cut, then the connection breaks: nothing is applied', async () => {
    await withConnection(subject.port, (connection) => connection.call('FLUSHALL'))
    for (let at = 1; at < request.length; at++) {
      const connection = await rawConnection(subject.port)
      connection.write(request.subarray(0, at))
      if (at % 2 === 0) connection.end()
      else connection.close()
    }
    expect(await fingerprint(subject.port)).toBe('')
    await withConnection(subject.port, async (connection) => {
      await waitFor('half-open connections are let go', async () => {
        const info = await connection.call('INFO', 'clients')
        return /connected_clients:1\r/.test(info)
      })
    })
  })

  it('a half-closed client still gets its replies', async () => {
    await withConnection(subject.port, async (connection) => {
      connection.write(Buffer.concat([encodeCommand(['SET', 'k', 'v']), encodeCommand(['GET', 'k'])]))
      connection.end()
      expect((await connection.untilClosed()).toString()).toBe('+OK\r\n$1\r\nv\r\n')
    })
  })

  it('a transaction that never ends changes nothing', async () => {
    const before = await fingerprint(subject.port)
    await withConnection(subject.port, async (connection) => {
      await connection.call('MULTI')
      await connection.call('SET', 'k', 'changed')
      await connection.call('SET', 'new', 'v')
      expect(await fingerprint(subject.port)).toBe(before)
    })
    expect(await fingerprint(subject.port)).toBe(before)
  })
})

describe('a client that does not read', () => {
  it('is closed past the limit, memory stays bounded and comes back, others are served', async () => {
    await withConnection(subject.port, async (connection) => {
      await connection.call('SET', 'big', Buffer.alloc(VALUE_BYTES, 'x'))
    })
    const before = rssBytes(subject.pid)
    let most = 0
    const slow = await rawConnection(subject.port)
    slow.socket.pause()
    // A paused socket does not say that it was closed; the server does.
    const id = await withConnection(subject.port, async (connection) => {
      const mine = /id=(\d+)/.exec(await connection.call('CLIENT', 'INFO'))![1]!
      return Number(mine) - 1
    })
    const service = await besideBystander(subject.port, async () => {
      const gets = Math.ceil((UNREAD_REPLY_BYTES_MAX * 1.5) / VALUE_BYTES)
      for (let i = 0; i < gets; i++) slow.write(encodeCommand(['GET', 'big']))
      await withConnection(subject.port, (connection) =>
        waitFor(
          'the server lets the slow reader go',
          async () => {
            most = Math.max(most, rssBytes(subject.pid))
            return !(await connection.call('CLIENT', 'LIST')).includes(`id=${id} `)
          },
          {timeoutMs: 30_000},
        ),
      )
    })
    slow.close()
    expect(service.worstMs).toBeLessThan(5_000)
    expect(most - before).toBeLessThan(UNREAD_REPLY_BYTES_MAX + 200 * MB)
    await waitFor('memory comes back', () => rssBytes(subject.pid) - before < UNREAD_REPLY_BYTES_MAX / 2)
  })

  it('but a slow one that does read gets every byte', async () => {
    await withConnection(subject.port, async (connection) => {
      const times = 20
      for (let i = 0; i < times; i++) connection.write(encodeCommand(['GET', 'big']))
      for (let i = 0; i < times; i++) {
        connection.socket.pause()
        setTimeout(() => connection.socket.resume(), 10)
        expect((await connection.reply(10_000)).length).toBe(VALUE_BYTES + `$${VALUE_BYTES}\r\n\r\n`.length)
      }
    })
  })
})
