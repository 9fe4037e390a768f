/**
 * What `kv top` knows, from one look to the next. Pure: a snapshot goes in, what can be shown comes out. Rates are what grew between two
 * looks; a counter that fell (CONFIG RESETSTAT, a node that was started anew) begins at zero. Events are what differs.
 */
import {addressOf, countOf, memberById, type ClusterState, type MemberState} from '../cluster-state.ts'
import {movesText, roleText} from '../cluster-report.ts'
import {keysOf} from '../node-figures.ts'
import {logLag} from '../node-report.ts'
import {formatCount} from '../units.ts'
import type {Durations, NodeWords, Snapshot} from './snapshot.ts'

const EVENTS_MAX = 100

export interface TopNode {
  readonly id: string
  readonly address: string
  readonly role: string
  /** `silent`: it does not answer here, though the cluster takes it to be up. */
  readonly status: 'up' | 'leaving' | 'down' | 'silent'
  readonly problem: string | null
  readonly masters: number
  readonly copies: number
  /** What a node that does not answer would have said is null, and so is a rate that needs a second look. */
  readonly opsPerSecond: number | null
  readonly p50Us: number | null
  readonly p99Us: number | null
  readonly memoryBytes: number | null
  readonly memoryMaxBytes: number | null
  readonly clients: number | null
  readonly keys: number | null
  /** Sent to its copies and not acknowledged yet. */
  readonly replicationLagBytes: number | null
  readonly logLagBytes: number | null
  readonly logLagSeconds: number | null
  readonly uptimeSeconds: number | null
  readonly version: string | null
  readonly commands: readonly CommandRate[]
}

export interface CommandRate {
  readonly command: string
  readonly callsPerSecond: number
  readonly usPerCall: number
}

export interface TopEvent {
  /** Unix ms. */
  readonly time: number
  readonly text: string
}

export interface TopModel {
  readonly snapshot: Snapshot
  /** The last one in which a node answered. */
  readonly state: ClusterState | null
  readonly nodes: readonly TopNode[]
  /** What is on its way, in words. */
  readonly moves: string
  /** The newest last. */
  readonly events: readonly TopEvent[]
}

export function nextModel(before: TopModel | null, snapshot: Snapshot): TopModel {
  const state = snapshot.state ?? before?.state ?? null
  const nodes = (state?.members ?? []).map((member) => nodeOf(state!, member, before, snapshot))
  const news = before === null ? [] : eventsBetween(before, {...snapshot, nodes}, state)
  const events = [...(before?.events ?? []), ...news.map((text) => ({time: snapshot.time, text}))].slice(-EVENTS_MAX)
  return {snapshot, state, nodes, moves: state === null ? '' : movesText(state), events}
}

function nodeOf(state: ClusterState, member: MemberState, before: TopModel | null, snapshot: Snapshot): TopNode {
  const words = snapshot.nodes.get(member.id) ?? snapshot.error ?? 'it was not asked'
  const base = {
    ...{id: member.id, address: addressOf(member), role: roleText(state, member)},
    ...{masters: member.masters, copies: member.copies},
  }
  if (typeof words === 'string') {
    const status = member.isDown ? 'down' : 'silent'
    return {...base, status, problem: member.isDown ? null : words, ...UNKNOWN}
  }
  const earlier = before?.snapshot.nodes.get(member.id)
  const last = earlier === undefined || typeof earlier === 'string' ? null : earlier
  const seconds = before === null ? 0 : Math.max(snapshot.atMs - before.snapshot.atMs, 1) / 1_000
  return {
    ...base,
    ...{status: member.isLeaving ? 'leaving' : 'up', problem: null},
    ...figuresOf(words),
    ...(last === null ? NO_RATES : ratesOf(last, words, seconds)),
  }
}

const NO_RATES = {opsPerSecond: null, p50Us: null, p99Us: null, commands: []} as const
const UNKNOWN = {
  ...NO_RATES,
  ...{memoryBytes: null, memoryMaxBytes: null, clients: null, keys: null, replicationLagBytes: null},
  ...{logLagBytes: null, logLagSeconds: null, uptimeSeconds: null, version: null},
} as const

function figuresOf({figures}: NodeWords) {
  const number = (name: string): number => Number(figures.get(name) ?? 0)
  return {
    memoryBytes: number('used_memory'),
    memoryMaxBytes: number('maxmemory'),
    clients: number('connected_clients'),
    keys: keysOf(figures),
    replicationLagBytes: number('kv_unacknowledged_bytes'),
    logLagBytes: logLag(figures, 'lag_bytes'),
    logLagSeconds: logLag(figures, 'lag_seconds'),
    uptimeSeconds: number('uptime_in_seconds'),
    version: figures.get('kv_version') ?? null,
  }
}

function ratesOf(last: NodeWords, words: NodeWords, seconds: number) {
  const total = ({figures}: NodeWords): number => Number(figures.get('total_commands_processed') ?? 0)
  const grown = new Map<number, number>()
  for (const [bound, count] of words.durations) {
    const more = growth(last.durations.get(bound) ?? 0, count)
    if (more > 0) grown.set(bound, more)
  }
  return {
    opsPerSecond: growth(total(last), total(words)) / seconds,
    p50Us: percentile(grown, 0.5),
    p99Us: percentile(grown, 0.99),
    commands: commandRates(last, words, seconds),
  }
}

function growth(before: number, now: number): number {
  return now >= before ? now - before : now
}

/** The bound that this share of the requests did not exceed; null without any. */
export function percentile(counts: Durations, share: number): number | null {
  const steps = [...counts].sort(([a], [b]) => a - b)
  const total = steps.reduce((sum, [, count]) => sum + count, 0)
  let seen = 0
  for (const [bound, count] of steps) {
    seen += count
    if (seen >= share * total) return bound
  }
  return null
}

/** The most called first. */
function commandRates(last: NodeWords, words: NodeWords, seconds: number): CommandRate[] {
  const stat = ({figures}: NodeWords, name: string, field: string): number =>
    Number(new RegExp(`(?:^|,)${field}=([\\d.]+)`).exec(figures.get(name) ?? '')?.[1] ?? 0)
  const rates: CommandRate[] = []
  for (const name of words.figures.keys()) {
    if (!name.startsWith('cmdstat_')) continue
    const calls = growth(stat(last, name, 'calls'), stat(words, name, 'calls'))
    const us = growth(stat(last, name, 'usec'), stat(words, name, 'usec'))
    if (calls === 0) continue
    const command = name.slice('cmdstat_'.length)
    rates.push({command, callsPerSecond: calls / seconds, usPerCall: us / calls})
  }
  return rates.sort((a, b) => b.callsPerSecond - a.callsPerSecond || a.command.localeCompare(b.command))
}

/** What happened to the cluster between two looks. */
function eventsBetween(
  before: TopModel,
  now: {readonly error: string | null; readonly nodes: readonly TopNode[]},
  state: ClusterState | null,
): string[] {
  const events: string[] = []
  if (now.error !== null && before.snapshot.error === null) events.push(`no node answers: ${now.error}`)
  if (now.error === null && before.snapshot.error !== null) events.push('the cluster answers again')
  if (now.error !== null) return events
  for (const node of now.nodes) {
    const was = before.nodes.find(({id}) => id === node.id)
    if (!was) events.push(`${node.address} joined`)
    else if (was.status !== node.status && before.snapshot.error === null) events.push(statusEvent(node))
    const moved = was ? node.masters - was.masters : 0
    if (moved !== 0) events.push(movedEvent(node.address, moved))
  }
  for (const {id, address} of before.nodes)
    if (!now.nodes.some((node) => node.id === id)) events.push(`${address} left`)
  return [...events, ...mapEvents(before.state, state)]
}

function statusEvent({address, status}: TopNode): string {
  const words = {up: 'is up', leaving: 'is leaving', down: 'failed: it is down', silent: 'does not answer'} as const
  return `${address} ${words[status]}`
}

function movedEvent(address: string, moved: number): string {
  const count = Math.abs(moved)
  return `${address} is master of ${formatCount(count)} ${moved > 0 ? 'more' : 'fewer'} bucket${count === 1 ? '' : 's'}`
}

function mapEvents(before: ClusterState | null, now: ClusterState | null): string[] {
  const events: string[] = []
  if (!before || !now) return events
  if (before.leader !== now.leader) {
    const leader = memberById(now, now.leader)
    events.push(leader ? `${addressOf(leader)} leads` : 'there is no leader')
  }
  const away = (state: ClusterState): number => countOf(state.lost) + countOf(state.down)
  if (away(now) > away(before)) events.push(`${formatCount(away(now))} buckets are not served`)
  if (away(now) === 0 && away(before) > 0) events.push('all buckets are served again')
  return events
}
