/**
 * When fields of maps expire: HEXPIRE, HTTL, HPERSIST and their kin, as in Redis 7.4 and 8. The reply has one number a field:
 * -2 no such field, -1 it does not expire, 0 the condition was not met, 1 done, 2 deleted because the time is past.
 */
import {NO_EXPIRY} from '../keyspace/node.ts'
import {ERR_NOT_INTEGER} from './context.ts'
import {EVENT_MAP} from '../events.ts'
import {deleteField, findField, notifyDeleted, openMap, openMapToRead} from './map-access.ts'
import type {Context} from './context.ts'

export const ERR_FIELDS = 'ERR Mandatory argument FIELDS is missing or not at the right position'
export const ERR_FIELD_COUNT = 'ERR Number of fields must be a positive integer'
export const ERR_FIELD_MATCH = 'ERR The `numfields` parameter must match the number of arguments'

/** Redis keeps the expiry of a field in 46 bits. */
const FIELD_EXPIRE_AT_MAX_MS = 2 ** 46 - 1

const NO_FIELD = -2
const NO_TIME = -1
const UNMET = 0
const CHANGED = 1
const DELETED = 2

/**
 * Argument `i` as the time at which fields expire, Unix ms; NaN if it is none, and the error is written. `base`: what it counts from, 0
 * or now.
 */
export function fieldExpireTime(c: Context, i: number, unitMs: number, base: number): number {
  const value = c.int64(i)
  if (value === null) c.fail(ERR_NOT_INTEGER)
  else if (value < 0n) c.fail('ERR invalid expire time, must be >= 0')
  else {
    const at = Number(value) * unitMs + base
    if (at <= FIELD_EXPIRE_AT_MAX_MS) return at
    c.fail(`ERR invalid expire time in '${c.command.fullName}' command`)
  }
  return Number.NaN
}

/**
 * Reads `FIELDS n field...` at argument `i`, to the end; returns the first field's argument, or -1 if an error was
 * written.
 */
export function countedFields(c: Context, i: number, countError: string): number {
  let error: string | null = null
  if (i >= c.argc || !c.is(i, 'FIELDS')) error = ERR_FIELDS
  else {
    const count = i + 1 < c.argc ? c.int64(i + 1) : null
    if (count === null || count < 1n) error = countError
    else if (count !== BigInt(c.argc - i - 2)) error = ERR_FIELD_MATCH
  }
  if (error === null) return i + 2
  c.fail(error)
  return -1
}

function expireFields(c: Context, unitMs: number, isAbsolute: boolean): void {
  if (!openMap(c)) return
  const at = fieldExpireTime(c, 2, unitMs, isAbsolute ? 0 : c.now)
  if (Number.isNaN(at)) return
  const hasCondition = c.is(3, 'NX') || c.is(3, 'XX') || c.is(3, 'GT') || c.is(3, 'LT')
  const first = countedFields(c, hasCondition ? 4 : 3, 'ERR Parameter `numFields` should be greater than 0')
  if (first < 0) return
  c.out.array(c.argc - first)
  c.effects.beginGroup()
  let changed = 0
  for (let i = first; i < c.argc; i++) {
    const outcome = expireField(c, i, at, hasCondition)
    if (outcome > UNMET) changed = outcome
    c.out.integer(outcome)
  }
  c.effects.endGroup()
  notifyExpiry(c, changed, 'hexpire')
}

function expireField(c: Context, i: number, at: number, hasCondition: boolean): number {
  if (!findField(c, i)) return NO_FIELD
  if (hasCondition && !isConditionMet(c, c.maps.expireAt, at)) return UNMET
  return setFieldExpiry(c, i, at)
}

/** A field that does not expire counts as one that expires last. The condition is argument 3. */
function isConditionMet(c: Context, was: number, at: number): boolean {
  if (c.is(3, 'NX')) return was === NO_EXPIRY
  if (c.is(3, 'XX')) return was !== NO_EXPIRY
  return c.is(3, 'GT') ? at > was : at < was
}

/** Makes the field that is argument `i`, which must be there, expire at `at` (NO_EXPIRY: never); what is past is deleted. */
export function setFieldExpiry(c: Context, i: number, at: number): number {
  if (at <= c.now) {
    deleteField(c, i)
    return DELETED
  }
  const {buf, off, len} = c.request
  c.map = c.effects.setFieldExpiry(c.bucket, c.map, buf, off[i]!, len[i]!, at)
  return CHANGED
}

/** `changed`: what became of the fields, all of them alike; 0: nothing. */
export function notifyExpiry(c: Context, changed: number, event: 'hexpire' | 'hpersist'): void {
  if (changed === DELETED) notifyDeleted(c)
  else if (changed === CHANGED) c.notify(EVENT_MAP, event)
}

/** Gives for each field what `show` makes of its expiry. */
function showExpiries(c: Context, show: (at: number) => number): void {
  if (!openMapToRead(c)) return
  const first = countedFields(c, 2, ERR_FIELD_COUNT)
  if (first < 0) return
  c.out.array(c.argc - first)
  for (let i = first; i < c.argc; i++) {
    if (!findField(c, i)) c.out.integer(NO_FIELD)
    else c.out.integer(c.maps.expireAt === NO_EXPIRY ? NO_TIME : show(c.maps.expireAt))
  }
}

export function hpersist(c: Context): void {
  if (!openMap(c)) return
  const first = countedFields(c, 2, ERR_FIELD_COUNT)
  if (first < 0) return
  c.out.array(c.argc - first)
  c.effects.beginGroup()
  let changed = 0
  for (let i = first; i < c.argc; i++) {
    const outcome = persistField(c, i)
    if (outcome > UNMET) changed = outcome
    c.out.integer(outcome)
  }
  c.effects.endGroup()
  notifyExpiry(c, changed, 'hpersist')
}

function persistField(c: Context, i: number): number {
  if (!findField(c, i)) return NO_FIELD
  return c.maps.expireAt === NO_EXPIRY ? NO_TIME : setFieldExpiry(c, i, NO_EXPIRY)
}

export function hexpire(c: Context): void {
  expireFields(c, 1000, false)
}

export function hpexpire(c: Context): void {
  expireFields(c, 1, false)
}

export function hexpireat(c: Context): void {
  expireFields(c, 1000, true)
}

export function hpexpireat(c: Context): void {
  expireFields(c, 1, true)
}

export function httl(c: Context): void {
  showExpiries(c, (at) => Math.ceil((at - c.now) / 1000))
}

export function hpttl(c: Context): void {
  showExpiries(c, (at) => at - c.now)
}

export function hexpiretime(c: Context): void {
  showExpiries(c, (at) => Math.ceil(at / 1000))
}

export function hpexpiretime(c: Context): void {
  showExpiries(c, (at) => at)
}
