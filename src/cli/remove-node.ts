/** Taking out what is gone: a node that will not come back, and buckets whose last copy went with it. */
import {parseBuckets} from '../base/bucket-ranges.ts'
import {KvError} from '../errors.ts'
import {addressOf, BucketTable, memberById, memberName} from './cluster-state.ts'
import {formatCount} from './units.ts'
import {untilState, type WatchOptions} from './watch-cluster.ts'
import type {ClusterLink} from './cluster-link.ts'
import type {ClusterState, MemberState} from './cluster-state.ts'

/** What is lost with a node, as a sentence to say yes to. Errors: E_USAGE if it is up. */
export function removalText(member: MemberState): string {
  const name = memberName(member)
  if (!member.isDown) {
    throw new KvError(
      'E_USAGE',
      `${name} is up.`,
      `Stop it with \`kv node stop ${addressOf(member)}\`: it then leaves by itself.`,
    )
  }
  const {masters} = member
  if (masters === 0) return `Nothing is lost when ${name} is forgotten.`
  const what = masters === 1 ? '1 bucket' : `${formatCount(masters)} buckets`
  return `${name} has the only copy of ${what}: if it is forgotten, their data is lost for good.`
}

/** Resolves when the cluster has forgotten the node. Errors: E_TIMEOUT, E_INTERRUPTED, E_REPLY. */
export async function removeNode(
  link: ClusterLink,
  id: string,
  options: Omit<WatchOptions, 'standing'>,
): Promise<void> {
  const standing = (): {text: string; hint: string} => ({
    text: 'the node is still in the map.',
    hint: 'Look with `kv cluster status`; run the same command again to go on.',
  })
  await untilState(link, {...options, standing}, async (state) => {
    if (!memberById(state, id)) return true
    await link.change({type: 'removed', node: id})
    return undefined
  })
}

/** Of these buckets those that are lost. */
export function lostAmong({lost}: ClusterState, buckets: readonly number[]): number[] {
  const all = new Set(parseBuckets(lost))
  return buckets.filter((bucket) => all.has(bucket))
}

/** Who shall have buckets that begin anew: of those that may, the one with the fewest. Errors: E_REPLY if there is none. */
export function heirOf({members}: ClusterState): MemberState {
  const usable = members.filter(({isDown, isLeaving, isVoterOnly}) => !isDown && !isLeaving && !isVoterOnly)
  const [first, ...others] = usable
  if (!first) throw new KvError('E_REPLY', 'No node is there that could have buckets.')
  return others.reduce((best, member) => (member.masters < best.masters ? member : best), first)
}

/** Resolves when all of these buckets have a master again. Errors: E_TIMEOUT, E_INTERRUPTED, E_REPLY. */
export async function acceptLoss(
  link: ClusterLink,
  ranges: {readonly buckets: readonly number[]; readonly text: string; readonly nodeId: string},
  options: Omit<WatchOptions, 'standing'>,
): Promise<void> {
  const standing = (): {text: string; hint: string} => ({
    text: 'some of the buckets still have no master.',
    hint: 'Look with `kv cluster status`; run the same command again to go on.',
  })
  await untilState(link, {...options, standing}, async (state) => {
    const table = new BucketTable(state)
    if (ranges.buckets.every((bucket) => table.master[bucket]! >= 0)) return true
    await link.change({type: 'accept-loss', node: ranges.nodeId, buckets: ranges.text})
    return undefined
  })
}
