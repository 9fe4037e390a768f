/** Maps: giving many fields at once. HGETALL HKEYS HVALS HSCAN. */
import {openMapToRead} from './map-access.ts'
import {isMatch, scanCursor, scanOptions} from './scan-options.ts'
import {FieldsJob} from './jobs-map.ts'
import {isLargeMap} from '../keyspace/node.ts'
import type {FieldWriter} from './jobs-map.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'
import type {ScanOptions} from './scan-options.ts'
import type {Context} from './context.ts'

/** Larger maps are given by a job. */
const DIRECT_MAX = 1000
const FIELD_NAMES = 1
const FIELD_VALUES = 2
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
  if (c.map !== 0 && isLargeMap(c.keyspace.memory, c.map) && c.maps.count(c.map) > DIRECT_MAX) {
    const options = {wanted: Infinity, head: headOf(what), write: fieldWriter(what)}
    return c.engine.startJob(c, new FieldsJob(c, options))
  }
  const count = c.map === 0 ? 0 : liveCount(c)
  headOf(what)(out, count)
  if (count > 0) eachLive(c, fieldWriter(what))
  else if (c.map !== 0) dropExpired(c)
}

function headOf(what: number): (out: ReplyWriter, count: number) => void {
  return (out, count) => (what === BOTH ? out.map(count) : out.array(count))
}

function fieldWriter(what: number): FieldWriter {
  return (out, field, fieldFrom, fieldLength, value, valueFrom, valueLength) => {
    if ((what & FIELD_NAMES) !== 0) out.bulk(field, fieldFrom, fieldLength)
    if ((what & FIELD_VALUES) !== 0) out.bulk(value, valueFrom, valueLength)
  }
}

/** Deletes a map that has only fields whose time has come. */
export function dropExpired(c: Context): void {
  c.effects.expireMap(c.bucket, c.map)
  c.map = 0
}

/** Fields whose time has not come. */
function liveCount(c: Context): number {
  const count = c.maps.count(c.map)
  if (c.maps.expiring(c.map) === 0) return count
  let live = 0
  c.maps.each(c.map, (_f, _from, _n, _v, _vFrom, _vn, at) => {
    if (at > c.now) live++
  })
  return live
}

function eachLive(c: Context, write: FieldWriter): void {
  const {out, now} = c
  c.maps.each(c.map, (...field) => {
    if (field[6] > now) write(out, ...field)
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
