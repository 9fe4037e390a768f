/** How the commands that work on keys of any type are called and documented. Who executes them is in key.ts and its neighbours. */
import type {ArgumentSpec, CommandFlag, CommandSpec, KeyFlag, KeySpec} from './command.ts'

const KEY: ArgumentSpec = {name: 'key', type: 'key'}
const KEYS: ArgumentSpec = {name: 'key', type: 'key', multiple: true}
const NEW_KEY: ArgumentSpec = {name: 'newkey', type: 'key'}
const REPLACE: ArgumentSpec = {name: 'replace', type: 'pure-token', token: 'REPLACE', optional: true}
const CONDITION: ArgumentSpec = {
  name: 'condition',
  type: 'oneof',
  optional: true,
  args: [
    {name: 'nx', type: 'pure-token', token: 'NX'},
    {name: 'xx', type: 'pure-token', token: 'XX'},
    {name: 'gt', type: 'pure-token', token: 'GT'},
    {name: 'lt', type: 'pure-token', token: 'LT'},
  ],
}
const FLUSH_TYPE: ArgumentSpec = {
  name: 'flush-type',
  type: 'oneof',
  optional: true,
  args: [
    {name: 'async', type: 'pure-token', token: 'ASYNC'},
    {name: 'sync', type: 'pure-token', token: 'SYNC'},
  ],
}
const SUM_OF_SHARDS = ['request_policy:multi_shard', 'response_policy:agg_sum']
const ALL_SHARDS_SUCCEED = ['request_policy:all_shards', 'response_policy:all_succeeded']
const NONDETERMINISTIC = ['nondeterministic_output']
const EACH_KEY = 'O(N) where N is the number of keys.'

function oneKey(...flags: KeyFlag[]): KeySpec {
  return {first: 1, last: 1, step: 1, flags}
}

function allKeys(...flags: KeyFlag[]): KeySpec {
  return {first: 1, last: -1, step: 1, flags}
}

/** A command that takes from its first key and gives to its second. */
function twoKeys(from: readonly KeyFlag[], to: readonly KeyFlag[]): KeySpec {
  return {first: 1, last: 2, step: 1, flags: from, flagsOfEach: [from, to]}
}

function expireSpec(name: string, since: string, time: ArgumentSpec, summary: string): CommandSpec {
  return {
    name,
    arity: -3,
    flags: ['write', 'fast'],
    keys: oneKey('RW', 'update'),
    group: 'generic',
    since,
    complexity: 'O(1)',
    summary,
    args: [KEY, time, CONDITION],
  }
}

function timeSpec(name: string, since: string, summary: string, tips: readonly string[]): CommandSpec {
  return {
    name,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: oneKey('RO', 'access'),
    group: 'generic',
    since,
    complexity: 'O(1)',
    summary,
    tips,
    args: [KEY],
  }
}

function countSpec(name: string, since: string, flags: readonly CommandFlag[], summary: string): CommandSpec {
  return {
    name,
    arity: -2,
    flags,
    keys: flags.includes('write') ? allKeys('RM', 'delete') : allKeys('RO'),
    group: 'generic',
    since,
    complexity: EACH_KEY,
    summary,
    tips: SUM_OF_SHARDS,
    args: [KEYS],
  }
}

function objectSpec(name: string, since: string, summary: string): CommandSpec {
  return {
    name,
    arity: 3,
    flags: ['readonly'],
    keys: {first: 2, last: 2, step: 1, flags: ['RO']},
    group: 'generic',
    since,
    complexity: 'O(1)',
    summary,
    tips: NONDETERMINISTIC,
    args: [KEY],
  }
}

function flushSpec(name: string, summary: string): CommandSpec {
  return {
    name,
    arity: -1,
    flags: ['write'],
    group: 'server',
    since: '1.0.0',
    complexity: 'O(1) for each bucket; the keys are freed afterwards, in steps.',
    summary,
    tips: ALL_SHARDS_SUCCEED,
    args: [FLUSH_TYPE],
  }
}

export const OBJECT_SPECS: readonly CommandSpec[] = [
  objectSpec('encoding', '2.2.3', 'Says how the value of a key is kept.'),
  objectSpec('freq', '4.0.0', 'Refused: access frequencies are not tracked.'),
  objectSpec('idletime', '2.2.3', 'Gives the seconds since a key was last used.'),
  objectSpec('refcount', '2.2.3', 'Gives the number of references to the value of a key.'),
  {
    name: 'help',
    arity: 2,
    flags: ['loading', 'stale'],
    group: 'generic',
    since: '6.2.0',
    complexity: 'O(1)',
    summary: 'Gives helpful text about the subcommands.',
  },
]

export const KEY_SPECS: readonly CommandSpec[] = [
  countSpec('del', '1.0.0', ['write'], 'Deletes keys.'),
  countSpec('unlink', '4.0.0', ['write', 'fast'], 'Deletes keys; what they held is freed afterwards.'),
  countSpec('exists', '1.0.0', ['readonly', 'fast'], 'Counts which of the keys exist.'),
  countSpec('touch', '3.2.1', ['readonly', 'fast'], 'Counts which of the keys exist and marks them as used.'),
  expireSpec('expire', '1.0.0', {name: 'seconds', type: 'integer'}, 'Makes a key expire in seconds.'),
  expireSpec('pexpire', '2.6.0', {name: 'milliseconds', type: 'integer'}, 'Makes a key expire in milliseconds.'),
  expireSpec(
    'expireat',
    '1.2.0',
    {name: 'unix-time-seconds', type: 'unix-time'},
    'Makes a key expire at a Unix time in seconds.',
  ),
  expireSpec(
    'pexpireat',
    '2.6.0',
    {name: 'unix-time-milliseconds', type: 'unix-time'},
    'Makes a key expire at a Unix time in milliseconds.',
  ),
  timeSpec('ttl', '1.0.0', 'Gives the seconds until a key expires.', NONDETERMINISTIC),
  timeSpec('pttl', '2.6.0', 'Gives the milliseconds until a key expires.', NONDETERMINISTIC),
  timeSpec('expiretime', '7.0.0', 'Gives the Unix time in seconds at which a key expires.', []),
  timeSpec('pexpiretime', '7.0.0', 'Gives the Unix time in milliseconds at which a key expires.', []),
  {
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    keys: oneKey('RW', 'update'),
    group: 'generic',
    since: '2.2.0',
    complexity: 'O(1)',
    summary: 'Takes the expiry of a key away.',
    args: [KEY],
  },
  {
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: oneKey('RO'),
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Says what type the value of a key has.',
    args: [KEY],
  },
  {
    name: 'rename',
    arity: 3,
    flags: ['write'],
    keys: twoKeys(['RW', 'access', 'delete'], ['OW', 'update']),
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1), and O(N) for a map of N fields that is replicated.',
    summary: 'Gives a key another name, which it takes from whoever had it.',
    args: [KEY, NEW_KEY],
  },
  {
    name: 'renamenx',
    arity: 3,
    flags: ['write', 'fast'],
    keys: twoKeys(['RW', 'access', 'delete'], ['OW', 'insert']),
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1), and O(N) for a map of N fields that is replicated.',
    summary: 'Gives a key another name if no key has it.',
    args: [KEY, NEW_KEY],
  },
  {
    name: 'copy',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: twoKeys(['RO', 'access'], ['OW', 'update']),
    group: 'generic',
    since: '6.2.0',
    complexity: 'O(N) for a map of N fields, O(1) for a string.',
    summary: 'Copies the value and expiry of a key to another key.',
    args: [
      {name: 'source', type: 'key'},
      {name: 'destination', type: 'key'},
      {name: 'destination-db', type: 'integer', token: 'DB', optional: true},
      REPLACE,
    ],
  },
  {
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys on the node.',
    summary: 'Gives all names of keys that match a pattern.',
    tips: ['request_policy:all_shards', 'nondeterministic_output_order'],
    args: [{name: 'pattern', type: 'pattern'}],
  },
  {
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    group: 'generic',
    since: '2.8.0',
    complexity: 'O(1) for every call; O(N) for a whole iteration over N keys.',
    summary: 'Gives some names of keys and a cursor for the next call.',
    tips: ['nondeterministic_output', 'request_policy:special'],
    args: [
      {name: 'cursor', type: 'integer'},
      {name: 'pattern', type: 'pattern', token: 'MATCH', optional: true},
      {name: 'count', type: 'integer', token: 'COUNT', optional: true},
      {name: 'type', type: 'string', token: 'TYPE', optional: true},
    ],
  },
  {
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Gives the name of a random key.',
    tips: ['request_policy:all_shards', 'nondeterministic_output'],
  },
  {
    name: 'dump',
    arity: 2,
    flags: ['readonly'],
    keys: oneKey('RO', 'access'),
    group: 'generic',
    since: '2.6.0',
    complexity: 'O(N) where N is the size of the value.',
    summary: 'Gives the value of a key in a form that RESTORE takes.',
    tips: NONDETERMINISTIC,
    args: [KEY],
  },
  {
    name: 'restore',
    arity: -4,
    flags: ['write', 'denyoom'],
    keys: oneKey('OW', 'update'),
    group: 'generic',
    since: '2.6.0',
    complexity: 'O(N) where N is the size of the value.',
    summary: 'Makes a key from what DUMP gave.',
    args: [
      KEY,
      {name: 'ttl', type: 'integer'},
      {name: 'serialized-value', type: 'string'},
      REPLACE,
      {name: 'absttl', type: 'pure-token', token: 'ABSTTL', optional: true},
      {name: 'seconds', type: 'integer', token: 'IDLETIME', optional: true},
      {name: 'frequency', type: 'integer', token: 'FREQ', optional: true},
    ],
  },
  {
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    group: 'server',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Counts the keys of the node.',
    tips: ['request_policy:all_shards', 'response_policy:agg_sum'],
  },
  flushSpec('flushall', 'Deletes all keys of the node.'),
  flushSpec('flushdb', 'Deletes all keys of the node.'),
]
