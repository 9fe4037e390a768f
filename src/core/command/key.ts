/**
 * Keys of any type: deleting, counting, renaming. When they expire is in expire.ts, walks over all of them in scan.ts, copies in
 * copy.ts and dump.ts, what OBJECT says in object.ts.
 */
import {ERR_NO_SUCH_KEY, ERR_SYNTAX} from './context.ts'
import {keyLength, keyOffset, pageBytes} from '../keyspace/node.ts'
import {isKeyTooLong} from './access.ts'
import {copy} from './copy.ts'
import {dump, restore} from './dump.ts'
import {expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl} from './expire.ts'
import {keys, scan} from './scan.ts'
import {OBJECT_COMMANDS} from './object.ts'
import {withHandlers} from './command.ts'
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
  if (moveName(c, false)) c.out.ok()
}

function renamenx(c: Context): void {
  if (moveName(c, true)) c.out.integer(1)
}

/** Gives key 1 the name that is key 2; false if the reply was written already. */
function moveName(c: Context, mustBeNew: boolean): boolean {
  if (isKeyTooLong(c, 2)) return false
  const source = c.lookup(1)
  if (source === 0) {
    c.fail(ERR_NO_SUCH_KEY)
    return false
  }
  const target = c.lookup(2)
  if (mustBeNew && target !== 0) {
    c.out.integer(0)
    return false
  }
  if (target === source) return true
  const {buf, off, len} = c.request
  c.effects.beginGroup()
  if (target !== 0) c.effects.delete(c.bucket, target)
  c.effects.rename(c.bucket, source, buf, off[2]!, len[2]!)
  c.effects.endGroup()
  return true
}

function randomkey(c: Context): void {
  const {keyspace, engine, effects, out} = c
  const {memory} = keyspace
  for (let expired = 0; expired < EXPIRED_MAX; expired++) {
    const node = keyspace.randomKey(engine.chance(), engine.chance(), engine.chance())
    if (node === 0) break
    if (!keyspace.isExpired(node, c.now)) {
      return out.bulk(pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
    }
    effects.expire(keyspace.bucketOf(node), node)
  }
  out.null()
}

function flush(c: Context): void {
  if (c.argc > 2 || (c.argc === 2 && !c.is(1, 'ASYNC') && !c.is(1, 'SYNC'))) return c.fail(ERR_SYNTAX)
  c.effects.clearAll()
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
    dbsize: (c) => c.out.integer(c.keyspace.keyCount),
    flushall: flush,
    flushdb: flush,
  }),
  ...OBJECT_COMMANDS,
]
