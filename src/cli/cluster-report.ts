/** A cluster as tables and lines for people. The same facts as documents for programs are the state itself. */
import type {ChalkInstance} from 'chalk'
import {BUCKET_COUNT} from '../constants.ts'
import {formatBuckets} from '../base/bucket-ranges.ts'
import {shortRanges, type Problem} from './cluster-check.ts'
import {addressOf, countOf, isAlone, memberById, memberName, shortId} from './cluster-state.ts'
import {personalHint} from './shell.ts'
import {renderTable, type Column} from './table.ts'
import {formatBytes, formatCount} from './units.ts'
import type {ClusterState, MemberState, RebalancePlan} from './cluster-state.ts'

/** What every table of nodes begins with; `memberCells` fills them. */
export const MEMBER_COLUMNS: readonly Column[] = [
  {title: 'NODE'},
  {title: 'ADDRESS'},
  {title: 'ROLE'},
  {title: 'STATE'},
  {title: 'MASTERS', align: 'right'},
  {title: 'COPIES', align: 'right'},
]

/** `healthy`, or what it is instead. */
export function healthOf(problems: readonly Problem[]): 'healthy' | 'at risk' | 'unhealthy' {
  if (problems.length === 0) return 'healthy'
  return problems.some(({severity}) => severity === 'outage') ? 'unhealthy' : 'at risk'
}

/** The head of `kv cluster status`: names and values in two columns. */
export function summaryLines(state: ClusterState, problems: readonly Problem[], style: ChalkInstance): string {
  const health = healthOf(problems)
  const colour = {healthy: style.green, 'at risk': style.yellow, unhealthy: style.red}[health]
  const lost = countOf(state.lost) + countOf(state.down)
  const served = state.revision === 0 ? 0 : BUCKET_COUNT - lost
  const leader = memberById(state, state.leader)
  const facts: [string, string][] = [
    ['health', style.bold(colour(health))],
    ['cluster', isAlone(state) ? 'none: this node serves everything by itself' : state.clusterId],
    ['leader', isAlone(state) ? '-' : leader ? memberName(leader) : style.red('none')],
    ['map', `revision ${formatCount(state.revision)}, term ${formatCount(state.term)}`],
    ['buckets', `${formatCount(served)} of ${formatCount(BUCKET_COUNT)} served, ${copiesText(state)}`],
    ['under way', movesText(state)],
  ]
  return facts.map(([name, value]) => `${style.dim(name.padEnd(9))}  ${value}`).join('\n')
}

function copiesText({replicas, wantedCopies, underReplicated}: ClusterState): string {
  const wished = replicas + 1
  const copies = wantedCopies === 1 ? '1 copy' : `${wantedCopies} copies`
  const few = countOf(underReplicated)
  if (few > 0) return `${formatCount(few)} with fewer than ${copies}`
  return wantedCopies < wished ? `${copies} of each where ${wished} are wished for` : `${copies} of each`
}

/** What the map says is on its way. */
export function movesText({moves, isBalancing}: ClusterState): string {
  const count = (kind: string): number => moves.reduce((sum, move) => sum + (move.kind === kind ? move.count : 0), 0)
  const parts: string[] = []
  if (count('copy') > 0) parts.push(`${formatCount(count('copy'))} copies being made`)
  if (count('master') > 0) parts.push(`${formatCount(count('master'))} masters being handed over`)
  if (isBalancing) parts.push('balancing')
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}

/** One row for each member. */
export function membersTable(state: ClusterState, style: ChalkInstance): string {
  const rows = state.members.map((member) => [...memberCells(state, member, style), linkText(state, member)])
  return renderTable([...MEMBER_COLUMNS, {title: 'LINK'}], rows, style.bold)
}

export function memberCells(state: ClusterState, member: MemberState, style: ChalkInstance): string[] {
  return [
    shortId(member.id),
    addressOf(member),
    roleText(state, member),
    stateText(member, style),
    formatCount(member.masters),
    formatCount(member.copies),
  ]
}

/** Its part in the agreement, and whether it keeps data. */
export function roleText(state: ClusterState, {role, isVoterOnly, log, isLogOn}: MemberState): string {
  if (isAlone(state)) return 'alone'
  if (log !== undefined) return `${role}, log ${log}${log === 'sync' && !isLogOn ? ' (not in step)' : ''}`
  return isVoterOnly ? `${role}, no data` : role
}

export function stateText({isDown, isLeaving}: MemberState, style: ChalkInstance): string {
  if (isDown) return style.red('down')
  return isLeaving ? style.yellow('leaving') : style.green('up')
}

function linkText({self}: ClusterState, {id, isConnected, unackedBytes}: MemberState): string {
  if (id === self) return 'asked'
  if (!isConnected) return 'none'
  return unackedBytes === 0 ? 'ok' : `${formatBytes(unackedBytes)} behind`
}

/** Numbered, each with its command on a line of its own. */
export function problemLines(problems: readonly Problem[], style: ChalkInstance): string {
  return problems
    .map(({severity, text, command}, i) => {
      const colour = severity === 'outage' ? style.red : style.yellow
      const pad = ' '.repeat(`${i + 1}. `.length)
      return `${colour(`${i + 1}.`)} ${text}\n${pad}${style.bold(shownCommand(command))}`
    })
    .join('\n')
}

/** The command as this reader can paste it. */
export function shownCommand(command: string): string {
  return personalHint(`\`${command}`).slice(1)
}

/** Which buckets each member is master of. */
export function bucketsByNode(state: ClusterState): {member: MemberState; masters: string; replicas: string}[] {
  return state.members.map((member) => {
    const masters: number[] = []
    const replicas: number[] = []
    for (const [first, last, master, others] of state.ranges) {
      const list = master === member.slot ? masters : others.includes(member.slot) ? replicas : undefined
      for (let bucket = first; list && bucket <= last; bucket++) list.push(bucket)
    }
    return {member, masters: formatBuckets(masters), replicas: formatBuckets(replicas)}
  })
}

/** One row for each node, long lists of ranges cut. */
export function bucketsTable(state: ClusterState, style: ChalkInstance): string {
  const rows = bucketsByNode(state).map(({member, masters}) => [
    shortId(member.id),
    addressOf(member),
    formatCount(member.masters),
    formatCount(member.copies),
    shortRanges(masters) || '-',
  ])
  const lost = countOf(state.lost)
  if (lost > 0) rows.push(['-', style.red('lost'), formatCount(lost), '0', shortRanges(state.lost)])
  const columns: readonly Column[] = [
    {title: 'NODE'},
    {title: 'ADDRESS'},
    {title: 'MASTERS', align: 'right'},
    {title: 'COPIES', align: 'right'},
    {title: 'MASTER OF'},
  ]
  return renderTable(columns, rows, style.bold)
}

/** One row for each range with the same master and replicas. */
export function rangesTable(state: ClusterState, style: ChalkInstance): string {
  const name = (slot: number): string => {
    const member = state.members.find((one) => one.slot === slot)
    return member ? addressOf(member) : style.red('lost')
  }
  const rows = state.ranges.map(([first, last, master, replicas]) => [
    first === last ? `${first}` : `${first}-${last}`,
    formatCount(last - first + 1),
    name(master),
    replicas.map(name).join(' ') || '-',
  ])
  const columns: readonly Column[] = [
    {title: 'BUCKETS'},
    {title: 'COUNT', align: 'right'},
    {title: 'MASTER'},
    {title: 'REPLICAS'},
  ]
  return renderTable(columns, rows, style.bold)
}

const MOVE_WORDS = {master: 'hand over', copy: 'copy', drop: 'drop'} as const

/** What a rebalance would do, and what each node would have then. */
export function planTables(state: ClusterState, {moves, members}: RebalancePlan, style: ChalkInstance): string {
  if (moves.length === 0) return 'Everything is in balance: nothing would move.'
  const name = (id: string | null): string => {
    const member = memberById(state, id)
    return member ? addressOf(member) : '-'
  }
  const steps = moves.map(({kind, from, to, count, buckets}) => [
    MOVE_WORDS[kind],
    name(from),
    name(to),
    formatCount(count),
    shortRanges(buckets),
  ])
  const columns: readonly Column[] = [
    {title: 'DO'},
    {title: 'FROM'},
    {title: 'TO'},
    {title: 'COUNT', align: 'right'},
    {title: 'BUCKETS'},
  ]
  const ends = members.map(({id, masters, copies}) => {
    const now = memberById(state, id)
    return [name(id), change(now?.masters ?? 0, masters), change(now?.copies ?? 0, copies)]
  })
  const endColumns: readonly Column[] = [
    {title: 'NODE'},
    {title: 'MASTERS', align: 'right'},
    {title: 'COPIES', align: 'right'},
  ]
  return `${renderTable(columns, steps, style.bold)}\n\n${renderTable(endColumns, ends, style.bold)}`
}

function change(before: number, after: number): string {
  return before === after ? formatCount(after) : `${formatCount(before)} -> ${formatCount(after)}`
}
