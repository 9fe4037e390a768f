/** What `kv top` sees at one moment: the cluster as one node describes it, and what each node says of itself. */
import {Connection} from '../../client/connection.ts'
import {isError, replyEntries, replyText, type Reply} from '../../client/reply.ts'
import {KvError} from '../../errors.ts'
import {isAlone, type ClusterState, type MemberState} from '../cluster-state.ts'
import {parseFigures, type Figures} from '../node-figures.ts'
import type {ClusterLink} from '../cluster-link.ts'

const ASK_TIMEOUT_MS = 1_000

/** How many requests took no longer than so many us, by that bound. */
export type Durations = ReadonlyMap<number, number>

export interface NodeWords {
  readonly figures: Figures
  readonly durations: Durations
}

export interface Snapshot {
  /** Monotonic ms, and Unix ms. */
  readonly atMs: number
  readonly time: number
  /** Null: no node answers, and `error` says why. */
  readonly state: ClusterState | null
  readonly error: string | null
  /** By node id; text: why it says nothing. */
  readonly nodes: ReadonlyMap<string, NodeWords | string>
}

/** Keeps a connection to each node, so that a look costs a round trip. A node that went is tried again with the next look. */
export class ClusterPoller {
  readonly #link: ClusterLink
  readonly #connections = new Map<string, Connection>()

  constructor(link: ClusterLink) {
    this.#link = link
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
  }

  /** Errors: none, they are part of the answer; the password's and the address' (E_AUTH, E_USAGE) are the user's to mend. */
  async look(): Promise<Snapshot> {
    const time = Date.now()
    try {
      const state = await this.#link.state()
      const nodes = await Promise.all(
        state.members.map(async (member) => [member.id, await this.#ask(state, member)] as const),
      )
      return {atMs: performance.now(), time, state, error: null, nodes: new Map(nodes)}
    } catch (error) {
      if (!(error instanceof KvError) || error.code === 'E_AUTH' || error.code === 'E_USAGE') throw error
      return {atMs: performance.now(), time, state: null, error: error.message, nodes: new Map()}
    }
  }

  async #ask(state: ClusterState, member: MemberState): Promise<NodeWords | string> {
    if (member.isDown) return 'down'
    try {
      const connection = await this.#connectionTo(state, member)
      const [info, histogram] = await Promise.all([
        connection.send(['INFO', 'all']),
        connection.send(['LATENCY', 'HISTOGRAM']),
      ])
      if (isError(info)) return info.text
      return {figures: parseFigures(replyText(info) ?? ''), durations: durationsOf(histogram)}
    } catch (error) {
      this.#connections.get(member.id)?.close()
      this.#connections.delete(member.id)
      if (error instanceof KvError) return error.message
      throw error
    }
  }

  async #connectionTo(state: ClusterState, member: MemberState): Promise<Connection> {
    const known = this.#connections.get(member.id)
    if (known?.isOpen) return known
    const address = isAlone(state) ? this.#link.address : {host: member.host, port: member.port}
    const {password} = this.#link
    const fresh = await Connection.connect(address, {
      ...{password, connectTimeoutMs: ASK_TIMEOUT_MS, replyTimeoutMs: ASK_TIMEOUT_MS},
    })
    this.#connections.set(member.id, fresh)
    return fresh
  }
}

/** All commands of LATENCY HISTOGRAM together; empty if the node does not know it. */
export function durationsOf(reply: Reply): Durations {
  const counts = new Map<number, number>()
  for (const [, fields] of replyEntries(reply) ?? []) {
    const entries = new Map((replyEntries(fields) ?? []).map(([name, value]) => [replyText(name), value]))
    let before = 0
    for (const [us, count] of replyEntries(entries.get('histogram_usec') ?? null) ?? []) {
      const bound = Number(us)
      counts.set(bound, (counts.get(bound) ?? 0) + Number(count) - before)
      before = Number(count)
    }
  }
  return counts
}
