/**
 * A bare TCP connection to a server under test: bytes out, raw replies in. No client library, no decoding,
 * so that what a server says can be compared byte for byte. Bytes may leave whole, byte by byte, or in given chunks.
 */
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'
import {setImmediate as nextTurn} from 'node:timers/promises'
import {replyEnd} from './resp-split.ts'

export type Arg = string | number | Uint8Array

/** A request as an array of bulk strings; text is UTF-8. */
export function encodeCommand(args: readonly Arg[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = arg instanceof Uint8Array ? Buffer.from(arg) : Buffer.from(String(arg))
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** Splits bytes for sending: each call gives the size of the next chunk. */
export type Chunker = () => number

export class RawConnection {
  readonly socket: Socket
  #received: Buffer[] = []
  #receivedBytes = 0
  #joined: Buffer = Buffer.alloc(0)
  #closed = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#receivedBytes += chunk.length
      this.#wake?.()
    })
    // A reset is how a server may close on us; `closed` tells, an exception would only tear down the test run.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#closed = true
      this.#wake?.()
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes received over the life of the connection. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  write(bytes: Uint8Array | string): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  /** Sends in chunks, each in a turn of the event loop of its own, so that even an in-process server reads them apart. */
  async writeChunked(bytes: Buffer, nextSize: Chunker): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + Math.max(1, nextSize()))
      this.write(bytes.subarray(at, end))
      at = end
      await nextTurn()
    }
  }

  #pending(): Buffer {
    if (this.#received.length > 0) {
      this.#joined = Buffer.concat([this.#joined, ...this.#received])
      this.#received = []
    }
    return this.#joined
  }

  async #more(deadline: number): Promise<boolean> {
    if (this.#received.length > 0) return true
    if (this.#closed) return false
    const left = deadline - performance.now()
    if (left <= 0) return false
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, left)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
    return this.#received.length > 0
  }

  /** The next raw reply; undefined when the time is up or the server closed the connection first. */
  async tryReply(timeoutMs = 5_000): Promise<Buffer | undefined> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const bytes = this.#pending()
      const end = bytes.length === 0 ? -1 : replyEnd(bytes)
      if (end !== -1) {
        this.#joined = bytes.subarray(end)
        return bytes.subarray(0, end)
      }
      if (!(await this.#more(deadline))) return undefined
    }
  }

  async reply(timeoutMs = 5_000): Promise<Buffer> {
    const reply = await this.tryReply(timeoutMs)
    if (reply !== undefined) return reply
    const seen = JSON.stringify(this.#joined.toString('latin1', 0, 200))
    throw new Error(
      this.#closed ? `closed before a reply came; had ${seen}` : `no reply in ${timeoutMs} ms; had ${seen}`,
    )
  }

  async replies(count: number, timeoutMs = 5_000): Promise<Buffer[]> {
    const replies: Buffer[] = []
    while (replies.length < count) replies.push(await this.reply(timeoutMs))
    return replies
  }

  /** One command, one raw reply as latin1 text (every byte kept). */
  async call(...args: readonly Arg[]): Promise<string> {
    this.write(encodeCommand(args))
    return (await this.reply()).toString('latin1')
  }

  /** Everything that came and was not yet taken. */
  takeAll(): Buffer {
    const bytes = this.#pending()
    this.#joined = Buffer.alloc(0)
    return bytes
  }

  /** Waits for the server to close; returns what it said before. Throws if it does not close in time. */
  async untilClosed(timeoutMs = 5_000): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs
    while (!this.#closed) {
      if (performance.now() > deadline) throw new Error(`not closed by the server within ${timeoutMs} ms`)
      this.#pending()
      await this.#more(deadline)
    }
    return this.takeAll()
  }

  /** Half-close: no more requests from us. */
  end(): void {
    this.socket.end()
  }

  close(): void {
    this.socket.destroy()
  }
}

export async function rawConnection(port: number, host = '127.0.0.1'): Promise<RawConnection> {
  const socket = connect({port, host})
  await once(socket, 'connect')
  return new RawConnection(socket)
}

/** Opens a connection, does one thing, closes it. */
export async function withConnection<T>(port: number, use: (connection: RawConnection) => Promise<T>): Promise<T> {
  const connection = await rawConnection(port)
  try {
    return await use(connection)
  } finally {
    connection.close()
  }
}
