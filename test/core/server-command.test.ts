/** COMMAND and its subcommands: one table, told in every shape that clients ask for. */
import {describe, expect, it} from 'vitest'
import {ALL_COMMANDS} from '../../src/core/command/all.ts'
import {Stage, type Client, type Plain} from './server-support.ts'
import type {CommandSpec} from '../../src/core/command/command.ts'

const FLAGS = new Set(
  (
    'write readonly denyoom admin pubsub noscript blocking loading stale skip_monitor skip_slowlog asking fast no_auth ' +
    'may_replicate no_async_loading no_multi movablekeys allow_busy'
  ).split(' '),
)
const CATEGORIES = new Set(
  (
    '@keyspace @read @write @set @sortedset @list @hash @string @bitmap @hyperloglog @geo @stream @pubsub @admin @fast @slow ' +
    '@blocking @dangerous @connection @transaction @scripting'
  ).split(' '),
)

const client = (): Client => new Stage().connect()
const pairs = (reply: Plain): Map<Plain, Plain> => {
  const list = reply as Plain[]
  return new Map(list.flatMap((key, i) => (i % 2 === 0 ? [[key, list[i + 1]!] as const] : [])))
}
const walk = (specs: readonly CommandSpec[], parent = ''): (readonly [string, CommandSpec])[] =>
  specs.flatMap((spec) => [
    [parent + spec.name, spec] as const,
    ...walk(spec.subcommands ?? [], `${parent + spec.name}|`),
  ])

describe('COMMAND', () => {
  it('gives ten elements for every command and subcommand, each of its kind', () => {
    const check = (entry: Plain, expectedName?: string): void => {
      const parts = entry as [string, number, string[], number, number, number, string[], string[], Plain[], Plain[]]
      expect(parts).toHaveLength(10)
      const [name, arity, flags, first, last, step, categories, tips, keySpecs, subcommands] = parts
      if (expectedName !== undefined) expect(name).toBe(expectedName)
      expect(name).toMatch(/^[a-z_-]+(\|[a-z_-]+)?$/)
      expect(Number.isInteger(arity) && arity !== 0, name).toBe(true)
      for (const flag of flags) expect(FLAGS, name).toContain(flag)
      for (const category of categories) expect(CATEGORIES, name).toContain(category)
      expect(
        categories.filter((one) => one === '@fast' || one === '@slow'),
        name,
      ).toHaveLength(1)
      for (const tip of tips) expect(tip, name).toMatch(/^[a-z_]+(:[a-z_]+)?$/)
      expect([first, last, step].every(Number.isInteger), name).toBe(true)
      // Keys are in both places or in none.
      expect(keySpecs.length > 0, name).toBe(first > 0)
      if (first > 0) expect(step, name).toBeGreaterThan(0)
      for (const spec of keySpecs) expect([...pairs(spec).keys()], name).toEqual(['flags', 'begin_search', 'find_keys'])
      expect(flags.includes('write') && flags.includes('readonly'), name).toBe(false)
      for (const sub of subcommands) check(sub)
    }
    const all = client().call('COMMAND') as Plain[][]
    const keysOf = ({keys}: CommandSpec): number[] => (keys ? [keys.first, keys.last, keys.step] : [0, 0, 0])
    expect(all.map((entry) => entry.slice(3, 6))).toEqual(ALL_COMMANDS.map(keysOf))
    expect(all).toHaveLength(ALL_COMMANDS.length)
    for (const [i, entry] of all.entries()) check(entry, ALL_COMMANDS[i]!.name)
    expect(client().call('COMMAND', 'INFO')).toEqual(all)
    expect(client().call('COMMAND', 'COUNT')).toBe(all.length)
  })

  it('INFO names commands and subcommands in any case, and has nothing for others', () => {
    const one = client()
    const reply = one.call('COMMAND', 'INFO', 'GET', 'nosuch', 'Config|Get', 'config|nosuch', 'get|x') as Plain[][]
    expect(reply.map((entry) => entry?.[0] ?? null)).toEqual(['get', null, 'config|get', null, null])
    expect(reply[0]).toEqual([
      ...['get', 2, ['readonly', 'fast'], 1, 1, 1, ['@read', '@string', '@fast'], []],
      [
        [
          ...['flags', ['RO', 'access'], 'begin_search', ['type', 'index', 'spec', ['index', 1]]],
          ...['find_keys', ['type', 'range', 'spec', ['lastkey', 0, 'keystep', 1, 'limit', 0]]],
        ],
      ],
      [],
    ])
    expect(one.call('COMMAND', 'INFO', '__proto__', 'constructor')).toEqual([null, null])
  })

  it('LIST gives the names, filtered if asked', () => {
    const one = client()
    const names = ALL_COMMANDS.map((spec) => spec.name)
    expect(one.call('COMMAND', 'LIST')).toEqual(names)
    expect(one.call('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', 'M?E?')).toEqual(
      names.filter((name) => /^m.e.$/.test(name)),
    )
    expect(one.call('COMMAND', 'LIST', 'filterby', 'ACLCAT', 'Transaction')).toEqual([
      'multi',
      'exec',
      'discard',
      'watch',
      'unwatch',
    ])
    expect(one.call('COMMAND', 'LIST', 'FILTERBY', 'MODULE', 'x')).toEqual([])
    expect(one.call('COMMAND', 'LIST', 'FILTERBY', 'FOO', 'x')).toBe('-ERR syntax error')
  })
})

describe('COMMAND DOCS', () => {
  it('documents everything', () => {
    for (const [name, spec] of walk(ALL_COMMANDS)) {
      expect(spec.summary, name).toMatch(/^[A-Z].*\.$/)
      expect(spec.since, name).toMatch(/^\d+\.\d+\.\d+$/)
      // Whoever takes arguments says which: a container takes a subcommand.
      if (Math.abs(spec.arity) > name.split('|').length && !spec.subcommands)
        expect(spec.args?.length, name).toBeGreaterThan(0)
    }
  })

  it('has the shape that redis-cli and the others read', () => {
    const groups = new Set(['string', 'hash', 'generic', 'transactions', 'connection', 'server', 'cluster', 'pubsub'])
    const types = new Set([
      'key',
      'string',
      'integer',
      'double',
      'pattern',
      'unix-time',
      'pure-token',
      'oneof',
      'block',
    ])
    const checkArgument = (argument: Plain): void => {
      const entry = pairs(argument)
      expect(types).toContain(entry.get('type'))
      expect(String(entry.get('name'))).toMatch(/^[a-z0-9-]+$/)
      const isGroup = entry.get('type') === 'oneof' || entry.get('type') === 'block'
      expect(entry.has('arguments')).toBe(isGroup)
      expect(entry.has('display_text')).toBe(!isGroup)
      if (entry.get('type') === 'pure-token') expect(entry.has('token')).toBe(true)
      if (entry.get('type') === 'key') expect(entry.get('key_spec_index')).toBe(0)
      for (const inner of (entry.get('arguments') ?? []) as Plain[]) checkArgument(inner)
    }
    const checkEntry = (name: Plain, docs: Plain): void => {
      const entry = pairs(docs)
      expect([...entry.keys()].slice(0, 3), String(name)).toEqual(['summary', 'since', 'group'])
      expect(groups).toContain(entry.get('group'))
      for (const argument of (entry.get('arguments') ?? []) as Plain[]) checkArgument(argument)
      for (const [sub, subDocs] of pairs(entry.get('subcommands') ?? [])) {
        expect(String(sub)).toMatch(new RegExp(`^${String(name)}\\|`))
        checkEntry(sub, subDocs)
      }
    }
    const all = pairs(client().call('COMMAND', 'DOCS'))
    expect([...all.keys()]).toEqual(ALL_COMMANDS.map((spec) => spec.name))
    for (const [name, docs] of all) checkEntry(name, docs)
  })

  it('of some, and of none that is unknown', () => {
    const one = client()
    expect([...pairs(one.call('COMMAND', 'DOCS', 'GET', 'nosuch', 'client|kill')).keys()]).toEqual([
      'get',
      'client|kill',
    ])
    one.send('HELLO', '3')
    one.replies()
    expect(one.raw('COMMAND', 'DOCS', 'nosuch')).toBe('%0\r\n')
  })
})

describe('COMMAND GETKEYS', () => {
  it('finds the keys where they are', () => {
    const one = client()
    const keys = (...args: string[]): Plain => one.call('COMMAND', 'GETKEYS', ...args)
    expect(keys('GET', 'k')).toEqual(['k'])
    expect(keys('mset', 'a', '1', 'b', '2')).toEqual(['a', 'b'])
    expect(keys('WATCH', 'a', '', 'c')).toEqual(['a', '', 'c'])
    expect(keys('MEMORY', 'USAGE', 'k')).toEqual(['k'])
    expect(one.call('COMMAND', 'GETKEYS', 'GET', Buffer.from([0, 255]))).toEqual(['\0\xff'])
  })

  it('says how they are used', () => {
    const one = client()
    expect(one.call('COMMAND', 'GETKEYSANDFLAGS', 'GET', 'k')).toEqual([['k', ['RO', 'access']]])
    expect(one.call('COMMAND', 'GETKEYSANDFLAGS', 'MSET', 'a', '1', 'b', '2')).toEqual([
      ['a', ['OW', 'update']],
      ['b', ['OW', 'update']],
    ])
  })

  it('refuses what has none', () => {
    const one = client()
    expect(one.call('COMMAND', 'GETKEYS', 'PING')).toBe('-ERR The command has no key arguments')
    expect(one.call('COMMAND', 'GETKEYS', 'NOSUCH', 'k')).toBe('-ERR Invalid command specified')
    expect(one.call('COMMAND', 'GETKEYS', 'GET')).toBe('-ERR Invalid number of arguments specified for command')
    expect(one.call('COMMAND', 'GETKEYS')).toBe("-ERR wrong number of arguments for 'command|getkeys' command")
  })

  it('agrees with how commands are routed, for every command with keys', () => {
    const one = client()
    for (const [name, spec] of walk(ALL_COMMANDS)) {
      // Channels have buckets, but they are no keys.
      if (!spec.keys || spec.keys.flags.includes('not_key')) continue
      const words = name.split('|')
      const count = Math.abs(spec.arity) - words.length
      const args = Array.from({length: count}, (_, i) => `arg${i + words.length}`)
      const last = spec.keys.last < 0 ? words.length + count + spec.keys.last : spec.keys.last
      const want = []
      for (let i = spec.keys.first; i <= last; i += spec.keys.step) want.push(`arg${i}`)
      expect(one.call('COMMAND', 'GETKEYS', ...words, ...args), name).toEqual(want)
    }
  })
})

describe('HELP', () => {
  it('of every container names all of its subcommands', () => {
    const one = client()
    for (const spec of ALL_COMMANDS) {
      if (!spec.subcommands) continue
      const lines = one.call(spec.name, 'HELP') as string[]
      for (const sub of spec.subcommands) {
        expect(
          lines.some((line) => line.startsWith(sub.name.toUpperCase())),
          `${spec.name} ${sub.name}`,
        ).toBe(true)
      }
      expect(one.call(spec.name, 'nosuch')).toBe(
        `-ERR unknown subcommand 'nosuch'. Try ${spec.name.toUpperCase()} HELP.`,
      )
    }
  })
})

describe('arity', () => {
  it('is checked for every command before anything else happens', () => {
    const stage = new Stage()
    for (const [name, spec] of walk(ALL_COMMANDS)) {
      const words = name.split('|')
      const least = Math.abs(spec.arity)
      // One fewer than there must be; one more if the number is exact.
      const counts = [...(least > words.length ? [least - 1] : []), ...(spec.arity > 0 ? [least + 1] : [])]
      for (const count of counts) {
        const one = stage.connect()
        const reply = one.call(...words, ...Array<string>(count - words.length).fill('x'))
        const error = `ERR wrong number of arguments for '${name}' command`
        if (name === 'exec') expect(reply).toBe(`-EXECABORT Transaction discarded because of: ${error.slice(4)}`)
        else expect(reply, `${name} with ${count}`).toBe(`-${error}`)
      }
    }
    expect(stage.asked).toEqual([])
  })
})
