/** Maps: giving many fields at once. HGETALL HKEYS HVALS HSCAN. */
import {openMapToRead} from './map-access.ts'
import {isMatch, scanCursor, scanOptions} from './scan-options.ts'
import type {ScanOptions} from './scan-options.ts'
import type {Context} from './context.ts'

export const FIELD_NAMES = 1
export const FIELD_VALUES = 2
const BOTH = FIELD_NAMES | FIELD_VALUES

export function hgetall(c: Context): void {
  giveAll(c, BOTH)
}

export function hkeys(c: Context): void {
  giveAll(c, FIELD_NAMES)
}

export function hvals(c: Context): void {
  giveAll(c, FIELD_VALUES)
}

function giveAll(c: Context, what: number): void {
  if (!openMapToRead(c)) return
  const {out} = c
  const count = c.map === 0 ? 0 : liveCount(c)
  if (what === BOTH) out.map(count)
  else out.array(count)
  if (count > 0) eachLive(c, what)
  else if (c.map !== 0) dropExpired(c)
}

/** Deletes a map that has only fields whose time has come. */
export function dropExpired(c: Context): void {
  c.effects.expiredFields += c.maps.count(c.map)
  c.effects.delete(c.bucket, c.map)
  c.map = 0
}

/** Fields whose time has not come. */
export function liveCount(c: Context): number {
  const count = c.maps.count(c.map)
  if (c.maps.expiring(c.map) === 0) return count
  let live = 0
  c.maps.each(c.map, (_f, _from, _n, _v, _vFrom, _vn, at) => {
    if (at > c.now) live++
  })
  return live
}

function eachLive(c: Context, what: number): void {
  const {out, now} = c
  c.maps.each(c.map, (field, fieldFrom, fieldLength, value, valueFrom, valueLength, at) => {
    if (at <= now) return
    if ((what & FIELD_NAMES) !== 0) out.bulk(field, fieldFrom, fieldLength)
    if ((what & FIELD_VALUES) !== 0) out.bulk(value, valueFrom, valueLength)
  })
}

export function hscan(c: Context): void {
  const cursor = scanCursor(c, 2)
  if (Number.isNaN(cursor) || !openMapToRead(c)) return
  const {out} = c
  if (c.map === 0) {
    out.array(2)
    out.bulkString('0')
    return out.array(0)
  }
  const options = scanOptions(c, 3, true)
  if (options !== null) scanFields(c, cursor, options)
}

function scanFields(c: Context, cursor: number, options: ScanOptions): void {
  const {out, now} = c
  const found: Buffer[] = []
  const next = c.maps.scan(c.map, cursor, options.count, (field, from, length, value, valueFrom, valueLength, at) => {
    if (at <= now || !isMatch(options.pattern, field, from, length)) return
    found.push(field.subarray(from, from + length))
    if (options.hasValues) found.push(value.subarray(valueFrom, valueFrom + valueLength))
  })
  out.array(2)
  out.bulkInteger(next)
  out.array(found.length)
  for (const bytes of found) out.bulkBuffer(bytes)
}
