/** What a run is told as: a table for a person, an object with stable names for a program. */
import type {ChalkInstance} from 'chalk'
import {formatAddress} from '../../base/address.ts'
import {renderTable, type Column} from '../table.ts'
import {formatCount} from '../units.ts'
import type {BenchOutcome, BenchPlan, BenchProgress} from './bench.ts'
import type {Latency} from './stats.ts'

export interface BenchReport {
  readonly node: string
  readonly masters: number
  readonly mix: Readonly<Record<string, number>>
  readonly clients: number
  readonly pipeline: number
  readonly valueBytes: number
  readonly keys: number
  /** Requests per second that were asked for; null = as fast as it goes. */
  readonly rate: number | null
  readonly elapsedMs: number
  readonly requests: number
  readonly requestsPerSecond: number
  readonly misses: number
  readonly errors: number
  readonly errorsByWord: Readonly<Record<string, number>>
  /** Requests without a reply: their connection ended, or the run. */
  readonly lost: number
  readonly latencyMs: Latency
  readonly operations: Readonly<Record<string, {readonly requests: number; readonly latencyMs: Latency}>>
}

export function benchReport(plan: BenchPlan, outcome: BenchOutcome): BenchReport {
  const {stats} = outcome
  const operations = plan.mix.map(({name}, index) => {
    const {replies, latency} = stats.of(index)
    return [name, {requests: replies, latencyMs: latency}] as const
  })
  return {
    node: formatAddress(plan.node),
    masters: outcome.masters,
    mix: Object.fromEntries(plan.mix.map(({name, weight}) => [name, weight])),
    clients: outcome.clients,
    pipeline: plan.pipeline,
    valueBytes: plan.valueBytes,
    keys: plan.space.size,
    rate: plan.ratePerSecond ?? null,
    elapsedMs: Math.round(outcome.elapsedMs),
    requests: stats.replies,
    requestsPerSecond: Math.round((stats.replies / outcome.elapsedMs) * 1_000),
    misses: stats.misses,
    errors: stats.errorCount,
    errorsByWord: Object.fromEntries(stats.errors),
    lost: stats.lost,
    latencyMs: stats.overall(),
    operations: Object.fromEntries(operations),
  }
}

const COLUMNS: readonly Column[] = [
  {title: 'OPERATION'},
  ...['REQUESTS', 'PER SECOND', 'P50', 'P90', 'P99', 'P99.9', 'MAX'].map((title) => ({title, align: 'right' as const})),
]

export function benchTable(report: BenchReport, style: ChalkInstance): string {
  const seconds = report.elapsedMs / 1_000
  const row = (name: string, requests: number, {p50, p90, p99, p999, max}: Latency): string[] => {
    const times = [p50, p90, p99, p999, max].map((ms) => formatMs(ms))
    return [name, formatCount(requests), formatCount(seconds > 0 ? requests / seconds : 0), ...times]
  }
  const entries = Object.entries(report.operations)
  const rows = entries.map(([name, {requests, latencyMs}]) => row(name, requests, latencyMs))
  if (entries.length > 1) rows.push(row('all', report.requests, report.latencyMs))
  return `${renderTable(COLUMNS, rows, style.bold)}\n\n${style.dim(conditions(report))}`
}

function conditions(report: BenchReport): string {
  const pace = report.rate === null ? `pipeline ${report.pipeline}` : `${formatCount(report.rate)} requests/s asked for`
  const facts = [
    `${(report.elapsedMs / 1_000).toFixed(1)} s`,
    `${report.clients} clients`,
    pace,
    `${formatCount(report.keys)} keys`,
    `values of ${formatCount(report.valueBytes)} bytes`,
    'latencies in ms',
  ]
  if (report.misses > 0) facts.push(`${formatCount(report.misses)} reads found nothing`)
  return facts.join(', ')
}

/** Why the numbers are not the whole story; undefined if they are. */
export function benchTrouble(report: BenchReport, firstError: string | undefined): string | undefined {
  const parts: string[] = []
  if (report.errors > 0) parts.push(`${formatCount(report.errors)} error replies (the first: ${firstError})`)
  if (report.lost > 0) parts.push(`${formatCount(report.lost)} requests without a reply`)
  return parts.length === 0 ? undefined : parts.join(', ')
}

/** One line while it runs. */
export function progressLine({phase, elapsedMs, stats, total}: BenchProgress): string {
  const perSecond = formatCount((stats.replies / Math.max(1, elapsedMs)) * 1_000)
  const share = Number.isFinite(total) ? ` ${Math.floor((100 * stats.replies) / Math.max(1, total))}%` : ''
  if (phase === 'load') return `Loading keys${share}, ${perSecond}/s`
  const trouble = stats.errorCount + stats.lost
  const errors = trouble > 0 ? `, ${formatCount(trouble)} failed` : ''
  const p99 = formatMs(stats.overall().p99)
  return `${(elapsedMs / 1_000).toFixed(1)} s${share}  ${perSecond} requests/s  p99 ${p99} ms${errors}`
}

function formatMs(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(3)
}
