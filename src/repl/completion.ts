/**
 * What Tab offers: commands and subcommands, flags and their values, nodes, tokens (`NX`), keys and fields that are
 * there. Where the words come from is handed in, so that all of this can be tested without a terminal or a cluster.
 */
import {isNamed} from './hints.ts'
import {nextArgument, openTokens} from './syntax.ts'
import {piecesOf, quoteWord, type Piece} from './words.ts'
import type {AdminCommand, Catalogue, Found} from './catalogue.ts'
import type {CommandDocs} from './command-docs.ts'

export interface Sources {
  /** Addresses and ids of the nodes. */
  nodes(): readonly string[]
  /** Some keys that begin with these bytes. */
  keys(prefix: Buffer): Promise<readonly Buffer[]>
  /** Some fields of a map that begin with these bytes. */
  fields(key: Buffer, prefix: Buffer): Promise<readonly Buffer[]>
}

/** Words that could stand in place of the last one, and that one as it was typed. */
export type Completion = [candidates: string[], typed: string]

const NODE_FLAGS: ReadonlySet<string> = new Set(['to', 'node', 'from', 'join'])
const NODE_ARGUMENTS: ReadonlySet<string> = new Set(['node', 'address'])

export async function complete(line: string, catalogue: Catalogue, sources: Sources): Promise<Completion> {
  const pieces = piecesOf(line)
  if (!pieces) return [[], '']
  const last = pieces.at(-1)
  const isInWord = last !== undefined && (last.to === line.length || last.isOpen) && !(/\s$/.test(line) && !last.isOpen)
  const before = isInWord ? pieces.slice(0, -1) : pieces
  const current = isInWord ? last.word.bytes : Buffer.alloc(0)
  const typed = isInWord ? line.slice(last.from) : ''
  const offered = await offer(before, current, catalogue, sources)
  return [[...new Set(offered)], typed]
}

async function offer(
  before: readonly Piece[],
  current: Buffer,
  catalogue: Catalogue,
  sources: Sources,
): Promise<string[]> {
  const words = before.map(({word}) => word.text)
  const text = current.toString()
  if (words.length === 0) return inCaseOf(text, catalogue.namesAfter([]))
  const found = catalogue.find(words)
  const names = words.length === 1 ? inCaseOf(text, catalogue.namesAfter(words)) : []
  if (!found) return names
  const more = await offerFor(found, before, current, catalogue, sources)
  return found.length < words.length ? more : [...names, ...more]
}

async function offerFor(
  found: Found,
  before: readonly Piece[],
  current: Buffer,
  catalogue: Catalogue,
  sources: Sources,
): Promise<string[]> {
  const rest = before.slice(found.length)
  if (found.kind === 'admin')
    return offerAdmin(
      found.command,
      rest.map(({word}) => word.text),
      current.toString(),
      sources,
    )
  if (found.kind === 'data') return offerData(found.docs, found.length, before, current, sources)
  if (found.word.name === 'help') return offer(rest, current, catalogue, {...sources, keys: none, fields: none})
  const isNode = found.word.name === 'use' || found.word.name === 'on'
  if (isNode && rest.length === 0)
    return starting(current.toString(), [...sources.nodes(), ...(found.word.name === 'on' ? ['all'] : [])])
  const hasCommand = (found.word.name === 'watch' || found.word.name === 'on') && rest.length >= 1
  return hasCommand ? offer(rest.slice(1), current, catalogue, sources) : []
}

async function none(): Promise<readonly Buffer[]> {
  return []
}

function offerAdmin(command: AdminCommand, rest: readonly string[], text: string, sources: Sources): string[] {
  const lastFlag = command.flags.find((flag) => flag.hasValue && isNamed(flag, rest.at(-1) ?? ''))
  if (lastFlag) {
    if (lastFlag.options.length > 0) return starting(text, lastFlag.options)
    return NODE_FLAGS.has(lastFlag.name) ? starting(text, sources.nodes()) : []
  }
  if (text.startsWith('-')) {
    const open = command.flags.filter((flag) => !rest.some((word) => isNamed(flag, word)))
    return starting(
      text,
      open.map(({name}) => `--${name}`),
    )
  }
  return command.args.some(({name}) => NODE_ARGUMENTS.has(name)) ? starting(text, sources.nodes()) : []
}

async function offerData(
  docs: CommandDocs,
  length: number,
  before: readonly Piece[],
  current: Buffer,
  sources: Sources,
): Promise<string[]> {
  const typed = before.slice(length).map(({word}) => word.text)
  const tokens = inCaseOf(current.toString(), openTokens(docs.args, typed))
  const next = nextArgument(docs.args, typed)
  if (next?.type === 'key') return [...(await sources.keys(current)).map(quoteWord), ...tokens]
  const key = before[docs.firstKey]
  if (next?.name !== 'field' || !key || docs.firstKey === 0) return tokens
  return [...(await sources.fields(key.word.bytes, current)).map(quoteWord), ...tokens]
}

function starting(text: string, words: readonly string[]): string[] {
  return words.filter((word) => word.startsWith(text))
}

/** Words are known in one case and typed in any: who begins in capitals goes on in capitals. */
function inCaseOf(text: string, words: readonly string[]): string[] {
  const isUpper = text !== '' && text === text.toUpperCase() && text !== text.toLowerCase()
  return words
    .filter((word) => word.toLowerCase().startsWith(text.toLowerCase()))
    .map((word) => (isUpper ? word.toUpperCase() : text === '' ? word : word.toLowerCase()))
}
