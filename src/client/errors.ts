/**
 * What can go wrong between a client and a node, and the one question a caller must be able to answer afterwards: did
 * it happen? `outcome` says so, whatever the code: `none` = the node surely did not carry the request out, so it may be
 * sent again; `done` = it surely did, and what failed came after that (an answer of another shape than the method knows); `maybe` = the bytes had left, so it may have been carried out, now or later, and sending it again may do
 * it twice.
 */
import {KvError, type ErrorCode} from '../errors.ts'

export type Outcome = 'none' | 'done' | 'maybe'

/** Every error of the client. `code` is stable and listed in errors.ts, `outcome` says whether the operation took place. */
export class ClientError extends KvError {
  readonly outcome: Outcome

  constructor(code: ErrorCode, outcome: Outcome, message: string, hint?: string) {
    super(code, message, hint)
    this.outcome = outcome
  }
}

/**
 * The node answered with an error reply. Redis' errors come before any effect, so the outcome is `none`.
 */
export class ReplyError extends ClientError {
  /** First word of the error: `WRONGTYPE`, `MOVED`, `ERR`... */
  readonly word: string

  constructor(text: string, hint?: string) {
    super('E_REPLY', 'none', text, hint)
    this.word = text.split(' ', 1)[0]!
  }
}
