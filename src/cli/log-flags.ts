/** Flags of the commands that read data logs: times, buckets, keys. */
import {matchesGlob} from '../base/glob.ts'
import {KvError} from '../errors.ts'
import {requireBuckets} from './cluster-state.ts'

const ISO = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?(Z|[+-]\d{2}:?\d{2})?$/

/** Unix ms of `1790000000000`, `2026-11-22T10:00:00Z`, `2026-11-22 10:00`; UTC unless it says otherwise. Errors: E_USAGE. */
export function requireTime(flag: string, text: string): number {
  const word = text.trim()
  const match = ISO.exec(word)
  const iso = match && `${word.replace(' ', 'T')}${match[1] !== undefined && match[4] === undefined ? 'Z' : ''}`
  const time = /^\d{11,15}$/.test(word) ? Number(word) : iso ? Date.parse(iso) : Number.NaN
  if (Number.isSafeInteger(time)) return time
  throw new KvError(
    'E_USAGE',
    `--${flag} wants a time such as 2026-11-22T10:00:00Z or Unix milliseconds, not "${text}".`,
  )
}

/** Errors: E_USAGE. */
export function timeOf(flag: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : requireTime(flag, text)
}

/** Errors: E_USAGE. */
export function bucketsOf(text: string | undefined): ReadonlySet<number> | undefined {
  return text === undefined ? undefined : new Set(requireBuckets(text))
}

/** Tells whether a key fits the glob; undefined: any does. */
export function keyMatcher(glob: string | undefined): ((key: Buffer) => boolean) | undefined {
  if (glob === undefined) return undefined
  const pattern = Buffer.from(glob)
  return (key) => matchesGlob(pattern, key)
}
