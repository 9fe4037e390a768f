/** HGETEX HSETEX HGETDEL: reading or writing fields together with their expiry, as in Redis 8. */
import {NO_EXPIRY} from '../keyspace/node.ts'
import {expiryUnit} from './expire-time.ts'
import {EVENT_MAP} from '../events.ts'
import {areNamesTooLong, deleteField, findField, notifyDeleted, openMap, replyField, setField} from './map-access.ts'
import {ERR_FIELD_COUNT, countedFields, fieldExpireTime, notifyExpiry, setFieldExpiry} from './map-expire.ts'
import type {Context} from './context.ts'

const KEEP = 0
const SET = 1
const PERSIST = 2

export function hgetex(c: Context): void {
  if (!openMap(c)) return
  const unit = expiryUnit(c, 2)
  let change = KEEP
  let at = NO_EXPIRY
  if (unit !== null) {
    change = SET
    at = fieldExpireTime(c, 3, unit.unitMs, unit.isAbsolute ? 0 : c.now)
    if (Number.isNaN(at)) return
  } else if (c.is(2, 'PERSIST')) change = PERSIST
  const first = countedFields(c, change === SET ? 4 : change === PERSIST ? 3 : 2, ERR_FIELD_COUNT)
  if (first < 0) return
  c.out.array(c.argc - first)
  c.effects.beginGroup()
  let changed = 0
  for (let i = first; i < c.argc; i++) {
    if (!replyField(c, i)) continue
    if (change === SET || (change === PERSIST && c.maps.expireAt !== NO_EXPIRY)) changed = setFieldExpiry(c, i, at)
  }
  c.effects.endGroup()
  notifyExpiry(c, changed, change === SET ? 'hexpire' : 'hpersist')
}

export function hgetdel(c: Context): void {
  if (!openMap(c)) return
  const first = countedFields(c, 2, ERR_FIELD_COUNT)
  if (first < 0) return
  c.out.array(c.argc - first)
  c.effects.beginGroup()
  let deleted = 0
  for (let i = first; i < c.argc; i++) {
    if (!replyField(c, i)) continue
    deleteField(c, i)
    deleted++
  }
  c.effects.endGroup()
  if (deleted > 0) notifyDeleted(c)
}

interface SetOptions {
  /** Argument of the first field. */
  first: number
  mustExist: boolean
  mustBeNew: boolean
  keepsTime: boolean
  /** When the fields expire, Unix ms; NO_EXPIRY if that was not given. */
  at: number
}

export function hsetex(c: Context): void {
  const options = setOptions(c)
  if (options === null || areNamesTooLong(c, options.first, 2) || !openMap(c)) return
  if (!isAllowed(c, options)) return c.out.integer(0)
  c.effects.beginGroup()
  let changed = false
  for (let i = options.first; i < c.argc; i += 2) if (setOne(c, i, options)) changed = true
  c.effects.endGroup()
  if (changed) notifySet(c, options)
  c.out.integer(1)
}

/** True if something changed. */
function setOne(c: Context, i: number, options: SetOptions): boolean {
  if (options.at <= c.now) {
    const isThere = findField(c, i)
    if (isThere) deleteField(c, i)
    return isThere
  }
  const until = options.keepsTime && findField(c, i) ? c.maps.expireAt : options.at
  setField(c, i, until)
  return true
}

function notifySet(c: Context, {at}: SetOptions): void {
  if (at <= c.now) return notifyDeleted(c)
  c.notify(EVENT_MAP, 'hset')
  if (at !== NO_EXPIRY) c.notify(EVENT_MAP, 'hexpire')
}

function isAllowed(c: Context, options: SetOptions): boolean {
  if (!options.mustExist && !options.mustBeNew) return true
  for (let i = options.first; i < c.argc; i += 2) if (findField(c, i) !== options.mustExist) return false
  return true
}

/** Reads the arguments of HSETEX; null if an error was written. */
function setOptions(c: Context): SetOptions | null {
  const options: SetOptions = {first: 0, mustExist: false, mustBeNew: false, keepsTime: false, at: NO_EXPIRY}
  let hasTime = false
  for (let i = 2; i < c.argc; i++) {
    if (c.is(i, 'FIELDS')) {
      options.first = countedPairs(c, i)
      return options.first < 0 ? null : options
    }
    const unit = expiryUnit(c, i)
    if (unit !== null || c.is(i, 'KEEPTTL')) {
      if (hasTime) return refuse(c, 'ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified')
      hasTime = true
      options.keepsTime = unit === null
      if (unit === null) continue
      if (++i >= c.argc) return refuse(c, 'ERR missing expire time')
      options.at = fieldExpireTime(c, i, unit.unitMs, unit.isAbsolute ? 0 : c.now)
      if (Number.isNaN(options.at)) return null
    } else if (c.is(i, 'FXX') || c.is(i, 'FNX')) {
      if (options.mustExist || options.mustBeNew)
        return refuse(c, 'ERR Only one of FXX or FNX arguments can be specified')
      options.mustExist = c.is(i, 'FXX')
      options.mustBeNew = !options.mustExist
    } else return refuse(c, `ERR unknown argument: ${c.latin1(i)}`)
  }
  c.wrongArity()
  return null
}

function refuse(c: Context, error: string): null {
  c.fail(error)
  return null
}

/** Reads `FIELDS n field value...` at argument `i`, to the end; returns the first field's argument, or -1 after an error. */
function countedPairs(c: Context, i: number): number {
  const left = c.argc - i - 2
  const count = left >= 2 ? c.int64(i + 1) : 0n
  if (left >= 2 && (count === null || count < 1n || count > 0x7fffffffn)) c.fail('ERR invalid number of fields')
  else if (left < 2 || count !== BigInt(left) / 2n || left % 2 !== 0) c.wrongArity()
  else return i + 2
  return -1
}
