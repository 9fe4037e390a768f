/**
 * Listening to channels. Messages are not kept by the server for who is away, so a lost connection means that some may be missing; the reader is told so.
 *
 *   line: connect -> SUBSCRIBE confirmed -> listening --lost, hung, SUNSUBSCRIBE by the node--> backoff -> connect -> confirmed, `gap` -> listening
 *
 * Sharded channels belong to the master of their bucket: there is one line for each bucket, and it follows the bucket. All others are heard on any node: one line.
 * What the reader does not fetch waits in memory, up to a limit; of more the oldest are dropped, and that is a gap as well.
 */
import {CLIENT_MESSAGES_MAX} from '../constants.ts'
import {usage} from './command.ts'
import {bucketOf} from './key-bucket.ts'
import {SubscriptionLine, type ChannelKind} from './subscription-line.ts'
import type {CallOptions} from './options.ts'
import type {Router} from './router.ts'

export interface SubscribeOptions extends Omit<CallOptions, 'idempotent'> {
  /** The names are patterns: `news.*`. */
  readonly patterns?: boolean
  /** Sharded channels, which only the nodes of one bucket know (`SSUBSCRIBE`). */
  readonly sharded?: boolean
  /** Messages that may wait for the reader. Default 10,000. */
  readonly bufferMax?: number
}

export interface MessageEvent {
  readonly type: 'message'
  readonly channel: string
  /** The payload as text. */
  readonly message: string
  /** The payload as bytes. */
  readonly bytes: Buffer
  /** The pattern that matched, if it was one. */
  readonly pattern: string | undefined
}

/** Messages may be missing before this point. */
export interface GapEvent {
  readonly type: 'gap'
  /** `lost`: there was no connection for a while. `overflow`: the reader was too slow. */
  readonly reason: 'lost' | 'overflow'
  /** Why the connection was lost, or how many messages were dropped. */
  readonly detail: string
}

export type SubscriptionEvent = MessageEvent | GapEvent

/**
 * Iterate over it (`for await`) or give it a listener; either way until `close`, or until the client is closed, which ends the iteration.
 */
export class Subscription implements AsyncIterableIterator<SubscriptionEvent>, AsyncDisposable {
  readonly #router: Router
  readonly #bufferMax: number
  #lines: readonly SubscriptionLine[] = []
  #events: SubscriptionEvent[] = []
  /** Where the oldest one is: taking from the front of an array would move all others. */
  #first = 0
  #dropped = 0
  readonly #readers: ((result: IteratorResult<SubscriptionEvent, undefined>) => void)[] = []
  #listener: ((event: SubscriptionEvent) => void) | undefined
  #isClosed = false

  /** Use `client.subscribe`. Errors: E_USAGE, E_TIMEOUT, E_INTERRUPTED, E_REPLY if the node refuses, E_CLOSED_UNSENT. */
  static async open(router: Router, names: readonly string[], options: SubscribeOptions): Promise<Subscription> {
    if (names.length === 0) throw usage('There is no channel to listen to.', 'Name at least one.')
    if (options.patterns && options.sharded) {
      throw usage('Sharded channels have no patterns.', 'Give patterns or sharded, not both.')
    }
    const subscription = new Subscription(router, options.bufferMax ?? CLIENT_MESSAGES_MAX)
    router.attach(subscription)
    try {
      await subscription.#openLines(names, options)
    } catch (error) {
      subscription.close()
      throw error
    }
    options.signal?.addEventListener('abort', () => subscription.close(), {once: true})
    return subscription
  }

  private constructor(router: Router, bufferMax: number) {
    this.#router = router
    this.#bufferMax = bufferMax
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** From now on, and for what waits, the listener is called; iterate no more then. What it throws is not caught. */
  listen(listener: (event: SubscriptionEvent) => void): this {
    this.#listener = listener
    for (let event = this.#take(); event; event = this.#take()) listener(event)
    return this
  }

  next(): Promise<IteratorResult<SubscriptionEvent, undefined>> {
    const value = this.#take()
    if (value) return Promise.resolve({value, done: false})
    if (this.#isClosed) return Promise.resolve({value: undefined, done: true})
    return new Promise((resolve) => this.#readers.push(resolve))
  }

  /** Called by a `for await` that is left. */
  return(): Promise<IteratorResult<SubscriptionEvent, undefined>> {
    this.close()
    return Promise.resolve({value: undefined, done: true})
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ends it; what waits can still be read. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#router.detach(this)
    for (const line of this.#lines) line.close()
    for (const reader of this.#readers.splice(0)) reader({value: undefined, done: true})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  async #openLines(names: readonly string[], options: SubscribeOptions): Promise<void> {
    const kind: ChannelKind = options.sharded ? 's' : options.patterns ? 'p' : ''
    const groups = new Map<number, string[]>()
    for (const name of new Set(names)) {
      const bucket = kind === 's' ? bucketOf(name) : -1
      groups.set(bucket, [...(groups.get(bucket) ?? []), name])
    }
    this.#lines = [...groups].map(
      ([bucket, group]) => new SubscriptionLine(this.#router, kind, group, bucket, (event) => this.#put(event)),
    )
    await Promise.all(this.#lines.map((line) => line.open(options)))
  }

  #put(event: SubscriptionEvent): void {
    if (this.#isClosed) return
    if (this.#listener) return this.#listener(event)
    const reader = this.#readers.shift()
    if (reader) return reader({value: event, done: false})
    this.#events.push(event)
    if (this.#events.length - this.#first <= this.#bufferMax) return
    this.#first++
    this.#dropped++
    this.#compact()
  }

  #take(): SubscriptionEvent | undefined {
    if (this.#dropped > 0) {
      const detail = `${this.#dropped} messages were dropped because nobody read them`
      this.#dropped = 0
      return {type: 'gap', reason: 'overflow', detail}
    }
    const event = this.#events[this.#first]
    if (event) {
      this.#first++
      this.#compact()
    }
    return event
  }

  #compact(): void {
    if (this.#first * 2 < this.#events.length) return
    this.#events = this.#events.slice(this.#first)
    this.#first = 0
  }
}
