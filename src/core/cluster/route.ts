/** Where a command with keys belongs, if not here: the answers that clients follow. */
import {BUCKET_COUNT} from '../../constants.ts'
import {IS_READ_ONLY} from '../command/command.ts'
import {COPY_WHOLE} from '../replication/replica.ts'
import {ROLE_FOREIGN} from '../replication/roles.ts'
import type {Command} from '../command/command.ts'
import type {Context} from '../command/context.ts'
import type {Engine} from '../engine.ts'

/** True if the session said READONLY, the command only reads, and a whole copy of the bucket is here: it may be a little old. */
export function readsReplica({cluster}: Engine, {bucket, session}: Context, {bits}: Command): boolean {
  return (
    cluster !== null && session.isReadonly && (bits & IS_READ_ONLY) !== 0 && cluster.replica.copy[bucket] === COPY_WHOLE
  )
}

/** `MOVED` to the bucket's master as the agreed map has it, or `CLUSTERDOWN`. */
export function movedError({cluster, roles}: Engine, bucket: number): string {
  if (!cluster?.isAdmitted && !cluster?.isGone) return 'CLUSTERDOWN The cluster is down'
  const master = cluster.map.members[cluster.map.master[bucket]!]
  if (!master || roles.role[bucket] !== ROLE_FOREIGN) return 'CLUSTERDOWN Hash slot not served'
  return `MOVED ${bucket} ${master.host}:${master.port}`
}

export const ERR_NO_REPLICAS = 'NOREPLICAS Not enough good replicas to write.'

/** True if the bucket, or with -1 any bucket of ours, has fewer in-sync copies beside the master's than a write needs here. */
export function lacksReplicas({cluster, minReplicas, roles}: Engine, bucket: number): boolean {
  if (minReplicas === 0) return false
  if (!cluster) return true
  if (bucket >= 0) return cluster.map.copyCount(bucket) <= minReplicas
  for (let one = 0; one < BUCKET_COUNT; one++) {
    if (roles.isServing(one) && cluster.map.copyCount(one) <= minReplicas) return true
  }
  return false
}
