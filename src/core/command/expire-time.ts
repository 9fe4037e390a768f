/** Expiry arguments: EX, PX, EXAT, PXAT and the commands built on them. */
import {ERR_NOT_INTEGER} from './context.ts'
import {INT64_MAX, INT64_MIN} from './numbers.ts'
import type {Context} from './context.ts'

/** Later than this an expiry is cut to it: the largest integer that a float64 holds exactly (year 287,396). */
export const EXPIRE_AT_MAX_MS = Number.MAX_SAFE_INTEGER

/**
 * Argument `i` as a time to expire at, Unix ms. `unitMs` is 1000 for seconds; a relative time counts from now.
 * NaN if it is none: the error is written then. With `mustBePositive` 0 and less are refused, as SET does.
 */
export function expireTime(
  c: Context,
  i: number,
  unitMs: number,
  isAbsolute: boolean,
  mustBePositive: boolean,
): number {
  const value = c.int64(i)
  if (value === null) {
    c.fail(ERR_NOT_INTEGER)
    return Number.NaN
  }
  const unit = BigInt(unitMs)
  const base = isAbsolute ? 0n : BigInt(c.now)
  const isOut = value > INT64_MAX / unit || value < INT64_MIN / unit || value * unit > INT64_MAX - base
  if (isOut || (mustBePositive && value <= 0n)) {
    c.fail(`ERR invalid expire time in '${c.command.fullName}' command`)
    return Number.NaN
  }
  return Math.max(Math.min(Number(value * unit + base), EXPIRE_AT_MAX_MS), -EXPIRE_AT_MAX_MS)
}

export interface ExpiryUnit {
  readonly unitMs: number
  readonly isAbsolute: boolean
}

const EX: ExpiryUnit = {unitMs: 1000, isAbsolute: false}
const PX: ExpiryUnit = {unitMs: 1, isAbsolute: false}
const EXAT: ExpiryUnit = {unitMs: 1000, isAbsolute: true}
const PXAT: ExpiryUnit = {unitMs: 1, isAbsolute: true}

/** The expiry option that argument `i` names, or null. */
export function expiryUnit(c: Context, i: number): ExpiryUnit | null {
  if (c.is(i, 'EX')) return EX
  if (c.is(i, 'PX')) return PX
  if (c.is(i, 'EXAT')) return EXAT
  return c.is(i, 'PXAT') ? PXAT : null
}
