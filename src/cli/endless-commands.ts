/**
 * Data commands that have no single reply: a client that sends one request and waits for one reply would wait for ever.
 */
import {KvError} from '../errors.ts'

const ENDLESS = new Set([
  'MONITOR',
  'SUBSCRIBE',
  'PSUBSCRIBE',
  'SSUBSCRIBE',
  'UNSUBSCRIBE',
  'PUNSUBSCRIBE',
  'SUNSUBSCRIBE',
  'SYNC',
  'PSYNC',
])

/** Errors: E_USAGE for a command that streams, or that switches replies off. */
export function refuseEndlessCommand(words: readonly string[]): void {
  const [name, subcommand] = words.map((word) => word.toUpperCase())
  const isReplySwitch = name === 'CLIENT' && subcommand === 'REPLY'
  if (!ENDLESS.has(name!) && !isReplySwitch) return
  const shown = isReplySwitch ? 'CLIENT REPLY' : name
  throw new KvError('E_USAGE', `${shown} does not give one reply, so it cannot be sent alone.`, 'Use `kv repl` for it.')
}
