/** A TCP server that says exactly what a test tells it to, when it tells it to. */
import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Server, type Socket} from 'node:net'
import {Worker} from 'node:worker_threads'
import type {Address} from '../../src/base/address.ts'
import {ReplyDecoder} from '../../src/client/decoder.ts'
import type {Reply} from '../../src/client/reply.ts'

export type Request = readonly string[]

/** Answers a request with wire text; undefined answers nothing. It may also use the socket itself. */
export type Script = (request: Request, socket: Socket) => string | undefined

export interface ScriptedServer {
  readonly address: Address
  /** Every request so far, in order, over all connections. */
  readonly requests: Request[]
  readonly sockets: Set<Socket>
  stop(): Promise<void>
}

/** Answers HELLO as a RESP3 server does, unless the script does so itself. */
export const HELLO_OK = '%1\r\n$5\r\nproto\r\n:3\r\n'

export async function startScriptedServer(script: Script): Promise<ScriptedServer> {
  const requests: Request[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    const decoder = new ReplyDecoder({
      onReply: (reply) => {
        const request = (reply as readonly Reply[]).map(String)
        requests.push(request)
        const answer = script(request, socket) ?? (request[0] === 'HELLO' ? HELLO_OK : undefined)
        if (answer !== undefined && socket.writable) socket.write(answer, 'latin1')
      },
      onPush: () => {},
    })
    socket.on('data', (chunk) => decoder.write(chunk))
  })
  return {address: await listen(server), requests, sockets, stop: () => stop(server, sockets)}
}

async function listen(server: Server): Promise<Address> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {host: '127.0.0.1', port: (server.address() as AddressInfo).port}
}

async function stop(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy()
  server.close()
  await once(server, 'close')
}

/**
 * A port that swallows connection attempts, as a host behind a firewall does: its one-place backlog is full and its
 * thread, blocked for good, accepts nothing, so the kernel drops further SYNs.
 */
export async function startDeafServer(): Promise<{address: Address; stop: () => Promise<void>}> {
  const code = `
    const {parentPort} = require('node:worker_threads')
    const server = require('node:net').createServer()
    server.listen({port: 0, host: '127.0.0.1', backlog: 1}, () => {
      parentPort.postMessage(server.address().port)
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000))
    })`
  const worker = new Worker(code, {eval: true})
  const [port] = (await once(worker, 'message')) as [number]
  const fillers = Array.from({length: 8}, () => connect(port, '127.0.0.1').on('error', () => {}))
  await new Promise((resolve) => setTimeout(resolve, 100))
  const stop = async (): Promise<void> => {
    for (const filler of fillers) filler.destroy()
    await worker.terminate()
  }
  return {address: {host: '127.0.0.1', port}, stop}
}
