/** COPY: the value and expiry of a key, once more under another name. */
import {ERR_SYNTAX, ERR_NOT_INTEGER} from './context.ts'
import {NO_EXPIRY, expireAt, isLargeMap, pageBytes, valueLength, valueOffset} from '../keyspace/node.ts'
import {PACKED_FIELDS_MAX} from '../keyspace/map-store.ts'
import {CopyJob} from './jobs-copy.ts'
import {EVENT_GENERIC, EVENT_NEW} from '../events.ts'
import {isKeyTooLong} from './access.ts'
import type {Context} from './context.ts'

/** Redis has as many, though a cluster uses only the first. */
const DATABASES = 16n

export function copy(c: Context): void {
  let isReplace = false
  let isElsewhere = false
  for (let i = 3; i < c.argc; i++) {
    if (c.is(i, 'REPLACE')) isReplace = true
    else if (c.is(i, 'DB') && i + 1 < c.argc) {
      const database = c.int64(++i)
      if (database === null) return c.fail(ERR_NOT_INTEGER)
      if (database < 0n || database >= DATABASES) return c.fail('ERR DB index is out of range')
      isElsewhere = database !== 0n
    } else return c.fail(ERR_SYNTAX)
  }
  if (isElsewhere) return c.fail('ERR Copying to another database is not allowed in cluster mode')
  const {buf, off, len} = c.request
  const isSame = buf.compare(buf, off[1], off[1]! + len[1]!, off[2], off[2]! + len[2]!) === 0
  if (isSame) return c.fail('ERR source and destination objects are the same')
  if (isKeyTooLong(c, 2)) return
  const source = c.lookupRead(1)
  if (source === 0) return c.out.integer(0)
  const target = c.lookup(2)
  if (target !== 0 && !isReplace) return c.out.integer(0)
  const isLong = isLargeMap(c.keyspace.memory, source) && c.maps.count(source) > PACKED_FIELDS_MAX
  if (isLong) return c.engine.startJob(c, new CopyJob(c, source, target))
  c.effects.beginGroup()
  if (c.isMap(source)) copyMap(c, source, target)
  else copyString(c, source, target)
  c.effects.endGroup()
  c.notify(EVENT_GENERIC, 'copy_to', 2)
  c.out.integer(1)
}

function copyString(c: Context, source: number, target: number): void {
  const {memory} = c.keyspace
  const {buf, off, len} = c.request
  const from = valueOffset(memory, source)
  const length = valueLength(memory, source)
  const until = expireAt(memory, source)
  c.effects.set(c.bucket, c.hash, target, buf, off[2]!, len[2]!, pageBytes(memory, source), from, length, until)
  // Redis deletes the old one first.
  if (target !== 0) c.notify(EVENT_NEW, 'new', 2)
}

function copyMap(c: Context, source: number, target: number): void {
  const {buf, off, len} = c.request
  if (target !== 0) c.effects.delete(c.bucket, target)
  let map = 0
  c.maps.each(source, (field, fieldFrom, fieldLength, value, valueFrom, valueLength, at) => {
    map = c.effects.mapSet(
      c.bucket,
      c.hash,
      map,
      buf,
      off[2]!,
      len[2]!,
      field,
      fieldFrom,
      fieldLength,
      value,
      valueFrom,
      valueLength,
      at,
    )
  })
  const until = expireAt(c.keyspace.memory, source)
  if (until !== NO_EXPIRY) c.effects.setExpiry(c.bucket, map, until)
}
