/**
 * What can go wrong between a client and a node, and the one question a caller must be able to answer afterwards: did
 * it happen? `outcome` says so, whatever the code: `none` = the node surely did not carry the request out, so it may be
 * sent again; `maybe` = the bytes had left, so it may have been carried out, now or later, and sending it again may do
 * it twice.
 */
import {KvError, type ErrorCode} from '../errors.ts'

export type Outcome = 'none' | 'maybe'

export class ClientError extends KvError {
  readonly outcome: Outcome

  constructor(code: ErrorCode, outcome: Outcome, message: string, hint?: string) {
    super(code, message, hint)
    this.outcome = outcome
  }
}

/**
 * The node answered with an error reply. It says itself whether something was done: Redis' errors come before any
 * effect.
 */
export class ReplyError extends KvError {
  /** First word of the error: `WRONGTYPE`, `MOVED`, `ERR`... */
  readonly word: string

  constructor(text: string, hint?: string) {
    super('E_REPLY', text, hint)
    this.word = text.split(' ', 1)[0]!
  }
}
