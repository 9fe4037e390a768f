/**
 * What the commands on maps share. A command opens its map once; then `c.map` is the map's node, which each change may
 * move or take away. Fields whose time has come are treated as missing, and deleted where a command comes across them.
 */
import {KEY_BYTES_MAX} from '../../constants.ts'
import {EVENT_GENERIC, EVENT_MAP} from '../events.ts'
import {ERR_TOO_LONG, ERR_WRONG_TYPE} from './context.ts'
import type {Context} from './context.ts'

/** Sets `c.map` to the map that is key argument 1, 0 if there is none. False (and the error is written) for another type. */
export function openMap(c: Context): boolean {
  const node = c.lookup(1)
  c.map = node
  if (node === 0 || c.isMap(node)) return true
  c.fail(ERR_WRONG_TYPE)
  return false
}

/** As `openMap`, counted as a hit or a miss. */
export function openMapToRead(c: Context): boolean {
  const node = c.lookupRead(1)
  c.map = node
  if (node === 0 || c.isMap(node)) return true
  c.fail(ERR_WRONG_TYPE)
  return false
}

/** Looks up the field that is argument `i`; true if it is there, and then `c.maps` points at its value. */
export function findField(c: Context, i: number): boolean {
  const {buf, off, len} = c.request
  if (c.map === 0 || !c.maps.get(c.map, buf, off[i]!, len[i]!)) return false
  if (c.maps.expireAt > c.now) return true
  c.map = c.effects.expireField(c.bucket, c.map, buf, off[i]!, len[i]!)
  return false
}

/** Writes the value of the field that is argument `i`, or null; true if there was one. */
export function replyField(c: Context, i: number): boolean {
  if (!findField(c, i)) {
    c.out.null()
    return false
  }
  const maps = c.maps
  c.out.bulk(maps.bytes, maps.offset, maps.length)
  return true
}

/** The field that is argument `i` becomes argument `i + 1`, until `at`; true if it was not there. */
export function setField(c: Context, i: number, at: number): boolean {
  const {buf, off, len} = c.request
  c.map = c.effects.mapSet(
    c.bucket,
    c.hash,
    c.map,
    buf,
    off[1]!,
    len[1]!,
    buf,
    off[i]!,
    len[i]!,
    buf,
    off[i + 1]!,
    len[i + 1]!,
    at,
  )
  return c.maps.replacedUntil <= c.now
}

/** Deletes the field that is argument `i`, which must be there. */
export function deleteField(c: Context, i: number): void {
  const {buf, off, len} = c.request
  c.map = c.effects.mapDelete(c.bucket, c.map, buf, off[i]!, len[i]!)
}

/** Fields of the map were deleted, and the map if none is left. */
export function notifyDeleted(c: Context): void {
  c.notify(EVENT_MAP, 'hdel')
  if (c.map === 0) c.notify(EVENT_GENERIC, 'del')
}

/** True (and the error is written) if the key or one of the fields from argument `first` on, each `step`-th, is too long. */
export function areNamesTooLong(c: Context, first: number, step: number): boolean {
  const {len, argc} = c.request
  let isTooLong = len[1]! > KEY_BYTES_MAX
  for (let i = first; i < argc; i += step) isTooLong ||= len[i]! > KEY_BYTES_MAX
  if (isTooLong) c.fail(ERR_TOO_LONG)
  return isTooLong
}
