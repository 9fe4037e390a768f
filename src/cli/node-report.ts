/** Nodes as tables, lists of facts, and documents. */
import type {ChalkInstance} from 'chalk'
import {formatAddress} from '../base/address.ts'
import {MEMBER_COLUMNS, memberCells, roleText} from './cluster-report.ts'
import {addressOf, memberById, memberName} from './cluster-state.ts'
import {keysOf, type Figures, type NodeRow} from './node-figures.ts'
import {renderTable, type Column} from './table.ts'
import {formatBytes, formatCount, formatUptime} from './units.ts'
import type {ClusterState, MemberState} from './cluster-state.ts'

const COLUMNS: readonly Column[] = [
  ...MEMBER_COLUMNS,
  {title: 'KEYS', align: 'right'},
  {title: 'MEMORY', align: 'right'},
  {title: 'CLIENTS', align: 'right'},
  {title: 'OPS/S', align: 'right'},
  {title: 'UP', align: 'right'},
]

export function nodesTable(state: ClusterState, rows: readonly NodeRow[], style: ChalkInstance): string {
  const cells = rows.map(({member, figures}) => [
    ...memberCells(state, member, style),
    ...(figures ? figureCells(figures) : ['-', '-', '-', '-', '-']),
  ])
  return renderTable(COLUMNS, cells, style.bold)
}

function figureCells(figures: Figures): string[] {
  return [
    formatCount(keysOf(figures)),
    formatBytes(numberOf(figures, 'used_memory')),
    formatCount(numberOf(figures, 'connected_clients')),
    formatCount(numberOf(figures, 'instantaneous_ops_per_sec')),
    formatUptime(numberOf(figures, 'uptime_in_seconds')),
  ]
}

function numberOf(figures: Figures, name: string): number {
  return Number(figures.get(name) ?? 0)
}

/** Stable names for programs; what a silent node would have said is null. */
export function nodeJson(state: ClusterState, {member, figures, error}: NodeRow): Record<string, unknown> {
  const {id, host, port, role, isVoter, isVoterOnly, isDown, isLeaving, masters, copies, syncing} = member
  const figure = (name: string): number | null => (figures ? numberOf(figures, name) : null)
  return {
    ...{id, host, port, address: addressOf(member), peerAddress: formatAddress(peerOf(member))},
    ...{role, isLeader: state.leader === id, isVoter, isVoterOnly, isDown, isLeaving, masters, copies, syncing},
    version: figures?.get('kv_version') ?? null,
    keys: figures ? keysOf(figures) : null,
    usedMemoryBytes: figure('used_memory'),
    clients: figure('connected_clients'),
    opsPerSecond: figure('instantaneous_ops_per_sec'),
    uptimeSeconds: figure('uptime_in_seconds'),
    unacknowledgedBytes: figure('kv_unacknowledged_bytes'),
    logLagBytes: figures ? logLag(figures, 'lag_bytes') : null,
    logLagSeconds: figures ? logLag(figures, 'lag_seconds') : null,
    slowlogEntries: figure('kv_slowlog_entries'),
    error: error ? {code: error.code, message: error.message} : null,
  }
}

function peerOf({peerHost, peerPort}: MemberState): {host: string; port: number} {
  return {host: peerHost, port: peerPort}
}

/** What a person wants to know of one node. */
export function nodeFacts(state: ClusterState, member: MemberState, figures: Figures): [string, string][] {
  const leader = memberById(state, state.leader)
  const max = numberOf(figures, 'maxmemory')
  const limit = max === 0 ? 'no limit' : `of ${formatBytes(max)}, ${figures.get('maxmemory_policy') ?? ''}`
  return [
    ['address', addressOf(member)],
    ['peers reach it', formatAddress(peerOf(member))],
    ['node id', member.id],
    ['version', `kv ${figures.get('kv_version') ?? '?'}, process ${figures.get('process_id') ?? '?'}`],
    ['up', formatUptime(numberOf(figures, 'uptime_in_seconds'))],
    ['role', roleText(state, member)],
    ['leader', leader ? memberName(leader) : '-'],
    ['buckets', `master of ${formatCount(member.masters)}, copies of ${formatCount(member.copies)}`],
    ['keys', formatCount(keysOf(figures))],
    ['memory', `${formatBytes(numberOf(figures, 'used_memory'))} (${limit})`],
    ['process', `${formatBytes(numberOf(figures, 'used_memory_rss'))} resident`],
    ['clients', formatCount(numberOf(figures, 'connected_clients'))],
    ['requests', `${formatCount(numberOf(figures, 'instantaneous_ops_per_sec'))} a second`],
    ['behind', lagText(figures)],
    ['slow log', slowlogText(numberOf(figures, 'kv_slowlog_entries'))],
    ['savefile', figures.get('rdb_last_bgsave_status') === 'err' ? 'the last save failed' : 'ok'],
  ]
}

/** The worst of the data logs that follow this node; null: none does. */
export function logLag(figures: Figures, field: 'lag_bytes' | 'lag_seconds'): number | null {
  const logs = [...figures].filter(([name]) => /^log\d+$/.test(name))
  const lags = logs.map(([, text]) => Number(new RegExp(`${field}=([\\d.]+)`).exec(text)?.[1] ?? 0))
  return lags.length === 0 ? null : Math.max(...lags)
}

function lagText(figures: Figures): string {
  const copies = `copies ${formatBytes(numberOf(figures, 'kv_unacknowledged_bytes'))}`
  const bytes = logLag(figures, 'lag_bytes')
  if (bytes === null) return copies
  return `${copies}, data log ${formatBytes(bytes)} (${logLag(figures, 'lag_seconds')!.toFixed(1)} s)`
}

function slowlogText(count: number): string {
  return count === 0 ? 'empty' : `${formatCount(count)} entries: SLOWLOG GET shows them`
}

/** Names and values in two columns. */
export function factLines(facts: readonly (readonly [string, string])[], style: ChalkInstance): string {
  const width = Math.max(...facts.map(([name]) => name.length))
  return facts.map(([name, value]) => `${style.dim(name.padEnd(width))}  ${value}`).join('\n')
}
