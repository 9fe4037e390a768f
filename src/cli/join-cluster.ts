/** Telling a running node to join a cluster: CLUSTER MEET, which is answered when it is a member, and then a look at the cluster. */
import {lookup} from 'node:dns/promises'
import {formatAddress, type Address} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {isError, replyText} from '../client/reply.ts'
import {KvError} from '../errors.ts'
import {countOf, parseState} from './cluster-state.ts'
import {formatCount} from './units.ts'

export interface JoinOptions {
  /** The node that shall join. */
  readonly address: Address
  /** Any node of the cluster. */
  readonly to: Address
  readonly password: string | undefined
  readonly timeoutMs: number
}

export interface JoinResult {
  readonly id: string
  readonly members: number
  /** Buckets that have fewer copies than are wished for, right after the join. */
  readonly lacking: number
}

/**
 * Resolves when the node is a member. Errors: E_JOIN (what is in the way, in the node's words), E_ADDRESS (`to` has no such name),
 * E_TIMEOUT, and those of `Connection.connect`.
 */
export async function joinCluster({address, to, password, timeoutMs}: JoinOptions): Promise<JoinResult> {
  const host = await resolveHost(to.host)
  const connection = await Connection.connect(address, {password, replyTimeoutMs: timeoutMs})
  try {
    const reply = await connection.send(['CLUSTER', 'MEET', host, String(to.port)])
    if (isError(reply)) throw refusal(reply.text, address)
    const {self, members, underReplicated} = parseState(
      replyText(await connection.call(['CLUSTER', 'STATE'])) ?? '',
      address,
    )
    if (members.length === 1) throw new KvError('E_JOIN', `${formatAddress(to)} is that node itself.`)
    return {id: self, members: members.length, lacking: countOf(underReplicated)}
  } finally {
    connection.close()
  }
}

/** Said once it is in. */
export function joinedText({members, lacking}: JoinResult, {address}: Pick<JoinOptions, 'address'>): string {
  const given = lacking > 0 ? `; ${formatCount(lacking)} buckets get a copy more` : ''
  return `${formatAddress(address)} is one of ${members} nodes now, and is given its share of the buckets${given}.`
}

async function resolveHost(host: string): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch {
    throw new KvError('E_ADDRESS', `There is no machine of the name ${host}.`)
  }
}

function refusal(text: string, address: Address): KvError {
  const why = text.replace(/^ERR /, '').replace(/\.$/, '')
  const isUnknown = why.startsWith('unknown')
  const name = formatAddress(address)
  if (isUnknown) return new KvError('E_JOIN', `${name} is no kv node: ${why}`)
  const hint = why.includes('keys')
    ? 'Move its data first, or start an empty node with `kv node start --join`.'
    : undefined
  return new KvError('E_JOIN', `${name} did not join: ${why}.`, hint)
}
