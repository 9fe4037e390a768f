/**
 * Free TCP ports, below those that the kernel gives to outgoing connections: a port of that range may be taken by any client between being drawn and being listened on.
 * Each process draws from a place of its own.
 */
import {createServer} from 'node:net'

const HOST = '127.0.0.1'
const FIRST = 11_000
const LAST = 22_000

let next = FIRST + ((process.pid * 37) % (LAST - FIRST))

/** A port on 127.0.0.1 that nothing listened on a moment ago; another one each time. */
export async function freePort(): Promise<number> {
  for (let tries = FIRST; tries < LAST; tries++) {
    next = next >= LAST ? FIRST : next + 1
    // While it is tried, somebody else may draw one.
    const port = next
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${FIRST} and ${LAST}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, HOST, () => server.close(() => resolve(true)))
  })
}
