/**
 * The history of one key as a picture: a lane for each client, a bar for each operation from its beginning to its end, those that contradict each other in red. Beginnings and
 * ends are set in their order, equally far apart: what matters is what came before what, and the last write may be minutes older than the read that missed it.
 */
import {markup} from './markup.ts'
import type {Finding, Operation} from '../../checker/history.ts'
import type {Markup} from './markup.ts'

const UNIT = 38
const LEFT = 4
/** For the clients' names, and for the text of the last bar. */
const NAMES = 80
const LAST = 60
const LANE = 46
const TOP = 10
const LABEL_CHARS_MAX = 13

export function timeline({key, operations, culprits = []}: Finding): Markup {
  const stamps = [...new Set(operations.flatMap(({start, end}) => (isOpen(end) ? [start] : [start, end])))]
  stamps.sort((a, b) => a - b)
  const places = new Map(stamps.map((stamp, i) => [stamp, LEFT + i * UNIT]))
  const right = LEFT + (stamps.length + 1) * UNIT
  const names = [...new Set(operations.map(laneOf))].sort(byNumber)
  const height = TOP + names.length * LANE + 8
  const middle = (name: string): number => TOP + names.indexOf(name) * LANE + 30
  const rows = names.map((name) => {
    return markup`<line class="grid" x1="0" x2="${right}" y1="${middle(name)}" y2="${middle(name)}"/>`
  })
  const bars = operations.map((operation, i) => {
    const end = isOpen(operation.end) ? right : places.get(operation.end)!
    return drawBar(operation, places.get(operation.start)!, end, middle(laneOf(operation)), culprits.includes(i))
  })
  const labels = names.map((name) => {
    return markup`<text class="lane" x="${NAMES - 10}" y="${middle(name)}" dy="0.32em" text-anchor="end">${name}</text>`
  })
  // The names stay where they are when the rest is scrolled.
  return markup`<div class="history"><svg class="timeline" width="${NAMES}" height="${height}" aria-hidden="true">${labels}</svg>
<div class="scroll latest"><svg class="timeline" width="${right + LAST}" height="${height}" role="img" aria-label="History of ${key}">
${rows}
${bars}
</svg></div></div>`
}

function drawBar(operation: Operation, x: number, end: number, y: number, isCulprit: boolean): Markup {
  const {kind, hasFailed, node} = operation
  const fate = hasFailed ? 'failed' : isOpen(operation.end) ? 'unknown' : ''
  const text = describe(operation)
  const label = text.length > LABEL_CHARS_MAX ? `${text.slice(0, LABEL_CHARS_MAX - 1)}\u2026` : text
  const title = `${text}${node === undefined ? '' : ` at ${node}`}${fate === '' ? '' : `, ${fate}`}`
  return markup`<g class="bar ${kind === 'read' ? 'reads' : 'writes'} ${fate} ${isCulprit ? 'culprit' : ''}"><title>${title}</title>
<text x="${x}" y="${y - 12}">${label}</text>
<rect x="${x}" y="${y - 6}" width="${Math.max(4, end - x)}" height="12" rx="3"/></g>`
}

/** What it did, and what it was told. */
export function describe({kind, value, expected}: Operation): string {
  const shown = value === null ? 'nothing' : Array.isArray(value) ? value.join(', ') : String(value)
  switch (kind) {
    case 'swap':
      return `swap ${expected ?? 'nothing'} \u2192 ${shown}`
    case 'delete':
      return 'delete'
    case 'expire':
      return `${shown} expires`
    case 'increment':
      return value === null ? 'increment' : `increment: ${shown}`
    default:
      return `${kind} ${shown}`
  }
}

function laneOf({client, kind}: Operation): string {
  if (client !== undefined) return `client ${client}`
  return kind === 'expire' ? 'time' : 'client ?'
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', {numeric: true})
}

/** Nobody knows whether it happened. A report that was read from its JSON has null there. */
export function isOpen(end: number | null): boolean {
  return end === null || end === Infinity
}
