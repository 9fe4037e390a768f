/** What a person is told at the end: the verdict, why, what was done and looked at, and where the rest is. */
import type {ChalkInstance} from 'chalk'
import {operationCount} from '../checker/totals.ts'
import {renderTable} from '../cli/table.ts'
import {formatCount} from '../cli/units.ts'
import type {FaultRecord} from './driver.ts'
import type {Check, RunRecord, Verdict} from './run-record.ts'

const REASONS_MAX = 5

const HEADLINES: Readonly<Record<Verdict, string>> = {
  pass: 'PASS',
  violation: 'VIOLATION',
  void: 'VOID: this run proves nothing',
}

export function conclusionLines(record: RunRecord, files: readonly string[], style: ChalkInstance): string[] {
  const {verdict, reasons, checks, command} = record
  const colour = {pass: style.green, violation: style.red, void: style.yellow}[verdict]
  const rest = reasons.length > REASONS_MAX ? [`  and ${reasons.length - REASONS_MAX} more`] : []
  return [
    '',
    `${colour.bold(HEADLINES[verdict])}  ${summary(record)}`,
    ...reasons.slice(0, REASONS_MAX).map((reason) => `  ${reason}`),
    ...rest,
    '',
    ...checks.map((check) => checkLine(check, style)),
    '',
    ...faultTable(record, style),
    ...(verdict === 'pass' ? [] : [`Again: ${command}`]),
    ...files.map((file) => `Report: ${file}`),
  ]
}

/** `0 violations in 12,345 checked operations under 7 faults`. */
export function summary({findings, totals, faults}: Pick<RunRecord, 'findings' | 'totals' | 'faults'>): string {
  const operations = operationCount(totals)
  const fired = faults.filter(({error}) => error === '').length
  return `${findings.length} wrong histories in ${formatCount(operations)} checked operations under ${formatCount(fired)} faults`
}

function checkLine({what, result, detail}: Check, style: ChalkInstance): string {
  const mark = {ok: style.green('ok     '), wrong: style.red('WRONG  '), skipped: style.yellow('skipped')}[result]
  return `  ${mark}  ${what}${detail === '' ? '' : `: ${detail}`}`
}

/** Per kind: how often, and how long the worst key was away. */
function faultTable({faults, outages}: RunRecord, style: ChalkInstance): string[] {
  const byKind = Map.groupBy(faults, ({kind}) => kind)
  if (byKind.size === 0) return []
  const rows = [...byKind].map(([kind, records]: readonly [string, readonly FaultRecord[]]) => {
    const times = outages
      .filter(({during}) => during.some((other) => other === kind))
      .map(({beganMs, endedMs}) => endedMs - beganMs)
      .sort((a, b) => a - b)
    const failed = records.filter(({error}) => error !== '').length
    return [kind, String(records.length - failed), String(failed), ms(times[times.length >> 1]), ms(times.at(-1))]
  })
  const columns = [
    {title: 'FAULT'},
    {title: 'FIRED', align: 'right'},
    {title: 'FAILED', align: 'right'},
    {title: 'AWAY, MEDIAN', align: 'right'},
    {title: 'WORST', align: 'right'},
  ] as const
  return [renderTable(columns, rows, style.bold), '']
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : `${formatCount(value)} ms`
}
