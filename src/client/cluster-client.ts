/**
 * A client of a whole cluster: one connection to each master it talks to, requests routed by the bucket of their key,
 * `MOVED` followed. A `MOVED` says that the request was not carried out, so following it sends nothing twice; anything
 * else that goes wrong is the caller's to judge (no retry, no offline queue). `ASK` and `TRYAGAIN` are plain errors
 * here: a `kv` node never sends them.
 *
 * The map is what `CLUSTER SLOTS` of any reachable node said last. One `MOVED` corrects one bucket at once and asks for
 * the whole map again in the background, because buckets seldom move alone.
 */
import {formatAddress, type Address} from '../base/address.ts'
import {assert} from '../base/assert.ts'
import {keyBucket} from '../base/crc16.ts'
import {CLIENT_REDIRECTS_MAX} from '../constants.ts'
import {KvError} from '../errors.ts'
import {Connection, type ConnectionOptions} from './connection.ts'
import type {Argument} from './encoder.ts'
import {isError, type Reply} from './reply.ts'
import {emptyMap, parseMoved, parseSlots, type SlotMap} from './slot-map.ts'

export type ClusterOptions = Omit<ConnectionOptions, 'onClose'>

/** A reply and the node that gave it, after redirects. */
export interface RoutedReply {
  readonly reply: Reply
  readonly from: Address
}

export class ClusterClient {
  readonly #options: ClusterOptions
  readonly #seeds: readonly Address[]
  readonly #connections = new Map<string, Promise<Connection>>()
  #map: SlotMap = emptyMap()
  #refreshing: Promise<void> | undefined
  #isClosed = false

  /** Connects to the first seed that answers and loads the map. Errors: that of the last seed. */
  static async connect(seeds: readonly Address[], options: ClusterOptions = {}): Promise<ClusterClient> {
    const client = new ClusterClient(seeds, options)
    try {
      await client.refresh()
      return client
    } catch (error) {
      client.cut()
      throw error
    }
  }

  /** Connects to nothing yet and knows no map: the first requests go to a seed, and `MOVED` teaches the rest. */
  constructor(seeds: readonly Address[], options: ClusterOptions = {}) {
    assert(seeds.length > 0, 'a client needs an address to begin with')
    this.#seeds = seeds
    this.#options = options
  }

  /** The map as known now. */
  get map(): SlotMap {
    return this.#map
  }

  /** Sends a request to the master of `key`. Errors as `Connection.send`; an error reply is a value. */
  async send(args: readonly Argument[], key: string | Uint8Array): Promise<Reply> {
    const bytes = typeof key === 'string' ? Buffer.from(key) : key
    const bucket = keyBucket(bytes, 0, bytes.length)
    // Without an owner any node will do: it knows better, or says CLUSTERDOWN.
    const owner = this.#map.ownerOf(bucket) ?? this.#map.masters[0] ?? this.#seeds[0]!
    return (await this.sendTo(owner, args)).reply
  }

  /** Sends a request to one node first, and goes where `MOVED` points from there. */
  async sendTo(address: Address, args: readonly Argument[]): Promise<RoutedReply> {
    let from = address
    for (let redirects = 0; ; redirects++) {
      const connection = await this.connectionTo(from)
      const reply = await connection.send(args)
      const moved = isError(reply) ? parseMoved(reply.text, from) : undefined
      if (!moved || redirects === CLIENT_REDIRECTS_MAX) return {reply, from}
      this.#map = this.#map.withOwner(moved.bucket, moved.to)
      this.#refreshSoon()
      from = moved.to
    }
  }

  /** The connection to one node; made if there is none or the last one ended. */
  async connectionTo(address: Address): Promise<Connection> {
    if (this.#isClosed) throw new KvError('E_CLOSED_UNSENT', 'The client is closed.')
    const name = formatAddress(address)
    const known = this.#connections.get(name)
    if (known) {
      const connection = await known
      if (connection.isOpen) return connection
      // Someone else may have replaced it while we waited.
      const current = this.#connections.get(name)
      if (current && current !== known) return current
    }
    const made = Connection.connect(address, this.#options)
    this.#connections.set(name, made)
    made.catch(() => this.#forget(name, made))
    return made
  }

  /** Loads the map from the first node that answers. Errors: that of the last one asked. */
  async refresh(): Promise<void> {
    let lastError: unknown
    for (const address of [...this.#map.masters, ...this.#seeds]) {
      try {
        const connection = await this.connectionTo(address)
        this.#map = parseSlots(await connection.send(['CLUSTER', 'SLOTS']), address)
        return
      } catch (error) {
        lastError = error
      }
    }
    throw lastError
  }

  /** Says goodbye on every connection, once what is in flight is answered. Never throws, and takes a bounded time. */
  async close(): Promise<void> {
    await this.#endAll((connection) => connection.goodbye())
  }

  /** Cuts every connection; requests without a reply fail. */
  cut(): void {
    void this.#endAll((connection) => Promise.resolve(connection.close()))
  }

  async #endAll(end: (connection: Connection) => Promise<void>): Promise<void> {
    this.#isClosed = true
    const connections = [...this.#connections.values()]
    this.#connections.clear()
    await Promise.all(connections.map((made) => made.then(end).catch(() => undefined)))
  }

  #forget(name: string, made: Promise<Connection>): void {
    if (this.#connections.get(name) === made) this.#connections.delete(name)
  }

  #refreshSoon(): void {
    // A refresh that fails leaves the old map, which MOVED goes on mending.
    this.#refreshing ??= this.refresh()
      .catch(() => undefined)
      .finally(() => {
        this.#refreshing = undefined
      })
  }
}
