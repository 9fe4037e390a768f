/** A cluster of ours for benchmarks: ready only when nothing moves any more, so that nothing but what is measured goes on in it. */
import {parseState, type ClusterState} from '../../../src/cli/cluster-state.ts'
import {replyText} from '../../../src/client/reply.ts'
import {waitFor} from '../../support/wait.ts'
import {ProcessCluster} from '../../e2e/processes.ts'
import {askRedis} from './redis-cluster.ts'

const NODES = 3
const CALM_TIMEOUT_MS = 120_000

/** Three nodes, each bucket with so many replicas beside its master, in balance. */
export async function startOurCluster(replicas = 1): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.start(NODES, {replicas})
  try {
    await untilCalm(cluster)
    return cluster
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** Resolves when all nodes are there, every bucket has its copies, and nothing is moved or about to be. Errors: not within two minutes. */
export async function untilCalm(cluster: ProcessCluster): Promise<void> {
  const isCalm = async (): Promise<boolean> => {
    const state = await stateOf(cluster.ports[0]!)
    const isWhole = state.members.length === NODES && state.members.every(({isDown}) => !isDown)
    const hasAll = state.lost === '' && state.down === '' && state.underReplicated === ''
    return isWhole && hasAll && state.moves.length === 0 && !state.isBalancing
  }
  await waitFor('the cluster is whole and at rest', () => isCalm().catch(() => false), {
    timeoutMs: CALM_TIMEOUT_MS,
    intervalMs: 50,
  })
}

/** What the node at this port says of its cluster. */
export async function stateOf(port: number): Promise<ClusterState> {
  const reply = await askRedis(port, ['CLUSTER', 'STATE'])
  return parseState(replyText(reply) ?? '', {host: '127.0.0.1', port})
}
