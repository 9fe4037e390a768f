/** The top of the report: the verdict in words that claim no more than was run, how to run it again, what was checked and what was not. */
import {count, duration, plural} from './figures.ts'
import {markup} from './markup.ts'
import type {Rule} from '../../checker/history.ts'
import type {Check, RunRecord} from '../run-record.ts'
import type {Markup} from './markup.ts'

/** What the checker looks at, for people. */
const RULES: Readonly<Record<Rule, {readonly what: string; readonly claim: string}>> = {
  register: {
    what: 'registers, fields of maps, compare-and-set',
    claim: 'linearizable; each value is replaced by at most one compare-and-set',
  },
  ledger: {what: 'ledger: keys written once', claim: 'still there whenever they were read'},
  cell: {what: 'keys that are deleted and expire', claim: 'linearizable, nothing comes back'},
  counter: {what: 'counters', claim: 'each increment counted once, no number twice'},
  pair: {what: 'transactions over two keys', claim: 'seen whole or not at all'},
}
export const RULE_NAMES = Object.keys(RULES) as readonly Rule[]

export function ruleText(rule: Rule): string {
  return RULES[rule].what
}

/** All operations that the checker was given. */
export function checkedCount({totals}: RunRecord): number {
  return RULE_NAMES.reduce((sum, rule) => sum + totals.operations[rule], 0)
}

export function firedCount({faults}: RunRecord): number {
  return faults.filter(({error}) => error === '').length
}

export function head(record: RunRecord): Markup {
  const {verdict, reasons, totals, settings, checks} = record
  const faults = firedCount(record)
  const wrong = checks.filter(({result}) => result === 'wrong').length
  const title = `${plural(totals.findings, 'violation')} in ${count(checkedCount(record))} checked operations under ${plural(faults, 'fault')}`
  const asked = Object.entries(settings).map(([name, value]) => `${name} ${String(value)}`)
  return markup`<header>
<span class="verdict ${verdict}">${verdict}</span>
<h1>${title}${wrong === 0 ? '' : `, ${plural(wrong, 'check')} wrong at the end`}</h1>
<p class="soft">${record.systemVersion} tested by kv ${record.kvVersion} for ${duration(record.durationMs)}, begun ${startText(record.startedAt)}. ${record.machine}. Seed ${record.seed}.</p>
${reasonList(verdict, reasons)}
<p class="note">To run it again:</p>
<pre>${record.command}</pre>
<p class="note">As it was set: ${asked.join(', ')}</p>
</header>
${cards(record)}`
}

/** 2026-11-23 01:30 UTC */
function startText(startedAt: string): string {
  return startedAt.replace(/^(\S+)T(\d\d:\d\d)\S*Z$/, '$1 $2 UTC')
}

function reasonList(verdict: string, reasons: readonly string[]): Markup | null {
  if (reasons.length === 0) return null
  return markup`<div class="reasons ${verdict}"><ul>${reasons.map((reason) => markup`<li>${reason}</li>`)}</ul></div>`
}

function cards(record: RunRecord): Markup {
  const {totals, samples, outages} = record
  const worst = outages.reduce((longest, {beganMs, endedMs}) => Math.max(longest, endedMs - beganMs), 0)
  const rate = checkedCount(record) / Math.max(0.001, record.durationMs / 1_000)
  const latencies = samples.map(({p99Ms}) => p99Ms).filter((ms) => ms > 0)
  latencies.sort((a, b) => a - b)
  const figures: [string, string, boolean][] = [
    [count(totals.findings), totals.findings === 1 ? 'violation' : 'violations', totals.findings > 0],
    [count(checkedCount(record)), 'operations checked', false],
    [count(rate), 'of them in a second', false],
    [count(firedCount(record)), 'faults fired', false],
    [outages.length === 0 ? 'none' : duration(worst), 'longest that a key could not be used', false],
    [duration(latencies[latencies.length >> 1] ?? 0), '99th percentile, middle of all seconds', false],
  ]
  return markup`<div class="cards">${figures.map(([figure, name, isWrong]) => {
    return markup`<div class="card ${isWrong ? 'wrong' : ''}"><b>${figure}</b><span>${name}</span></div>`
  })}</div>`
}

export function scope(record: RunRecord): Markup {
  const {totals, checks, findings} = record
  const used = RULE_NAMES.filter((rule) => totals.operations[rule] > 0)
  const ruleItems = used.map((rule) => {
    const wrong = findings.filter((finding) => finding.rule === rule).length
    const {what, claim} = RULES[rule]
    const found = wrong === 0 ? claim : `wrong on ${plural(wrong, 'key')}`
    const operations = plural(totals.operations[rule], 'operation')
    return markup`<li class="${wrong === 0 ? 'ok' : 'wrong'}">${what}: ${found} <span class="soft">(${operations})</span></li>`
  })
  const done = checks.filter(({result}) => result !== 'skipped')
  return markup`<div class="columns">
<section class="panel"><h3>What was checked</h3><ul class="list">${ruleItems}
${done.map(checkItem)}</ul></section>
<section class="panel"><h3>What was not</h3><ul class="list">${notChecked(record)}</ul></section>
</div>`
}

function checkItem({what, result, detail}: Check): Markup {
  return markup`<li class="${result}">${what} <span class="${result === 'wrong' ? 'wrong-text' : 'soft'}">${detail}</span></li>`
}

function notChecked({totals, checks, faults, verdict}: RunRecord): Markup[] {
  const fired = new Set(faults.filter(({error}) => error === '').map(({kind}) => kind))
  const vain = [...new Set(faults.map(({kind}) => kind))].filter((kind) => !fired.has(kind))
  const unused = RULE_NAMES.filter((rule) => totals.operations[rule] === 0)
  const items = checks.filter(({result}) => result === 'skipped').map(({what, detail}) => `${what}: ${detail}`)
  if (unused.length > 0) items.push(`No operations on: ${unused.map(ruleText).join('; ')}`)
  if (vain.length > 0) items.push(`Faults that were tried and never worked: ${vain.join(', ')}`)
  if (totals.undecided > 0) {
    items.push(`${plural(totals.undecided, 'key')} with too many operations at once to judge all of them: undecided`)
  }
  if (totals.unknown > 0) {
    items.push(`Whether ${plural(totals.unknown, 'operation')} without an answer happened: either is taken as right`)
  }
  if (verdict === 'violation') items.push('A key after something was found on it')
  items.push('Clocks that jump or drift, and disks that lie about what they wrote: the simulator has those')
  return items.map((item) => markup`<li class="skipped">${item}</li>`)
}
