/**
 * One operation from the call to its end: which server, how often, how long. Hot path; `npm run bench:client` measures it.
 *
 *   start -> sent to the master as known -> reply --------------------------------------------------> succeed
 *     ^                                       |-> MOVED: at once, there
 *     |                                       |-> CLUSTERDOWN, LOADING ...: nothing was done, so later
 *     |                                       |-> any other error ----------------------------------> fail (none)
 *     |                                       '-> lost or late: nobody knows; again only if that does no harm, else -> fail (maybe)
 *     '---- wait: backoff, or a change of the map, whichever is first <--- no connection to be had: nothing was done
 *                 '-> the time of the operation is over ---------------------------------------------> fail (none or maybe)
 *
 * The time begins with the write, not with the call: they differ by less than a turn, and no clock is read for each operation. As long as a
 * request is on its way its connection's timer is enough (`patienceMs`); a timer of its own has only who waits.
 */
import {CLIENT_REDIRECTS_MAX, CLIENT_RETRY_MAX_MS} from '../constants.ts'
import {ClientError, ReplyError} from './errors.ts'
import {isError, type Reply} from './reply.ts'
import {parseMoved} from './slot-map.ts'
import {callLimitMs, type CallOptions} from './options.ts'
import {nameOf, type Command} from './command.ts'
import type {Connection, Pending, ReplySink} from './connection.ts'
import type {Argument} from './encoder.ts'
import type {KvError} from '../errors.ts'
import type {Router} from './router.ts'

/** First words of errors that say "not now", and nothing was applied. */
const PASSING_WORDS: ReadonlySet<string> = new Set(['CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY', 'TRYAGAIN'])

/** Nothing was applied, and in a moment it may be otherwise. */
export function isPassing({word}: ReplyError): boolean {
  return PASSING_WORDS.has(word)
}

export class Operation<T> implements ReplySink {
  readonly #router: Router
  readonly #command: Command<T>
  readonly #options: CallOptions | undefined
  readonly #resolve: (value: T) => void
  readonly #reject: (error: KvError) => void
  readonly #limitMs: number
  /** Monotonic ms; 0 until it is needed. */
  #beginMs = 0
  /** Rises with every step, so that what was awaited in an earlier one is recognised. */
  #step = 0
  #delays = 0
  #redirects = 0
  /** Some try of it may have been carried out. */
  #isDoubtful = false
  #lastError: KvError | undefined
  #aheadError: string | undefined
  #connection: Connection | undefined
  #pending: Pending | undefined
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  /** One of `resolve` and `reject` is called, once. Errors: E_USAGE for a wrong option. */
  constructor(
    router: Router,
    command: Command<T>,
    options: CallOptions | undefined,
    resolve: (value: T) => void,
    reject: (error: KvError) => void,
  ) {
    this.#router = router
    this.#command = command
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    this.#limitMs = options === undefined ? router.settings.timeoutMs : callLimitMs(options, router.settings)
  }

  /** Throws nothing: whatever goes wrong is told to `reject`. */
  start(): void {
    const signal = this.#options?.signal
    if (signal) {
      if (signal.aborted) return this.#abort()
      signal.addEventListener('abort', this.#abort, {once: true})
    }
    this.#try()
  }

  onReply(reply: Reply, connection: Connection): void {
    this.#pending = undefined
    if (isError(reply)) return this.#judge(this.#aheadError ?? reply.text, connection)
    let value: T
    try {
      value = this.#command.convert(reply, connection)
    } catch (error) {
      return this.#fail(error as KvError)
    }
    this.#end()
    this.#resolve(value)
  }

  onLoss(error: ClientError, connection: Connection): void {
    this.#pending = undefined
    if (error.code === 'E_TIMEOUT') this.#router.suspect(connection)
    if (error.outcome === 'maybe') {
      if (!this.#command.isRead && this.#options?.idempotent !== true) return this.#fail(error)
      // A read leaves nothing behind about which one could be in doubt.
      this.#isDoubtful ||= !this.#command.isRead
    }
    this.#again(error)
  }

  patienceMs(nowMs: number): number {
    if (this.#beginMs === 0) this.#beginMs = nowMs
    return Math.max(0, this.#beginMs + this.#limitMs - nowMs)
  }

  /** The map has changed, or a server is back: whoever waits looks again. */
  wake(): void {
    this.#stopWaiting()
    this.#try()
  }

  /** The client closes. */
  giveUp(error: ClientError): void {
    this.#fail(new ClientError(error.code, this.#doubt(), error.message, error.hint))
  }

  #try(): void {
    const link = this.#router.linkFor(this.#command.bucket)
    if (link?.connection) return this.#sendOn(link.connection)
    // Only now a clock is needed.
    this.patienceMs(performance.now())
    if (!link)
      return this.#again(new ClientError('E_CONNECT', 'none', `No node serves bucket ${this.#command.bucket}.`))
    this.#wait(Infinity)
    const step = this.#step
    const settle = (then: () => void): void => {
      if (this.#isOver || step !== this.#step) return
      this.#stopWaiting()
      then()
    }
    link.connect().then(
      (connection) => settle(() => this.#sendOn(connection)),
      (error: KvError) => settle(() => this.#connectFailed(error)),
    )
  }

  #sendOn(connection: Connection): void {
    this.#step++
    this.#connection = connection
    try {
      if (this.#command.ahead) this.#sendAhead(connection, this.#command.ahead)
      this.#pending = connection.request(this.#command.args, this, this.#command.isText)
    } catch (error) {
      this.#fail(error as KvError)
    }
  }

  #sendAhead(connection: Connection, requests: readonly (readonly Argument[])[]): void {
    this.#aheadError = undefined
    const onReply = (reply: Reply): void => void (isError(reply) && (this.#aheadError ??= reply.text))
    for (const args of requests) connection.request(args, {onReply, onLoss: () => undefined})
  }

  #judge(text: string, connection: Connection): void {
    const moved = parseMoved(text, connection.address)
    if (moved) {
      this.#router.moved(moved.bucket, moved.to)
      if (++this.#redirects % (CLIENT_REDIRECTS_MAX + 1) !== 0) return this.#try()
    }
    const error = new ReplyError(text)
    if (moved || isPassing(error)) this.#again(error)
    else this.#fail(error)
  }

  /** A server that turns us away is not asked again and again: the password does not become right. */
  #connectFailed(error: KvError): void {
    if (error.code === 'E_AUTH' || error.code === 'E_PROTOCOL') this.#fail(error)
    else this.#again(error)
  }

  /** Nothing was done, or doing it twice does no harm: later again, if there is time. */
  #again(error: KvError): void {
    if (this.#isOver) return
    this.#lastError = error
    const nowMs = performance.now()
    const leftMs = this.patienceMs(nowMs)
    if (leftMs === 0) return this.#timedOut()
    this.#router.refreshSoon()
    const {baseMs, jitter} = this.#router.settings.backoff
    const delayMs = Math.min(CLIENT_RETRY_MAX_MS, baseMs * 2 ** Math.min(this.#delays++, 10))
    this.#wait(delayMs * (1 - jitter * Math.random()))
  }

  /** Looks again after the delay (Infinity: when woken), or gives up when the time of the operation is over. */
  #wait(delayMs: number): void {
    const step = ++this.#step
    this.#router.wait(this)
    const leftMs = this.patienceMs(performance.now())
    const waitMs = Math.min(leftMs, delayMs)
    if (waitMs === Infinity) return
    // Of several things that are due, because this process was held up, the end comes last.
    const giveUp = (): void => void (!this.#isOver && step === this.#step && this.#timedOut())
    const next = leftMs <= delayMs ? (): void => void setImmediate(giveUp) : (): void => this.wake()
    this.#timer = setTimeout(next, Math.max(1, Math.ceil(waitMs)))
  }

  #stopWaiting(): void {
    this.#step++
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#router.stopWaiting(this)
  }

  #timedOut(): void {
    const cause = this.#lastError ? ` The last try: ${this.#lastError.message}` : ''
    const text = `${nameOf(this.#command)} was not done within ${Math.round(this.#limitMs)} ms.${cause}`
    this.#fail(new ClientError('E_TIMEOUT', this.#doubt(), text, this.#lastError?.hint))
  }

  readonly #abort = (): void => {
    const reason: unknown = this.#options?.signal?.reason
    const isTimeout = reason instanceof Error && reason.name === 'TimeoutError'
    const why = isTimeout ? 'its signal timed out' : 'its signal was aborted'
    const code = isTimeout ? 'E_TIMEOUT' : 'E_INTERRUPTED'
    this.#fail(new ClientError(code, this.#doubt(), `${nameOf(this.#command)} was given up: ${why}.`))
  }

  /** What is known of the outcome now. */
  #doubt(): 'none' | 'maybe' {
    const isUnderWay = this.#pending !== undefined && !this.#command.isRead
    return this.#isDoubtful || isUnderWay ? 'maybe' : 'none'
  }

  #fail(error: KvError): void {
    if (this.#isOver) return
    const pending = this.#pending
    this.#end()
    if (pending) this.#connection?.abandon(pending)
    const isSure = error instanceof ClientError
    // Of an earlier try nobody knows, whatever this one said.
    const known = isSure && !(this.#isDoubtful && error.outcome === 'none')
    const outcome = this.#isDoubtful ? 'maybe' : 'none'
    this.#reject(known ? error : new ClientError(error.code, outcome, error.message, error.hint))
  }

  #end(): void {
    const isWaiting = this.#pending === undefined && this.#beginMs > 0
    this.#isOver = true
    this.#pending = undefined
    if (isWaiting) this.#stopWaiting()
    this.#options?.signal?.removeEventListener('abort', this.#abort)
  }
}
