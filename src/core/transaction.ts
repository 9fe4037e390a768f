/** MULTI: queueing of commands for EXEC. The commands themselves are in command/transaction.ts. */
import {copyRequest} from '../resp/request-decoder.ts'
import type {Command} from './command/command.ts'
import type {Context} from './command/context.ts'

/** Queues the request of a session in MULTI; its checks were made. All keys of a transaction must share a bucket. */
export function queueCommand(context: Context, command: Command): void {
  const {session} = context
  if (context.bucket >= 0) {
    if (session.transactionBucket >= 0 && session.transactionBucket !== context.bucket) {
      session.isTransactionBad = true
      return context.fail("CROSSSLOT Keys in request don't hash to the same slot")
    }
    session.transactionBucket = context.bucket
  }
  session.queue.push({command, request: copyRequest(context.request)})
  context.out.queued()
}

/** Ends the session's transaction, its watches too. */
export function endTransaction(context: Context): void {
  const {session} = context
  session.inTransaction = false
  session.isTransactionBad = false
  session.queue = []
  session.transactionBucket = -1
  context.effects.watches.unwatch(session)
}
