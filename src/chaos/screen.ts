/**
 * What a person sees while the tester works, on stderr: on a terminal a few lines that are written over once a second, elsewhere one plain line every ten seconds.
 */
import type {ChalkInstance} from 'chalk'
import {operationCount} from '../checker/totals.ts'
import {isRichTerminal} from '../cli/style.ts'
import {formatCount} from '../cli/units.ts'
import type {FaultRecord, Place} from './driver.ts'
import type {Status} from './run.ts'

const RICH_INTERVAL_MS = 1_000
const PLAIN_INTERVAL_MS = 10_000
const COLUMNS = 80

/** The part of stderr that is used; tests hand in their own. */
export interface ScreenOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export class Screen {
  readonly #output: ScreenOutput
  readonly #style: ChalkInstance
  readonly #isRich: boolean
  readonly #status: () => Status
  #timer: NodeJS.Timeout | undefined
  #linesShown = 0

  constructor(status: () => Status, style: ChalkInstance, output: ScreenOutput = process.stderr) {
    this.#output = output
    this.#style = style
    this.#isRich = isRichTerminal(output)
    this.#status = status
  }

  start(): void {
    const show = (): void => this.#show()
    this.#timer = setInterval(show, this.#isRich ? RICH_INTERVAL_MS : PLAIN_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Leaves what was shown last. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#isRich && this.#linesShown > 0) this.#show()
    this.#linesShown = 0
  }

  #show(): void {
    if (!this.#isRich) return void this.#output.write(`${plainLine(this.#status())}\n`)
    const {columns = COLUMNS} = this.#output
    const lines = screenLines(this.#status(), this.#style, columns - 1)
    const up = this.#linesShown > 0 ? `\x1b[${this.#linesShown}A` : ''
    this.#output.write(`${up}\r\x1b[J${lines.join('\n')}\n`)
    this.#linesShown = lines.length
  }
}

/** For a log: everything in one line. */
export function plainLine(status: Status): string {
  const {phase, totals, last, places, memoryMb} = status
  const up = places.filter(({state}) => state === 'up').length
  const now = openFaults(status).map(({kind, places: names}) => `${kind} ${names.join('+')}`)
  return [
    `${clock(status.workedMs)} of ${clock(status.durationMs)} ${phase}`,
    `${up} of ${places.filter(({state}) => state !== 'off').length} nodes up`,
    `${formatCount(last?.ok ?? 0)} ok/s`,
    `p99 ${last?.p99Ms ?? 0} ms`,
    `${formatCount(operationCount(totals))} operations checked`,
    `${formatCount(status.faults.length)} faults${now.length > 0 ? ` (now ${now.join(', ')})` : ''}`,
    `${totals.findings} violations`,
    `${memoryMb} MB`,
  ].join(', ')
}

/** The lines of the screen; none is wider than `columns`. */
export function screenLines(status: Status, style: ChalkInstance, columns: number): string[] {
  const {phase, last, totals, backlog, memoryMb} = status
  const clip = (text: string): string => (text.length > columns ? `${text.slice(0, columns - 1)}…` : text)
  const {findings} = totals
  const verdict = `${findings === 0 ? 'no' : formatCount(findings)} violation${findings === 1 ? '' : 's'}`
  const behind = backlog > 0 ? `, checker ${formatCount(backlog)} behind` : ''
  const rates = last ?? {ok: 0, failed: 0, unknown: 0, p50Ms: 0, p99Ms: 0, maxMs: 0}
  const counted = clip(
    `  ${formatCount(operationCount(totals))} operations checked, ${verdict}${behind}; ${memoryMb} MB`,
  )
  return [
    style.bold(clip(`kv chaos  ${clock(status.workedMs)} of ${clock(status.durationMs)}  ${phase}`)),
    clip(
      `  ${status.places
        .filter(({state}) => state !== 'off')
        .map(placeText)
        .join('   ')}`,
    ),
    clip(
      `  ${formatCount(rates.ok)} ok/s, ${rates.failed} failed, ${rates.unknown} unknown; ms: p50 ${rates.p50Ms}, p99 ${rates.p99Ms}, max ${rates.maxMs}`,
    ),
    findings === 0 ? counted : style.red(counted),
    clip(
      `  faults now: ${
        openFaults(status)
          .map((fault) => faultText(fault, status.nowMs))
          .join('; ') || 'none'
      }`,
    ),
    clip(`  so far: ${countsByKind(status.faults) || 'none'}`),
  ]
}

function placeText({name, state}: Place): string {
  return `${name} ${state}`
}

function faultText({kind, places, note, beganMs}: FaultRecord, nowMs: number): string {
  return `${kind} ${note === '' ? places.join(', ') : note} (${((nowMs - beganMs) / 1000).toFixed(0)} s)`
}

function openFaults({faults}: Status): FaultRecord[] {
  return faults.filter(({endedMs, error}) => endedMs === null && error === '')
}

function countsByKind(faults: readonly FaultRecord[]): string {
  const counts = new Map<string, number>()
  for (const {kind, error} of faults) if (error === '') counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return [...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')
}

/** `1:02:03`, `2:03`. */
function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const two = (n: number): string => String(n).padStart(2, '0')
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}
