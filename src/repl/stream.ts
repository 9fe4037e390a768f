/** Commands without one reply (MONITOR, SUBSCRIBE and its kin): a connection of their own, read until somebody has seen enough. */
import {formatAddress, type Address} from '../base/address.ts'
import {ReplyDecoder} from '../client/decoder.ts'
import {encodeRequest, type Argument} from '../client/encoder.ts'
import {shakeHands} from '../client/handshake.ts'
import {openSocket} from '../client/socket.ts'
import {KvError} from '../errors.ts'
import type {Reply} from '../client/reply.ts'

const STREAMS: ReadonlySet<string> = new Set(['MONITOR', 'SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE'])

export function isStream(name: string): boolean {
  return STREAMS.has(name.toUpperCase())
}

export interface StreamOptions {
  readonly address: Address
  readonly password: string | undefined
  readonly words: readonly Argument[]
  /** Ends it, without an error. */
  readonly signal: AbortSignal
  /** Each reply and each push, in order. */
  readonly onReply: (reply: Reply) => void
}

/** Resolves when the signal ends it. Errors: those of the connection; E_CLOSED_MAYBE when the node closes it. */
export async function streamReplies({address, password, words, signal, onReply}: StreamOptions): Promise<void> {
  const socket = await openSocket(address, {})
  const ended = Promise.withResolvers<void>()
  let answer: ((reply: Reply) => void) | undefined
  const take = (reply: Reply): void => {
    const waiting = answer
    answer = undefined
    if (waiting) waiting(reply)
    else onReply(reply)
  }
  const decoder = new ReplyDecoder({onReply: take, onPush: (push) => onReply(push)})
  socket.on('data', (chunk) => {
    try {
      decoder.write(chunk)
    } catch (error) {
      ended.reject(error)
    }
  })
  socket.on('error', () => undefined)
  socket.on('close', () =>
    ended.reject(new KvError('E_CLOSED_MAYBE', `${formatAddress(address)} closed the connection.`)),
  )
  const stop = (): void => ended.resolve()
  signal.addEventListener('abort', stop, {once: true})
  const send = (args: readonly Argument[]): Promise<Reply> => {
    socket.write(encodeRequest(args))
    return Promise.race([new Promise<Reply>((resolve) => (answer = resolve)), ended.promise.then(() => null)])
  }
  try {
    await shakeHands(send, {password})
    if (!signal.aborted) socket.write(encodeRequest(words))
    await ended.promise
  } finally {
    signal.removeEventListener('abort', stop)
    // Whoever lost the race above has nobody to tell.
    ended.promise.catch(() => undefined)
    socket.destroy()
  }
}
