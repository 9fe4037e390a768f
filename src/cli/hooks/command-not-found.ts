/** Called by oclif for a command that does not exist: says so, with the nearest that does. */
import type {Hook} from '@oclif/core'
import {KvError} from '../../errors.ts'
import {shellQuote} from '../shell.ts'
import {nearest} from '../suggest.ts'

/** Data commands that people type straight after `kv`; they want `kv exec`. */
const DATA_COMMANDS = new Set(
  [
    'append client command config dbsize decr decrby del echo exists expire flushall get getdel getex hdel hget hgetall',
    'hincrby hkeys hlen hmget hset hvals incr incrby info keys mget mset persist ping rename scan set setnx strlen ttl',
    'type unlink',
  ].flatMap((line) => line.split(' ')),
)

const commandNotFound: Hook.CommandNotFound = function ({id, config}) {
  const typed = id.replaceAll(':', ' ')
  const words = typed.split(' ')
  if (DATA_COMMANDS.has(words[0]!.toLowerCase())) {
    // oclif has glued the words together; only the process still knows where each began.
    const line = ['exec', ...process.argv.slice(2)].map(shellQuote).join(' ')
    throw new KvError(
      'E_UNKNOWN_COMMAND',
      `There is no command "kv ${words[0]}".`,
      `To send it to a node, type \`kv ${line}\`.`,
    )
  }
  const known = [...config.commandIDs, ...config.topics.map((topic) => topic.name)]
  const near = nearest(
    typed,
    [...new Set(known)].map((name) => name.replaceAll(':', ' ')),
  )
  const hint = near === undefined ? 'See `kv --help`.' : `Did you mean \`kv ${near}\`?`
  throw new KvError('E_UNKNOWN_COMMAND', `There is no command "kv ${typed}".`, hint)
}

export default commandNotFound
