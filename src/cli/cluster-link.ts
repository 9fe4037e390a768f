/**
 * How the commands that look after a cluster talk to it: through any one node, and through another when that one goes away. All that is asked
 * here may be asked twice, so a request whose reply was lost is simply sent again, elsewhere.
 */
import {formatAddress, type Address} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {ReplyError} from '../client/errors.ts'
import {isError, replyText, type Reply} from '../client/reply.ts'
import {KvError, type ErrorCode} from '../errors.ts'
import {nodeAddresses, readPassword, requireAddress, type ConnectFlags} from './connect.ts'
import {parseState, type ClusterState} from './cluster-state.ts'

/** Another node may do better. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set(['E_CONNECT', 'E_CLOSED_UNSENT', 'E_CLOSED_MAYBE', 'E_TIMEOUT'])
/** What a node says when a change cannot be taken down at this moment. */
const NO_LEADER = 'has no leader at the moment'

/** Runs `work` with a link that is closed afterwards, whatever happens. Errors: those of `work`, E_USAGE. */
export async function withCluster<T>(flags: ConnectFlags, work: (link: ClusterLink) => Promise<T>): Promise<T> {
  const link = new ClusterLink(flags)
  try {
    return await work(link)
  } finally {
    link.close()
  }
}

export class ClusterLink {
  readonly password: string | undefined
  readonly #seeds: readonly Address[]
  readonly #timeoutMs: number | undefined
  #members: readonly Address[] = []
  #connection: Connection | undefined

  /** Connects with its first request. `timeoutMs`: for a connection, and for a reply; the usual ones if it is not said. Errors: E_USAGE. */
  constructor(flags: ConnectFlags, timeoutMs?: number) {
    this.#timeoutMs = timeoutMs
    this.#seeds = nodeAddresses(flags.node)
    if (this.#seeds.length === 0) requireAddress(flags.node)
    this.password = readPassword(flags['password-file'])
  }

  /** The node that answered last. */
  get address(): Address {
    return this.#connection?.address ?? this.#seeds[0]!
  }

  /** Errors: E_CONNECT and its kin if no node answers, E_REPLY if what answers is no node of a cluster, E_PROTOCOL. */
  async state(options: {readonly withPlan?: boolean} = {}): Promise<ClusterState> {
    const reply = await this.#send(['CLUSTER', 'STATE', ...(options.withPlan ? ['PLAN'] : [])])
    if (isError(reply)) {
      const hint = reply.text.includes('unknown') ? 'Is that a kv node?' : undefined
      throw new ReplyError(`${formatAddress(this.address)} does not describe its cluster: ${reply.text}`, hint)
    }
    const state = parseState(replyText(reply) ?? '', this.address)
    this.#members = state.members.filter(({isDown}) => !isDown).map(({host, port}) => ({host, port}))
    return state
  }

  /**
   * Proposes an entry of the cluster map. True: it was taken down, and may still be lost; false: there is no leader right now. Either
   * way look at the state, and propose it again if it is still missing. Errors: E_REPLY if it is refused.
   */
  async change(entry: Readonly<Record<string, unknown>>): Promise<boolean> {
    const reply = await this.#send(['CLUSTER', 'CHANGE', JSON.stringify(entry)])
    if (!isError(reply)) return true
    if (reply.text.includes(NO_LEADER)) return false
    throw new ReplyError(reply.text)
  }

  close(): void {
    this.#connection?.close()
    this.#connection = undefined
  }

  async #send(args: readonly string[]): Promise<Reply> {
    const last = this.#connection
    // It may have been closed while nobody asked anything; its node is tried once more then, as the first of all.
    const candidates = [...(last ? [last.address] : []), ...this.#seeds, ...this.#members]
    const names = candidates.map((address) => formatAddress(address))
    const attempts: (Connection | Address)[] = candidates.filter((_, i) => names.indexOf(names[i]!) === i)
    if (last?.isOpen) attempts.unshift(last)
    let firstError: unknown
    for (const attempt of attempts) {
      try {
        return await this.#sendBy(attempt, args)
      } catch (error) {
        this.close()
        if (!(error instanceof KvError) || !ELSEWHERE.has(error.code)) throw error
        // The node that was named is the one to be told of.
        firstError ??= error
      }
    }
    throw firstError
  }

  async #sendBy(attempt: Connection | Address, args: readonly string[]): Promise<Reply> {
    if (!(attempt instanceof Connection)) {
      const ms = this.#timeoutMs
      const limits = ms === undefined ? {} : {connectTimeoutMs: ms, replyTimeoutMs: ms}
      this.#connection = await Connection.connect(attempt, {password: this.password, ...limits})
      return this.#connection.send(args)
    }
    return attempt.send(args)
  }
}
