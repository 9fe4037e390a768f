/**
 * The tester's own client: one logical process, one operation in flight, nothing ever sent twice. Stock clients repeat requests silently, and a repeated INCR
 * would look like a bug of the cluster, or hide one.
 *
 *   route (what MOVED or an answer taught, by bucket; else anybody) -> connect -> send -> ok
 *      refused, or no answer to the call, or MOVED: nothing was done, so another node is tried, a few times -> failed
 *      an error that servers give before they apply anything                                               -> failed
 *      no reply in time, the connection ends, an error that says nothing                                   -> unknown, and the connection is cut
 */
import {formatAddress, type Address} from '../base/address.ts'
import {keyBucket} from '../base/crc16.ts'
import {CHAOS_CONNECT_TIMEOUT_MS, CHAOS_REDIRECTS_MAX, CHAOS_REPLY_TIMEOUT_MS} from '../constants.ts'
import {Connection} from '../client/connection.ts'
import {ClientError} from '../client/errors.ts'
import {isError, isList, replyText} from '../client/reply.ts'
import {parseMoved} from '../client/slot-map.ts'
import type {Prng} from '../base/prng.ts'
import type {Reply as WireReply} from '../client/reply.ts'
import type {Finish, Next, Outcome, Reply, Request, WorkClient} from '../workload/types.ts'

/** One time in so many it asks anybody, as after a restart. */
const ASKS_ANYBODY = 50

/** First words of errors that come before anything is applied. */
const REFUSALS: ReadonlySet<string> = new Set([
  'ASK',
  'BUSY',
  'CLUSTERDOWN',
  'CROSSSLOT',
  'EXECABORT',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'MOVED',
  'NOAUTH',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'WRONGTYPE',
])

export interface ChaosClientOptions {
  /** Where one may connect now. */
  readonly addresses: () => readonly Address[]
  readonly random: Prng
  /** An error reply that nobody expects: for the report. */
  readonly onOddReply?: (text: string) => void
  readonly connectTimeoutMs?: number
  readonly replyTimeoutMs?: number
  /** Where every operation is tried first, whatever is known. */
  readonly first?: Address
  /** It asks a node that did not answer again, about other buckets: there must be some who meet one that comes back. */
  readonly isStubborn?: boolean
}

interface Answer {
  readonly outcome: Outcome
  readonly replies: readonly Reply[]
  readonly connection?: Connection
}

/** Nothing was done at this node; where to go instead, if it said so. */
interface Elsewhere {
  readonly to: Address | undefined
  /** MOVED says who is the master for good, ASK only for this time. */
  readonly isAsk: boolean
}

const FAILED: Answer = {outcome: 'failed', replies: []}
const UNKNOWN: Answer = {outcome: 'unknown', replies: []}
const ELSEWHERE: Elsewhere = {to: undefined, isAsk: false}

export class ChaosClient implements WorkClient {
  readonly #options: ChaosClientOptions
  readonly #connections = new Map<string, Connection>()
  /** By bucket. */
  readonly #routes = new Map<number, Address>()
  #isClosed = false

  constructor(options: ChaosClientOptions) {
    this.#options = options
  }

  send(key: string, requests: readonly Request[], then: Finish): void {
    void this.#exchange(key, requests).then(({outcome, replies, connection}) => {
      then(outcome, replies, connection && formatAddress(connection.address))
    })
  }

  sendTwice(key: string, first: readonly Request[], next: Next, then: Finish): void {
    const finish = ({outcome, replies, connection}: Answer): void =>
      then(outcome, replies, connection && formatAddress(connection.address))
    void this.#exchange(key, first).then(async (answer) => {
      if (answer.outcome !== 'ok' || !answer.connection) return finish(answer)
      const second = next(answer.replies)
      if (second === null) return finish(answer)
      const later = await this.#ask(answer.connection, second)
      finish('outcome' in later ? later : FAILED)
    })
  }

  /** Cuts all connections; operations under way end. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#connections.values()) connection.close()
  }

  /** One round, at the master if it can be found. */
  async #exchange(key: string, requests: readonly Request[]): Promise<Answer> {
    const bucket = keyBucket(Buffer.from(key), 0, Buffer.byteLength(key))
    let address = this.#options.first ?? this.#routeOf(bucket)
    let isAsking = false
    for (let tries = 0; tries <= CHAOS_REDIRECTS_MAX; tries++) {
      if (!address || this.#isClosed) return FAILED
      const connection = await this.#connectionTo(address)
      const answer: Answer | Elsewhere = connection ? await this.#ask(connection, requests, isAsking) : ELSEWHERE
      if ('outcome' in answer) {
        if (answer.outcome === 'ok') this.#learn(bucket, address, isAsking)
        else this.#forget(bucket, address, answer.outcome)
        return answer
      }
      if (answer.to && !answer.isAsk) this.#routes.set(bucket, answer.to)
      else if (!answer.to) this.#routes.delete(bucket)
      isAsking = answer.isAsk
      address = answer.to ?? this.#anybody()
    }
    return FAILED
  }

  #forget(bucket: number, address: Address, outcome: Outcome): void {
    this.#routes.delete(bucket)
    if (outcome !== 'unknown' || this.#options.isStubborn) return
    for (const [other, {host, port}] of this.#routes) {
      if (port === address.port && host === address.host) this.#routes.delete(other)
    }
  }

  #learn(bucket: number, address: Address, isAsking: boolean): void {
    if (!isAsking) this.#routes.set(bucket, address)
  }

  #routeOf(bucket: number): Address | undefined {
    const known = this.#routes.get(bucket)
    return known === undefined || this.#options.random.below(ASKS_ANYBODY) === 0 ? this.#anybody() : known
  }

  #anybody(): Address | undefined {
    const addresses = this.#options.addresses()
    return addresses.length === 0 ? undefined : addresses[this.#options.random.below(addresses.length)]
  }

  /** An open connection, or undefined if there is none to be had. */
  async #connectionTo(address: Address): Promise<Connection | undefined> {
    const name = formatAddress(address)
    const known = this.#connections.get(name)
    if (known?.isOpen) return known
    const {connectTimeoutMs = CHAOS_CONNECT_TIMEOUT_MS, replyTimeoutMs = CHAOS_REPLY_TIMEOUT_MS} = this.#options
    try {
      const made = await Connection.connect(address, {connectTimeoutMs, replyTimeoutMs, resp: 2})
      if (this.#isClosed) made.close()
      else this.#connections.set(name, made)
      return made
    } catch {
      this.#connections.delete(name)
      return undefined
    }
  }

  /** Sends a round and judges what came back. */
  async #ask(connection: Connection, requests: readonly Request[], isAsking = false): Promise<Answer | Elsewhere> {
    const sent = isAsking ? [['ASKING'], ...requests] : requests
    let replies: readonly WireReply[]
    try {
      replies = await Promise.all(sent.map((request) => connection.send(request)))
    } catch (error) {
      // What comes later on this connection belongs to nobody.
      connection.close()
      return error instanceof ClientError && error.outcome === 'none' ? ELSEWHERE : UNKNOWN
    }
    const own = isAsking ? replies.slice(1) : replies
    // Those inside the reply of EXEC, too: what else the transaction did is done.
    const errors = own.flatMap((reply) => (isList(reply) ? reply : [reply])).filter(isError)
    const texts = errors.map(({text}) => text)
    if (errors.length > 0) return this.#judge(connection, own.at(-1)!, texts, sent.length > 1)
    return {outcome: 'ok', replies: own.map(plain), connection}
  }

  #judge(
    connection: Connection,
    last: WireReply,
    errors: readonly string[],
    isTransaction: boolean,
  ): Answer | Elsewhere {
    // It may still watch a key, or queue commands.
    if (isTransaction) connection.close()
    // Of several requests the last does it: an error of that is given before anything is applied.
    const word = isError(last) ? last.text.split(' ', 1)[0]! : ''
    if (!REFUSALS.has(word)) {
      this.#options.onOddReply?.(errors[0]!)
      return {...UNKNOWN, connection}
    }
    const isAsk = errors[0]!.startsWith('ASK ')
    const texts = errors.map((text) => text.replace(/^ASK /, 'MOVED '))
    const moved = texts.map((text) => parseMoved(text, connection.address)).find(Boolean)
    return moved && !(isAsk && isTransaction) ? {to: moved.to, isAsk} : {...FAILED, connection}
  }
}

/** As the workload wants it: text, numbers, null and lists of these. */
function plain(reply: WireReply): Reply {
  if (reply === null || typeof reply === 'number') return reply
  if (isList(reply)) return reply.map(plain)
  return replyText(reply) ?? null
}
