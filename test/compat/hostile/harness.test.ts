/** Would the attacks notice? Here they meet servers that break, hang, and talk too much. */
import {createServer, type Server, type Socket} from 'node:net'
import {afterEach, describe, expect, it} from 'vitest'
import {encodeCommand} from '../../support/raw-connection.ts'
import type {TestServer} from '../../support/server.ts'
import {attackConnections, attackRequests, mustServe} from './attack.ts'
import {hostileCase, strangers} from './corpus.ts'

const servers: {stop(): Promise<void>}[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

/** Answers each chunk by what `reply` says; null ends the server, as a crash would. */
function fakeServer(reply: (chunk: string) => string | null): Promise<TestServer> {
  const sockets = new Set<Socket>()
  const listener: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      const text = reply(chunk.toString('latin1'))
      if (text !== null) return void socket.write(text)
      listener.close()
      for (const open of sockets) open.destroy()
    })
  })
  return new Promise((resolve) => {
    listener.listen(0, '127.0.0.1', () => {
      const address = listener.address()
      if (address === null || typeof address === 'string') throw new Error('no TCP address')
      const stop = async (): Promise<void> => {
        for (const socket of sockets) socket.destroy()
        await new Promise((done) => listener.close(done))
      }
      servers.push({stop})
      resolve({kind: 'kv', host: '127.0.0.1', port: address.port, pid: process.pid, stop})
    })
  })
}

const TALK = [['PING'], ['FLUSHALL'], ['SET', 'k', 'v'], ['GET', 'k']]
  .map((args) => encodeCommand(args).toString())
  .join('')

/** Just enough of a server for `mustServe`; `extra` decides about everything else. */
function polite(extra: (chunk: string) => string | null): (chunk: string) => string | null {
  return (chunk) => {
    if (chunk === TALK) return '+PONG\r\n+OK\r\n+OK\r\n$1\r\nv\r\n'
    return extra(chunk)
  }
}

describe('the attacks', () => {
  it('notice a server that crashes on a zero byte', async () => {
    const server = await fakeServer(polite((chunk) => (chunk.includes('\x00') ? null : '-ERR\r\n')))
    await expect(attackConnections(server, 1, 500)).rejects.toThrow()
  })

  it('notice a server that hangs', async () => {
    const server = await fakeServer(polite(() => ''))
    await expect(attackRequests(server, 1, 1, 10, 200)).rejects.toThrow('no reply to')
    const mute = await fakeServer(() => '')
    await expect(mustServe(mute, 'mute', 200)).rejects.toThrow('mute: PING')
  })

  it('notice a reply too many', async () => {
    const server = await fakeServer(polite(() => '+OK\r\n'.repeat(13)))
    await expect(attackRequests(server, 1, 1, 10, 200)).rejects.toThrow('a reply too many')
  })

  it('are the same for the same seed, and differ for another', () => {
    expect(hostileCase(7, 3)).toEqual(hostileCase(7, 3))
    expect(strangers(7, 3, 5)).toEqual(strangers(7, 3, 5))
    expect(hostileCase(8, 3)).not.toEqual(hostileCase(7, 3))
  })
})
