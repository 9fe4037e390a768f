/** Arguments of SCAN and HSCAN. */
import {matchesGlobAt} from '../../base/glob.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import type {Context} from './context.ts'

const STAR = 42
const CURSOR_MAX = 2n ** 64n - 1n
const COUNT_DEFAULT = 10
/** COUNT is a hint; above this a call would hold up all others. */
const COUNT_MAX = 4096

export interface ScanOptions {
  /** Null: everything matches. */
  pattern: Buffer | null
  count: number
  /** Lower case; null: any type. */
  type: string | null
  hasValues: boolean
}

/**
 * Argument `i` as a cursor; NaN if it is none, and the error is written. As strtoul reads it: a sign and nothing at all are
 * allowed. A cursor that we never gave may become any other.
 */
export function scanCursor(c: Context, i: number): number {
  const small = c.integer(i)
  if (small >= 0) return small
  const text = c.latin1(i)
  if (/^([-+]?\d+)?$/.test(text)) {
    const value = BigInt(text)
    if (value <= CURSOR_MAX && value >= -CURSOR_MAX) return Number(BigInt.asUintN(53, value))
  }
  c.fail('ERR invalid cursor')
  return Number.NaN
}

/** Reads the options from argument `first` on; null if an error was written. */
export function scanOptions(c: Context, first: number, isMap: boolean): ScanOptions | null {
  const options: ScanOptions = {pattern: null, count: COUNT_DEFAULT, type: null, hasValues: true}
  for (let i = first; i < c.argc; i++) {
    const hasNext = i + 1 < c.argc
    if (c.is(i, 'COUNT') && hasNext) {
      const count = c.int64(++i)
      if (count === null) return refuse(c, ERR_NOT_INTEGER)
      if (count < 1n) return refuse(c, ERR_SYNTAX)
      options.count = Number(count > COUNT_MAX ? COUNT_MAX : count)
    } else if (c.is(i, 'MATCH') && hasNext) {
      options.pattern = patternOf(c, ++i)
    } else if (c.is(i, 'TYPE') && hasNext && !isMap) {
      options.type = c.text(++i).toLowerCase()
    } else if (c.is(i, 'NOVALUES')) {
      if (!isMap) return refuse(c, 'ERR NOVALUES option can only be used in HSCAN')
      options.hasValues = false
    } else return refuse(c, ERR_SYNTAX)
  }
  return options
}

/** True if these bytes match. Redis: the empty string matches only the pattern that asks for nothing (null) and the empty one. */
export function isMatch(pattern: Buffer | null, bytes: Buffer, from: number, length: number): boolean {
  if (pattern === null) return true
  if (length === 0) return pattern.length === 0
  return matchesGlobAt(pattern, 0, pattern.length, bytes, from, from + length, false)
}

/** Argument `i` as a pattern; null stands for the one that matches everything. */
export function patternOf(c: Context, i: number): Buffer | null {
  const pattern = c.copy(i)
  return pattern.length === 1 && pattern[0] === STAR ? null : pattern
}

function refuse(c: Context, error: string): null {
  c.fail(error)
  return null
}
