/**
 * What a run leaves for people and for programs: report.html, one file that needs nothing else, and report.json, the record as it is. Both are made from the record alone, so a report can be
 * made again later from its JSON.
 */
import {head, scope} from './head.ts'
import {markup, Markup} from './markup.ts'
import {faultTables, findings, logs, memory, operations, overTime} from './sections.ts'
import {STYLE} from './style.ts'
import type {RunRecord} from '../run-record.ts'

/** A whole HTML document; loads nothing. */
export function reportHtml(record: RunRecord): string {
  const style = new Markup(STYLE)
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>kv chaos: ${record.verdict}, seed ${record.seed}</title>
<style>${style}</style>
</head>
<body><main>
${head(record)}
${scope(record)}
${findings(record)}
${overTime(record)}
${faultTables(record)}
<h2>Figures</h2>
<div class="columns">
${operations(record)}
${memory(record)}
</div>
${logs(record)}
</main></body>
</html>
`.text
}

/** The record as JSON, an element of a list on each line. The end of an operation of which nobody knows whether it happened is null. */
export function reportJson(record: RunRecord): string {
  const fields = Object.entries(record).map(([name, value]: [string, unknown]) => {
    if (!Array.isArray(value) || value.length === 0) return `${JSON.stringify(name)}: ${JSON.stringify(value)}`
    const lines = value.map((element) => `  ${JSON.stringify(element)}`)
    return `${JSON.stringify(name)}: [\n${lines.join(',\n')}\n]`
  })
  return `{\n${fields.join(',\n')}\n}\n`
}
