/**
 * Keys of any type: deleting, counting, renaming. When they expire is in expire.ts, walks over all of them in scan.ts, copies in
 * copy.ts and dump.ts, what OBJECT says in object.ts.
 */
import {ERR_NO_SUCH_KEY, ERR_SYNTAX} from './context.ts'
import {isLargeMap, keyLength, keyOffset, pageBytes} from '../keyspace/node.ts'
import {PACKED_FIELDS_MAX} from '../keyspace/map-store.ts'
import {isKeyTooLong} from './access.ts'
import {copy} from './copy.ts'
import {dump, restore} from './dump.ts'
import {expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl} from './expire.ts'
import {keys, scan} from './scan.ts'
import {OBJECT_COMMANDS} from './object.ts'
import {RenameJob} from './jobs-copy.ts'
import {withHandlers} from './command.ts'
import {EVENT_GENERIC} from '../events.ts'
import {KEY_SPECS} from './key-specs.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

/** Expired keys met before RANDOMKEY gives up. */
const EXPIRED_MAX = 100

function del(c: Context): void {
  let deleted = 0
  c.effects.beginGroup()
  for (let i = 1; i < c.argc; i++) {
    const node = c.lookup(i)
    if (node === 0) continue
    c.effects.delete(c.bucket, node)
    c.notify(EVENT_GENERIC, 'del', i)
    deleted++
  }
  c.effects.endGroup()
  c.out.integer(deleted)
}

function exists(c: Context): void {
  let found = 0
  for (let i = 1; i < c.argc; i++) if (c.lookupRead(i) !== 0) found++
  c.out.integer(found)
}

function type(c: Context): void {
  const node = c.lookupRead(1)
  c.out.simple(node === 0 ? 'none' : c.isMap(node) ? 'hash' : 'string')
}

function rename(c: Context): void {
  moveName(c, false)
}

function renamenx(c: Context): void {
  moveName(c, true)
}

/** Gives key 1 the name that is key 2; `isNew`: only if nobody has it, and the reply is a number. */
function moveName(c: Context, isNew: boolean): void {
  if (isKeyTooLong(c, 2)) return
  const source = c.lookup(1)
  if (source === 0) return c.fail(ERR_NO_SUCH_KEY)
  const target = c.lookup(2)
  if (isNew && target !== 0) return c.out.integer(0)
  if (target !== source) {
    const {buf, off, len} = c.request
    if (isLong(c, source)) return c.engine.startJob(c, new RenameJob(c, source, target, isNew))
    c.effects.rename(c.bucket, source, target, buf, off[2]!, len[2]!)
    c.notify(EVENT_GENERIC, 'rename_from', 1)
    c.notify(EVENT_GENERIC, 'rename_to', 2)
  }
  if (isNew) c.out.integer(1)
  else c.out.ok()
}

/** A large map has a record for each field; without a listener only a pointer moves. */
function isLong(c: Context, node: number): boolean {
  if (!isLargeMap(c.keyspace.memory, node) || c.effects.listener(c.bucket) === null) return false
  return c.maps.count(node) > PACKED_FIELDS_MAX
}

function randomkey(c: Context): void {
  const {keyspace, engine, effects, out} = c
  const {memory} = keyspace
  for (let expired = 0; expired < EXPIRED_MAX; expired++) {
    const node = engine.randomServedKey()
    if (node === 0) break
    if (!keyspace.isExpired(node, c.now)) {
      return out.bulk(pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
    }
    const bucket = keyspace.bucketOf(node)
    if (engine.roles.isOurs(bucket)) effects.expire(bucket, node)
  }
  out.null()
}

function flush(c: Context): void {
  if (c.argc > 2 || (c.argc === 2 && !c.is(1, 'ASYNC') && !c.is(1, 'SYNC'))) return c.fail(ERR_SYNTAX)
  if (c.engine.parkForAll(c)) return
  c.effects.clearAll((bucket) => c.engine.roles.isServing(bucket))
  c.out.ok()
}

export const KEY_COMMANDS: readonly CommandSpec[] = [
  ...withHandlers(KEY_SPECS, {
    del,
    unlink: del,
    exists,
    touch: exists,
    expire,
    pexpire,
    expireat,
    pexpireat,
    ttl,
    pttl,
    expiretime,
    pexpiretime,
    persist,
    type,
    rename,
    renamenx,
    copy,
    keys,
    scan,
    randomkey,
    dump,
    restore,
    dbsize: (c) => c.out.integer(c.engine.servedKeys()),
    flushall: flush,
    flushdb: flush,
  }),
  ...OBJECT_COMMANDS,
]
