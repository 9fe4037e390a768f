/** MULTI EXEC DISCARD WATCH UNWATCH: check-and-set. */
import {keyBucket} from '../../base/crc16.ts'
import {ReplyTooLargeError} from '../../resp/reply-writer.ts'
import {abortTransaction, endTransaction} from '../transaction.ts'
import {MANY_BUCKETS} from '../session.ts'
import {isKeyTooLong} from './access.ts'
import {IS_DENY_OOM} from './command.ts'
import type {CommandSpec} from './command.ts'
import {ERR_OUT_OF_MEMORY} from './context.ts'
import type {Context} from './context.ts'

function multi(c: Context): void {
  if (c.session.inTransaction) return c.fail('ERR MULTI calls can not be nested')
  c.session.inTransaction = true
  c.out.ok()
}

function exec(c: Context): void {
  const {session, effects, out, engine} = c
  if (!session.inTransaction) return c.fail('ERR EXEC without MULTI')
  if (engine.parkTransaction(c)) return
  const problem = engine.transactionProblem(session)
  if (problem !== null) {
    endTransaction(c)
    return c.fail(problem)
  }
  if (session.isTransactionBad) {
    endTransaction(c)
    return c.fail('EXECABORT Transaction discarded because of previous errors.')
  }
  // There was room when the commands were queued; now nothing of the transaction may be applied.
  if (session.queue.some(({command}) => (command.bits & IS_DENY_OOM) !== 0) && !engine.eviction.makeRoom()) {
    return abortTransaction(c, ERR_OUT_OF_MEMORY)
  }
  if (session.transactionBucket === MANY_BUCKETS) {
    endTransaction(c)
    return c.fail("CROSSSLOT Keys in request don't hash to the same slot")
  }
  expireWatched(c)
  if (session.isDirty) {
    endTransaction(c)
    return out.nullArray()
  }
  effects.watches.unwatch(session)
  effects.beginGroup()
  const tooLarge = runAll(c)
  effects.endGroup()
  c.hasFailed = false
  endTransaction(c)
  if (tooLarge !== null) throw tooLarge
}

/** Executes the queue, all of it: replies too large to send cost the client its connection, not others half a transaction. */
function runAll(c: Context): ReplyTooLargeError | null {
  const {queue} = c.session
  let tooLarge: ReplyTooLargeError | null = null
  c.out.array(queue.length)
  for (const queued of queue) {
    try {
      c.engine.runQueued(queued.command, queued.request)
    } catch (error) {
      if (!(error instanceof ReplyTooLargeError)) throw error
      tooLarge = error
    }
  }
  return tooLarge
}

/** A watched key whose time has come has changed, even if nobody has come across it since. */
function expireWatched(c: Context): void {
  const {keyspace} = c
  for (const key of c.session.watched) {
    const bytes = Buffer.from(key, 'latin1')
    const bucket = keyBucket(bytes, 0, bytes.length)
    const node = keyspace.find(bucket, keyspace.hash(bytes, 0, bytes.length), bytes, 0, bytes.length)
    if (node === 0 || !keyspace.isExpired(node, c.now)) continue
    // A job is at work in a parked bucket: there the key stays for now.
    if (c.engine.parking.isParked(bucket)) c.session.isDirty = true
    else c.effects.expire(bucket, node)
  }
}

function discard(c: Context): void {
  if (!c.session.inTransaction) return c.fail('ERR DISCARD without MULTI')
  endTransaction(c)
  c.out.ok()
}

function watch(c: Context): void {
  if (c.session.inTransaction) return c.fail('ERR WATCH inside MULTI is not allowed')
  for (let i = 1; i < c.argc; i++) if (isKeyTooLong(c, i)) return
  for (let i = 1; i < c.argc; i++) {
    c.lookup(i)
    c.effects.watches.watch(c.session, c.latin1(i))
  }
  c.out.ok()
}

function unwatch(c: Context): void {
  c.effects.watches.unwatch(c.session)
  c.out.ok()
}

const FLAGS = ['noscript', 'loading', 'stale', 'fast', 'allow_busy'] as const

export const TRANSACTION_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'multi',
    arity: 1,
    flags: FLAGS,
    group: 'transactions',
    since: '1.2.0',
    complexity: 'O(1)',
    summary: 'Starts a transaction: commands are queued until EXEC.',
    run: multi,
  },
  {
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    group: 'transactions',
    since: '1.2.0',
    complexity: 'Depends on commands in the transaction',
    summary: 'Executes the queued commands, if no watched key has changed.',
    run: exec,
  },
  {
    name: 'discard',
    arity: 1,
    flags: FLAGS,
    group: 'transactions',
    since: '2.0.0',
    complexity: 'O(N), when N is the number of queued commands',
    summary: 'Forgets the queued commands.',
    run: discard,
  },
  {
    name: 'watch',
    arity: -2,
    flags: FLAGS,
    keys: {first: 1, last: -1, step: 1, flags: ['RO']},
    group: 'transactions',
    since: '2.2.0',
    complexity: 'O(1) for every key.',
    summary: 'Makes the next EXEC depend on these keys staying as they are.',
    args: [{name: 'key', type: 'key', multiple: true}],
    run: watch,
  },
  {
    name: 'unwatch',
    arity: 1,
    flags: FLAGS,
    group: 'transactions',
    since: '2.2.0',
    complexity: 'O(1)',
    summary: 'Forgets the watched keys.',
    run: unwatch,
  },
]
