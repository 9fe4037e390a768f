/** The client as its users see it: one method for each thing they want. How an operation finds its node, and what happens when it does not, is in operation.ts. */
import {typedCommand} from './command.ts'
import * as commands from './commands.ts'
import {ClientError} from './errors.ts'
import {bucketOf, type Key} from './key-bucket.ts'
import {KvMap} from './kv-map.ts'
import {readAddresses, readOptions, type CallOptions, type ConnectOptions} from './options.ts'
import {Pipeline} from './pipeline.ts'
import {Router} from './router.ts'
import {scanKeys, type ScanOptions} from './scan.ts'
import {Subscription, type SubscribeOptions} from './subscription.ts'
import {runTransaction, type TransactionOptions, type TransactionResult} from './run-transaction.ts'
import type {Address} from '../base/address.ts'
import type {SetOptions, Value} from './commands.ts'
import type {Argument} from './encoder.ts'
import type {KvReply} from './plain-reply.ts'
import type {Transaction} from './transaction.ts'

/** Options of `set` that also gives back what was there. */
export interface SetAndGetOptions extends SetOptions, CallOptions {
  readonly get: true
}

export interface SendOptions extends CallOptions {
  /** Bulk strings of the reply come as buffers, not as text. */
  readonly buffers?: boolean
}

/**
 * Connects to a cluster (or a single node) by one or several of its addresses, of which one must answer; the client learns the others itself.
 *
 *     const client = await connect('127.0.0.1:7379', {replyTimeoutMs: 1_000})
 *
 * Errors: `ClientError` with the code E_CONNECT (no address answers), E_TIMEOUT, E_AUTH, E_PROTOCOL, E_USAGE, E_INTERRUPTED.
 */
export async function connect(
  addresses: string | Address | readonly (string | Address)[],
  options: ConnectOptions = {},
): Promise<KvClient> {
  const settings = readOptions(options)
  const router = new Router(readAddresses(addresses), settings)
  const abort = (): void => router.cut('The signal of the client was aborted.')
  settings.signal?.addEventListener('abort', abort, {once: true})
  if (settings.signal?.aborted) abort()
  try {
    await router.ready()
  } catch (error) {
    settings.signal?.removeEventListener('abort', abort)
    router.cut('The client could not connect.')
    throw error
  }
  return new KvClient(router, () => settings.signal?.removeEventListener('abort', abort))
}

/**
 * A client of a cluster. One connection a node carries all calls; those of one turn of the event loop leave together, so many calls without `await` between
 * them are a pipeline. Make one client and share it.
 *
 * Every method may fail with a `ClientError`; its `outcome` says whether the operation took place. Operations that surely did not happen are
 * repeated within `timeoutMs`, reads always, and others never, unless the call says `idempotent: true`.
 */
export class KvClient implements AsyncDisposable {
  readonly #router: Router
  readonly #release: () => void

  /** Use `connect`. */
  constructor(router: Router, release: () => void) {
    this.#router = router
    this.#release = release
  }

  /**
   * Sends any command: `client.send(['OBJECT', 'ENCODING', 'key'])`. An error reply is thrown. Its keys are found by its name; one that the client does not
   * know is routed by its first argument and counts as a write.
   */
  async send(args: readonly Argument[], options?: SendOptions): Promise<KvReply> {
    return this.#router.run(typedCommand(args, options?.buffers !== true), options)
  }

  /** The value of a key as text; null if it is not there. */
  get(key: Key, options?: CallOptions): Promise<string | null> {
    return this.#router.run(commands.get(key), options)
  }

  /** The value of a key as bytes; null if it is not there. */
  getBuffer(key: Key, options?: CallOptions): Promise<Buffer | null> {
    return this.#router.run(commands.getBuffer(key), options)
  }

  /** The values of any keys, in their order; null for each that is not there. They are not read at one moment. */
  getMany(keys: readonly Key[], options?: CallOptions): Promise<(string | null)[]> {
    return Promise.all(keys.map((key) => this.get(key, options)))
  }

  /** Stores a value. False if a condition (`nx`, `xx`) did not hold. */
  set(key: Key, value: Value, options?: SetOptions & CallOptions): Promise<boolean>
  /** Stores a value and gives back the one before, null if there was none; with a condition, whether or not it held. */
  set(key: Key, value: Value, options: SetAndGetOptions): Promise<string | null>
  set(
    key: Key,
    value: Value,
    options?: (SetOptions & CallOptions) | SetAndGetOptions,
  ): Promise<boolean | string | null> {
    if (options && 'get' in options && options.get) {
      return this.#router.run(commands.setAndGet(key, value, options), options)
    }
    return this.#router.run(commands.set(key, value, options), options)
  }

  /**
   * Deletes keys of either kind; resolves to how many were there. Keys of different buckets are deleted on their own: E_PARTIAL says that
   * only some could be.
   */
  delete(keys: Key | readonly Key[], options?: CallOptions): Promise<number> {
    return this.#sum(keys, commands.remove, options)
  }

  /** How many of these keys are there. */
  exists(keys: Key | readonly Key[], options?: CallOptions): Promise<number> {
    return this.#sum(keys, commands.exists, options)
  }

  /** The key is gone after so many milliseconds. False if it is not there. */
  expire(key: Key, ttlMs: number, options?: CallOptions): Promise<boolean> {
    return this.#router.run(commands.expire(key, ttlMs), options)
  }

  /** Milliseconds until the key is gone; Infinity if it stays, null if it is not there. */
  ttl(key: Key, options?: CallOptions): Promise<number | null> {
    return this.#router.run(commands.ttl(key), options)
  }

  /** Takes the expiry of a key away; false if it had none. */
  persist(key: Key, options?: CallOptions): Promise<boolean> {
    return this.#router.run(commands.persist(key), options)
  }

  /** Adds to the integer in a key, which counts as 0 if it is not there; resolves to the sum. */
  increment(key: Key, by: number | bigint = 1, options?: CallOptions): Promise<number> {
    return this.#router.run(commands.increment(key, by), options)
  }

  /** Subtracts from the integer in a key. */
  decrement(key: Key, by: number | bigint = 1, options?: CallOptions): Promise<number> {
    return this.increment(key, -by, options)
  }

  /** The map under this key. Nothing is sent by this. */
  map(key: Key): KvMap {
    return new KvMap(this.#router, key)
  }

  /** A batch of commands that leaves together. */
  pipeline(): Pipeline {
    return new Pipeline(this.#router)
  }

  /**
   * A transaction with check-and-set: what the body reads is as it read it when its writes are applied, all of them or none. If another client was faster, the body runs again.
   *
   *     const {value} = await client.transaction(['stock'], async (tx) => {
   *       const left = Number(await tx.get('stock'))
   *       if (left > 0) tx.set('stock', left - 1)
   *       return left
   *     })
   *
   * All keys are in one bucket (give them a common hash tag). Errors beside the usual: E_USAGE (CROSSSLOT) before anything is sent, E_CONFLICT after too many tries, and
   * whatever the body throws, in which case nothing is written. A lost answer to the end of it is E_CLOSED_MAYBE or E_TIMEOUT with outcome maybe;
   * it is never repeated.
   */
  transaction<T>(
    keys: Key | readonly Key[],
    body: (tx: Transaction) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<TransactionResult<T>> {
    return runTransaction(this.#router, asList(keys), body, options)
  }

  /**
   * All keys of the cluster, one after the other. A key that is there from the beginning to the end comes exactly once, also if buckets move or nodes fail meanwhile; one that
   * comes or goes meanwhile is reported or not. Needs `kv` nodes.
   */
  scan(options: ScanOptions = {}): AsyncGenerator<string, void, void> {
    return scanKeys(this.#router, options)
  }

  /** Sends a message to all who listen to the channel; resolves to how many did, on the node that was asked. */
  publish(channel: Key, message: Value, options: CallOptions & {readonly sharded?: boolean} = {}): Promise<number> {
    return this.#router.run(commands.publish(channel, message, options.sharded === true), options)
  }

  /** Listens to channels or patterns, on a connection of its own. Resolves when the node has confirmed. */
  subscribe(channels: string | readonly string[], options: SubscribeOptions = {}): Promise<Subscription> {
    return Subscription.open(this.#router, typeof channels === 'string' ? [channels] : channels, options)
  }

  /** Ends the client: what was sent is answered, what waits fails, each node is told GOODBYE. Never throws, and takes a second at most. */
  async close(): Promise<void> {
    this.#release()
    await this.#router.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** One command for each bucket; the numbers that they answer together. */
  async #sum(
    keys: Key | readonly Key[],
    command: (keys: readonly Key[]) => ReturnType<typeof commands.remove>,
    options?: CallOptions,
  ): Promise<number> {
    const list = asList(keys)
    if (list.length === 1) return this.#router.run(command(list), options)
    const groups = new Map<number, Key[]>()
    for (const key of list) {
      const bucket = bucketOf(key)
      const group = groups.get(bucket)
      if (group) group.push(key)
      else groups.set(bucket, [key])
    }
    const runs = [...groups.values()].map((group) => this.#router.run(command(group), options))
    const ends = await Promise.allSettled(runs)
    const failures = ends.filter((end) => end.status === 'rejected').map(({reason}) => reason as ClientError)
    if (failures.length === 0) return ends.reduce((sum, end) => sum + (end as PromiseFulfilledResult<number>).value, 0)
    if (failures.length === ends.length) throw failures.find(({outcome}) => outcome !== 'none') ?? failures[0]!
    const text = `${failures.length} of ${ends.length} parts failed; the first: ${failures[0]!.message}`
    throw new ClientError('E_PARTIAL', 'maybe', text, 'See which keys are there now.')
  }
}

function asList(keys: Key | readonly Key[]): readonly Key[] {
  return typeof keys === 'string' || keys instanceof Uint8Array ? [keys] : keys
}
