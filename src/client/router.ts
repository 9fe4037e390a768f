/** What all operations of a client share: the servers, the settings, and the list of those that wait for the cluster. */
import {ClientError} from './errors.ts'
import {Operation} from './operation.ts'
import {Topology} from './topology.ts'
import type {Address} from '../base/address.ts'
import type {Command} from './command.ts'
import type {Connection} from './connection.ts'
import type {KvError} from '../errors.ts'
import type {CallOptions, Settings} from './options.ts'
import type {ServerLink} from './server-link.ts'

/** One that is woken when the map changes, and told when the client closes. */
interface Waiter {
  wake(): void
  giveUp(error: ClientError): void
}

export class Router {
  readonly settings: Settings
  readonly topology: Topology
  readonly #waiting = new Set<Waiter>()
  /** What ends with the client: subscriptions. */
  readonly #attached = new Set<{close(): void}>()
  #closed: ClientError | undefined

  constructor(seeds: readonly Address[], settings: Settings) {
    this.settings = settings
    this.topology = new Topology(seeds, settings)
    this.topology.onChange = () => this.#wakeAll()
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  /** Resolves when the map is known. Errors: those of the last node that was asked; E_TIMEOUT after `timeoutMs`. */
  async ready(): Promise<void> {
    const {timeoutMs} = this.settings
    if (timeoutMs === Infinity) return this.topology.refresh()
    const late = new ClientError('E_TIMEOUT', 'none', `No node was ready within ${timeoutMs} ms.`)
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((_, reject) => {
      timer = setTimeout(() => setImmediate(reject, late), timeoutMs)
    })
    await Promise.race([this.topology.refresh(), limit]).finally(() => clearTimeout(timer))
    if (this.#closed) throw this.#closed
  }

  /** Carries a command out. Errors: ClientError. */
  run<T>(command: Command<T>, options?: CallOptions): Promise<T> {
    return new Promise((resolve, reject) => this.begin(command, options, resolve, reject))
  }

  /** As `run`, without a promise. */
  begin<T>(
    command: Command<T>,
    options: CallOptions | undefined,
    resolve: (value: T) => void,
    reject: (error: KvError) => void,
  ): void {
    if (this.#closed) return reject(this.#closed)
    new Operation(this, command, options, resolve, reject).start()
  }

  /** Where a command for this bucket (-1: any node will do) goes now. */
  linkFor(bucket: number): ServerLink | undefined {
    return bucket < 0 ? this.topology.anyone() : this.topology.ownerOf(bucket)
  }

  moved(bucket: number, to: Address): void {
    this.topology.moved(bucket, to)
  }

  refreshSoon(): void {
    this.topology.refreshSoon()
  }

  suspect(connection: Connection): void {
    this.topology.suspect(connection)
  }

  wait(waiter: Waiter): void {
    if (this.#closed) queueMicrotask(() => waiter.giveUp(this.#closed!))
    else this.#waiting.add(waiter)
  }

  stopWaiting(waiter: Waiter): void {
    this.#waiting.delete(waiter)
  }

  /** It is closed when the client is. Errors: E_CLOSED_UNSENT. */
  attach(part: {close(): void}): void {
    if (this.#closed) throw this.#closed
    this.#attached.add(part)
  }

  detach(part: {close(): void}): void {
    this.#attached.delete(part)
  }

  /** Ends those that wait, and lets those that were sent be answered. Never throws. */
  async close(): Promise<void> {
    this.#close(new ClientError('E_CLOSED_UNSENT', 'none', 'The client is closed.'))
    await this.topology.close()
  }

  /** Ends everything now. */
  cut(reason: string): void {
    this.#close(new ClientError('E_INTERRUPTED', 'none', reason))
    this.topology.cut()
  }

  #close(error: ClientError): void {
    if (this.#closed) return
    this.#closed = error
    for (const waiter of [...this.#waiting]) waiter.giveUp(error)
    for (const part of [...this.#attached]) part.close()
  }

  #wakeAll(): void {
    if (this.#waiting.size === 0) return
    for (const waiter of [...this.#waiting]) waiter.wake()
  }
}
