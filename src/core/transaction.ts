/** MULTI: queueing of commands for EXEC. The commands themselves are in command/transaction.ts. */
import {copyRequest} from '../resp/request-decoder.ts'
import type {Command} from './command/command.ts'
import type {Context} from './command/context.ts'
import {MANY_BUCKETS, NO_BUCKET} from './session.ts'

/** Queues the request of a session in MULTI; its checks were made. That all keys share a bucket is checked by EXEC, as in Redis. */
export function queueCommand(context: Context, command: Command): void {
  const {session} = context
  if (context.bucket >= 0) {
    if (session.transactionBucket === NO_BUCKET) session.transactionBucket = context.bucket
    else if (session.transactionBucket !== context.bucket) session.transactionBucket = MANY_BUCKETS
  }
  session.queue.push({command, request: copyRequest(context.request)})
  context.out.queued()
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
  session.transactionBucket = NO_BUCKET
  context.effects.watches.unwatch(session)
}
