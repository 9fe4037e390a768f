/** What is said first on a connection: `HELLO 3`, with the password if there is one, and the way back to RESP2. */
import {KvError} from '../errors.ts'
import type {Argument} from './encoder.ts'
import {ReplyError} from './errors.ts'
import {isError, type ErrorReply, type Reply} from './reply.ts'

export interface HandshakeOptions {
  readonly password?: string | undefined
  readonly resp?: 2 | 3
}

type Send = (args: readonly Argument[]) => Promise<Reply>

/** Resolves to the protocol version agreed on. Errors: E_AUTH, E_REPLY, and whatever `send` throws. */
export async function shakeHands(send: Send, options: HandshakeOptions): Promise<2 | 3> {
  const {password} = options
  if ((options.resp ?? 3) === 3) {
    const reply = await send(password === undefined ? ['HELLO', 3] : ['HELLO', 3, 'AUTH', 'default', password])
    if (!isError(reply)) return 3
    if (!isUnknownProtocol(reply)) throw refusal(reply)
  }
  if (password !== undefined) {
    const reply = await send(['AUTH', password])
    if (isError(reply)) throw refusal(reply)
  }
  return 2
}

/** Servers before Redis 6 do not know HELLO; later ones may know it and not version 3. */
function isUnknownProtocol(reply: ErrorReply): boolean {
  return /^NOPROTO |^ERR unknown command/i.test(reply.text)
}

function refusal(reply: ErrorReply): KvError {
  const hint = 'Give the password with --password-file FILE or in KV_PASSWORD.'
  if (reply.text.startsWith('NOAUTH')) return new KvError('E_AUTH', 'The node wants a password.', hint)
  if (reply.text.startsWith('WRONGPASS')) return new KvError('E_AUTH', 'The node does not accept this password.', hint)
  if (/^ERR (Client sent AUTH|AUTH <password> called) /.test(reply.text)) {
    return new KvError(
      'E_AUTH',
      'A password was given, but the node has none.',
      'Leave out --password-file and KV_PASSWORD.',
    )
  }
  return new ReplyError(reply.text)
}
