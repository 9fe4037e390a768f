/**
 * Clients that change everything there is to change: strings and maps, small and large, times of keys and of fields, deletes, copies, renames, and
 * transactions in one bucket. Nothing is checked here; whoever copies the cluster meanwhile is compared with it in the end. Errors are what
 * faults cost, and are counted.
 */
import {Prng} from '../../src/base/prng.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {ClusterClient} from '../../src/client/cluster-client.ts'
import {isError, isList} from '../../src/client/reply.ts'
import {sleep, waitFor} from '../support/wait.ts'

const REPLY_TIMEOUT_MS = 3_000
/** Keys that expire during the test do so within this. */
export const SHORT_TIME_MS_MAX = 1_500
const LONG_TIME_MS = 3_600_000
const KEYS = 60
const FIELDS = 12
const LARGE_MAP_FIELDS = 400
const LARGE_VALUE_BYTES = 20_000

export interface MixedLoadOptions {
  readonly ports: readonly number[]
  readonly clients: number
  /** Ms between the operations of one client. */
  readonly pauseMs: number
}

type Request = readonly string[]

export class MixedLoad {
  readonly #options: MixedLoadOptions
  readonly #workers: Promise<void>[] = []
  #isStopped = false
  ok = 0
  failed = 0
  /** Transactions that were executed. */
  transactions = 0

  constructor(options: MixedLoadOptions) {
    this.#options = options
    for (let i = 0; i < options.clients; i++) this.#workers.push(this.#work(i))
  }

  /** Resolves when so many more operations succeeded. */
  async progress(operations: number): Promise<void> {
    const wanted = this.ok + operations
    await waitFor(`${operations} more operations succeed`, () => this.ok >= wanted, {timeoutMs: 60_000})
  }

  /** Ends it, and waits until everything that expires soon has. */
  async end(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#workers)
    await sleep(SHORT_TIME_MS_MAX + 200)
  }

  #client(): ClusterClient {
    const seeds = this.#options.ports.map((port) => ({host: '127.0.0.1', port}))
    return new ClusterClient(seeds, {replyTimeoutMs: REPLY_TIMEOUT_MS, connectTimeoutMs: 1_000})
  }

  async #work(number: number): Promise<void> {
    const changes = new Changes(number)
    let client = this.#client()
    while (!this.#isStopped) {
      const isDone = await this.#change(client, changes).catch(() => false)
      if (isDone) this.ok++
      else {
        this.failed++
        client.cut()
        client = this.#client()
        await sleep(20)
      }
      await sleep(this.#options.pauseMs)
    }
    client.cut()
  }

  async #change(client: ClusterClient, changes: Changes): Promise<boolean> {
    if (changes.isTransactionNext()) return this.#transact(client, changes)
    const request = changes.next()
    return !isError(await client.send(request, request[1]!))
  }

  async #transact(client: ClusterClient, changes: Changes): Promise<boolean> {
    const {tag, requests} = changes.transaction()
    const key = Buffer.from(tag)
    if (client.map.masters.length === 0) await client.refresh()
    const owner = client.map.ownerOf(keyBucket(key, 0, key.length))
    if (owner === undefined) return false
    const connection = await client.connectionTo(owner)
    const replies = await Promise.all([['MULTI'], ...requests, ['EXEC']].map((request) => connection.send(request)))
    if (!isList(replies.at(-1)!)) {
      await client.refresh()
      return false
    }
    this.transactions++
    return true
  }
}

/** What one client does next; its keys are its own. */
class Changes {
  readonly #random: Prng
  readonly #number: number

  constructor(number: number) {
    this.#number = number
    this.#random = new Prng(1_000 + number)
  }

  isTransactionNext(): boolean {
    return this.#below(10) === 0
  }

  next(): Request {
    const kind = this.#below(20)
    if (kind === 0) return this.#ofPair()
    if (kind < 9) return this.#ofString(this.#key('string'))
    return kind < 19 ? this.#ofMap(this.#key('map'), FIELDS) : this.#ofLargeMap()
  }

  /** A few changes of keys that are in one bucket. */
  transaction(): {readonly tag: string; readonly requests: readonly Request[]} {
    const tag = `{tx:${this.#number}:${this.#below(5)}}`
    const value = this.#value()
    const field = this.#field(FIELDS)
    const extra: readonly Request[] = [
      ['DEL', `${tag}:one`],
      ['RENAME', `${tag}:one`, `${tag}:three`],
      ['PEXPIRE', `${tag}:one`, this.#time()],
      ['HDEL', `${tag}:map`, this.#field(FIELDS)],
      ['HPEXPIRE', `${tag}:map`, this.#time(), 'FIELDS', '1', field],
    ]
    const requests = [
      ['SET', `${tag}:one`, value],
      ['INCR', `${tag}:count`],
      ['HSET', `${tag}:map`, field, value],
      extra[this.#below(extra.length)]!,
      ['SET', `${tag}:two`, value],
    ]
    return {tag, requests}
  }

  #ofString(key: string): Request {
    const choices: readonly (() => Request)[] = [
      () => ['SET', key, this.#value()],
      () => ['SET', key, this.#value(), 'PX', this.#time()],
      () => ['SET', key, this.#value(), 'KEEPTTL'],
      () => ['APPEND', key, 'and more '],
      () => ['SETRANGE', key, '5', 'changed'],
      () => ['INCRBY', `${key}:count`, `${this.#below(9)}`],
      () => ['PEXPIRE', key, this.#time()],
      () => ['PERSIST', key],
      () => ['GETDEL', key],
      () => ['DEL', key],
    ]
    return this.#one(choices)
  }

  #ofMap(key: string, fields: number): Request {
    const choices: readonly (() => Request)[] = [
      () => ['HSET', key, this.#field(fields), this.#value(), this.#field(fields), this.#value()],
      () => ['HSET', key, this.#field(fields), this.#value()],
      () => ['HINCRBY', `${key}:counts`, this.#field(fields), '3'],
      () => ['HPEXPIRE', key, this.#time(), 'FIELDS', '1', this.#field(fields)],
      () => ['HPEXPIRE', key, this.#time(), 'FIELDS', '2', this.#field(fields), this.#field(fields)],
      () => ['HPERSIST', key, 'FIELDS', '1', this.#field(fields)],
      () => ['HDEL', key, this.#field(fields)],
      () => ['PEXPIRE', key, this.#time()],
      () => ['PERSIST', key],
      () => (this.#below(3) === 0 ? ['DEL', key] : ['HSETNX', key, this.#field(fields), this.#value()]),
    ]
    return this.#one(choices)
  }

  /** One map a client that becomes large and stays. */
  #ofLargeMap(): Request {
    const key = `large:${this.#number}`
    const pairs = Array.from({length: 20}, () => [this.#field(LARGE_MAP_FIELDS), this.#value()])
    const choices: readonly (() => Request)[] = [
      () => ['HSET', key, ...pairs.flat()],
      () => ['HSET', key, ...pairs.flat()],
      () => ['HDEL', key, ...pairs.slice(0, 5).map(([field]) => field!)],
      () => ['HPEXPIRE', key, this.#time(), 'FIELDS', '1', this.#field(LARGE_MAP_FIELDS)],
    ]
    return this.#one(choices)
  }

  /** Two keys of one bucket, of which one becomes a copy of the other. */
  #ofPair(): Request {
    const tag = `{pair:${this.#number}:${this.#below(8)}}`
    const choices: readonly (() => Request)[] = [
      () => ['SET', `${tag}:from`, this.#value(), 'PX', this.#time()],
      () => ['HSET', `${tag}:map`, this.#field(FIELDS), this.#value()],
      () => ['HPEXPIRE', `${tag}:map`, this.#time(), 'FIELDS', '1', this.#field(FIELDS)],
      () => ['COPY', `${tag}:from`, `${tag}:to`, 'REPLACE'],
      () => ['COPY', `${tag}:map`, `${tag}:to`, 'REPLACE'],
    ]
    return this.#one(choices)
  }

  #one(choices: readonly (() => Request)[]): Request {
    return choices[this.#below(choices.length)]!()
  }

  #key(kind: string): string {
    return `${kind}:${this.#number}:${this.#below(KEYS)}`
  }

  #field(count: number): string {
    return `f${this.#below(count)}`
  }

  #value(): string {
    const length = this.#below(200) === 0 ? LARGE_VALUE_BYTES : this.#below(120)
    return `${this.#below(1_000_000_000)}`.padEnd(length, 'xyz ')
  }

  /** Ms: half of them are over during the test. */
  #time(): string {
    const [least, range] = this.#below(2) === 0 ? [20, SHORT_TIME_MS_MAX - 20] : [LONG_TIME_MS, LONG_TIME_MS]
    return `${least + this.#below(range)}`
  }

  #below(limit: number): number {
    return this.#random.below(limit)
  }
}
