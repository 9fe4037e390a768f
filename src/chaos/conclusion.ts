/** What a person is told at the end: the verdict, why, what was done and looked at, and where the rest is. */
import type {ChalkInstance} from 'chalk'
import {operationCount} from '../checker/totals.ts'
import {renderTable} from '../cli/table.ts'
import {formatCount} from '../cli/units.ts'
import type {FaultRecord} from './driver.ts'
import type {Check, RunRecord, Verdict} from './run-record.ts'

const REASONS_MAX = 5
const REASON_CHARS = 240

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
    ...reasons.slice(0, REASONS_MAX).map((reason) => `  ${clip(reason)}`),
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
export function summary({verdict, reasons, totals, faults, settings}: RunRecord): string {
  const violations = verdict === 'violation' ? reasons.length : 0
  const fired = faults.filter(({error}) => error === '').length + Number(settings['simulatedFaults'] ?? 0)
  const count = `${formatCount(violations)} violation${violations === 1 ? '' : 's'}`
  return `${count} in ${formatCount(operationCount(totals))} checked operations under ${formatCount(fired)} faults`
}

/** The whole of it is in the report. */
function clip(text: string): string {
  return text.length > REASON_CHARS ? `${text.slice(0, REASON_CHARS)}...` : text
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
