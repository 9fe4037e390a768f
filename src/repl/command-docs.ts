/**
 * What the cluster's own table says of its data commands (`COMMAND` and `COMMAND DOCS`): names, arguments, which
 * argument is the key. So hints and completion are right for whatever server is at the other end. Pure: replies in,
 * catalogue out.
 */
import {isList, replyEntries, replyText, type Reply} from '../client/reply.ts'

export interface ArgumentDocs {
  readonly name: string
  /** `key`, `string`, `integer`, `pure-token`, `oneof`, `block` ... */
  readonly type: string
  readonly token: string | undefined
  readonly isOptional: boolean
  readonly isMultiple: boolean
  readonly args: readonly ArgumentDocs[]
}

export interface CommandDocs {
  /** Lower case, with a blank before a subcommand: `config get`. */
  readonly name: string
  readonly summary: string
  readonly group: string
  readonly since: string
  readonly complexity: string
  readonly args: readonly ArgumentDocs[]
  /** Number of the argument that is the first key, counted from the name of the whole command; 0: it has none. */
  readonly firstKey: number
}

/** Data commands by name; a container (`config`) is there as well as what it contains. */
export type Docs = ReadonlyMap<string, CommandDocs>

/** Reads the replies to COMMAND DOCS and COMMAND; whatever of them cannot be read is left out. */
export function parseDocs(docs: Reply, table: Reply): Docs {
  const keys = new Map<string, number>()
  if (isList(table)) for (const entry of table) readKeys(entry, keys)
  const known = new Map<string, CommandDocs>()
  for (const [name, entry] of replyEntries(docs) ?? []) readCommand(replyText(name) ?? '', entry, keys, known)
  // A server without DOCS still has names.
  for (const [name, firstKey] of keys) if (!known.has(name)) known.set(name, {...UNKNOWN, name, firstKey})
  return known
}

const UNKNOWN: CommandDocs = {name: '', summary: '', group: '', since: '', complexity: '', args: [], firstKey: 0}
const AT_FIRST_KEY = 3
const AT_SUBCOMMANDS = 9

function spaced(name: string): string {
  return name.toLowerCase().replace('|', ' ')
}

function readKeys(entry: Reply, keys: Map<string, number>): void {
  if (!isList(entry)) return
  const name = replyText(entry[0])
  const first = entry[AT_FIRST_KEY]
  if (name === undefined) return
  keys.set(spaced(name), typeof first === 'number' ? first : 0)
  const subcommands = entry[AT_SUBCOMMANDS]
  if (subcommands !== undefined && isList(subcommands)) for (const sub of subcommands) readKeys(sub, keys)
}

function readCommand(raw: string, entry: Reply, keys: Map<string, number>, known: Map<string, CommandDocs>): void {
  const name = spaced(raw)
  const fields = fieldsOf(entry)
  const text = (field: string): string => replyText(fields.get(field)) ?? ''
  const args = (itemsOf(fields.get('arguments')) ?? []).map(readArgument)
  const facts = {summary: text('summary'), group: text('group'), since: text('since'), complexity: text('complexity')}
  known.set(name, {name, ...facts, args, firstKey: keys.get(name) ?? 0})
  for (const [sub, subEntry] of replyEntries(fields.get('subcommands') ?? null) ?? []) {
    readCommand(replyText(sub) ?? '', subEntry, keys, known)
  }
}

function readArgument(reply: Reply): ArgumentDocs {
  const fields = fieldsOf(reply)
  const flags = itemsOf(fields.get('flags'))?.map((flag) => replyText(flag)) ?? []
  return {
    name: replyText(fields.get('name')) ?? '',
    type: replyText(fields.get('type')) ?? '',
    token: replyText(fields.get('token')),
    isOptional: flags.includes('optional'),
    isMultiple: flags.includes('multiple'),
    args: (itemsOf(fields.get('arguments')) ?? []).map(readArgument),
  }
}

function fieldsOf(reply: Reply): ReadonlyMap<string, Reply> {
  return new Map((replyEntries(reply) ?? []).map(([name, value]) => [replyText(name) ?? '', value]))
}

/** The items of a list, or of a set. */
function itemsOf(reply: Reply | undefined): readonly Reply[] | undefined {
  if (reply === undefined || reply === null) return undefined
  if (isList(reply)) return reply
  return typeof reply === 'object' && 'kind' in reply && reply.kind === 'set' ? reply.items : undefined
}
