/** MULTI: queueing of commands for EXEC. The commands themselves are in command/transaction.ts. */
import {TRANSACTION_BYTES_MAX} from '../constants.ts'
import {copyRequest} from '../resp/request-decoder.ts'
import type {Request} from '../resp/request-decoder.ts'
import type {Command} from './command/command.ts'
import type {Context} from './command/context.ts'
import {MANY_BUCKETS, NO_BUCKET} from './session.ts'

/** What a queued command takes beside its bytes, and each of its arguments, about. */
const QUEUED_BYTES = 512
const ARGUMENT_BYTES = 16

/** Queues the request of a session in MULTI; its checks were made. That all keys share a bucket is checked by EXEC, as in Redis. */
export function queueCommand(context: Context, command: Command): void {
  const {session, request} = context
  // It will not be executed: not worth the memory.
  if (session.isTransactionBad || session.isDirty) return context.out.queued()
  session.queuedBytes += requestBytes(request)
  if (session.queuedBytes > TRANSACTION_BYTES_MAX) {
    session.isTransactionBad = true
    session.queue = []
    return context.fail('ERR the transaction is too large')
  }
  if (context.bucket >= 0) {
    if (session.transactionBucket === NO_BUCKET) session.transactionBucket = context.bucket
    else if (session.transactionBucket !== context.bucket) session.transactionBucket = MANY_BUCKETS
  }
  session.queue.push({command, request: copyRequest(context.request)})
  context.out.queued()
}

/** What a queued request takes, about. */
function requestBytes({argc, off, len}: Request): number {
  const last = argc - 1
  return off[last]! + len[last]! - off[0]! + argc * ARGUMENT_BYTES + QUEUED_BYTES
}

/** Ends the transaction of an EXEC that was refused for itself; `error` is why, with its `ERR`. */
export function abortTransaction(context: Context, error: string): void {
  endTransaction(context)
  context.fail(`EXECABORT Transaction discarded because of: ${error.replace(/^ERR /, '')}`)
}

/** Ends the session's transaction, its watches too. */
export function endTransaction(context: Context): void {
  const {session} = context
  session.inTransaction = false
  session.isTransactionBad = false
  session.queue = []
  session.queuedBytes = 0
  session.transactionBucket = NO_BUCKET
  context.effects.watches.unwatch(session)
}
