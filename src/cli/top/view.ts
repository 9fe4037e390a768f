/**
 * `kv top` as lines of text, for a terminal of any size. Pure. Every line fits the width, there are never more than the height, and nothing in
 * them moves the cursor, whatever a node or a client calls itself. Colour is a word beside the line, put on when it is written.
 */
import {addressOf, memberById} from '../cluster-state.ts'
import {formatBytes, formatCount, formatUptime} from '../units.ts'
import {selectedNode, shownNodes, type Ui} from './ui.ts'
import type {BusyBucket} from '../buckets-top.ts'
import type {TopModel, TopNode} from './model.ts'

export type Look = 'plain' | 'bold' | 'dim' | 'bad' | 'warn' | 'cursor'

export interface Line {
  readonly text: string
  readonly look: Look
}

/** What the screen of buckets shows. */
export interface BucketRow extends BusyBucket {
  readonly master: string
}

export interface Frame {
  readonly model: TopModel
  readonly ui: Ui
  /** Null: they are not known yet. */
  readonly buckets: readonly BucketRow[] | null
  readonly width: number
  readonly height: number
}

/** Events are shown if there is room for so many lines of them. */
const EVENT_LINES = 6
/** Addresses are cut to make room for requests a second beside them, but not to less than this. */
const NODE_CHARS_MIN = 8
const NODE_ROOM = 7

interface NodeColumn {
  readonly title: string
  readonly isLeft?: boolean
  /** With too little room those with the largest number go first. */
  readonly rank: number
  readonly cell: (node: TopNode) => string
}

const COLUMNS: readonly NodeColumn[] = [
  {title: 'NODE', isLeft: true, rank: 0, cell: ({address}) => address},
  {title: 'ROLE', isLeft: true, rank: 8, cell: ({role}) => role},
  {title: 'STATE', isLeft: true, rank: 2, cell: ({status}) => status},
  {title: 'MASTERS', rank: 5, cell: ({masters}) => formatCount(masters)},
  {title: 'COPIES', rank: 9, cell: ({copies}) => formatCount(copies)},
  {title: 'OPS/S', rank: 1, cell: ({opsPerSecond}) => (opsPerSecond === null ? '-' : formatCount(opsPerSecond))},
  {title: 'P50', rank: 10, cell: ({p50Us}) => durationText(p50Us)},
  {title: 'P99', rank: 4, cell: ({p99Us}) => durationText(p99Us)},
  {title: 'MEMORY', rank: 3, cell: ({memoryBytes}) => bytesText(memoryBytes)},
  {title: 'CLIENTS', rank: 6, cell: ({clients}) => (clients === null ? '-' : formatCount(clients))},
  {title: 'BEHIND', rank: 7, cell: ({replicationLagBytes}) => bytesText(replicationLagBytes)},
  {title: 'LOG', rank: 11, cell: ({logLagSeconds}) => (logLagSeconds === null ? '-' : `${logLagSeconds.toFixed(1)} s`)},
]

/** `63 us`, `2.0 ms`, `1.05 s`: no longer than this. */
export function durationText(us: number | null): string {
  if (us === null) return '-'
  if (us < 1_000) return `${us} us`
  return us < 1_000_000 ? `${(us / 1_000).toFixed(1)} ms` : `${(us / 1_000_000).toFixed(2)} s`
}

function bytesText(bytes: number | null): string {
  return bytes === null ? '-' : formatBytes(bytes)
}

export function frameLines(frame: Frame): Line[] {
  const {ui, width, height} = frame
  const head = headLines(frame)
  const foot = footLine(ui)
  const room = Math.max(0, height - head.length - 1)
  const body = {nodes: nodesBody, node: nodeBody, buckets: bucketsBody, help: helpBody}[ui.screen](frame, room)
  const lines = [...head, ...body.slice(0, room)]
  while (lines.length < height - 1) lines.push({text: '', look: 'plain'})
  return [...lines, foot].slice(0, height).map(({text, look}) => ({text: fit(text, width), look}))
}

/** Cut to the width; anything but printable ASCII becomes `?`, so that each character is one column wide. */
function fit(text: string, width: number): string {
  const plain = text.replace(/[^ -~]/gu, '?')
  return plain.length <= width ? plain : width < 4 ? plain.slice(0, width) : `${plain.slice(0, width - 1)}~`
}

/** The cluster in a line or two. */
function headLines({model, width}: Frame): Line[] {
  const {state, snapshot, nodes, moves} = model
  if (snapshot.error !== null) return [{text: `no node answers: ${snapshot.error}`, look: 'bad'}]
  const leader = state === null ? undefined : memberById(state, state.leader)
  const ops = nodes.reduce((sum, {opsPerSecond}) => sum + (opsPerSecond ?? 0), 0)
  const sick = nodes.filter(({status}) => status === 'down' || status === 'silent').length
  const ok = sick === 0 ? '' : ` (${sick} not well)`
  const facts = [
    `${formatCount(nodes.length)} node${nodes.length === 1 ? '' : 's'}${ok}`,
    `${formatCount(ops)} ops/s`,
    `leader ${leader ? addressOf(leader) : 'none'}`,
  ]
  const lines: Line[] = [{text: facts.join(width < 40 ? ' ' : '   '), look: sick > 0 ? 'warn' : 'bold'}]
  if (moves !== 'nothing' && moves !== '') lines.push({text: `under way: ${moves}`, look: 'warn'})
  return lines
}

function footLine({isTyping, filter, sort, screen}: Ui): Line {
  if (isTyping) return {text: `filter: ${filter}_`, look: 'bold'}
  const shown = filter === '' ? '' : `  filter: ${filter}`
  return {text: screen === 'nodes' ? `?:help q:quit s:sort ${sort}${shown}` : 'esc:back ?:help q:quit', look: 'dim'}
}

function nodesBody(frame: Frame, room: number): Line[] {
  const {model, ui} = frame
  const events = eventLines(model, room >= 12 ? EVENT_LINES : 0)
  const table = nodeTable(shownNodes(ui, model), frame.width, selectedNode(ui, model)?.id ?? null)
  const rows = scrolled(table, Math.max(2, room - events.length))
  return [...rows, ...events]
}

/** The title and so many rows, those around the cursor. */
function scrolled([title, ...rows]: readonly Line[], room: number): Line[] {
  const at = Math.max(
    0,
    rows.findIndex(({look}) => look === 'cursor'),
  )
  const first = Math.max(0, Math.min(at - Math.floor((room - 1) / 2), rows.length - (room - 1)))
  return [title!, ...rows.slice(first, first + room - 1)]
}

/** Also without a terminal: then nothing is selected. */
export function nodeTable(nodes: readonly TopNode[], width: number, selected: string | null): Line[] {
  const cells = nodes.map((node) => COLUMNS.map(({cell}) => cell(node)))
  const widths = COLUMNS.map(({title}, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  // On a very narrow terminal the end of an address, where the port is, says more than nothing about its node.
  widths[0] = Math.max(NODE_CHARS_MIN, Math.min(widths[0]!, width - NODE_ROOM))
  for (const row of cells) if (row[0]!.length > widths[0]) row[0] = `~${row[0]!.slice(1 - widths[0])}`
  const kept = keptColumns(widths, width)
  const row = (texts: readonly string[]): string =>
    kept
      .map((i) => (COLUMNS[i]!.isLeft ? texts[i]!.padEnd(widths[i]!) : texts[i]!.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  return [
    {text: row(COLUMNS.map(({title}) => title)), look: 'bold'},
    ...nodes.map((node, i): Line => ({text: row(cells[i]!), look: node.id === selected ? 'cursor' : lookOf(node)})),
  ]
}

function lookOf({status}: TopNode): Look {
  if (status === 'down' || status === 'silent') return 'bad'
  return status === 'leaving' ? 'warn' : 'plain'
}

/** Indexes of the columns that fit, in their order. */
function keptColumns(widths: readonly number[], width: number): number[] {
  const kept: number[] = []
  let used = -2
  for (const i of COLUMNS.map((_, index) => index).sort((a, b) => COLUMNS[a]!.rank - COLUMNS[b]!.rank)) {
    if (kept.length > 0 && used + 2 + widths[i]! > width) break
    used += 2 + widths[i]!
    kept.push(i)
  }
  return kept.sort((a, b) => a - b)
}

/** The newest first. */
function eventLines({events}: TopModel, room: number): Line[] {
  if (room < 3 || events.length === 0) return []
  const newest = events.slice(-(room - 2)).reverse()
  return [
    {text: '', look: 'plain'},
    {text: 'LAST EVENTS (UTC)', look: 'bold'},
    ...newest.map(({time, text}): Line => ({text: `${clock(time)}  ${text}`, look: 'plain'})),
  ]
}

export function clock(time: number): string {
  return new Date(time).toISOString().slice(11, 19)
}

function nodeBody({model, ui}: Frame): Line[] {
  const node = selectedNode(ui, model)
  if (!node) return [{text: 'There is no such node.', look: 'bad'}]
  const {address, id, role, status, problem} = node
  const limit = (node.memoryMaxBytes ?? 0) === 0 ? 'no limit' : `of ${formatBytes(node.memoryMaxBytes!)}`
  const count = (value: number | null): string => (value === null ? '-' : formatCount(value))
  const lag =
    node.logLagBytes === null ? 'no data log' : `${formatBytes(node.logLagBytes)}, ${node.logLagSeconds!.toFixed(1)} s`
  const facts: [string, string][] = [
    ['node', `${address} (${id.slice(0, 8)})`],
    ['state', problem === null ? status : `${status}: ${problem}`],
    ['role', role],
    ['buckets', `master of ${formatCount(node.masters)}, copies of ${formatCount(node.copies)}`],
    ['requests', `${count(node.opsPerSecond)}/s, p50 ${durationText(node.p50Us)}, p99 ${durationText(node.p99Us)}`],
    ['memory', `${bytesText(node.memoryBytes)} (${limit}), ${count(node.keys)} keys`],
    ['clients', count(node.clients)],
    ['behind', `copies ${bytesText(node.replicationLagBytes)}; log ${lag}`],
    ['up', node.uptimeSeconds === null ? '-' : `${formatUptime(node.uptimeSeconds)}, kv ${node.version ?? '?'}`],
  ]
  const lines = facts.map(([name, text]): Line => ({
    text: `${name.padEnd(9)} ${text}`,
    look: name === 'state' ? lookOf(node) : 'plain',
  }))
  const commands = node.commands.map(({command, callsPerSecond, usPerCall}): Line => ({
    text: `${command.padEnd(18)} ${`${formatCount(callsPerSecond)}/s`.padStart(12)} ${`${usPerCall.toFixed(1)} us`.padStart(12)}`,
    look: 'plain',
  }))
  return [...lines, {text: '', look: 'plain'}, {text: 'COMMANDS', look: 'bold'}, ...commands]
}

function bucketsBody({buckets}: Frame): Line[] {
  if (buckets === null) return [{text: 'Counting...', look: 'dim'}]
  if (buckets.length === 0) return [{text: 'No bucket is used.', look: 'dim'}]
  const row = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 4 ? cell : cell.padStart([6, 10, 9, 9][i]!))).join('  ')
  return [
    {text: row(['BUCKET', 'OPS/S', 'IN/S', 'OUT/S', 'MASTER']), look: 'bold'},
    ...buckets.map(({bucket, opsPerSecond, bytesInPerSecond, bytesOutPerSecond, master}): Line => ({
      text: row([
        String(bucket),
        formatCount(opsPerSecond),
        formatBytes(Math.round(bytesInPerSecond)),
        formatBytes(Math.round(bytesOutPerSecond)),
        master,
      ]),
      look: 'plain',
    })),
  ]
}

function helpBody(): Line[] {
  return HELP.map((text) => ({text, look: 'plain'}))
}

const HELP = [
  'up, down   choose a node',
  'enter      look into it',
  'b          the busiest buckets',
  's          sort by the next column',
  '/          filter by address, id, role',
  'esc        back; no filter',
  'q          quit',
  '',
  'P50, P99   requests took no longer',
  'BEHIND     sent to copies, not yet there',
  'LOG        lag of the data log',
]
