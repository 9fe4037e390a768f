/**
 * What a node writes down beside its agreed log, to find its cluster again: whose member it is and where the others are. It is known before the log can
 * say so, since of its own log a node does not know at first what is agreed on.
 */
import {Raft} from '../core/consensus/raft.ts'
import type {ClusterMap} from '../core/cluster/cluster-map.ts'
import type {RaftState} from '../core/consensus/types.ts'
import type {NodeAddress} from './options.ts'
import type {PeerAddress} from './peer/peer-net.ts'
import type {RaftStorage} from './raft-store.ts'

/** As they were kept; null: there are none. */
export type Facts = Readonly<Record<string, unknown>> | null

/** Empty: none is kept. */
export function keptClusterId(facts: Facts): string {
  const kept = facts?.['clusterId']
  return typeof kept === 'string' ? kept : ''
}

/** Where the other members serve clients. */
export function keptAddresses(facts: Facts): readonly NodeAddress[] {
  const kept = facts?.['rejoin']
  return Array.isArray(kept) ? (kept as NodeAddress[]) : []
}

/** `peers`: those to dial at once at the next start. */
export function factsOf(map: ClusterMap, nodeId: string, clusterId: string, peers: readonly PeerAddress[]) {
  const others = map.members.filter((member) => member !== null && member.id !== nodeId)
  return {clusterId, peers, rejoin: others.map((member) => ({host: member!.host, port: member!.port}))}
}

/** The state that a node which founds a cluster begins with, once it is on the disk. Errors: the disk's. */
export async function writeBootstrap(nodeId: string, storage: RaftStorage): Promise<RaftState> {
  const state = Raft.bootstrap(nodeId)
  const {term, vote, entries, snapshot} = state
  await new Promise<void>((resolve, reject) => {
    const write = {id: 0, term, vote, entries, snapshot, truncateFrom: null}
    storage.write(write, () => resolve(), reject)
  })
  return state
}
