/**
 * The console's place in the cluster: one node that is asked (its *home*), and the others, to which requests go by their key.
 * If the home goes away, another one takes its place. What surely did not happen is tried again for a while; what may have
 * happened is told to the person and never repeated.
 *
 * MULTI, WATCH and what follows them live in one connection of their own, to the node that has the keys: MULTI is sent
 * with the first command that has one.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {formatAddress, type Address} from '../base/address.ts'
import {keyBucket} from '../base/crc16.ts'
import {ClusterClient, type RoutedReply} from '../client/cluster-client.ts'
import {Connection, type ConnectionOptions} from '../client/connection.ts'
import {ClientError} from '../client/errors.ts'
import {isError, type Reply} from '../client/reply.ts'
import {parseMoved} from '../client/slot-map.ts'
import {REPL_RETRY_MS} from '../constants.ts'
import {KvError} from '../errors.ts'
import type {Argument} from '../client/encoder.ts'

const RETRY_PAUSE_MS = 100

export interface Request {
  readonly words: readonly Buffer[]
  /** The key by which it is routed. */
  readonly key: Buffer | undefined
}

interface Transaction {
  readonly connection: Connection
  hasBegun: boolean
}

export class ClusterSession {
  readonly #client: ClusterClient
  readonly #options: ConnectionOptions
  readonly #note: (text: string) => void
  #home: Address
  #transaction: Transaction | undefined
  /** MULTI was typed, and no command with a key since. */
  #isMultiPending = false

  /** Errors: E_CONNECT and its kin if none of the seeds answers. */
  static async connect(
    seeds: readonly Address[],
    options: ConnectionOptions,
    note: (text: string) => void,
  ): Promise<ClusterSession> {
    let firstError: unknown
    for (const seed of seeds) {
      const client = new ClusterClient([seed, ...seeds], options)
      try {
        await client.connectionTo(seed)
        await client.refresh()
        return new ClusterSession(client, seed, options, note)
      } catch (error) {
        client.cut()
        firstError ??= error
      }
    }
    throw firstError
  }

  private constructor(client: ClusterClient, home: Address, options: ConnectionOptions, note: (text: string) => void) {
    this.#client = client
    this.#home = home
    this.#options = options
    this.#note = note
  }

  get home(): Address {
    return this.#home
  }

  get masters(): readonly Address[] {
    return this.#client.map.masters
  }

  get isInTransaction(): boolean {
    return this.#isMultiPending || this.#transaction?.hasBegun === true
  }

  /** Makes another node the one that is asked. Errors: those of `Connection.connect`. */
  async use(address: Address): Promise<void> {
    await this.#client.connectionTo(address)
    this.#home = address
  }

  /** Sends a request to where it belongs. Errors: as `Connection.send`, once nothing more can be tried safely. */
  async send(request: Request): Promise<RoutedReply> {
    const name = request.words[0]!.toString().toUpperCase()
    if (this.#transaction || this.#isMultiPending || name === 'MULTI' || name === 'WATCH')
      return this.#sendInTransaction(name, request)
    const until = performance.now() + REPL_RETRY_MS
    for (;;) {
      try {
        return await this.#client.sendTo(this.ownerOf(request.key), request.words)
      } catch (error) {
        if (!isSafe(error) || performance.now() > until) throw error
        await this.#look()
        await sleep(RETRY_PAUSE_MS)
      }
    }
  }

  /** Sends a request to one node; MOVED is an answer like any other. */
  async sendTo(address: Address, words: readonly Argument[]): Promise<RoutedReply> {
    const connection = await this.#client.connectionTo(address)
    return {reply: await connection.send(words), from: address}
  }

  /** Asks the home. */
  async ask(...words: readonly string[]): Promise<Reply> {
    return (await this.sendTo(this.#home, words)).reply
  }

  /** Asks for the map; if the home does not answer, the first master that does is the home from now on. */
  async look(): Promise<void> {
    await this.#look().catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#endTransaction()
    await this.#client.close()
  }

  async #look(): Promise<void> {
    await this.#client.refresh().catch(() => undefined)
    for (const address of [this.#home, ...this.masters]) {
      try {
        await this.#client.connectionTo(address)
        if (address !== this.#home && formatAddress(address) !== formatAddress(this.#home)) {
          this.#note(`${formatAddress(this.#home)} does not answer any more; asking ${formatAddress(address)} now.`)
          this.#home = address
        }
        return
      } catch {
        // The next one may answer.
      }
    }
  }

  /** The master of a key as far as is known; of none: the home. */
  ownerOf(key: Buffer | undefined): Address {
    return (key && this.#client.map.ownerOf(keyBucket(key, 0, key.length))) ?? this.#home
  }

  async #sendInTransaction(name: string, request: Request): Promise<RoutedReply> {
    if (name === 'MULTI' && !this.#transaction && !this.#isMultiPending) {
      this.#isMultiPending = true
      return {reply: 'OK', from: this.#home}
    }
    if (name === 'DISCARD' && this.#isMultiPending && !this.#transaction) {
      this.#isMultiPending = false
      return {reply: 'OK', from: this.#home}
    }
    try {
      return await this.#sendPinned(name, request)
    } catch (error) {
      this.#endTransaction()
      throw error
    }
  }

  async #sendPinned(name: string, request: Request): Promise<RoutedReply> {
    const transaction = (this.#transaction ??= await this.#pin(this.ownerOf(request.key)))
    const {connection} = transaction
    if (this.#isMultiPending) {
      await connection.call(['MULTI'])
      this.#isMultiPending = false
      transaction.hasBegun = true
    }
    const reply = await connection.send(request.words)
    const moved = isError(reply) ? parseMoved(reply.text, connection.address) : undefined
    if (moved) {
      const hadBegun = transaction.hasBegun
      this.#endTransaction()
      await this.look()
      const text = `The key is at ${formatAddress(moved.to)}, and a transaction lives at one node: nothing was done.`
      throw new KvError('E_REPLY', text, hadBegun ? 'Begin it again with MULTI.' : 'Type it again.')
    }
    if (name === 'MULTI' && !isError(reply)) transaction.hasBegun = true
    const isOver = name === 'EXEC' || name === 'DISCARD' || (name === 'UNWATCH' && !transaction.hasBegun)
    if (isOver) this.#endTransaction()
    return {reply, from: connection.address}
  }

  async #pin(address: Address): Promise<Transaction> {
    return {connection: await Connection.connect(address, this.#options), hasBegun: false}
  }

  #endTransaction(): void {
    this.#transaction?.connection.close()
    this.#transaction = undefined
    this.#isMultiPending = false
  }
}

/** The request was surely not carried out. */
function isSafe(error: unknown): boolean {
  if (error instanceof ClientError) return error.outcome === 'none'
  return error instanceof KvError && error.code === 'E_CONNECT'
}
