/** How the commands on maps (Redis hashes) are called and documented. Who executes them is in map.ts and its neighbours. */
import type {ArgumentSpec, CommandFlag, CommandSpec, KeyFlag} from './command.ts'

const KEY: ArgumentSpec = {name: 'key', type: 'key'}
const FIELD: ArgumentSpec = {name: 'field', type: 'string'}
const VALUE: ArgumentSpec = {name: 'value', type: 'string'}
const FIELDS: ArgumentSpec = {name: 'field', type: 'string', multiple: true}
const PAIRS: ArgumentSpec = {name: 'data', type: 'block', multiple: true, args: [FIELD, VALUE]}
const COUNTED_FIELDS: ArgumentSpec = {
  name: 'fields',
  type: 'block',
  token: 'FIELDS',
  args: [{name: 'numfields', type: 'integer'}, FIELDS],
}
const COUNTED_PAIRS: ArgumentSpec = {
  name: 'fields',
  type: 'block',
  token: 'FIELDS',
  args: [{name: 'numfields', type: 'integer'}, PAIRS],
}
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
const TIMES: readonly ArgumentSpec[] = [
  {name: 'seconds', type: 'integer', token: 'EX'},
  {name: 'milliseconds', type: 'integer', token: 'PX'},
  {name: 'unix-time-seconds', type: 'unix-time', token: 'EXAT'},
  {name: 'unix-time-milliseconds', type: 'unix-time', token: 'PXAT'},
]

const READ: readonly CommandFlag[] = ['readonly', 'fast']
const READ_SLOW: readonly CommandFlag[] = ['readonly']
const WRITE: readonly CommandFlag[] = ['write', 'fast']
const WRITE_GROWS: readonly CommandFlag[] = ['write', 'denyoom', 'fast']
const EACH_FIELD = 'O(N) where N is the number of fields given.'
const WHOLE_MAP = 'O(N) where N is the number of fields of the map.'
const UNORDERED = ['nondeterministic_output_order']
const RANDOM = ['nondeterministic_output']

interface More {
  readonly tips?: readonly string[]
  readonly complexity?: string
}

function spec(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  keyFlags: readonly KeyFlag[],
  since: string,
  summary: string,
  args: readonly ArgumentSpec[],
  more: More = {},
): CommandSpec {
  const keys = {first: 1, last: 1, step: 1, flags: keyFlags}
  return {
    name,
    arity,
    flags,
    keys,
    group: 'hash',
    since,
    summary,
    args: [KEY, ...args],
    complexity: 'O(1)',
    ...more,
  }
}

function expireSpec(name: string, time: ArgumentSpec, summary: string): CommandSpec {
  const args = [time, CONDITION, COUNTED_FIELDS]
  return spec(name, -6, WRITE_GROWS, ['RW', 'update'], '7.4.0', summary, args, {complexity: EACH_FIELD})
}

function timeSpec(name: string, summary: string, tips: readonly string[]): CommandSpec {
  const more = {complexity: EACH_FIELD, tips}
  return spec(name, -5, READ, ['RO', 'access'], '7.4.0', summary, [COUNTED_FIELDS], more)
}

const BASIC_SPECS: readonly CommandSpec[] = [
  spec('hset', -4, WRITE_GROWS, ['RW', 'update'], '2.0.0', 'Sets fields of a map.', [PAIRS], {
    complexity: EACH_FIELD,
  }),
  spec('hmset', -4, WRITE_GROWS, ['RW', 'update'], '2.0.0', 'Sets fields of a map; the old form of HSET.', [PAIRS], {
    complexity: EACH_FIELD,
  }),
  spec('hsetnx', 4, WRITE_GROWS, ['RW', 'insert'], '2.0.0', 'Sets a field of a map if it does not exist.', [
    FIELD,
    VALUE,
  ]),
  spec('hget', 3, READ, ['RO', 'access'], '2.0.0', 'Gives the value of a field.', [FIELD]),
  spec('hmget', -3, READ, ['RO', 'access'], '2.0.0', 'Gives the values of several fields.', [FIELDS], {
    complexity: EACH_FIELD,
  }),
  spec('hdel', -3, WRITE, ['RW', 'delete'], '2.0.0', 'Deletes fields; the map goes with its last one.', [FIELDS], {
    complexity: EACH_FIELD,
  }),
  spec('hlen', 2, READ, ['RO'], '2.0.0', 'Counts the fields of a map.', []),
  spec('hstrlen', 3, READ, ['RO'], '3.2.0', 'Gives the length of the value of a field, in bytes.', [FIELD]),
  spec('hexists', 3, READ, ['RO'], '2.0.0', 'Says whether a field exists.', [FIELD]),
  spec('hincrby', 4, WRITE_GROWS, ['RW', 'access', 'update'], '2.0.0', 'Adds to the integer of a field.', [
    FIELD,
    {name: 'increment', type: 'integer'},
  ]),
  spec('hincrbyfloat', 4, WRITE_GROWS, ['RW', 'access', 'update'], '2.6.0', 'Adds to the decimal number of a field.', [
    FIELD,
    {name: 'increment', type: 'double'},
  ]),
]

const WALK_SPECS: readonly CommandSpec[] = [
  spec('hgetall', 2, READ_SLOW, ['RO', 'access'], '2.0.0', 'Gives all fields and values of a map.', [], {
    complexity: WHOLE_MAP,
    tips: UNORDERED,
  }),
  spec('hkeys', 2, READ_SLOW, ['RO', 'access'], '2.0.0', 'Gives the names of all fields of a map.', [], {
    complexity: WHOLE_MAP,
    tips: UNORDERED,
  }),
  spec('hvals', 2, READ_SLOW, ['RO', 'access'], '2.0.0', 'Gives the values of all fields of a map.', [], {
    complexity: WHOLE_MAP,
    tips: UNORDERED,
  }),
  spec(
    'hrandfield',
    -2,
    READ_SLOW,
    ['RO', 'access'],
    '6.2.0',
    'Gives random fields of a map.',
    [
      {
        name: 'options',
        type: 'block',
        optional: true,
        args: [
          {name: 'count', type: 'integer'},
          {name: 'withvalues', type: 'pure-token', token: 'WITHVALUES', optional: true},
        ],
      },
    ],
    {complexity: 'O(N) where N is the number of fields given back.', tips: RANDOM},
  ),
  spec(
    'hscan',
    -3,
    READ_SLOW,
    ['RO', 'access'],
    '2.8.0',
    'Gives some fields of a map and a cursor for the next call.',
    [
      {name: 'cursor', type: 'integer'},
      {name: 'pattern', type: 'pattern', token: 'MATCH', optional: true},
      {name: 'count', type: 'integer', token: 'COUNT', optional: true},
      {name: 'novalues', type: 'pure-token', token: 'NOVALUES', optional: true},
    ],
    {complexity: 'O(1) for every call; O(N) for a whole iteration over N fields.', tips: RANDOM},
  ),
]

const EXPIRY_SPECS: readonly CommandSpec[] = [
  expireSpec('hexpire', {name: 'seconds', type: 'integer'}, 'Makes fields expire in seconds.'),
  expireSpec('hpexpire', {name: 'milliseconds', type: 'integer'}, 'Makes fields expire in milliseconds.'),
  expireSpec(
    'hexpireat',
    {name: 'unix-time-seconds', type: 'unix-time'},
    'Makes fields expire at a Unix time in seconds.',
  ),
  expireSpec(
    'hpexpireat',
    {name: 'unix-time-milliseconds', type: 'unix-time'},
    'Makes fields expire at a Unix time in milliseconds.',
  ),
  timeSpec('httl', 'Gives the seconds until fields expire.', RANDOM),
  timeSpec('hpttl', 'Gives the milliseconds until fields expire.', RANDOM),
  timeSpec('hexpiretime', 'Gives the Unix times in seconds at which fields expire.', []),
  timeSpec('hpexpiretime', 'Gives the Unix times in milliseconds at which fields expire.', []),
  spec('hpersist', -5, WRITE, ['RW', 'update'], '7.4.0', 'Takes the expiry of fields away.', [COUNTED_FIELDS], {
    complexity: EACH_FIELD,
  }),
  spec(
    'hgetex',
    -5,
    WRITE,
    ['RW', 'access', 'update'],
    '8.0.0',
    'Gives the values of fields and sets or removes their expiry.',
    [
      {
        name: 'expiration',
        type: 'oneof',
        optional: true,
        args: [...TIMES, {name: 'persist', type: 'pure-token', token: 'PERSIST'}],
      },
      COUNTED_FIELDS,
    ],
    {complexity: EACH_FIELD},
  ),
  spec(
    'hsetex',
    -6,
    WRITE_GROWS,
    ['RW', 'update'],
    '8.0.0',
    'Sets fields, with their expiry, all or none.',
    [
      {
        name: 'condition',
        type: 'oneof',
        optional: true,
        args: [
          {name: 'fnx', type: 'pure-token', token: 'FNX'},
          {name: 'fxx', type: 'pure-token', token: 'FXX'},
        ],
      },
      {
        name: 'expiration',
        type: 'oneof',
        optional: true,
        args: [...TIMES, {name: 'keepttl', type: 'pure-token', token: 'KEEPTTL'}],
      },
      COUNTED_PAIRS,
    ],
    {complexity: EACH_FIELD},
  ),
  spec(
    'hgetdel',
    -5,
    WRITE,
    ['RW', 'access', 'delete'],
    '8.0.0',
    'Gives the values of fields and deletes them.',
    [COUNTED_FIELDS],
    {complexity: EACH_FIELD},
  ),
]

export const MAP_SPECS: readonly CommandSpec[] = [...BASIC_SPECS, ...WALK_SPECS, ...EXPIRY_SPECS]
