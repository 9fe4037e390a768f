/** The figures of scale.ts as an aligned table: a line for each figure, a column for each size. */
import type {Phase, ScaleResult} from './scale.ts'

type Row = readonly [name: string, value: (result: ScaleResult) => string]

const PHASES = [
  ['form', 'to form, one node after the other'],
  ['join', 'until balanced after one more joins'],
  ['leave', 'until one has left'],
  ['failover', 'until all is served after one dies'],
  ['heal', '... and until all copies are there'],
] as const

const ROWS: readonly Row[] = [
  ['nodes', ({nodes}) => String(nodes)],
  ...PHASES.map(([phase, words]): Row => [`${words}, virtual s`, (result) => seconds(result[phase].ms)]),
  ...PHASES.map(([phase]): Row => [`${phase}: entries of the log`, (result) => String(result[phase].entries)]),
  ...PHASES.map(([phase]): Row => [`${phase}: Raft, KB`, (result) => kilobytes(result[phase].raftBytes)]),
  ...PHASES.map(([phase]): Row => [`${phase}: Raft bytes an entry`, perEntry(phase)]),
  ['Raft while nothing happens, KB/s', ({idleBytesPerSecond}) => kilobytes(idleBytesPerSecond)],
  ['map as text, KB', ({snapshotBytes}) => kilobytes(snapshotBytes)],
  ['ranges', ({ranges}) => String(ranges)],
  ['CLUSTER SLOTS, KB', ({slotsBytes}) => kilobytes(slotsBytes)],
  ['CLUSTER SLOTS after a change, real ms', ({slotsFreshMs}) => slotsFreshMs.toFixed(3)],
  ['CLUSTER SLOTS again, real ms', ({slotsCachedMs}) => slotsCachedMs.toFixed(3)],
  ...PHASES.map(([phase]): Row => [`${phase}: simulated in, real s`, (result) => seconds(result[phase].realMs)]),
]

/** Several lines, without a line end after the last. */
export function scaleTable(results: readonly ScaleResult[]): string {
  const cells = ROWS.map(([name, value]) => [name, ...results.map(value)])
  const widths = cells[0]!.map((_cell, i) => Math.max(...cells.map((row) => row[i]!.length)))
  return cells
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n')
}

/** What is left when the heartbeats of an idle cluster are taken off. */
function perEntry(phase: (typeof PHASES)[number][0]): (result: ScaleResult) => string {
  return (result) => {
    const {ms, entries, raftBytes}: Phase = result[phase]
    if (entries === 0 || ms === Infinity) return '-'
    const idle = phase === 'form' ? 0 : (ms * result.idleBytesPerSecond) / 1000
    // Of one entry the heartbeats beside it cannot be told apart.
    return raftBytes > idle ? String(Math.round((raftBytes - idle) / entries)) : '-'
  }
}

function seconds(ms: number): string {
  return ms === Infinity ? '-' : (ms / 1000).toFixed(2)
}

function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(1)
}
