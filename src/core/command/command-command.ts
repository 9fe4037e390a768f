/** COMMAND: the table of commands, told to clients. */
import {matchesGlob} from '../../base/glob.ts'
import {helpReply} from './help.ts'
import {withSubcommands} from './command.ts'
import {COMMAND_SPEC} from './server-container-specs.ts'
import {Request} from '../../resp/request-decoder.ts'
import type {ArgumentSpec, Command, CommandSpec, KeyFlag, KeySpec} from './command.ts'
import type {Context} from './context.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'

function all(c: Context): void {
  const commands = [...c.engine.table.byName.values()]
  c.out.array(commands.length)
  for (const command of commands) replyInfo(c.out, command)
}

function info(c: Context): void {
  if (c.argc === 2) return all(c)
  c.out.array(c.argc - 2)
  for (let i = 2; i < c.argc; i++) {
    const command = findByName(c, c.text(i))
    if (command) replyInfo(c.out, command)
    else c.out.null()
  }
}

/** `get` or `config|get`. */
function findByName(c: Context, name: string): Command | undefined {
  const [first, second] = name.toLowerCase().split('|')
  const command = c.engine.table.byName.get(first ?? '')
  return second === undefined ? command : command?.subcommands?.get(second)
}

function replyInfo(out: ReplyWriter, command: Command): void {
  const {spec} = command
  out.array(10)
  out.bulkString(command.fullName)
  out.integer(spec.arity)
  out.set(spec.flags.length)
  for (const flag of spec.flags) out.simple(flag)
  out.integer(command.firstKey)
  out.integer(command.lastKey)
  out.integer(command.keyStep)
  const categories = categoriesOf(spec)
  out.set(categories.length)
  for (const category of categories) out.simple(category)
  const tips = spec.tips ?? []
  out.array(tips.length)
  for (const tip of tips) out.bulkString(tip)
  replyKeySpecs(out, spec)
  const subcommands = [...(command.subcommands?.values() ?? [])]
  out.array(subcommands.length)
  for (const sub of subcommands) replyInfo(out, sub)
}

/** The ACL categories follow from group and flags, as in Redis. */
function categoriesOf(spec: CommandSpec): readonly string[] {
  const categories: string[] = []
  const groups: Partial<Record<CommandSpec['group'], string>> = {
    string: '@string',
    hash: '@hash',
    generic: '@keyspace',
    transactions: '@transaction',
    connection: '@connection',
    pubsub: '@pubsub',
  }
  if (spec.flags.includes('write')) categories.push('@write')
  if (spec.flags.includes('readonly')) categories.push('@read')
  const group = groups[spec.group]
  if (group !== undefined) categories.push(group)
  if (spec.flags.includes('admin')) categories.push('@admin', '@dangerous')
  categories.push(spec.flags.includes('fast') ? '@fast' : '@slow')
  return categories
}

function replyKeySpecs(out: ReplyWriter, spec: CommandSpec): void {
  const {keys} = spec
  const each = keys?.flagsOfEach
  const specs: readonly KeySpec[] = !keys
    ? []
    : each
      ? each.map((flags, n) => ({first: keys.first + n, last: keys.first + n, step: keys.step, flags}))
      : [keys]
  out.array(specs.length)
  for (const one of specs) replyKeySpec(out, one)
}

function replyKeySpec(out: ReplyWriter, keys: KeySpec): void {
  out.map(3)
  out.bulkString('flags')
  out.set(keys.flags.length)
  for (const flag of keys.flags) out.simple(flag)
  out.bulkString('begin_search')
  out.map(2)
  out.bulkString('type')
  out.bulkString('index')
  out.bulkString('spec')
  out.map(1)
  out.bulkString('index')
  out.integer(keys.first)
  out.bulkString('find_keys')
  out.map(2)
  out.bulkString('type')
  out.bulkString('range')
  out.bulkString('spec')
  out.map(3)
  out.bulkString('lastkey')
  out.integer(keys.last < 0 ? keys.last : keys.last - keys.first)
  out.bulkString('keystep')
  out.integer(keys.step)
  out.bulkString('limit')
  out.integer(0)
}

function docs(c: Context): void {
  const commands: Command[] = []
  if (c.argc === 2) commands.push(...c.engine.table.byName.values())
  for (let i = 2; i < c.argc; i++) {
    const command = findByName(c, c.text(i))
    if (command) commands.push(command)
  }
  c.out.map(commands.length)
  for (const command of commands) replyDocs(c.out, command)
}

function replyDocs(out: ReplyWriter, command: Command): void {
  const {spec} = command
  const args = spec.args ?? []
  const subcommands = [...(command.subcommands?.values() ?? [])]
  out.bulkString(command.fullName)
  out.map(3 + (spec.complexity === undefined ? 0 : 1) + (args.length > 0 ? 1 : 0) + (subcommands.length > 0 ? 1 : 0))
  const texts: [string, string][] = [
    ['summary', spec.summary],
    ['since', spec.since],
    ['group', spec.group],
  ]
  if (spec.complexity !== undefined) texts.push(['complexity', spec.complexity])
  for (const [name, value] of texts) {
    out.bulkString(name)
    out.bulkString(value)
  }
  if (args.length > 0) {
    out.bulkString('arguments')
    replyArguments(out, args)
  }
  if (subcommands.length === 0) return
  out.bulkString('subcommands')
  out.map(subcommands.length)
  for (const sub of subcommands) replyDocs(out, sub)
}

function replyArguments(out: ReplyWriter, args: readonly ArgumentSpec[]): void {
  out.array(args.length)
  for (const arg of args) {
    const flags: string[] = []
    if (arg.optional) flags.push('optional')
    if (arg.multiple) flags.push('multiple')
    if (arg.multipleToken) flags.push('multiple_token')
    const isPlain = arg.type !== 'oneof' && arg.type !== 'block'
    const isKey = arg.type === 'key'
    const pairs =
      2 +
      (isPlain ? 1 : 0) +
      (isKey ? 1 : 0) +
      (arg.token === undefined ? 0 : 1) +
      (flags.length > 0 ? 1 : 0) +
      (arg.args ? 1 : 0)
    out.map(pairs)
    const texts: [string, string][] = [
      ['name', arg.name],
      ['type', arg.type],
    ]
    if (isPlain) texts.push(['display_text', arg.name])
    if (arg.token !== undefined) texts.push(['token', arg.token])
    for (const [name, value] of texts) {
      out.bulkString(name)
      out.bulkString(value)
    }
    if (isKey) {
      out.bulkString('key_spec_index')
      out.integer(0)
    }
    if (flags.length > 0) {
      out.bulkString('flags')
      out.set(flags.length)
      for (const flag of flags) out.simple(flag)
    }
    if (arg.args) {
      out.bulkString('arguments')
      replyArguments(out, arg.args)
    }
  }
}

function list(c: Context): void {
  let names = [...c.engine.table.byName.keys()]
  if (c.argc > 2) {
    if (c.argc !== 5 || !c.is(2, 'FILTERBY')) return c.fail('ERR syntax error')
    const wanted = c.text(4)
    if (c.is(3, 'ACLCAT'))
      names = names.filter((name) =>
        categoriesOf(c.engine.table.byName.get(name)!.spec).includes(`@${wanted.toLowerCase()}`),
      )
    else if (c.is(3, 'PATTERN'))
      names = names.filter((name) => matchesGlob(Buffer.from(wanted), Buffer.from(name), true))
    else if (c.is(3, 'MODULE')) names = []
    else return c.fail('ERR syntax error')
  }
  c.out.array(names.length)
  for (const name of names) c.out.bulkString(name)
}

/** Indices, in this request, of the keys of the command that begins at argument 2; null if the error is written. */
function keyIndices(c: Context): {readonly indices: readonly number[]; readonly spec: KeySpec} | null {
  const {request} = c
  const inner = new Request()
  inner.buf = request.buf
  inner.argc = request.argc - 2
  inner.off = request.off.slice(2, request.argc)
  inner.len = request.len.slice(2, request.argc)
  let command = c.engine.table.find(inner)
  if (command?.subcommands && inner.argc > 1) command = command.subcommands.get(c.text(3).toLowerCase()) ?? command
  if (!command) {
    c.fail('ERR Invalid command specified')
    return null
  }
  if (!command.acceptsArity(inner.argc)) {
    c.fail('ERR Invalid number of arguments specified for command')
    return null
  }
  if (command.firstKey === 0 || command.spec.keys?.flags.includes('not_key')) {
    c.fail('ERR The command has no key arguments')
    return null
  }
  const last = command.lastKey < 0 ? inner.argc + command.lastKey : command.lastKey
  const indices: number[] = []
  for (let i = command.firstKey; i <= last; i += command.keyStep) indices.push(i + 2)
  return {indices, spec: command.spec.keys!}
}

function getkeys(c: Context, hasFlags: boolean): void {
  const keys = keyIndices(c)
  if (!keys) return
  const {buf, off, len} = c.request
  c.out.array(keys.indices.length)
  for (const [n, i] of keys.indices.entries()) {
    if (hasFlags) c.out.array(2)
    c.out.bulk(buf, off[i]!, len[i]!)
    if (!hasFlags) continue
    const flags = flagsOfKey(c, keys.spec, n)
    c.out.set(flags.length)
    for (const flag of flags) c.out.simple(flag)
  }
}

function flagsOfKey(c: Context, spec: KeySpec, n: number): readonly KeyFlag[] {
  if (!spec.flagsFor) return spec.flagsOfEach?.[n] ?? spec.flags
  const words = Array.from({length: c.argc - 3}, (_, i) => c.text(i + 3).toUpperCase())
  return spec.flagsFor(words)
}

export const COMMAND_COMMAND: CommandSpec = {
  ...withSubcommands(
    COMMAND_SPEC,
    {
      count: (c) => c.out.integer(c.engine.table.byName.size),
      info,
      docs,
      list,
      getkeys: (c) => getkeys(c, false),
      getkeysandflags: (c) => getkeys(c, true),
      help: (c) => helpReply(c, COMMAND_SPEC),
    },
    all,
  ),
  arity: -1,
}
