/** Opens the TCP connection, in bounded time, and says in words why it could not. */
import {createConnection, type OnReadOpts, type Socket} from 'node:net'
import {formatAddress, type Address} from '../base/address.ts'
import {CLIENT_CONNECT_TIMEOUT_MS} from '../constants.ts'
import {ClientError} from './errors.ts'

export interface SocketOptions {
  readonly connectTimeoutMs?: number
  readonly signal?: AbortSignal | undefined
  /** Reads into one buffer and skips the stream; for who counts bytes by the million. */
  readonly onread?: OnReadOpts
}

/** A connected socket without listeners. Errors: ClientError E_CONNECT, E_INTERRUPTED. */
export function openSocket(address: Address, options: SocketOptions = {}): Promise<Socket> {
  const timeoutMs = options.connectTimeoutMs ?? CLIENT_CONNECT_TIMEOUT_MS
  return new Promise((resolve, reject) => {
    const socket = createConnection({
      host: address.host,
      port: address.port,
      noDelay: true,
      ...(options.onread && {onread: options.onread}),
    })
    let isSettled = false
    // If this process was held up, the answer may be there already: the loop looks at its sockets before it is called late.
    const late = (): void => void (isSettled || fail(`no answer within ${timeoutMs} ms`))
    const timer = setTimeout(() => setImmediate(late), timeoutMs)
    const settle = (): void => {
      isSettled = true
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', abort)
      socket.removeAllListeners()
    }
    const fail = (why: string): void => {
      settle()
      // A late error of a socket that we gave up on has no one to go to.
      socket.on('error', () => {}).destroy()
      reject(connectError(address, why))
    }
    const abort = (): void => {
      settle()
      socket.on('error', () => {}).destroy()
      reject(new ClientError('E_INTERRUPTED', 'none', 'Interrupted while connecting.'))
    }
    options.signal?.addEventListener('abort', abort, {once: true})
    socket.once('error', (error: NodeJS.ErrnoException) => fail(connectCause(error)))
    socket.once('connect', () => {
      settle()
      resolve(socket)
    })
    if (options.signal?.aborted) abort()
  })
}

function connectCause(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'nothing listens there'
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') return 'the host name is not known'
  return error.message === '' ? (error.code ?? 'unknown cause') : error.message
}

export function connectError(address: Address, why: string): ClientError {
  const hint = 'Start a node with `kv node start`, or name another one with --node host:port or KV_NODE.'
  return new ClientError('E_CONNECT', 'none', `Cannot connect to ${formatAddress(address)}: ${why}.`, hint)
}
