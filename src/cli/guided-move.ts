/** `kv buckets move` for a person who does not know yet which buckets, or where to. */
import {shortRanges} from './cluster-check.ts'
import {withCluster} from './cluster-link.ts'
import {findMember, requireBuckets} from './cluster-state.ts'
import {askChoice, askText, askWhether, bucketsProblem, nodeChoices, requirePerson, sameCommand} from './guide.ts'
import {planBuckets} from './move-buckets.ts'
import {counted} from './units.ts'
import type {ConnectFlags} from './connect.ts'

export interface MoveFlags extends ConnectFlags {
  readonly to?: string | undefined
  readonly 'dry-run': boolean
}

/** What was given, or is answered. Errors: E_USAGE if something is missing and nobody can be asked; E_REFUSED, E_INTERRUPTED. */
export async function whatAndWhere(
  given: string | undefined,
  flags: MoveFlags,
  note: (line: string) => void,
): Promise<{readonly ranges: string; readonly to: string}> {
  if (given !== undefined && flags.to !== undefined) return {ranges: given, to: flags.to}
  requirePerson(
    given === undefined ? 'The list of buckets' : '--to, the node that gets them,',
    'kv buckets move 0-99 --to 127.0.0.1:7380',
  )
  const state = await withCluster(flags, (link) => link.state())
  const ranges = given ?? (await askText('Which buckets (0 to 16383, such as 0-99,200)?', '', bucketsProblem))
  const to =
    flags.to ??
    (await askChoice(
      'To which node?',
      nodeChoices(state, ({isVoterOnly}) => !isVoterOnly),
    ))
  if (!flags['dry-run']) {
    const {moving, blocked} = planBuckets(state, requireBuckets(ranges), findMember(state, to).id)
    for (const {buckets, reason} of blocked) note(`Cannot move: ${shortRanges(buckets)}, ${reason}.`)
    await askWhether(`Move ${counted(moving.length, 'bucket')} to ${to}? Clients go on meanwhile.`)
  }
  note(sameCommand(['buckets', 'move', ranges, '--to', to]))
  return {ranges, to}
}
