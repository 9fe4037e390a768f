/** What a run is told: read from the flags, with words for everything that makes no sense. */
import {nearest} from '../cli/suggest.ts'
import {KvError} from '../errors.ts'
import type {FaultKind} from './driver.ts'

export interface Settings {
  readonly nodes: number
  readonly replicas: number
  readonly hasLogNode: boolean
  readonly keys: number
  readonly clients: number
  /** Operations per second of all clients together. */
  readonly rate: number
  readonly valueBytes: number
  readonly durationMs: number
  /** Ms between two faults, on average. */
  readonly everyMs: number
  readonly faults: readonly FaultKind[]
  readonly seed: number
  readonly plants: readonly string[]
  /** A wrong answer does not end it: what is wrong is counted to the end. */
  readonly keepsGoing: boolean
  /** Stands before each key of the tester. */
  readonly prefix: string
}

/** Names with commas between them, or `all`; in the order of `known`. Errors: E_USAGE. */
export function parseFaults(text: string, known: readonly FaultKind[], system: string): FaultKind[] {
  const names = text
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter(Boolean)
  if (names.length === 0)
    throw new KvError('E_USAGE', '--faults names no fault.', `Write some of ${known.join(', ')}, or all, or none.`)
  if (names.includes('none')) return []
  for (const name of names) {
    if (name === 'all' || known.includes(name as FaultKind)) continue
    const near = nearest(name, known)
    const hint = near === undefined ? `There are ${known.join(', ')}.` : `Did you mean ${near}?`
    throw new KvError('E_USAGE', `There is no fault "${name}" for ${system}.`, hint)
  }
  return names.includes('all') ? [...known] : known.filter((kind) => names.includes(kind))
}

/** How long: hours, minutes and seconds together; `none` if none is given. Ms. Errors: E_USAGE. */
export function durationOf(
  hours: string | undefined,
  minutes: string | undefined,
  seconds: string | undefined,
  noneMs: number,
): number {
  const parts = [
    [hours, 3_600_000, 'hours'],
    [minutes, 60_000, 'minutes'],
    [seconds, 1_000, 'seconds'],
  ] as const
  let sum = 0
  for (const [text, unit, flag] of parts) {
    if (text === undefined) continue
    const amount = Number(text)
    if (text.trim() === '' || !Number.isFinite(amount) || amount < 0) {
      throw new KvError('E_USAGE', `--${flag} wants a number such as 6 or 0.5, not "${text}".`)
    }
    sum += amount * unit
  }
  const isGiven = parts.some(([text]) => text !== undefined)
  if (isGiven && sum < 1_000)
    throw new KvError('E_USAGE', 'A run takes a second at least.', 'Give --seconds, --minutes or --hours.')
  return isGiven ? Math.round(sum) : noneMs
}
