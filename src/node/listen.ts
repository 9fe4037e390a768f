/** Takes a port, for clients or for peers, and says in words what was in the way. */
import {KvError} from '../errors.ts'
import type {ListenOptions, Server} from 'node:net'

export interface Purpose {
  /** What the port is called in messages: `port`, `peer port`. */
  readonly name: string
  /** The flag that chooses another. */
  readonly flag: string
  /** The flag that chooses another address; `--host` if it is not said. */
  readonly hostFlag?: string
}

/** Port 0: any free one. Resolves with the port. Errors: E_PORT_IN_USE, E_ADDRESS. */
export function listenOn(
  server: Server,
  options: ListenOptions & {host: string; port: number},
  purpose: Purpose,
): Promise<number> {
  const {host, port} = options
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      server.off('listening', begun)
      reject(listenError(error, host, port, purpose))
    }
    const begun = (): void => {
      server.off('error', fail)
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    }
    server.once('error', fail)
    try {
      server.listen(options, begun)
    } catch (error) {
      server.off('error', fail)
      fail(error as NodeJS.ErrnoException)
    }
  })
}

function listenError(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
  {name, flag, hostFlag = '--host'}: Purpose,
): KvError {
  if (error.code === 'EADDRINUSE') {
    return new KvError(
      'E_PORT_IN_USE',
      `${name} ${port} is in use on ${host}`,
      `choose another with ${flag}, or find its owner: ss -ltnp 'sport = :${port}'`,
    )
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new KvError(
      'E_ADDRESS',
      `${host} is not an address of this machine`,
      `choose another with ${hostFlag}, for instance 127.0.0.1`,
    )
  }
  if (error.code === 'EACCES') {
    return new KvError(
      'E_PORT_IN_USE',
      `${name} ${port} may not be used by this user`,
      `choose a port above 1023 with ${flag}`,
    )
  }
  return new KvError('E_ADDRESS', `cannot listen on ${name} ${port} of ${host}: ${error.message}`)
}
