/**
 * Maps: reading and writing single fields. Numbers are in map-number.ts, walks over whole maps in map-walk.ts, expiry of fields in
 * map-expire.ts.
 *
 * Hot path: HGET and HSET, measured by `npm run bench`; they allocate nothing.
 */
import {NO_EXPIRY} from '../keyspace/node.ts'
import {EVENT_MAP} from '../events.ts'
import {
  areNamesTooLong,
  deleteField,
  findField,
  notifyDeleted,
  openMap,
  openMapToRead,
  replyField,
  setField,
} from './map-access.ts'
import {hincrby, hincrbyfloat} from './map-number.ts'
import {hgetall, hkeys, hscan, hvals} from './map-walk.ts'
import {hrandfield} from './map-random.ts'
import {
  hexpire,
  hexpireat,
  hexpiretime,
  hpersist,
  hpexpire,
  hpexpireat,
  hpexpiretime,
  hpttl,
  httl,
} from './map-expire.ts'
import {hgetdel, hgetex, hsetex} from './map-ex.ts'
import {withHandlers} from './command.ts'
import {MAP_SPECS} from './map-specs.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

function hget(c: Context): void {
  if (openMapToRead(c)) replyField(c, 2)
}

function hmget(c: Context): void {
  if (!openMapToRead(c)) return
  c.out.array(c.argc - 2)
  for (let i = 2; i < c.argc; i++) replyField(c, i)
}

function hset(c: Context): void {
  const created = setPairs(c)
  if (created >= 0) c.out.integer(created)
}

function hmset(c: Context): void {
  if (setPairs(c) >= 0) c.out.ok()
}

/** Sets the pairs from argument 2 on; returns how many fields are new, -1 if an error was written. */
function setPairs(c: Context): number {
  const argc = c.argc
  if ((argc & 1) !== 0) {
    c.wrongArity()
    return -1
  }
  if (areNamesTooLong(c, 2, 2) || !openMap(c)) return -1
  if (argc === 4) {
    const isNew = setField(c, 2, NO_EXPIRY)
    c.notify(EVENT_MAP, 'hset')
    return isNew ? 1 : 0
  }
  let created = 0
  c.effects.beginGroup()
  for (let i = 2; i < argc; i += 2) if (setField(c, i, NO_EXPIRY)) created++
  c.effects.endGroup()
  c.notify(EVENT_MAP, 'hset')
  return created
}

function hsetnx(c: Context): void {
  if (areNamesTooLong(c, 2, 2) || !openMap(c)) return
  if (findField(c, 2)) return c.out.integer(0)
  setField(c, 2, NO_EXPIRY)
  c.notify(EVENT_MAP, 'hset')
  c.out.integer(1)
}

function hdel(c: Context): void {
  if (!openMap(c)) return
  let deleted = 0
  c.effects.beginGroup()
  for (let i = 2; i < c.argc; i++) {
    if (!findField(c, i)) continue
    deleteField(c, i)
    deleted++
  }
  c.effects.endGroup()
  if (deleted > 0) notifyDeleted(c)
  c.out.integer(deleted)
}

/** Counts fields whose time has come until they are deleted, as Redis does. */
function hlen(c: Context): void {
  if (openMapToRead(c)) c.out.integer(c.map === 0 ? 0 : c.maps.count(c.map))
}

function hstrlen(c: Context): void {
  if (openMapToRead(c)) c.out.integer(findField(c, 2) ? c.maps.length : 0)
}

function hexists(c: Context): void {
  if (openMapToRead(c)) c.out.integer(findField(c, 2) ? 1 : 0)
}

export const MAP_COMMANDS: readonly CommandSpec[] = withHandlers(MAP_SPECS, {
  hset,
  hmset,
  hsetnx,
  hget,
  hmget,
  hdel,
  hlen,
  hstrlen,
  hexists,
  hincrby,
  hincrbyfloat,
  hgetall,
  hkeys,
  hvals,
  hrandfield,
  hscan,
  hexpire,
  hpexpire,
  hexpireat,
  hpexpireat,
  httl,
  hpttl,
  hexpiretime,
  hpexpiretime,
  hpersist,
  hgetex,
  hsetex,
  hgetdel,
})
