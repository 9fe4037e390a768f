/** Asks the cluster to spread masters and copies evenly, and waits until it has. The leader plans; who stops waiting stops nothing. */
import {isAlone} from './cluster-state.ts'
import {formatCount} from './units.ts'
import {untilState} from './watch-cluster.ts'
import {KvError} from '../errors.ts'
import type {ClusterLink} from './cluster-link.ts'
import type {ClusterState} from './cluster-state.ts'

export interface RebalanceOptions {
  readonly link: ClusterLink
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** False: come back as soon as it has begun. */
  readonly isWaiting: boolean
  readonly onProgress: (state: ClusterState) => void
}

export interface RebalanceResult {
  /** Entries of the map that it took. */
  readonly revisions: number
  readonly state: ClusterState
}

/** Errors: E_USAGE for a node without a cluster, E_TIMEOUT, E_INTERRUPTED, E_REPLY. */
export async function rebalance(options: RebalanceOptions): Promise<RebalanceResult> {
  const {link, isWaiting, onProgress} = options
  const first = await link.state()
  requireCluster(first)
  let last = first
  const standing = (): {text: string; hint: string} => ({
    text: `${formatCount(underWay(last))} buckets are under way, and the cluster goes on by itself.`,
    hint: 'Look with `kv cluster status`, or run this again to wait for the end.',
  })
  return untilState(link, {...options, standing}, async (state) => {
    last = state
    onProgress(state)
    const hasBegun = state.isBalancing || state.revision > first.revision
    if (!hasBegun) {
      await link.change({type: 'rebalance'})
      return undefined
    }
    const result = {revisions: state.revision - first.revision, state}
    if (!isWaiting) return result
    if (state.isBalancing || state.moves.length > 0) return undefined
    if (await hasNothingToDo(link)) return result
    // The map changed for another reason, and what we asked for was lost.
    await link.change({type: 'rebalance'})
    return undefined
  })
}

async function hasNothingToDo(link: ClusterLink): Promise<boolean> {
  const {plan} = await link.state({withPlan: true})
  return !plan || plan.moves.length === 0
}

/** Errors: E_USAGE. */
export function requireCluster(state: ClusterState): void {
  if (isAlone(state)) throw new KvError('E_USAGE', 'That node is in no cluster: it has all buckets by itself.')
}

/** Buckets with a copy or a master on its way. */
export function underWay({moves}: ClusterState): number {
  return moves.reduce((sum, {count}) => sum + count, 0)
}
