/**
 * Runs a transaction: on a connection of its own, because WATCH belongs to a connection.
 *
 *   WATCH keys -> body (reads at once, writes gathered) -> MULTI, writes, EXEC in one write -> replies: done
 *     ^                                                                               |-> null: somebody was faster
 *     |                                                                               |-> MOVED, CLUSTERDOWN ...: nothing was applied
 *     |                                                                               |-> another error: fail (none)
 *     |                                                                               '-> no answer: fail (maybe), never again
 *     '---- pause, and the body once more <--- connection lost before EXEC: nothing was applied
 *
 * A connection that answered goes back to its pool, with UNWATCH ahead of whatever comes next if EXEC did not end the watch.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {CLIENT_RETRY_MAX_MS, CLIENT_TRANSACTION_TRIES_MAX} from '../constants.ts'
import {KvError} from '../errors.ts'
import {commonBucket, usage, type Command} from './command.ts'
import {ClientError, ReplyError} from './errors.ts'
import {callLimitMs, type CallOptions} from './options.ts'
import {isPassing} from './operation.ts'
import {plainReply, toList, type KvReply} from './plain-reply.ts'
import {isError, type Reply} from './reply.ts'
import {parseMoved} from './slot-map.ts'
import {Transaction} from './transaction.ts'
import type {Connection} from './connection.ts'
import type {Key} from './key-bucket.ts'
import type {Router} from './router.ts'
import type {ServerLink} from './server-link.ts'

export interface TransactionOptions extends Omit<CallOptions, 'idempotent'> {
  /** How often the body may run. Default 32. */
  readonly tries?: number
}

export interface TransactionResult<T> {
  /** What the body returned when it ran last. */
  readonly value: T
  /** The answers to the writes, in their order. */
  readonly replies: readonly KvReply[]
}

/** A try that applied nothing, so that there may be another one. */
class Void extends Error {
  readonly reason: KvError | 'conflict'
  constructor(reason: KvError | 'conflict') {
    super('try again')
    this.reason = reason
  }
}

export async function runTransaction<T>(
  router: Router,
  keys: readonly Key[],
  body: (tx: Transaction) => Promise<T> | T,
  options: TransactionOptions,
): Promise<TransactionResult<T>> {
  const {signal, tries = CLIENT_TRANSACTION_TRIES_MAX} = options
  if (keys.length === 0) throw usage('A transaction needs a key.', 'Name the keys that it watches.')
  const bucket = commonBucket(keys, 'the transaction')
  const beginMs = performance.now()
  const limitMs = callLimitMs(options, router.settings)
  const {baseMs, jitter} = router.settings.backoff
  for (let conflicts = 0, delays = 0; ;) {
    const leftMs = beginMs + limitMs - performance.now()
    const run = new Run(router, keys, bucket, leftMs, signal)
    try {
      return await run.once(body)
    } catch (error) {
      if (!(error instanceof Void)) throw error
      const {reason} = error
      if (reason === 'conflict' && ++conflicts >= tries) throw conflict(conflicts)
      const cause = reason === 'conflict' ? conflict(conflicts) : reason
      const moved = reason instanceof ReplyError && reason.word === 'MOVED'
      if (!moved || ++delays > 8) {
        const delayMs = Math.min(
          CLIENT_RETRY_MAX_MS,
          baseMs * 2 ** Math.min(reason === 'conflict' ? conflicts : delays++, 10),
        )
        if (performance.now() + delayMs > beginMs + limitMs) throw timedOut(limitMs, cause)
        if (reason !== 'conflict') router.refreshSoon()
        await pause(delayMs * (1 - jitter * Math.random()), signal)
      }
    }
  }
}

/** One try. */
class Run {
  readonly #router: Router
  readonly #keys: readonly Key[]
  readonly #bucket: number
  readonly #endMs: number
  readonly #signal: AbortSignal | undefined
  #connection: Connection | undefined
  #isWatching = false
  /** Some request was not answered. */
  #isLate = false
  /** EXEC is on its way: from now on a loss is one of which nobody knows. */
  #isExecuting = false

  constructor(router: Router, keys: readonly Key[], bucket: number, leftMs: number, signal: AbortSignal | undefined) {
    this.#router = router
    this.#keys = keys
    this.#bucket = bucket
    this.#endMs = performance.now() + leftMs
    this.#signal = signal
  }

  async once<T>(body: (tx: Transaction) => Promise<T> | T): Promise<TransactionResult<T>> {
    if (this.#router.isClosed) throw new ClientError('E_CLOSED_UNSENT', 'none', 'The client is closed.')
    if (this.#signal?.aborted) throw interrupted(false)
    const link = this.#router.linkFor(this.#bucket)
    if (!link) throw new Void(new ClientError('E_CONNECT', 'none', `No node serves bucket ${this.#bucket}.`))
    const connection = await this.#lease(link)
    this.#connection = connection
    const abort = (): void => connection.close()
    this.#signal?.addEventListener('abort', abort, {once: true})
    try {
      await this.#ask({args: ['WATCH', ...this.#keys], isText: true})
      this.#isWatching = true
      const tx = new Transaction(this.#bucket, async (command) => command.convert(await this.#ask(command), connection))
      const value = await this.#runBody(body, tx)
      if (performance.now() >= this.#endMs)
        throw new Void(new ClientError('E_TIMEOUT', 'none', 'Its body took too long.'))
      const replies = await this.#execute(tx.finish())
      return {value, replies}
    } catch (error) {
      if (this.#signal?.aborted) throw interrupted(this.#isExecuting)
      throw error
    } finally {
      this.#signal?.removeEventListener('abort', abort)
      this.#giveBack(link, connection)
    }
  }

  /** What the body throws counts only if what it had read belongs together; else it may come of that, and the body runs again. */
  async #runBody<T>(body: (tx: Transaction) => Promise<T> | T, tx: Transaction): Promise<T> {
    try {
      return await body(tx)
    } catch (error) {
      tx.finish()
      if (error instanceof Void || this.#signal?.aborted) throw error
      await this.#execute([]).catch((cause: unknown) => {
        throw cause instanceof KvError ? new Void(cause) : cause
      })
      this.#isExecuting = false
      throw error
    }
  }

  #lease(link: ServerLink): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const giveUp = (): void => {
        isLate = true
        reject(new Void(new ClientError('E_TIMEOUT', 'none', `${link.name} was not ready in time.`)))
      }
      const leftMs = this.#endMs - performance.now()
      const timer = leftMs === Infinity ? undefined : setTimeout(() => setImmediate(giveUp), Math.max(1, leftMs))
      link
        .lease()
        .then(
          (connection) => (isLate ? link.giveBack(connection) : resolve(connection)),
          (error: KvError) => reject(error.code === 'E_AUTH' ? error : new Void(error)),
        )
        .finally(() => clearTimeout(timer))
    })
  }

  #giveBack(link: ServerLink, connection: Connection): void {
    if (this.#isLate) connection.close()
    else if (this.#isWatching && connection.isOpen) void connection.send(['UNWATCH']).catch(() => undefined)
    link.giveBack(connection)
  }

  /** Answers of the queued commands. */
  async #execute(queue: readonly Command<unknown>[]): Promise<readonly KvReply[]> {
    const requests = [['MULTI'], ...queue.map(({args}) => args), ['EXEC']]
    this.#isExecuting = true
    let replies: Reply[]
    try {
      replies = await Promise.all(requests.map((args) => this.#request({args, isText: true})))
    } catch (error) {
      // Nothing of it had left, so nothing was applied; else nobody knows.
      throw error instanceof ClientError && error.outcome === 'none' ? new Void(error) : error
    }
    this.#isWatching = false
    const last = replies.at(-1)!
    if (isError(last)) throw this.#refused(replies.find(isError)!.text)
    if (last === null) throw new Void('conflict')
    const answers = toList(last).map(plainReply)
    const failed = answers.find((answer) => answer instanceof ReplyError)
    if (failed === undefined) return answers
    const text = `The transaction was applied, but one command of it failed: ${failed.message}`
    throw new ClientError('E_PARTIAL', 'done', text, 'There is no way back: read what is there now.')
  }

  /** A request that changes nothing that is stored. */
  async #ask(request: Pick<Command<unknown>, 'args' | 'isText'>): Promise<Reply> {
    const reply = await this.#request(request).catch((error: unknown) => {
      if (!(error instanceof ClientError) || error.code === 'E_USAGE') throw error
      throw new Void(new ClientError(error.code, 'none', error.message, error.hint))
    })
    if (isError(reply)) throw this.#refused(reply.text)
    return reply
  }

  #request({args, isText}: Pick<Command<unknown>, 'args' | 'isText'>): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const patienceMs = (nowMs: number): number => Math.max(0, this.#endMs - nowMs)
      const onLoss = (error: ClientError): void => {
        this.#isLate = true
        reject(error)
      }
      this.#connection!.request(args, {onReply: resolve, onLoss, patienceMs}, isText)
    })
  }

  /** Nothing was applied; if it can be otherwise in a moment, or elsewhere, there is another try. */
  #refused(text: string): Error {
    const error = new ReplyError(text)
    const moved = parseMoved(text, this.#connection!.address)
    if (moved) this.#router.moved(moved.bucket, moved.to)
    return moved || isPassing(error) ? new Void(error) : error
  }
}

function conflict(tries: number): ClientError {
  const text = `Other clients changed the keys of the transaction in each of ${tries} tries.`
  return new ClientError('E_CONFLICT', 'none', text, 'Give it more tries or time, or watch fewer keys.')
}

function timedOut(limitMs: number, cause: KvError): ClientError {
  const text = `The transaction was not done within ${Math.round(limitMs)} ms. The last try: ${cause.message}`
  return new ClientError('E_TIMEOUT', 'none', text, cause.hint)
}

function interrupted(isExecuting: boolean): ClientError {
  const outcome = isExecuting ? 'maybe' : 'none'
  return new ClientError('E_INTERRUPTED', outcome, 'The transaction was given up: its signal was aborted.')
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal ? {signal} : {}).catch(() => {
    throw interrupted(false)
  })
}
