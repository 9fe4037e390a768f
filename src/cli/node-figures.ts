/** What a node says of itself in INFO: its figures by name. */
import {Connection} from '../client/connection.ts'
import {replyText} from '../client/reply.ts'
import {KvError} from '../errors.ts'
import {isAlone, type ClusterState, type MemberState} from './cluster-state.ts'
import type {Address} from '../base/address.ts'

const ASK_TIMEOUT_MS = 2_000

export type Figures = ReadonlyMap<string, string>

/** Errors: as `Connection.connect` and `call`. */
export async function nodeFigures(address: Address, password: string | undefined): Promise<Figures> {
  const options = {password, connectTimeoutMs: ASK_TIMEOUT_MS, replyTimeoutMs: ASK_TIMEOUT_MS}
  const connection = await Connection.connect(address, options)
  try {
    return parseFigures(replyText(await connection.call(['INFO'])) ?? '')
  } finally {
    connection.close()
  }
}

/** The lines `name:value` of INFO. */
export function parseFigures(text: string): Figures {
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

/** Keys of the buckets of which the node is master. */
export function keysOf(figures: Figures): number {
  const match = /^keys=(\d+)/.exec(figures.get('db0') ?? '')
  return match ? Number(match[1]) : 0
}

export interface NodeRow {
  readonly member: MemberState
  /** Undefined: it is down, or did not answer. */
  readonly figures: Figures | undefined
  readonly error: KvError | undefined
}

/** All nodes of the cluster, those that should answer asked at once. Errors: none, they are part of the answer. */
export function listNodes(state: ClusterState, password: string | undefined, asked: Address): Promise<NodeRow[]> {
  return Promise.all(
    state.members.map(async (member): Promise<NodeRow> => {
      if (member.isDown) return {member, figures: undefined, error: undefined}
      // What a node without a cluster calls itself may be an address for others.
      const address = isAlone(state) ? asked : {host: member.host, port: member.port}
      try {
        return {member, figures: await nodeFigures(address, password), error: undefined}
      } catch (error) {
        if (error instanceof KvError) return {member, figures: undefined, error}
        throw error
      }
    }),
  )
}
