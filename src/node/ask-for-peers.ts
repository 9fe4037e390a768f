/** What a node that joins asks first, on the client port of the node that it was told of: are you a kv node, and who is with you? */
import {Connection} from '../client/connection.ts'
import {isError, replyText} from '../client/reply.ts'
import type {Address} from '../base/address.ts'
import type {PeerAddress} from './peer/peer-net.ts'

const TIMEOUT_MS = 2_000

export type PeersAnswer = {readonly peers: readonly PeerAddress[]} | {readonly problem: string}

/** Never rejects: a problem is an answer, and the next address is asked. */
export async function askForPeers(address: Address): Promise<PeersAnswer> {
  let connection: Connection | null = null
  try {
    connection = await Connection.connect(address, {connectTimeoutMs: TIMEOUT_MS, replyTimeoutMs: TIMEOUT_MS})
    const reply = await connection.send(['CLUSTER', 'PEERS'])
    const peers = isError(reply) ? null : parsePeers(replyText(reply) ?? '')
    return peers === null ? {problem: 'answers, but is no kv node'} : {peers}
  } catch (error) {
    return {problem: error instanceof Error ? error.message : String(error)}
  } finally {
    connection?.close()
  }
}

/** The members of CLUSTER PEERS (core/command/cluster-state.ts); null for what is nothing of the kind. */
function parsePeers(text: string): PeerAddress[] | null {
  let said: {members?: unknown} | null
  try {
    said = JSON.parse(text) as typeof said
  } catch {
    return null
  }
  if (!Array.isArray(said?.members)) return null
  return said.members.flatMap((member: Partial<Record<'id' | 'peerHost' | 'peerPort', unknown>> | null) => {
    const {id, peerHost: host, peerPort: port} = member ?? {}
    return typeof id === 'string' && typeof host === 'string' && typeof port === 'number' ? [{id, host, port}] : []
  })
}
