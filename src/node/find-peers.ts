/** What a node that joins asks first, on the client port of the nodes that it was told of: are you a kv node, and who is with you? */
import {formatAddress, type Address} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {isError, replyText} from '../client/reply.ts'
import {KvError} from '../errors.ts'
import type {PeerAddress} from './peer/peer-net.ts'

const TIMEOUT_MS = 2_000

export type PeersFound = {readonly peers: readonly PeerAddress[]} | {readonly problems: readonly string[]}

/** Who asks: its id, and where it listens itself. */
export interface Asker {
  readonly id: string
  readonly host: string
  readonly port: number
  /** The cluster that it is of and returns to; absent or empty: none. */
  readonly clusterId?: string
}

/** Asks the named nodes, one after the other; the first that knows others than ourselves decides. Never rejects: a problem is an answer. */
export async function findPeers(addresses: readonly Address[], self: Asker): Promise<PeersFound> {
  const problems: string[] = []
  for (const address of addresses) {
    // We may not serve yet: asking ourselves would wait in vain.
    const isSelf = address.host === self.host && address.port === self.port
    const answer = isSelf ? [] : await ask(address, self.clusterId ?? '')
    if (typeof answer === 'string') problems.push(`${formatAddress(address)}: ${answer}`)
    else {
      const peers = answer.filter(({id}) => id !== self.id)
      if (peers.length > 0) return {peers}
      problems.push(`${formatAddress(address)} is this node itself`)
    }
  }
  return {problems}
}

/** None of the named nodes helps. */
export function noneToJoin(problems: readonly string[]): KvError {
  return new KvError(
    'E_JOIN',
    `cannot join: ${problems.join('; ')}`,
    'name a running kv node with --join host:port, or leave --join out to start a cluster of its own',
  )
}

/** The cluster turned this node away; `why`: '' if it said nothing. */
export function notLetIn(why: string): KvError {
  const reason = why || 'the cluster did not answer in time'
  return new KvError('E_JOIN', `not let in: ${reason}`, 'see `kv cluster status` on a node of that cluster')
}

/** The members of the cluster that the node there is in, or why there is no answer, or none that helps. */
async function ask(address: Address, clusterId: string): Promise<PeerAddress[] | string> {
  let connection: Connection | null = null
  try {
    connection = await Connection.connect(address, {connectTimeoutMs: TIMEOUT_MS, replyTimeoutMs: TIMEOUT_MS})
    const reply = await connection.send(['CLUSTER', 'PEERS'])
    const said = isError(reply) ? null : parsePeers(replyText(reply) ?? '')
    if (said === null) return 'answers, but is no kv node'
    const isForeign = clusterId !== '' && said.clusterId !== '' && said.clusterId !== clusterId
    return isForeign ? `it is of cluster ${said.clusterId}, and this folder of ${clusterId}` : said.peers
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    connection?.close()
  }
}

/** What CLUSTER PEERS says (core/command/cluster-state.ts); null for what is nothing of the kind. */
function parsePeers(text: string): {readonly clusterId: string; readonly peers: PeerAddress[]} | null {
  let said: {members?: unknown; clusterId?: unknown} | null
  try {
    said = JSON.parse(text) as typeof said
  } catch {
    return null
  }
  if (!Array.isArray(said?.members)) return null
  const peers = said.members.flatMap((member: Partial<Record<'id' | 'peerHost' | 'peerPort', unknown>> | null) => {
    const {id, peerHost: host, peerPort: port} = member ?? {}
    return typeof id === 'string' && typeof host === 'string' && typeof port === 'number' ? [{id, host, port}] : []
  })
  return {clusterId: typeof said.clusterId === 'string' ? said.clusterId : '', peers}
}
