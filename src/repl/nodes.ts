/** The members of the cluster, as the console's home sees them; asked for again now and then. */
import {parseAddress, type Address} from '../base/address.ts'
import {addressOf, parseState, shortId, type MemberState} from '../cli/cluster-state.ts'
import {replyText} from '../client/reply.ts'
import type {ClusterSession} from './cluster-session.ts'

const FRESH_MS = 2_000
/** The beginning of an id that is taken for one. */
const ID_CHARS_MIN = 4

export class Nodes {
  readonly #session: ClusterSession
  #members: readonly MemberState[] = []
  #lookedAtMs = -Infinity
  /** The beginning of the cluster's id; empty if there is none. */
  clusterName = ''

  constructor(session: ClusterSession) {
    this.#session = session
  }

  get count(): number {
    return this.#members.length
  }

  /** Addresses and beginnings of ids. */
  get names(): readonly string[] {
    return this.#members.flatMap((member) => [addressOf(member), shortId(member.id)])
  }

  /** By address, by the beginning of its id; or whoever listens at an address that nobody told us. */
  find(text: string): Address | undefined {
    const isMeant = (member: MemberState): boolean =>
      addressOf(member) === text || (text.length >= ID_CHARS_MIN && member.id.startsWith(text))
    const known = this.#members.find(isMeant)
    if (known) return {host: known.host, port: known.port}
    return text.includes(':') ? parseAddress(text, 0) : undefined
  }

  /** Never fails: a server that is no node of kv has no members. */
  async look(): Promise<void> {
    if (performance.now() - this.#lookedAtMs < FRESH_MS) return
    this.#lookedAtMs = performance.now()
    const session = this.#session
    await session.look()
    try {
      const {reply, from} = await session.sendTo(session.home, ['CLUSTER', 'STATE'])
      const state = parseState(replyText(reply) ?? '', from)
      this.#members = state.members
      this.clusterName = shortId(state.clusterId)
    } catch {
      // Redis, or gone this very moment: what was known stands.
    }
  }
}
