/** One connection that listens to some channels of a subscription, for as long as the subscription lives. */
import {CLIENT_PING_INTERVAL_MS, CLIENT_RETRY_MAX_MS} from '../constants.ts'
import {KvError} from '../errors.ts'
import {ClientError, ReplyError} from './errors.ts'
import {isPassing} from './operation.ts'
import {callLimitMs, type CallOptions} from './options.ts'
import {replyText, type Push} from './reply.ts'
import {parseMoved} from './slot-map.ts'
import type {Connection} from './connection.ts'
import type {Router} from './router.ts'
import type {SubscriptionEvent} from './subscription.ts'

/** Before SUBSCRIBE and the names of pushes: plain channels, patterns, sharded ones. */
export type ChannelKind = '' | 'p' | 's'

export class SubscriptionLine {
  readonly #router: Router
  readonly #kind: ChannelKind
  readonly #names: readonly string[]
  readonly #bucket: number
  readonly #deliver: (event: SubscriptionEvent) => void
  #connection: Connection | undefined
  /** The pause before the next try, and what ends it early. */
  #timer: NodeJS.Timeout | undefined
  #endPause: (() => void) | undefined
  #ping: NodeJS.Timeout | undefined
  #isClosed = false

  /** `bucket`: of sharded channels, which must have one in common; else -1. */
  constructor(
    router: Router,
    kind: ChannelKind,
    names: readonly string[],
    bucket: number,
    deliver: (event: SubscriptionEvent) => void,
  ) {
    this.#router = router
    this.#kind = kind
    this.#names = names
    this.#bucket = bucket
    this.#deliver = deliver
  }

  /** Resolves when it listens. Errors: E_TIMEOUT, E_INTERRUPTED, E_REPLY, E_AUTH, E_CLOSED_UNSENT. */
  open(options: CallOptions): Promise<void> {
    const {signal} = options
    const limitMs = callLimitMs(options, this.#router.settings)
    return new Promise((resolve, reject) => {
      let last: KvError | undefined
      const settle = (end: () => void): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        end()
      }
      const giveUp = (code: 'E_TIMEOUT' | 'E_INTERRUPTED', text: string): void => {
        this.close()
        settle(() => reject(new ClientError(code, 'none', text, last?.hint)))
      }
      const abort = (): void => giveUp('E_INTERRUPTED', 'The subscription was given up: its signal was aborted.')
      const late = (): void => {
        const cause = last ? ` The last try: ${last.message}` : ''
        giveUp('E_TIMEOUT', `The subscription was not confirmed within ${limitMs} ms.${cause}`)
      }
      const timer = limitMs === Infinity ? undefined : setTimeout(() => setImmediate(late), limitMs)
      signal?.addEventListener('abort', abort, {once: true})
      if (signal?.aborted) return abort()
      this.#connect((error) => (last = error)).then(
        () => settle(resolve),
        (error: Error) => settle(() => reject(error)),
      )
    })
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#ping)
    this.#endPause?.()
    void this.#connection?.goodbye()
  }

  /** Tries until it listens. Errors: those that another try does not mend. */
  async #connect(onFailure: (error: KvError) => void): Promise<void> {
    const {baseMs, jitter} = this.#router.settings.backoff
    for (let delays = 0; !this.#isClosed;) {
      try {
        return await this.#tryOnce()
      } catch (error) {
        if (!(error instanceof KvError) || isFinal(error)) throw error
        onFailure(error)
        if (error instanceof ReplyError && error.word === 'MOVED' && ++delays < 8) continue
        this.#router.refreshSoon()
        const delayMs = Math.min(CLIENT_RETRY_MAX_MS, baseMs * 2 ** Math.min(delays++, 10))
        await this.#pause(delayMs * (1 - jitter * Math.random()))
      }
    }
    throw new ClientError('E_CLOSED_UNSENT', 'none', 'The subscription is closed.')
  }

  async #tryOnce(): Promise<void> {
    const link = this.#router.linkFor(this.#bucket)
    if (!link) throw new ClientError('E_CONNECT', 'none', `No node serves bucket ${this.#bucket}.`)
    const own: {connection?: Connection} = {}
    const connection = await link.openOwn({
      onPush: (push) => this.#takePush(push, own.connection),
      onClose: (error) => this.#lost(own.connection, error?.message),
    })
    own.connection = connection
    try {
      await connection.subscribe([`${this.#kind}SUBSCRIBE`.toUpperCase(), ...this.#names])
    } catch (error) {
      connection.close()
      const moved = error instanceof ReplyError ? parseMoved(error.message, link.address) : undefined
      if (moved) this.#router.moved(moved.bucket, moved.to)
      throw error
    }
    if (this.#isClosed) return connection.close()
    this.#connection = connection
    this.#ping = setInterval(() => this.#lookAfter(connection), CLIENT_PING_INTERVAL_MS)
  }

  /** A node that is gone without a word would be missed by nobody. */
  #lookAfter(connection: Connection): void {
    connection.send(['PING']).catch(() => connection.close())
  }

  #lost(connection: Connection | undefined, why = 'the node did not answer'): void {
    if (connection === undefined || connection !== this.#connection) return
    this.#connection = undefined
    clearInterval(this.#ping)
    if (this.#isClosed) return
    this.#router.refreshSoon()
    const listens = (): void => void this.#deliver({type: 'gap', reason: 'lost', detail: why})
    // It tries until it is closed; what no other try mends (a password that was changed) is tried again all the same.
    const again = (): void => {
      this.#connect(() => undefined).then(listens, () => void (this.#isClosed || this.#pause(1_000).then(again)))
    }
    void this.#pause(this.#router.settings.backoff.baseMs * Math.random()).then(again)
  }

  #takePush(push: Push, connection: Connection | undefined): void {
    const [name, ...rest] = push
    const kind = replyText(name)
    if (kind === 'sunsubscribe' && connection && connection === this.#connection) {
      // The bucket has moved: its new master takes subscriptions.
      this.#lost(connection, 'the bucket of the channel moved to another node')
      return connection.close()
    }
    if (kind === `${this.#kind}message`) this.#takeMessage(rest)
  }

  #takeMessage(rest: Push): void {
    const [pattern, channel, payload] = this.#kind === 'p' ? rest : [undefined, ...rest]
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(replyText(payload) ?? '')
    this.#deliver({
      type: 'message',
      channel: replyText(channel) ?? '',
      message: bytes.toString(),
      bytes,
      pattern: replyText(pattern),
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(this.#timer)
        this.#endPause = undefined
        resolve()
      }
      this.#timer = setTimeout(end, ms)
      this.#endPause = end
    })
  }
}

function isFinal(error: KvError): boolean {
  if (error instanceof ReplyError) return error.word !== 'MOVED' && !isPassing(error)
  return error.code === 'E_AUTH' || error.code === 'E_USAGE' || error.code === 'E_PROTOCOL'
}
