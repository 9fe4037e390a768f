/** Strings: getting and setting whole values. Editing parts of them is in string-edit.ts. */
import {NO_EXPIRY, expireAt, pageBytes, valueLength, valueOffset} from '../keyspace/node.ts'
import {ERR_SYNTAX, ERR_WRONG_TYPE} from './context.ts'
import {expireTime, expiryUnit} from './expire-time.ts'
import type {ExpiryUnit} from './expire-time.ts'
import {isKeyTooLong, replyString, setFromArgs} from './access.ts'
import {withHandlers} from './command.ts'
import {EVENT_GENERIC, EVENT_STRING} from '../events.ts'
import {STRING_SPECS} from './string-specs.ts'
import {append, decr, decrby, getrange, incr, incrby, incrbyfloat, lcs, setrange, strlen} from './string-edit.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

const SET_NX = 1
const SET_XX = 2
const SET_IFEQ = 4
const SET_GET = 8
const SET_KEEPTTL = 16
const SET_EXPIRES = 32

function get(c: Context): void {
  const node = c.lookupRead(1)
  if (node === 0) return c.out.null()
  if (c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  replyString(c, node)
}

function set(c: Context): void {
  if (isKeyTooLong(c, 1)) return
  if (c.argc === 3) {
    setFromArgs(c, 1, 2, c.lookup(1), NO_EXPIRY)
    c.notify(EVENT_STRING, 'set')
    return c.out.ok()
  }
  setWithOptions(c)
}

function setWithOptions(c: Context): void {
  let options = 0
  let compared = 0
  let timeAt = 0
  let unitMs = 0
  let isAbsolute = false
  for (let i = 3; i < c.argc; i++) {
    const hasNext = i + 1 < c.argc
    if (c.is(i, 'NX') && (options & (SET_XX | SET_IFEQ)) === 0) options |= SET_NX
    else if (c.is(i, 'XX') && (options & (SET_NX | SET_IFEQ)) === 0) options |= SET_XX
    else if (c.is(i, 'IFEQ') && hasNext && (options & (SET_NX | SET_XX | SET_IFEQ)) === 0) {
      options |= SET_IFEQ
      compared = ++i
    } else if (c.is(i, 'GET')) options |= SET_GET
    else if (c.is(i, 'KEEPTTL') && (options & SET_EXPIRES) === 0) options |= SET_KEEPTTL
    else {
      const unit = expiryUnit(c, i)
      if (unit === null || !hasNext || (options & (SET_KEEPTTL | SET_EXPIRES)) !== 0) return c.fail(ERR_SYNTAX)
      options |= SET_EXPIRES
      unitMs = unit.unitMs
      isAbsolute = unit.isAbsolute
      timeAt = ++i
    }
  }
  let at = NO_EXPIRY
  if ((options & SET_EXPIRES) !== 0) {
    at = expireTime(c, timeAt, unitMs, isAbsolute, true)
    if (Number.isNaN(at)) return
  }
  finishSet(c, options, compared, at)
}

function finishSet(c: Context, options: number, compared: number, at: number): void {
  const node = c.lookup(1)
  const isOldWanted = (options & SET_GET) !== 0
  if (node !== 0 && c.isMap(node) && (options & (SET_GET | SET_IFEQ)) !== 0) return c.fail(ERR_WRONG_TYPE)
  const isBlocked =
    ((options & SET_NX) !== 0 && node !== 0) ||
    ((options & SET_XX) !== 0 && node === 0) ||
    ((options & SET_IFEQ) !== 0 && (node === 0 || !stringEquals(c, node, compared)))
  if (isOldWanted) {
    if (node === 0) c.out.null()
    else replyString(c, node)
  } else if (isBlocked) c.out.null()
  if (isBlocked) return
  const until = (options & SET_KEEPTTL) !== 0 && node !== 0 ? expireAt(c.keyspace.memory, node) : at
  setFromArgs(c, 1, 2, node, until)
  c.notify(EVENT_STRING, 'set')
  if ((options & SET_EXPIRES) !== 0) c.notify(EVENT_GENERIC, 'expire')
  if (!isOldWanted) c.out.ok()
}

function stringEquals(c: Context, node: number, i: number): boolean {
  const memory = c.keyspace.memory
  const {buf, off, len} = c.request
  const start = valueOffset(memory, node)
  if (valueLength(memory, node) !== len[i]) return false
  return pageBytes(memory, node).compare(buf, off[i], off[i]! + len[i], start, start + len[i]) === 0
}

function setnx(c: Context): void {
  if (isKeyTooLong(c, 1)) return
  const node = c.lookup(1)
  if (node === 0) {
    setFromArgs(c, 1, 2, 0, NO_EXPIRY)
    c.notify(EVENT_STRING, 'set')
  }
  c.out.integer(node === 0 ? 1 : 0)
}

function setWithTime(c: Context, unitMs: number): void {
  if (isKeyTooLong(c, 1)) return
  const at = expireTime(c, 2, unitMs, false, true)
  if (Number.isNaN(at)) return
  setFromArgs(c, 1, 3, c.lookup(1), at)
  c.notify(EVENT_STRING, 'set')
  c.notify(EVENT_GENERIC, 'expire')
  c.out.ok()
}

function getset(c: Context): void {
  if (isKeyTooLong(c, 1)) return
  const node = c.lookupRead(1)
  if (node !== 0 && c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  if (node === 0) c.out.null()
  else replyString(c, node)
  setFromArgs(c, 1, 2, node, NO_EXPIRY)
  c.notify(EVENT_STRING, 'set')
}

function getdel(c: Context): void {
  const node = c.lookupRead(1)
  if (node === 0) return c.out.null()
  if (c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  replyString(c, node)
  c.effects.delete(c.bucket, node)
  c.notify(EVENT_GENERIC, 'del')
}

function getex(c: Context): void {
  let unit: ExpiryUnit | null = null
  let isPersist = false
  for (let i = 2; i < c.argc; i++) {
    if (c.is(i, 'PERSIST') && unit === null && !isPersist) isPersist = true
    else {
      const found = expiryUnit(c, i)
      if (found === null || i + 1 >= c.argc || unit !== null || isPersist) return c.fail(ERR_SYNTAX)
      unit = found
      i++
    }
  }
  const node = c.lookupRead(1)
  if (node === 0) return c.out.null()
  if (c.isMap(node)) return c.fail(ERR_WRONG_TYPE)
  let at = NO_EXPIRY
  if (unit !== null) {
    at = expireTime(c, 3, unit.unitMs, unit.isAbsolute, true)
    if (Number.isNaN(at)) return
  }
  replyString(c, node)
  if (unit !== null && at <= c.now) {
    c.effects.delete(c.bucket, node)
    c.notify(EVENT_GENERIC, 'del')
  } else if (unit !== null || (isPersist && expireAt(c.keyspace.memory, node) !== NO_EXPIRY)) {
    c.effects.setExpiry(c.bucket, node, at)
    c.notify(EVENT_GENERIC, unit === null ? 'persist' : 'expire')
  }
}

function mget(c: Context): void {
  c.out.array(c.argc - 1)
  for (let i = 1; i < c.argc; i++) {
    const node = c.lookupRead(i)
    if (node === 0 || c.isMap(node)) c.out.null()
    else replyString(c, node)
  }
}

function mset(c: Context): void {
  if (c.argc % 2 === 0) return c.wrongArity()
  for (let i = 1; i < c.argc; i += 2) if (isKeyTooLong(c, i)) return
  setPairs(c)
  c.out.ok()
}

function msetnx(c: Context): void {
  if (c.argc % 2 === 0) return c.wrongArity()
  for (let i = 1; i < c.argc; i += 2) {
    if (isKeyTooLong(c, i)) return
    if (c.lookup(i) !== 0) return c.out.integer(0)
  }
  setPairs(c)
  c.out.integer(1)
}

function setPairs(c: Context): void {
  c.effects.beginGroup()
  for (let i = 1; i < c.argc; i += 2) {
    setFromArgs(c, i, i + 1, c.lookup(i), NO_EXPIRY)
    c.notify(EVENT_STRING, 'set', i)
  }
  c.effects.endGroup()
}

export const STRING_COMMANDS: readonly CommandSpec[] = withHandlers(STRING_SPECS, {
  get,
  set,
  setnx,
  setex: (c) => setWithTime(c, 1000),
  psetex: (c) => setWithTime(c, 1),
  getset,
  getdel,
  getex,
  mget,
  mset,
  msetnx,
  append,
  strlen,
  getrange,
  substr: getrange,
  setrange,
  incr,
  decr,
  incrby,
  decrby,
  incrbyfloat,
  lcs,
})
