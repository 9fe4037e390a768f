/** All problems of a cluster, from one node's description and every node's own words: once, or until there are none. */
import {askMembers, disagreements, problemsOf, type Problem} from './cluster-check.ts'
import {askedOf} from './cluster-flags.ts'
import {Progress} from './progress.ts'
import {untilInterrupted, untilState} from './watch-cluster.ts'
import {KvError} from '../errors.ts'
import type {ClusterLink} from './cluster-link.ts'
import type {ClusterState} from './cluster-state.ts'
import type {ConnectFlags} from './connect.ts'

export interface Checked {
  readonly state: ClusterState
  readonly problems: readonly Problem[]
}

/** Errors: those of `link.state`. */
export async function checkCluster(link: ClusterLink, flags: ConnectFlags): Promise<Checked> {
  return checkState(await link.state(), link, flags)
}

async function checkState(state: ClusterState, link: ClusterLink, flags: ConnectFlags): Promise<Checked> {
  const witnesses = await askMembers(state, link.password)
  const problems = [...problemsOf(state, askedOf(flags, link.address)), ...disagreements(state, witnesses)]
  return {state, problems}
}

/** What was seen last, and E_TIMEOUT as `late` if it was not well in time. Errors: those of the first look, E_INTERRUPTED. */
export async function whenWell(
  link: ClusterLink,
  flags: ConnectFlags,
  timeoutMs: number,
): Promise<{readonly checked: Checked; readonly late: KvError | null}> {
  const seen: Checked[] = []
  const progress = new Progress()
  const standing = (): {text: string; hint: string} => ({
    text: countText(seen[0]?.problems ?? []),
    hint: 'Look again with `kv cluster check`.',
  })
  try {
    const checked = await untilInterrupted((signal) =>
      untilState(link, {timeoutMs, signal, standing}, async (state) => {
        const now = await checkState(state, link, flags)
        seen[0] = now
        progress.update(() => `Waiting: ${countText(now.problems)}`)
        return now.problems.length === 0 ? now : undefined
      }),
    )
    return {checked, late: null}
  } catch (error) {
    const isLate = error instanceof KvError && error.code === 'E_TIMEOUT'
    if (!isLate || !seen[0]) throw error
    return {checked: seen[0], late: error}
  } finally {
    progress.done()
  }
}

function countText(problems: readonly Problem[]): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return `there ${problems.length === 1 ? 'is' : 'are'} still ${count}`
}
