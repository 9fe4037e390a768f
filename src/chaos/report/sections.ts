/** What stands below the head: charts with the faults behind them, tables, findings, and the lists for whoever wants to know exactly. */
import {chart, lanes} from './chart.ts'
import {faultFigures, GROUP_NAMES, groupOf, PHASES} from './fault-figures.ts'
import {clock, count, duration, plural} from './figures.ts'
import {RULE_NAMES, ruleText} from './head.ts'
import {markup} from './markup.ts'
import {describe, isOpen, timeline} from './timeline.ts'
import type {Finding, Operation} from '../../checker/history.ts'
import type {FaultRecord} from '../driver.ts'
import type {RunRecord} from '../run-record.ts'
import type {Band} from './chart.ts'
import type {FaultFigures, FaultGroup} from './fault-figures.ts'
import type {Markup} from './markup.ts'

function groupClass(group: FaultGroup): string {
  return `g-${group.replace(' ', '')}`
}

function bandOf({kind, beganMs, endedMs, note}: FaultRecord, durationMs: number): Band {
  const toMs = endedMs ?? durationMs
  const title = `${kind} at ${clock(beganMs)} for ${duration(toMs - beganMs)}: ${note}`
  return {fromMs: beganMs, toMs, style: groupClass(groupOf(kind)), title}
}

/** Faults that are drawn behind the lines. */
const BANDS_MAX = 120

export function overTime(record: RunRecord): Markup {
  const {samples, durationMs} = record
  if (samples.length === 0) return markup`<h2>Over time</h2><p class="note">No second of the run was sampled.</p>`
  const faults = record.faults.filter(({error}) => error === '')
  // Of a run of hours they would be one grey surface; the rows below show them all the same.
  const bands = faults.length > BANDS_MAX ? [] : faults.map((fault) => bandOf(fault, durationMs))
  const groups = GROUP_NAMES.filter((name) => faults.some(({kind}) => groupOf(kind) === name))
  const rows = groups.map((name) => {
    return {name, bands: faults.filter(({kind}) => groupOf(kind) === name).map((fault) => bandOf(fault, durationMs))}
  })
  const rates = chart({
    label: 'Operations per second',
    height: 220,
    durationMs,
    bands,
    format: count,
    series: [
      {name: 'ok', style: 'blue', join: 'mean', isFilled: true, points: samples.map(({atMs, ok}) => [atMs, ok])},
      {name: 'failed', style: 'orange', join: 'mean', points: samples.map(({atMs, failed}) => [atMs, failed])},
      {name: 'unknown', style: 'red', join: 'mean', points: samples.map(({atMs, unknown}) => [atMs, unknown])},
    ],
  })
  return markup`<h2>Over time</h2>
<section class="panel"><h3>Operations per second</h3>
${legend(['blue', 'ok'], ['orange', 'failed: certainly not applied'], ['red', 'unknown: no answer'])}
<div class="scroll">${rates}</div>
<h3>Latency</h3>
${legend(['blue', 'median'], ['orange', '99th percentile'], ['grey', 'longest'])}
<div class="scroll">${latencyChart(record, bands)}</div>
<h3>Faults</h3>
${legend(...groups.map((name): [string, string] => [groupClass(name), name]))}
<div class="scroll">${lanes(rows, durationMs)}</div></section>`
}

function latencyChart({samples, durationMs}: RunRecord, bands: readonly Band[]): Markup {
  return chart({
    label: 'Latency of what was answered',
    height: 200,
    durationMs,
    bands,
    isLog: true,
    format: duration,
    series: [
      {name: 'longest', style: 'grey', join: 'max', points: samples.map(({atMs, maxMs}) => [atMs, maxMs])},
      {name: '99th percentile', style: 'orange', join: 'max', points: samples.map(({atMs, p99Ms}) => [atMs, p99Ms])},
      {name: 'median', style: 'blue', join: 'mean', points: samples.map(({atMs, p50Ms}) => [atMs, p50Ms])},
    ],
  })
}

function legend(...entries: readonly (readonly [style: string, text: string])[]): Markup {
  return markup`<div class="legend">${entries.map(([style, text]) => markup`<span><i class="dot ${style}"></i>${text}</span>`)}</div>`
}

export function faultTables(record: RunRecord): Markup {
  const figures = faultFigures(record)
  if (figures.length === 0) return markup`<h2>Faults</h2><p class="note">No fault was made.</p>`
  return markup`<h2>Faults</h2>
<p class="note">Unavailability: the longest time in which no operation on some key succeeded, in a fault or within 5 s of its end. Of faults at the same time each is given the whole.</p>
<div class="columns">
<section class="panel"><h3>What each cost</h3><div class="scroll"><table>
<tr><th>fault</th><th class="number">fired</th><th class="number">in vain</th><th class="number">median</th><th class="number">worst</th></tr>
${figures.map(costRow)}
</table></div></section>
<section class="panel"><h3>What else was under way</h3><div class="scroll"><table class="cover">
<tr><th>fault</th>${PHASES.map((phase) => markup`<th class="number">${phase}</th>`)}</tr>
${figures.map((one) => coverRow(one, Math.max(1, ...figures.flatMap(({phases}) => Object.values(phases)))))}
</table></div></section>
</div>`
}

function costRow({kind, fired, inVain, medianOutageMs, worstOutageMs}: FaultFigures): Markup {
  return markup`<tr><td class="name"><i class="dot ${groupClass(groupOf(kind))}"></i>${kind}</td>
<td class="number ${fired === 0 ? 'wrong-text' : ''}">${fired}</td><td class="number soft">${inVain === 0 ? '' : inVain}</td>
<td class="number">${outage(medianOutageMs)}</td><td class="number">${outage(worstOutageMs)}</td></tr>`
}

function outage(ms: number): Markup {
  return ms === 0 ? markup`<span class="soft">none</span>` : markup`${duration(ms)}`
}

function coverRow({kind, phases}: FaultFigures, most: number): Markup {
  return markup`<tr><td class="name">${kind}</td>${PHASES.map((phase) => {
    const times = phases[phase]
    if (times === 0) return markup`<td class="number none">\u00b7</td>`
    return markup`<td class="number some" style="--share:${(times / most).toFixed(2)}">${times}</td>`
  })}</tr>`
}

export function operations({totals}: RunRecord): Markup {
  const all = totals.ok + totals.failed + totals.unknown
  const share = (value: number): string =>
    all === 0 ? '' : `${((100 * value) / all).toFixed(value === all ? 0 : 2)} %`
  const fates: [string, number][] = [
    ['ok', totals.ok],
    ['failed: certainly not applied', totals.failed],
    ['unknown: no answer', totals.unknown],
  ]
  return markup`<section class="panel"><h3>Operations</h3><div class="scroll"><table>
<tr><th>rule</th><th class="number">operations</th><th></th></tr>
${RULE_NAMES.map((rule) => markup`<tr><td>${ruleText(rule)}</td><td class="number">${count(totals.operations[rule])}</td><td></td></tr>`)}
<tr><th>outcome</th><th></th><th></th></tr>
${fates.map(([name, value]) => markup`<tr><td>${name}</td><td class="number">${count(value)}</td><td class="number soft">${share(value)}</td></tr>`)}
<tr><td>reads that were answered</td><td class="number">${count(totals.reads)}</td><td></td></tr>
</table></div></section>`
}

export function memory({memory: points, durationMs}: RunRecord): Markup | null {
  if (points.length < 2) return null
  const series = [
    {
      name: 'tester',
      style: 'blue',
      join: 'mean' as const,
      isFilled: true,
      points: points.map(([mb, atMs]) => [atMs, mb] as const),
    },
  ]
  const drawn = chart({
    label: "The tester's memory",
    height: 180,
    isHalf: true,
    durationMs,
    bands: [],
    series,
    format: (mb) => `${count(mb)} MB`,
  })
  return markup`<section class="panel"><h3>The tester's own memory</h3><div class="scroll">${drawn}</div></section>`
}

/** More findings than this are in report.json only: nobody looks at so many pictures. */
const FINDINGS_SHOWN_MAX = 50

export function findings({findings: all, totals}: RunRecord): Markup | null {
  if (all.length === 0) return null
  const shown = all.slice(0, FINDINGS_SHOWN_MAX)
  const rest = totals.findings - shown.length
  const more =
    rest > 0 ? markup`<p class="note">${plural(rest, 'more violation')} on other keys: see report.json.</p>` : null
  return markup`<h2>Violations</h2>
<p class="note">Beginnings and ends are drawn in their order, equally far apart. Red: what contradicts each other; blue: writes; grey: reads; pale to the right edge: nobody knows whether it happened; dashed: it certainly did not.</p>
${shown.map(findingPanel)}
${more}`
}

function findingPanel(finding: Finding): Markup {
  const {rule, key, reason, operations: all, culprits = []} = finding
  const rows = all.map((operation, i) => operationRow(operation, culprits.includes(i)))
  return markup`<article class="panel finding"><h3>${key}: ${reason}</h3><p class="note">${ruleText(rule)}</p>
${timeline(finding)}
<details><summary>${plural(all.length, 'operation')} as a table</summary><div class="scroll"><table>
<tr><th class="number">began</th><th class="number">took</th><th>client</th><th>node</th><th>what</th><th>outcome</th><th class="number">stamps</th></tr>
${rows}
</table></div></details></article>`
}

function operationRow(operation: Operation, isCulprit: boolean): Markup {
  const {start, end, startMs, endMs, client, node, hasFailed} = operation
  const began = startMs === undefined ? '' : `${(startMs / 1_000).toFixed(3)} s`
  const took = startMs === undefined || endMs === undefined || isOpen(endMs) ? '' : duration(endMs - startMs)
  const outcome = hasFailed ? 'failed' : isOpen(end) ? 'unknown' : 'ok'
  return markup`<tr><td class="number">${began}</td><td class="number">${took}</td><td>${client ?? ''}</td><td>${node ?? ''}</td>
<td class="${isCulprit ? 'wrong-text' : ''}">${describe(operation)}</td><td>${outcome}</td><td class="number soft">${start}\u2013${isOpen(end) ? '' : end}</td></tr>`
}

export function logs({events, faults, durationMs}: RunRecord): Markup {
  const faultRows = faults.map(({kind, beganMs, endedMs, note, error, places}) => {
    const took = endedMs === null ? 'to the end' : duration(endedMs - beganMs)
    const remark = error === '' ? markup`${note}` : markup`${note} <span class="wrong-text">${error}</span>`
    return markup`<tr><td class="number">${clock(beganMs)}</td><td class="number">${took}</td><td class="name"><i class="dot ${groupClass(groupOf(kind))}"></i>${kind}</td><td>${places.join(', ')}</td><td>${remark}</td></tr>`
  })
  const eventRows = events.map(
    ({atMs, text}) => markup`<tr><td class="number">${clock(atMs)}</td><td>${text}</td></tr>`,
  )
  return markup`<h2>All that happened</h2>
<details class="panel"><summary>${plural(faults.length, 'fault')} in ${duration(durationMs)}</summary><div class="tall"><table>
<tr><th class="number">at</th><th class="number">for</th><th>fault</th><th>where</th><th>note</th></tr>
${faultRows}</table></div></details>
<details class="panel"><summary>${plural(events.length, 'event')}</summary><div class="tall"><table>
<tr><th class="number">at</th><th>what</th></tr>
${eventRows}</table></div></details>`
}
