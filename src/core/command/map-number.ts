/** Fields of maps that are numbers. */
import {NO_EXPIRY} from '../keyspace/node.ts'
import {ERR_NOT_FLOAT, ERR_NOT_INTEGER} from './context.ts'
import {EVENT_MAP} from '../events.ts'
import {areNamesTooLong, findField, openMap} from './map-access.ts'
import {addLongDoubles} from './long-double.ts'
import {INT64_MAX, INT64_MIN, parseInt64, parseSafeInteger} from './numbers.ts'
import type {Context} from './context.ts'

export function hincrby(c: Context): void {
  const by = c.int64(3)
  if (by === null) return c.fail(ERR_NOT_INTEGER)
  if (areNamesTooLong(c, 2, 2) || !openMap(c)) return
  const {maps} = c
  let small = 0
  let large: bigint | null = 0n
  let until = NO_EXPIRY
  if (findField(c, 2)) {
    until = maps.expireAt
    small = parseSafeInteger(maps.bytes, maps.offset, maps.length)
    if (Number.isNaN(small)) large = parseInt64(maps.bytes, maps.offset, maps.length)
    if (large === null) return c.fail('ERR hash value is not an integer')
  }
  const total = (Number.isNaN(small) ? large : BigInt(small)) + by
  if (total > INT64_MAX || total < INT64_MIN) return c.fail('ERR increment or decrement would overflow')
  setNumber(c, total.toString(), until)
  c.notify(EVENT_MAP, 'hincrby')
  c.out.bigint(total)
}

export function hincrbyfloat(c: Context): void {
  const by = c.latin1(3)
  const increment = addLongDoubles('0', by)
  if (increment === 'not-a-float') return c.fail(ERR_NOT_FLOAT)
  if (increment === 'not-finite') return c.fail('ERR value is NaN or Infinity')
  if (areNamesTooLong(c, 2, 2) || !openMap(c)) return
  const {maps} = c
  let current = '0'
  let until = NO_EXPIRY
  if (findField(c, 2)) {
    until = maps.expireAt
    current = maps.bytes.toString('latin1', maps.offset, maps.offset + maps.length)
  }
  const sum = addLongDoubles(current, by)
  if (sum === 'not-a-float') return c.fail('ERR hash value is not a float')
  if (sum === 'not-finite') return c.fail('ERR increment would produce NaN or Infinity')
  setNumber(c, sum.text, until)
  c.notify(EVENT_MAP, 'hincrbyfloat')
  c.out.bulkString(sum.text)
}

/** The field that is argument 2 becomes this text; it keeps its expiry. */
function setNumber(c: Context, text: string, until: number): void {
  const {buf, off, len} = c.request
  const value = text.length <= c.scratch.length ? c.scratch : Buffer.alloc(text.length)
  const length = value.write(text, 0, 'latin1')
  c.map = c.effects.mapSet(
    c.bucket,
    c.hash,
    c.map,
    buf,
    off[1]!,
    len[1]!,
    buf,
    off[2]!,
    len[2]!,
    value,
    0,
    length,
    until,
  )
}
