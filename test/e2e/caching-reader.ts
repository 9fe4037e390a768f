/**
 * A reader that keeps what it reads (CLIENT TRACKING over RESP3), with one connection to each node, as every client-side cache does: what the
 * server says is taken strictly in order, a reply fills the cache and an invalidation empties it; a lost connection takes with it what was
 * read over it.
 */
import {connect, type Socket} from 'node:net'
import {keyBucket} from '../../src/base/crc16.ts'
import {plain, type Plain} from '../core/server-support.ts'
import {encodeCommand} from '../support/raw-connection.ts'
import {parseReply, replyEnd} from '../support/resp-split.ts'
import {within} from '../support/wait.ts'

const TIMEOUT_MS = 30_000

/** Calls back for each reply in the moment in which it is read: a promise would be later than the push behind it. */
class Line {
  readonly port: number
  readonly socket: Socket
  readonly #waiting: ((reply: Plain) => void)[] = []
  #rest: Buffer = Buffer.alloc(0)
  isClosed = false

  constructor(port: number, onPush: (push: Plain[]) => void, onClose: () => void) {
    this.port = port
    this.socket = connect({host: '127.0.0.1', port, noDelay: true})
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => {
      this.isClosed = true
      onClose()
      for (const answer of this.#waiting.splice(0)) answer('-CLOSED')
    })
    this.socket.on('data', (bytes) => {
      this.#rest = Buffer.concat([this.#rest, bytes])
      for (let end = replyEnd(this.#rest); end > 0; end = replyEnd(this.#rest)) {
        const reply = parseReply(this.#rest.subarray(0, end))
        this.#rest = this.#rest.subarray(end)
        if (reply.type === '>') onPush(plain(reply) as Plain[])
        else this.#waiting.shift()!(plain(reply))
      }
    })
    this.send(['HELLO', '3'], () => undefined)
    this.send(['CLIENT', 'TRACKING', 'ON'], () => undefined)
  }

  send(args: readonly string[], answer: (reply: Plain) => void): void {
    if (this.isClosed) return answer('-CLOSED')
    this.#waiting.push(answer)
    this.socket.write(encodeCommand(args))
  }
}

export class CachingReader {
  /** Value, and the port of the node that told it. */
  readonly cache = new Map<string, {readonly value: Plain; readonly port: number}>()
  readonly #lines = new Map<number, Line>()
  readonly #owners = new Map<number, number>()
  readonly #ports: () => readonly number[]
  hits = 0
  misses = 0
  invalidations = 0

  constructor(ports: () => readonly number[]) {
    this.#ports = ports
  }

  #line(port: number): Line {
    const known = this.#lines.get(port)
    if (known && !known.isClosed) return known
    const line = new Line(
      port,
      (push) => this.#pushed(push),
      () => this.#lost(port),
    )
    this.#lines.set(port, line)
    return line
  }

  #pushed([kind, keys]: Plain[]): void {
    if (kind !== 'invalidate') return
    this.invalidations++
    if (keys === null) this.cache.clear()
    else for (const key of keys as string[]) this.cache.delete(key)
  }

  #lost(port: number): void {
    for (const [key, entry] of this.cache) if (entry.port === port) this.cache.delete(key)
  }

  /** The value, from the cache if it is there; null after an error, which is not kept. */
  async read(key: string): Promise<void> {
    if (this.cache.has(key)) {
      this.hits++
      return
    }
    this.misses++
    const bucket = keyBucket(Buffer.from(key), 0, key.length)
    const ports = this.#ports()
    const port = this.#owners.get(bucket) ?? ports[Math.floor(Math.random() * ports.length)]!
    const line = this.#line(port)
    const answered = new Promise<void>((resolve) => {
      line.send(['GET', key], (reply) => {
        const moved = typeof reply === 'string' ? /^-MOVED \d+ \S+:(\d+)$/.exec(reply) : null
        if (moved) this.#owners.set(bucket, Number(moved[1]))
        else if (typeof reply === 'string' && reply.startsWith('-')) this.#owners.delete(bucket)
        else this.cache.set(key, {value: reply, port})
        resolve()
      })
    })
    await within(answered, TIMEOUT_MS, `a reply of node ${port}`)
  }

  /** Resolves when all that the nodes have said so far was read. */
  async settle(): Promise<void> {
    for (const line of this.#lines.values()) {
      await within(new Promise<void>((resolve) => line.send(['PING'], () => resolve())), TIMEOUT_MS, 'PONG')
    }
  }

  close(): void {
    for (const {socket} of this.#lines.values()) socket.destroy()
  }
}
