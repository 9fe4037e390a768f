/** What a cluster that somebody else runs says of itself: ours by CLUSTER STATE, any other by CLUSTER NODES. */
import {parseAddress, type Address} from '../../base/address.ts'
import {Connection} from '../../client/connection.ts'
import {isError, replyText} from '../../client/reply.ts'
import {parseState, type ClusterState} from '../../cli/cluster-state.ts'
import {KvError} from '../../errors.ts'
import {parseNodes, type NodeLine} from './redis-state.ts'

const TIMEOUT_MS = 3_000

export interface AttachedNode {
  readonly address: Address
  readonly isDown: boolean
  /** It has a say in what is agreed on. */
  readonly isVoter: boolean
  /** Buckets of which it is master, if it is up. */
  readonly served: number
  /** Who has copies of its buckets, itself first; null: one whose address is not known. */
  readonly copySets: readonly (readonly (Address | null)[])[]
}

export interface AttachedState {
  readonly nodes: readonly AttachedNode[]
  /** Of the program: "kv 0.1.0", "redis 7.0.15". */
  readonly version: string
}

/** Errors: E_CONNECT and its kin if it does not answer, E_REPLY if it is no node of a cluster. */
export async function attachedState(address: Address): Promise<AttachedState> {
  const connection = await Connection.connect(address, {connectTimeoutMs: TIMEOUT_MS, replyTimeoutMs: TIMEOUT_MS})
  try {
    const version = versionIn(replyText(await connection.send(['INFO', 'server'])) ?? '')
    const state = await connection.send(['CLUSTER', 'STATE'])
    if (!isError(state)) return {nodes: kvNodes(parseState(replyText(state) ?? '', address)), version}
    const nodes = await connection.send(['CLUSTER', 'NODES'])
    if (isError(nodes)) throw new KvError('E_REPLY', `That is no node of a cluster: ${nodes.text}`)
    return {nodes: redisNodes(replyText(nodes) ?? ''), version}
  } finally {
    connection.close()
  }
}

function versionIn(info: string): string {
  const own = /^kv_version:(\S+)/m.exec(info)?.[1]
  if (own !== undefined) return `kv ${own}`
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1]
  return valkey !== undefined ? `valkey ${valkey}` : `redis ${/^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown'}`
}

function kvNodes(state: ClusterState): AttachedNode[] {
  const bySlot = new Map(state.members.map((member) => [member.slot, member]))
  const addressAt = (slot: number): Address | null => {
    const member = bySlot.get(slot)
    return member ? {host: member.host, port: member.port} : null
  }
  // What holds no buckets stays untouched: the command is for data nodes.
  return state.members
    .filter(({isVoterOnly}) => !isVoterOnly)
    .map(({slot, host, port, isDown, isVoter, masters}) => {
      const sets = new Map<string, readonly (Address | null)[]>()
      for (const [, , master, replicas] of state.ranges) {
        const slots = [master, ...replicas]
        if (master === slot) sets.set(slots.join(), slots.map(addressAt))
      }
      return {address: {host, port}, isDown, isVoter, served: isDown ? 0 : masters, copySets: [...sets.values()]}
    })
}

function redisNodes(text: string): AttachedNode[] {
  const lines = parseNodes(text)
  const addressOf = ({where}: NodeLine): Address | null => parseAddress(where.split('@')[0] ?? '') ?? null
  return lines.flatMap((line) => {
    const address = addressOf(line)
    if (!address) return []
    const isDown = isFailed(line)
    const isMaster = line.masterId === '' && line.slotCount > 0
    const replicas = lines.filter((other) => other.masterId === line.id && other.isConnected && !isFailed(other))
    const copySets = isMaster ? [[address, ...replicas.map(addressOf)]] : []
    return [{address, isDown, isVoter: isMaster, served: isDown ? 0 : line.slotCount, copySets}]
  })
}

function isFailed({flags}: NodeLine): boolean {
  return flags.some((flag) => flag.startsWith('fail') || flag === 'noaddr' || flag === 'handshake')
}
