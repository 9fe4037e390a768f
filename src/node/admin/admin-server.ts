/**
 * The admin port: a small HTTP server for those who watch a node, not for its clients. It only reads. Everything is bounded: header bytes,
 * connections, and the time that a client may take to ask or to read.
 *
 *   /metrics   text of Prometheus      /livez     the event loop turns
 *   /cluster   JSON of CLUSTER STATE   /readyz    may clients be sent here? 503 if not; ?verbose has each check
 */
import {createServer} from 'node:http'
import type {IncomingMessage, Server, ServerResponse} from 'node:http'
import {
  ADMIN_CONNECTIONS_MAX,
  ADMIN_HEADER_BYTES_MAX,
  ADMIN_REQUEST_TIMEOUT_MS,
  ADMIN_RESPONSE_TIMEOUT_MS,
} from '../../constants.ts'
import {listenOn} from '../listen.ts'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** What is there for each path; `query`: what stands behind the `?`. */
export type Routes = Readonly<Record<string, (query: URLSearchParams) => Answer>>

export function textAnswer(status: number, body: string): Answer {
  return {status, type: 'text/plain; charset=utf-8', body}
}

const LISTEN = {name: 'admin port', flag: '--admin-port', hostFlag: '--admin-host'}

export class AdminServer {
  readonly #server: Server
  readonly #routes: Routes

  constructor(routes: Routes) {
    this.#routes = routes
    this.#server = createServer(
      {
        maxHeaderSize: ADMIN_HEADER_BYTES_MAX,
        headersTimeout: ADMIN_REQUEST_TIMEOUT_MS,
        requestTimeout: ADMIN_REQUEST_TIMEOUT_MS,
        keepAliveTimeout: ADMIN_REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: ADMIN_REQUEST_TIMEOUT_MS / 4,
      },
      (request, response) => this.#answer(request, response),
    )
    this.#server.maxConnections = ADMIN_CONNECTIONS_MAX
    // Nothing moved on the socket for so long, in either direction: also one that reads nothing of its answer.
    this.#server.setTimeout(ADMIN_RESPONSE_TIMEOUT_MS, (socket) => socket.destroy())
  }

  /** Resolves with the port. Errors: E_PORT_IN_USE, E_ADDRESS. */
  listen(host: string, port: number): Promise<number> {
    return listenOn(this.#server, {host, port}, LISTEN)
  }

  /** Who asks gets no answer any more. */
  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const {status, type, body} = this.#answerTo(request)
    // Nobody here wants a body: what else comes on this connection is not waited for.
    const hasBody =
      request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
    response.writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      ...(status === 405 && {Allow: 'GET, HEAD'}),
      ...(hasBody && {Connection: 'close'}),
    })
    response.end(request.method === 'HEAD' ? undefined : body, () => {
      if (hasBody) request.socket.destroySoon()
    })
  }

  #answerTo({method, url = ''}: IncomingMessage): Answer {
    const [path = '', query = ''] = url.split('?', 2)
    const route = Object.hasOwn(this.#routes, path) ? this.#routes[path] : undefined
    if (!route) return textAnswer(404, `nothing is here; there are ${Object.keys(this.#routes).join(', ')}\n`)
    if (method !== 'GET' && method !== 'HEAD') return textAnswer(405, `${path} can only be read: use GET\n`)
    return route(new URLSearchParams(query))
  }
}
