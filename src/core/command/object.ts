/** OBJECT: how a value is kept, in the words of Redis. Looking does not count as using the key. */
import {WORD_USED, pageBytes, valueLength, valueOffset, word} from '../keyspace/node.ts'
import {withHandlers} from './command.ts'
import {encodingOf} from './encoding.ts'
import {OBJECT_SPECS} from './key-specs.ts'
import {parseInt64} from './numbers.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

/** Redis shares the objects of small integers and says so with this count. */
const SHARED_INTEGER_MAX = 9999n
const SHARED_REFERENCES = 2_147_483_647

const HELP = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
  'HELP',
  '    Prints this help.',
]

/** Calls `show` with the key's node; null without a key. */
function look(c: Context, show: (node: number) => void): void {
  const node = c.peek(2)
  if (node === 0) c.out.null()
  else show(node)
}

function encoding(c: Context): void {
  look(c, (node) => c.out.bulkString(encodingOf(c, node)))
}

function integerOf(c: Context, node: number): bigint | null {
  const {memory} = c.keyspace
  return parseInt64(pageBytes(memory, node), valueOffset(memory, node), valueLength(memory, node))
}

function freq(c: Context): void {
  look(c, () =>
    c.fail(
      'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
    ),
  )
}

function idletime(c: Context): void {
  look(c, (node) => c.out.integer(Math.max(0, c.keyspace.usedClock - word(c.keyspace.memory, node, WORD_USED))))
}

function refcount(c: Context): void {
  look(c, (node) => {
    const integer = encodingOf(c, node) === 'int' ? integerOf(c, node)! : -1n
    c.out.integer(integer >= 0n && integer <= SHARED_INTEGER_MAX ? SHARED_REFERENCES : 1)
  })
}

function help(c: Context): void {
  c.out.array(HELP.length)
  for (const line of HELP) c.out.simple(line)
}

export const OBJECT_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'object',
    arity: -2,
    flags: [],
    group: 'generic',
    since: '2.2.3',
    complexity: 'Depends on subcommand.',
    summary: 'A container for commands that look at how a value is kept.',
    subcommands: withHandlers(OBJECT_SPECS, {encoding, freq, idletime, refcount, help}),
  },
]
