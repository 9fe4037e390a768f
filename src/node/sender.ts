/**
 * Bytes out to one client. Most replies fit the kernel's buffer: a plain write(2) on the socket's descriptor then costs half
 * of what the stream does. The rest, and all that comes behind it, goes through the stream; from then on replies gather in an
 * outbox until the stream has taken everything.
 *
 * The outbox copies replies together: a client that sends PING by PING and reads nothing must not pin a buffer, a request
 * object and a callback for each seven bytes that it is owed.
 *
 * Hot path: measured by `npm run bench`.
 */
import {writeSync} from 'node:fs'
import type {Socket} from 'node:net'

/** A rest that the socket did not take is copied if it is no larger, so that it does not pin the buffer it lies in. */
const COPY_BYTES_MAX = 16 * 1024
const CHUNK_BYTES_MIN = 4 * 1024
const CHUNK_BYTES_MAX = 256 * 1024

export class Sender {
  readonly #socket: Socket
  readonly #outbox = new Outbox()
  /** Is told of buffers that were let go, bytes: until a collection they take room. */
  readonly #dropped: (bytes: number) => void
  /** Bytes that the stream was given and has not taken yet; 0 = it has all. */
  #given = 0

  constructor(socket: Socket, dropped: (bytes: number) => void) {
    this.#socket = socket
    this.#dropped = dropped
  }

  /** Bytes that the client has not read, as far as we know. */
  get unreadBytes(): number {
    return this.#socket.writableLength + this.#outbox.bytes
  }

  /** Sends bytes; true if the socket goes on reading from them, so that they are no longer the caller's. */
  send(bytes: Buffer): boolean {
    if (this.#given > 0) {
      this.#outbox.add(bytes)
      return false
    }
    const written = writeNow(this.#socket, bytes)
    if (written === bytes.length) return false
    const rest = bytes.subarray(written)
    const isSmall = rest.length <= COPY_BYTES_MAX
    this.#given = rest.length
    this.#socket.write(isSmall ? Buffer.from(rest) : rest, this.#taken)
    return !isSmall
  }

  /** Sends bytes that are ours from now on: nothing is copied, however many they are. */
  give(pieces: readonly Buffer[]): void {
    this.#outbox.append(pieces)
    if (this.#given === 0) this.#sendOutbox()
  }

  /** Ends our side once all is sent. */
  end(): void {
    this.#given += this.#outbox.bytes
    for (const chunk of this.#outbox.take()) this.#socket.write(chunk)
    this.#socket.end()
  }

  /** The socket is gone, and with it what it was not able to send. */
  closed(): void {
    this.#dropped(this.#given + this.#outbox.bytes)
    this.#outbox.take()
  }

  readonly #taken = (error?: Error | null): void => {
    if (error || this.#socket.writableEnded) return
    this.#dropped(this.#given)
    this.#given = 0
    this.#sendOutbox()
  }

  #sendOutbox(): void {
    if (this.#outbox.bytes === 0) return
    this.#given = this.#outbox.bytes
    const chunks = this.#outbox.take()
    const last = chunks.pop()!
    this.#socket.cork()
    for (const chunk of chunks) this.#socket.write(chunk)
    this.#socket.write(last, this.#taken)
    this.#socket.uncork()
  }
}

/** Writes what the kernel takes at once; 0 where a full buffer, a broken connection or a Node that hides descriptors forbids it. */
function writeNow(socket: Socket, bytes: Buffer): number {
  const fd = (socket as unknown as {_handle?: {fd?: number} | null})._handle?.fd ?? -1
  if (fd < 0) return 0
  try {
    return writeSync(fd, bytes, 0, bytes.length)
  } catch {
    // The stream will find out what it is.
    return 0
  }
}

/** A queue of bytes, copied together. Its room never exceeds twice what is in it, but for the first chunk. */
export class Outbox {
  bytes = 0
  #full: Buffer[] = []
  #tail: Buffer | null = null
  #used = 0

  /** Adds a copy of `bytes`. */
  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const tail = this.#tail ?? this.#begin(bytes.length - at)
      const copied = bytes.copy(tail, this.#used, at)
      this.#used += copied
      at += copied
      if (this.#used === tail.length) this.#end()
    }
    this.bytes += bytes.length
  }

  /** Adds bytes as they are. */
  append(pieces: readonly Buffer[]): void {
    this.#end()
    for (const piece of pieces) {
      this.#full.push(piece)
      this.bytes += piece.length
    }
  }

  /** All that is in it, in order; it is empty then. */
  take(): Buffer[] {
    this.#end()
    const chunks = this.#full
    this.#full = []
    this.bytes = 0
    return chunks
  }

  #begin(wanted: number): Buffer {
    const size = Math.max(wanted, Math.min(this.bytes, CHUNK_BYTES_MAX), CHUNK_BYTES_MIN)
    this.#used = 0
    return (this.#tail = Buffer.allocUnsafeSlow(size))
  }

  #end(): void {
    if (this.#tail !== null && this.#used > 0) this.#full.push(this.#tail.subarray(0, this.#used))
    this.#tail = null
    this.#used = 0
  }
}
