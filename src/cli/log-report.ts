/** A data log as tables and lines for people: its segments, and what is wrong with it. */
import type {ChalkInstance} from 'chalk'
import {renderTable, type Column} from './table.ts'
import {counted, formatBytes, formatCount} from './units.ts'
import type {SegmentInfo} from '../datalog/log-list.ts'
import type {LogFinding, LogReport} from '../datalog/log-verify.ts'

const COLUMNS: readonly Column[] = [
  {title: 'SEGMENT', align: 'right'},
  {title: 'SIZE', align: 'right'},
  {title: 'FROM'},
  {title: 'TO'},
  {title: 'RECORDS', align: 'right'},
  {title: 'IMAGES', align: 'right'},
  {title: 'GAPS', align: 'right'},
  {title: 'STATE'},
]

/** One line for each segment. */
export function segmentTable(segments: readonly SegmentInfo[], style: ChalkInstance): string {
  const rows = segments.map(({number, bytes, from, to, records, images, gaps, state}) => [
    String(number),
    formatBytes(bytes),
    formatTime(from),
    formatTime(to),
    formatCount(records),
    formatCount(images),
    gaps > 0 ? style.yellow(formatCount(gaps)) : '0',
    state === 'damaged' ? style.red(state) : state,
  ])
  return renderTable(COLUMNS, rows, style.bold)
}

/** Sums over all segments. */
export function totalsOf(segments: readonly SegmentInfo[]): {
  readonly segments: number
  readonly bytes: number
  readonly records: number
  readonly images: number
  readonly gaps: number
} {
  const sum = (key: 'bytes' | 'records' | 'images' | 'gaps'): number =>
    segments.reduce((total, segment) => total + segment[key], 0)
  return {
    segments: segments.length,
    bytes: sum('bytes'),
    records: sum('records'),
    images: sum('images'),
    gaps: sum('gaps'),
  }
}

/** `3 segments, 1.2 MB, 5,000 records, 16,384 images, no gaps`. */
export function totalsLine(totals: ReturnType<typeof totalsOf>): string {
  const {segments, bytes, records, images, gaps} = totals
  return [
    counted(segments, 'segment'),
    formatBytes(bytes),
    counted(records, 'record'),
    counted(images, 'image'),
    gaps === 0 ? 'no gaps' : counted(gaps, 'gap'),
  ].join(', ')
}

/** What `kv log verify` found: lines for a person. */
export function reportLines({isOk, findings, findingCount, torn, totals}: LogReport, style: ChalkInstance): string {
  const lines = findings.map((finding) => findingLine(finding, style))
  const untold = findingCount - findings.length
  if (untold > 0) lines.push(`... and ${formatCount(untold)} more`)
  if (torn !== null) {
    lines.push(
      `${torn.file} ends at byte ${torn.offset} with an entry that is not finished: being written, or cut by a crash.`,
    )
  }
  const verdict = isOk ? style.green('The log is whole') : style.red(counted(findingCount, 'finding'))
  lines.push(`${verdict}: ${totalsLine(totals)}.`)
  return lines.join('\n')
}

function findingLine({file, offset, end, words, bucket, missing}: LogFinding, style: ChalkInstance): string {
  const bytes = end === undefined || end === offset ? `byte ${offset}` : `bytes ${offset} to ${end - 1}`
  const where = `${file}, ${bytes}:`
  if (bucket === undefined) return `${style.red(where)} ${words}`
  const lost =
    missing && ` (missing: ${missing.first.epoch}.${missing.first.seq} to ${missing.last.epoch}.${missing.last.seq})`
  return `${style.red(where)} bucket ${bucket}: ${words}${lost ?? ''}`
}

/** `2026-11-22 14:03:09Z`; - for a segment that has nothing. */
function formatTime(unixMs: number): string {
  if (unixMs === 0) return '-'
  return new Date(unixMs).toISOString().replace('T', ' ').replace(/\.\d+/, '')
}
