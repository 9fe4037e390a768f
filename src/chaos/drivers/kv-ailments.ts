/** Is a cluster of kv processes healthy? Every node that should run is asked, and each must say the same. */
import {countOf, type ClusterState} from '../../cli/cluster-state.ts'
import {newestOf, statesOf} from './kv-states.ts'
import type {KvCluster} from './kv-cluster.ts'
import type {KvPlace} from './kv-place.ts'

/** What is not as it should be, one sentence each. */
export async function ailmentsOf(cluster: KvCluster): Promise<string[]> {
  const expected = cluster.places.filter(({isSpare, state}) => !isSpare || state !== 'off')
  const ailments = expected.filter(({state}) => state !== 'up').map(({name, state}) => `${name} is ${state}.`)
  const up = expected.filter(({state}) => state === 'up')
  const states = await statesOf(up)
  for (const {name} of up) if (!states.has(name)) ailments.push(`${name} does not answer.`)
  const newest = newestOf(states.values())
  if (!newest) return ailments.length > 0 ? ailments : ['No node answers.']
  for (const place of up) ailments.push(...ailmentsAt(place, states.get(place.name), newest))
  return [...ailments, ...mapAilments(newest, cluster, expected)]
}

/** As this node sees itself. */
function ailmentsAt({name, nodeId}: KvPlace, state: ClusterState | undefined, newest: ClusterState): string[] {
  if (!state) return []
  const ailments: string[] = []
  if (state.self !== nodeId) ailments.push(`${name} is another node than it was.`)
  if (!state.isAdmitted) ailments.push(`${name} is no member.`)
  if (state.revision !== newest.revision) ailments.push(`${name} does not know the newest map.`)
  if (state.leader === null) ailments.push(`${name} knows no leader.`)
  if (!state.hasLease) ailments.push(`${name} has no lease.`)
  for (const member of state.members)
    if (!member.isConnected) ailments.push(`${name} is not connected with ${member.host}:${member.port}.`)
  return ailments
}

function mapAilments(state: ClusterState, cluster: KvCluster, expected: readonly KvPlace[]): string[] {
  const ailments: string[] = []
  const buckets = {
    'are lost': state.lost,
    'have no master that runs': state.down,
    'have too few copies': state.underReplicated,
  }
  for (const [what, ranges] of Object.entries(buckets))
    if (ranges !== '') ailments.push(`${countOf(ranges)} buckets ${what}.`)
  if (state.moves.length > 0)
    ailments.push(`${state.moves.reduce((sum, {count}) => sum + count, 0)} buckets are moving.`)
  if (state.isBalancing) ailments.push('The cluster is being balanced.')
  for (const {id, host, port, isDown, isLeaving, log, isLogOn} of state.members) {
    const name = cluster.placeOf(id)?.name ?? `${host}:${port}`
    if (!cluster.placeOf(id)) ailments.push(`A node that is gone, ${name}, is still a member.`)
    if (isDown) ailments.push(`${name} counts as down.`)
    if (isLeaving) ailments.push(`${name} is leaving.`)
    if (log === 'sync' && !isLogOn) ailments.push('The data log is not in step.')
  }
  const ids = new Set(state.members.map(({id}) => id))
  for (const {name, nodeId} of expected) if (!ids.has(nodeId)) ailments.push(`${name} is no member of the map.`)
  return ailments
}
