/**
 * What is wrong with a cluster, from its own description and from what each of its nodes says of itself; each problem with the command that
 * mends it. An `outage` keeps clients from some of their data now; a `risk` does not yet.
 */
import {formatAddress, type Address} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {isError, replyText} from '../client/reply.ts'
import {KvError} from '../errors.ts'
import {addressOf, countOf, isAlone, memberById, memberName, parseState, shortId} from './cluster-state.ts'
import {formatCount} from './units.ts'
import type {ClusterState, MemberState} from './cluster-state.ts'

const ASK_TIMEOUT_MS = 2_000
/** Longer lists of ranges are for `--json`. */
const RANGES_CHARS_MAX = 60

export interface Problem {
  /** A stable word for scripts. */
  readonly kind: string
  readonly severity: 'outage' | 'risk'
  readonly text: string
  /** Whole, as ranges; absent if it is not about buckets. */
  readonly buckets?: string
  /** Mends it, or is the first step. Begins with `kv`. */
  readonly command: string
}

/** How a command names the node that was asked, if it must. */
export interface Asked {
  readonly address: Address
  /** ` --node host:port`, or nothing if the next command finds it without. */
  readonly nodeFlag: string
}

/** Problems that one node's description shows, the worst first. */
export function problemsOf(state: ClusterState, asked: Asked): Problem[] {
  if (isAlone(state)) return []
  if (state.revision === 0) return [strangerProblem(state, asked)]
  const problems = [
    ...contactProblems(state, asked),
    ...bucketProblems(state, asked),
    ...memberProblems(state, asked),
    ...redundancyProblems(state, asked),
  ]
  return problems.sort((a, b) => Number(a.severity === 'risk') - Number(b.severity === 'risk'))
}

function strangerProblem({joinProblem}: ClusterState, {address}: Asked): Problem {
  const name = formatAddress(address)
  const why = joinProblem === '' ? '' : `: ${joinProblem}`
  const text = `${name} is not a member of a cluster yet${why}.`
  return {kind: 'not-a-member', severity: 'outage', text, command: `kv cluster status --node ${name}`}
}

function contactProblems(state: ClusterState, {address}: Asked): Problem[] {
  const name = formatAddress(address)
  const other = state.members.find(({id, isDown}) => id !== state.self && !isDown)
  // Another may see more.
  const command = `kv cluster check --node ${other ? addressOf(other) : name}`
  if (!state.isAdmitted) {
    const why = state.joinProblem === '' ? 'it was removed, or is being let in again' : state.joinProblem
    return [{kind: 'not-admitted', severity: 'outage', text: `${name} serves nothing: ${why}.`, command}]
  }
  if (state.leader === null) {
    const voters = state.members.filter(({isVoter}) => isVoter)
    const reached = voters.filter(({isConnected}) => isConnected).length
    const text = `There is no leader: ${name} reaches ${reached} of ${voters.length} voters, and needs more than half of them.`
    return [{kind: 'no-leader', severity: 'outage', text, command}]
  }
  if (state.hasLease) return []
  const text = `${name} has no lease from the leader, so it answers no requests: it may be cut off.`
  return [{kind: 'no-lease', severity: 'outage', text, command}]
}

function bucketProblems(state: ClusterState, {nodeFlag}: Asked): Problem[] {
  const {lost, down, underReplicated, wantedCopies} = state
  const problems: Problem[] = []
  if (lost !== '') {
    problems.push({
      kind: 'lost',
      severity: 'outage',
      text: `The last copy of ${bucketText(lost)} is gone: they are not served. They can only come back empty.`,
      buckets: lost,
      command: `kv buckets accept-loss ${lost}${nodeFlag}`,
    })
  }
  if (down !== '') {
    const owners = state.members.filter(({isDown, masters}) => isDown && masters > 0)
    const names = owners.map(memberName).join(', ')
    problems.push({
      kind: 'down',
      severity: 'outage',
      text: `The only copy of ${bucketText(down)} is on nodes that are down: ${names}. They wait for its return; if that will not be, their data is lost.`,
      buckets: down,
      command: `kv node remove ${shortId(owners[0]?.id ?? '')}${nodeFlag}`,
    })
  }
  const isUnderWay = state.isBalancing || state.moves.length > 0
  if (underReplicated !== '' && !isUnderWay) {
    problems.push({
      kind: 'under-replicated',
      severity: 'risk',
      text: `${bucketText(underReplicated)} have fewer than ${wantedCopies} copies, and none is being made.`,
      buckets: underReplicated,
      command: `kv buckets rebalance${nodeFlag}`,
    })
  }
  return problems
}

function memberProblems(state: ClusterState, {nodeFlag}: Asked): Problem[] {
  const problems: Problem[] = []
  for (const member of state.members) {
    if (member.isDown && member.masters === 0) {
      problems.push({
        kind: 'node-down',
        severity: 'risk',
        text: `${memberName(member)} is down. Start it again, or forget it.`,
        command: `kv node remove ${shortId(member.id)}${nodeFlag}`,
      })
    } else if (member.log === 'sync' && !member.isLogOn) {
      problems.push({
        kind: 'log-not-in-step',
        severity: 'risk',
        text: `The data log of ${memberName(member)} is not in step: writes are acknowledged without it.`,
        command: `kv node info ${addressOf(member)}${nodeFlag}`,
      })
    } else if (!member.isDown && !member.isConnected) {
      problems.push({
        kind: 'no-link',
        severity: 'risk',
        text: `The node that was asked has no connection with ${memberName(member)}.`,
        command: `kv node info ${addressOf(member)}${nodeFlag}`,
      })
    }
  }
  return problems
}

function redundancyProblems(state: ClusterState, {address}: Asked): Problem[] {
  const usable = state.members.filter(({isDown, isLeaving, isVoterOnly}) => !isDown && !isLeaving && !isVoterOnly)
  const wanted = state.replicas + 1
  if (usable.length >= wanted) return []
  const nodes = usable.length === 1 ? 'is 1 node' : `are ${usable.length} nodes`
  const text = `${wanted} copies of each bucket are wished for, but there ${nodes} to keep them.`
  return [
    {kind: 'too-few-nodes', severity: 'risk', text, command: `kv node start --port 0 --join ${formatAddress(address)}`},
  ]
}

/** `12 buckets (0-9,20-21)`. */
function bucketText(ranges: string): string {
  const count = countOf(ranges)
  return `${count === 1 ? 'bucket' : `${formatCount(count)} buckets`} (${shortRanges(ranges)})`
}

/** The first ranges, if there are many. */
export function shortRanges(ranges: string, charsMax = RANGES_CHARS_MAX): string {
  if (ranges.length <= charsMax) return ranges
  const kept = ranges
    .slice(0, charsMax + 1)
    .split(',')
    .slice(0, -1)
  const left = ranges.split(',').length - kept.length
  return `${kept.join(',')},+${formatCount(left)} more`
}

/** What a member says of itself, or why it says nothing. */
export interface Witness {
  readonly member: MemberState
  readonly state?: ClusterState
  readonly error?: KvError
}

/** Asks every member that is not down, all at once. Errors: none, they are part of the answer. */
export function askMembers(state: ClusterState, password: string | undefined): Promise<Witness[]> {
  const living = state.members.filter(({isDown}) => !isDown)
  return Promise.all(living.map((member) => askMember(member, password)))
}

async function askMember(member: MemberState, password: string | undefined): Promise<Witness> {
  let connection: Connection | undefined
  try {
    const options = {password, connectTimeoutMs: ASK_TIMEOUT_MS, replyTimeoutMs: ASK_TIMEOUT_MS}
    connection = await Connection.connect({host: member.host, port: member.port}, options)
    const reply = await connection.send(['CLUSTER', 'STATE'])
    if (isError(reply)) return {member, error: new KvError('E_REPLY', reply.text)}
    return {member, state: parseState(replyText(reply) ?? '', member)}
  } catch (error) {
    if (error instanceof KvError) return {member, error}
    throw error
  } finally {
    connection?.close()
  }
}

/** What the members' own words add: who cannot be reached from here, who belongs elsewhere, who sees another leader. */
export function disagreements(state: ClusterState, witnesses: readonly Witness[]): Problem[] {
  if (isAlone(state)) return []
  return witnesses.flatMap(({member, state: own, error}): Problem[] => {
    const name = memberName(member)
    const command = `kv cluster check --node ${addressOf(member)}`
    const risk = (kind: string, text: string): Problem => ({kind, severity: 'risk', text, command})
    if (error)
      return [risk('no-answer', `${name} does not answer here, though the cluster takes it to be up: ${error.message}`)]
    if (!own || own.self !== member.id) {
      return [risk('wrong-node', `At the address of ${name} another node answers.`)]
    }
    if (own.clusterId !== state.clusterId) return [risk('other-cluster', `${name} belongs to another cluster.`)]
    if (!own.isAdmitted) return [risk('not-admitted', `${name} serves nothing: it is not let in at the moment.`)]
    if (own.leader !== null && own.leader !== state.leader && own.term >= state.term) {
      const leader = memberById(own, own.leader)
      return [risk('other-leader', `${name} follows another leader, ${leader ? memberName(leader) : own.leader}.`)]
    }
    return own.hasLease ? [] : [risk('no-lease', `${name} has no lease from the leader: it answers no requests.`)]
  })
}
