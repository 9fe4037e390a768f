/** When keys expire: EXPIRE, TTL, PERSIST and their kin. */
import {NO_EXPIRY, expireAt} from '../keyspace/node.ts'
import {EVENT_GENERIC} from '../events.ts'
import {expireTime} from './expire-time.ts'
import type {Context} from './context.ts'

const NX = 1
const XX = 2
const GT = 4
const LT = 8

function setExpiry(c: Context, unitMs: number, isAbsolute: boolean): void {
  const options = expireOptions(c)
  if (options < 0) return
  const at = expireTime(c, 2, unitMs, isAbsolute, false)
  if (Number.isNaN(at)) return
  const node = c.lookup(1)
  if (node === 0 || !isMet(options, expireAt(c.keyspace.memory, node), at)) return c.out.integer(0)
  if (at <= c.now) c.effects.delete(c.bucket, node)
  else c.effects.setExpiry(c.bucket, node, at)
  c.notify(EVENT_GENERIC, at <= c.now ? 'del' : 'expire')
  c.out.integer(1)
}

/** The conditions from argument 3 on; -1 if an error was written. */
function expireOptions(c: Context): number {
  let options = 0
  for (let i = 3; i < c.argc; i++) {
    if (c.is(i, 'NX')) options |= NX
    else if (c.is(i, 'XX')) options |= XX
    else if (c.is(i, 'GT')) options |= GT
    else if (c.is(i, 'LT')) options |= LT
    else {
      c.fail(`ERR Unsupported option ${c.latin1(i)}`)
      return -1
    }
  }
  if ((options & NX) !== 0 && options !== NX) {
    c.fail('ERR NX and XX, GT or LT options at the same time are not compatible')
    return -1
  }
  if ((options & GT) !== 0 && (options & LT) !== 0) {
    c.fail('ERR GT and LT options at the same time are not compatible')
    return -1
  }
  return options
}

/** A key that does not expire counts as one that expires last. */
function isMet(options: number, was: number, at: number): boolean {
  if ((options & NX) !== 0 && was !== NO_EXPIRY) return false
  if ((options & XX) !== 0 && was === NO_EXPIRY) return false
  if ((options & GT) !== 0 && at <= was) return false
  return (options & LT) === 0 || at < was
}

/** Gives what `show` makes of the key's expiry; -2 without a key, -1 if it does not expire. */
function showExpiry(c: Context, show: (at: number) => number): void {
  const node = c.lookupRead(1)
  if (node === 0) return c.out.integer(-2)
  const at = expireAt(c.keyspace.memory, node)
  c.out.integer(at === NO_EXPIRY ? -1 : show(at))
}

export function persist(c: Context): void {
  const node = c.lookup(1)
  if (node === 0 || expireAt(c.keyspace.memory, node) === NO_EXPIRY) return c.out.integer(0)
  c.effects.setExpiry(c.bucket, node, NO_EXPIRY)
  c.notify(EVENT_GENERIC, 'persist')
  c.out.integer(1)
}

export function expire(c: Context): void {
  setExpiry(c, 1000, false)
}

export function pexpire(c: Context): void {
  setExpiry(c, 1, false)
}

export function expireat(c: Context): void {
  setExpiry(c, 1000, true)
}

export function pexpireat(c: Context): void {
  setExpiry(c, 1, true)
}

export function ttl(c: Context): void {
  showExpiry(c, (at) => Math.floor((at - c.now + 500) / 1000))
}

export function pttl(c: Context): void {
  showExpiry(c, (at) => at - c.now)
}

export function expiretime(c: Context): void {
  showExpiry(c, (at) => Math.floor((at + 500) / 1000))
}

export function pexpiretime(c: Context): void {
  showExpiry(c, (at) => at)
}
