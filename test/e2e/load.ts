/**
 * Clients that write and read registers all the time and write down what they were told; at the end the history must be linearizable. Each has
 * one request in flight, and nothing is sent twice.
 */
import {ClusterClient} from '../../src/client/cluster-client.ts'
import {KvError} from '../../src/errors.ts'
import {isError, replyText} from '../../src/client/reply.ts'
import {OnlineChecker} from '../../src/checker/online-checker.ts'
import type {Finding} from '../../src/checker/history.ts'
import {sleep, waitFor} from '../support/wait.ts'

const REPLY_TIMEOUT_MS = 4_000
/** Once faults are over each key must be readable within this. */
const FINAL_READ_MS = 10_000

export interface LoadOptions {
  readonly ports: () => readonly number[]
  readonly clients: number
  readonly keys: number
  /** Ms between the operations of one client. */
  readonly pauseMs?: number
}

export class Load {
  readonly #options: LoadOptions
  readonly #checker = new OnlineChecker()
  readonly #workers: Promise<void>[] = []
  /** Errors of clients, by their first words. */
  readonly errors = new Map<string, number>()
  #stamp = 0
  #value = 0
  #isStopped = false
  ok = 0
  /** Writes that were acknowledged. */
  writes = 0
  /** Longest time between two writes that were acknowledged, of all clients, since the last `resetGap`. */
  gapMs = 0
  #writtenAt = 0

  constructor(options: LoadOptions) {
    this.#options = options
    for (let i = 0; i < options.clients; i++) this.#workers.push(this.#work(i))
  }

  resetGap(): void {
    this.gapMs = 0
    this.#writtenAt = performance.now()
  }

  get errorCount(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Resolves when so many writes more than now were acknowledged. */
  async progress(writes: number, timeoutMs = 60_000): Promise<void> {
    const wanted = this.writes + writes
    await waitFor(`${writes} more writes are acknowledged`, () => this.writes >= wanted, {timeoutMs})
  }

  /** Ends the load, reads every key once more, and judges. Throws if a key cannot be read any more: it may be what was lost. */
  async end(): Promise<readonly Finding[]> {
    this.#isStopped = true
    await Promise.all(this.#workers)
    const client = this.#client()
    for (let i = 0; i < this.#options.keys; i++) {
      const isRead = (): Promise<boolean> => this.#read(client, `key:${i}`)
      await waitFor(`key:${i} is read at the end`, isRead, {timeoutMs: FINAL_READ_MS})
    }
    client.cut()
    this.#checker.finish()
    return this.#checker.findings
  }

  #client(): ClusterClient {
    const seeds = this.#options.ports().map((port) => ({host: '127.0.0.1', port}))
    return new ClusterClient(seeds, {replyTimeoutMs: REPLY_TIMEOUT_MS, connectTimeoutMs: 1_000})
  }

  async #work(number: number): Promise<void> {
    let client = this.#client()
    for (let i = number; !this.#isStopped; i += 7) {
      const key = `key:${i % this.#options.keys}`
      const isOk = i % 2 === 0 ? await this.#write(client, key) : await this.#read(client, key)
      if (!isOk) {
        // A process of which nobody knows what it did is followed by another.
        client.cut()
        client = this.#client()
        await sleep(20)
      }
      await sleep(this.#options.pauseMs ?? 0)
    }
    client.cut()
  }

  async #write(client: ClusterClient, key: string): Promise<boolean> {
    const value = `v${++this.#value}`
    const start = ++this.#stamp
    const outcome = await this.#send(client, ['SET', key, value], key)
    const end = outcome.kind === 'unknown' ? Infinity : ++this.#stamp
    const hasFailed = outcome.kind === 'failed'
    this.#checker.take({rule: 'register', key, kind: 'write', value, start, end, hasFailed})
    if (outcome.kind !== 'ok') return false
    this.writes++
    const now = performance.now()
    if (this.#writtenAt > 0) this.gapMs = Math.max(this.gapMs, now - this.#writtenAt)
    this.#writtenAt = now
    return true
  }

  async #read(client: ClusterClient, key: string): Promise<boolean> {
    const start = ++this.#stamp
    const outcome = await this.#send(client, ['GET', key], key)
    if (outcome.kind !== 'ok') return false
    const end = ++this.#stamp
    const {value} = outcome
    this.#checker.take({rule: 'register', key, kind: 'read', value, start, end, hasFailed: false})
    return true
  }

  async #send(
    client: ClusterClient,
    args: readonly string[],
    key: string,
  ): Promise<{kind: 'ok'; value: string | null} | {kind: 'failed' | 'unknown'}> {
    try {
      const reply = await client.send(args, key)
      if (isError(reply)) {
        this.#note(reply.text)
        return {kind: 'failed'}
      }
      this.ok++
      return {kind: 'ok', value: replyText(reply) ?? null}
    } catch (error) {
      const code = error instanceof KvError ? error.code : String(error)
      this.#note(code)
      return {kind: code === 'E_CONNECT' || code === 'E_CLOSED_UNSENT' ? 'failed' : 'unknown'}
    }
  }

  #note(text: string): void {
    const words = text.split(' ').slice(0, 3).join(' ')
    this.errors.set(words, (this.errors.get(words) ?? 0) + 1)
  }
}
