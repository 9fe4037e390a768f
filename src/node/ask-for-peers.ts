/** What a node that joins asks first, on the client port of the node that it was told of: are you a kv node, and who is with you? */
import {formatAddress, parseAddress, type Address} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {replyText} from '../client/reply.ts'
import type {PeerAddress} from './peer/peer-net.ts'

const TIMEOUT_MS = 2_000

export type PeersAnswer = {readonly peers: readonly PeerAddress[]} | {readonly problem: string}

/** Never rejects: a problem is an answer, and the next address is asked. */
export async function askForPeers(address: Address): Promise<PeersAnswer> {
  let connection: Connection | null = null
  try {
    connection = await Connection.connect(address, {connectTimeoutMs: TIMEOUT_MS, replyTimeoutMs: TIMEOUT_MS})
    const info = replyText(await connection.send(['INFO', 'server'])) ?? ''
    if (!info.includes('kv_version:')) return {problem: 'answers, but is no kv node'}
    const text = replyText(await connection.send(['CLUSTER', 'NODES'])) ?? ''
    const peers = text.split('\n').flatMap((line) => parsePeer(line, address))
    return peers.length > 0 ? {peers} : {problem: 'it knows no nodes yet'}
  } catch (error) {
    return {problem: error instanceof Error ? error.message : String(error)}
  } finally {
    connection?.close()
  }
}

/** A line of CLUSTER NODES: `id host:port@peerport[,name] flags ...`. */
function parsePeer(line: string, asked: Address): PeerAddress[] {
  const [id, where, flags] = line.split(' ')
  const [client, peerPort] = (where ?? '').split(',')[0]!.split('@')
  const address = parseAddress(client ?? '')
  if (!id || !address || !peerPort) return []
  // Who listens everywhere is found where it was asked.
  const host = flags?.includes('myself') && address.host === '0.0.0.0' ? asked.host : address.host
  const peer = parseAddress(formatAddress({host, port: Number(peerPort)}))
  return peer ? [{id, ...peer}] : []
}
