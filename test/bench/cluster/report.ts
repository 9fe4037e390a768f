/** What the parts of `bench:cluster` print: the machine's state, aligned tables, and whether a bar was met. */
import {execFileSync} from 'node:child_process'
import {cpus, loadavg} from 'node:os'
import {renderTable} from '../../../src/cli/table.ts'
import {KV_VERSION} from '../../../src/constants.ts'
import {nodeBinary} from '../../support/kv.ts'

/** What every part is told. */
export interface PartOptions {
  /** Smoke size: that everything runs, not that the figures mean something. */
  readonly isQuick: boolean
  /** Instead of the part's own number of rounds. */
  readonly rounds: number | undefined
}

/** Part of a row: a figure that is given as it is, or a number of milliseconds and the like. */
export type Cell = string | number

/** Where and when: everything that a figure depends on and that is not in the code. */
export function machineLine(): string {
  const redis = /v=(\S+)/.exec(versionOf('redis-server'))?.[1] ?? '?'
  const versions = `kv ${KV_VERSION} (${versionOf('git', 'rev-parse', '--short', 'HEAD')}), redis ${redis}, node ${versionOf(nodeBinary())}`
  return `${new Date().toISOString()}  ${cpus()[0]?.model ?? '?'} x ${cpus().length}  ${versions}  ${loadLine()}`
}

/** How busy the machine is; on a busy one the figures say little. */
export function loadLine(): string {
  return `load ${loadavg()
    .map((load) => load.toFixed(2))
    .join(' ')}`
}

function versionOf(program: string, ...words: string[]): string {
  try {
    return execFileSync(program, words.length > 0 ? words : ['--version'], {
      encoding: 'utf8',
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return '?'
  }
}

/** Prints a heading and a table; the first column is left-aligned, the others are figures. */
export function printTable(heading: string, titles: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const columns = titles.map((title, index) => ({title, align: index === 0 ? ('left' as const) : ('right' as const)}))
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? figure(cell) : cell)))
  console.log(`\n${heading}  (${loadLine()})`)
  console.log(renderTable(columns, cells))
}

/** A bar and what came out, for the last column of a table. */
export function verdict(isMet: boolean, bar: string): string {
  return `${bar} ${isMet ? 'met' : 'MISSED'}`
}

/** Three significant digits, thousands apart; a dash for what was not measured. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const digits = Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', {minimumFractionDigits: digits, maximumFractionDigits: digits})
}
