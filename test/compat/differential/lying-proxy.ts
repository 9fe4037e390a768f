/** Stands between a test and a server, and falsifies what the server says: a harness that believes it is worthless. */
import {connect, createServer, type Server, type Socket} from 'node:net'
import {freePort} from '../../support/ports.ts'
import type {TestServer} from '../../support/server.ts'

/** Replaces each `truth` in what the server sends by `lie`, within one packet. */
export async function startLyingProxy(server: TestServer, truth: string, lie: string): Promise<TestServer> {
  const sockets = new Set<Socket>()
  const listener: Server = createServer((client) => {
    const upstream = connect({port: server.port, host: server.host})
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.once('close', () => sockets.delete(socket))
    }
    client.pipe(upstream)
    upstream.on('data', (chunk: Buffer) => client.write(chunk.toString('latin1').replaceAll(truth, lie), 'latin1'))
    upstream.once('close', () => client.end())
  })
  const port = await freePort()
  await new Promise<void>((resolve) => listener.listen(port, server.host, resolve))
  return {
    kind: server.kind,
    host: server.host,
    port,
    pid: process.pid,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
