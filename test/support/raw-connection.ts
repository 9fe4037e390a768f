/**
 * A bare TCP connection to a server under test: bytes out, raw replies in. No client library, no decoding,
 * so that what a server says can be compared byte for byte. Bytes may leave whole, byte by byte, or in given chunks.
 */
import {once} from 'node:events'
import {connect, type Socket} from 'node:net'
import {setImmediate as nextTurn} from 'node:timers/promises'
import {ReplyScanner} from './resp-split.ts'

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

/** Bytes that came and were not yet taken: one buffer that doubles, so that large replies are copied a few times at most. */
class Inbox {
  #bytes = Buffer.allocUnsafe(4096)
  #start = 0
  #end = 0

  add(chunk: Buffer): void {
    if (this.#end + chunk.length > this.#bytes.length) {
      const held = this.pending()
      const target =
        held.length + chunk.length > this.#bytes.length / 2
          ? Buffer.allocUnsafe(2 * (held.length + chunk.length))
          : this.#bytes
      held.copy(target)
      this.#bytes = target
      this.#start = 0
      this.#end = held.length
    }
    this.#end += chunk.copy(this.#bytes, this.#end)
  }

  pending(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  take(length: number): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(this.#start, this.#start + length))
    this.#start += length
    return taken
  }
}

export class RawConnection {
  readonly socket: Socket
  readonly #inbox = new Inbox()
  #scanner = new ReplyScanner()
  #receivedBytes = 0
  #closed = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#inbox.add(chunk)
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

  /** Waits until something comes, the connection closes, or the time is up; false if nothing came. */
  async #more(deadline: number): Promise<boolean> {
    const before = this.#receivedBytes
    const left = deadline - performance.now()
    if (this.#closed || left <= 0) return false
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, left)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
    return this.#receivedBytes > before
  }

  /** The next raw reply; undefined when the time is up or the server closed the connection first. */
  async tryReply(timeoutMs = 5_000): Promise<Buffer | undefined> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const end = this.#scanner.scan(this.#inbox.pending())
      if (end !== -1) {
        this.#scanner = new ReplyScanner()
        return this.#inbox.take(end)
      }
      if (!(await this.#more(deadline))) return undefined
    }
  }

  async reply(timeoutMs = 5_000): Promise<Buffer> {
    const reply = await this.tryReply(timeoutMs)
    if (reply !== undefined) return reply
    const seen = JSON.stringify(this.#inbox.pending().toString('latin1', 0, 200))
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

  /** Waits until any byte comes, or the connection closes, or the time is up. */
  async tryBytes(timeoutMs: number): Promise<void> {
    await this.#more(performance.now() + timeoutMs)
  }

  /** Everything that came and was not yet taken. */
  takeAll(): Buffer {
    this.#scanner = new ReplyScanner()
    return this.#inbox.take(this.#inbox.pending().length)
  }

  /** Waits for the server to close; returns what it said before. Throws if it does not close in time. */
  async untilClosed(timeoutMs = 5_000): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs
    while (!this.#closed) {
      if (performance.now() > deadline) throw new Error(`not closed by the server within ${timeoutMs} ms`)
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
