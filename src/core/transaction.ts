/** MULTI: queueing of commands for EXEC. The commands themselves are in command/transaction.ts. */
import {Request} from '../resp/request-decoder.ts'
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

function copyRequest(request: Request): Request {
  const copy = new Request()
  const last = request.argc - 1
  const from = request.off[0]!
  const end = request.off[last]! + request.len[last]!
  copy.buf = Buffer.from(request.buf.subarray(from, end))
  copy.argc = request.argc
  copy.off = request.off.slice(0, request.argc).map((offset) => offset - from)
  copy.len = request.len.slice(0, request.argc)
  return copy
}
