/**
 * Everything that can be typed into the console: its own words, the commands of `kv` (from the same registry as the shell's),
 * and the data commands of the cluster. Where a name is both (`cluster`), the longer one wins: `cluster status` is kv's,
 * `cluster info` the data command. Pure.
 */
import type {CommandDocs, Docs} from './command-docs.ts'

export interface AdminFlag {
  readonly name: string
  readonly char: string | undefined
  readonly summary: string
  /** It takes a value. */
  readonly hasValue: boolean
  readonly isRequired: boolean
  /** The values that it can have; empty: any. */
  readonly options: readonly string[]
  readonly valueName: string
}

export interface AdminCommand {
  /** As it is typed: `buckets move`. */
  readonly name: string
  readonly summary: string
  readonly args: readonly {readonly name: string; readonly isRequired: boolean}[]
  readonly flags: readonly AdminFlag[]
}

/** Words of the console itself. */
export interface OwnWord {
  readonly name: string
  readonly syntax: string
  readonly summary: string
}

export const OWN_WORDS: readonly OwnWord[] = [
  {name: 'help', syntax: '[command]', summary: 'Shows what can be typed, or how one command is used.'},
  {name: 'watch', syntax: 'seconds command', summary: 'Repeats a command until Ctrl-C.'},
  {name: 'use', syntax: 'node', summary: 'Makes another node the one that is asked.'},
  {name: 'on', syntax: 'node|all command', summary: 'Sends a data command to one node, or to every master.'},
  {name: 'clear', syntax: '', summary: 'Clears the screen.'},
  {name: 'exit', syntax: '', summary: 'Leaves; so do quit and Ctrl-D.'},
]

/** Commands of kv that make no sense in here; `exec` would hide the end of a transaction. */
const NOT_HERE: ReadonlySet<string> = new Set(['exec', 'repl'])

export type Found =
  | {readonly kind: 'own'; readonly word: OwnWord; readonly length: 1}
  | {readonly kind: 'admin'; readonly command: AdminCommand; readonly length: number}
  | {readonly kind: 'data'; readonly docs: CommandDocs; readonly length: number}

export class Catalogue {
  readonly admin: ReadonlyMap<string, AdminCommand>
  readonly data: Docs

  constructor(admin: readonly AdminCommand[], data: Docs) {
    this.admin = new Map(admin.filter(({name}) => !NOT_HERE.has(name)).map((command) => [command.name, command]))
    this.data = data
  }

  /** What these words begin with, and how many of them name it. */
  find(words: readonly string[]): Found | undefined {
    const [first = '', second = ''] = words.map((word) => word.toLowerCase())
    const own = OWN_WORDS.find(({name}) => name === first)
    if (own && (first !== 'watch' || this.isRepetition(words))) return {kind: 'own', word: own, length: 1}
    const pair = `${first} ${second}`
    for (const [name, length] of [
      [pair, 2],
      [first, 1],
    ] as const) {
      const command = this.admin.get(name)
      if (command) return {kind: 'admin', command, length}
      const docs = this.data.get(name)
      if (docs) return {kind: 'data', docs, length}
    }
    return undefined
  }

  /** WATCH is also the beginning of a transaction: seconds and a command make the difference. */
  isRepetition(words: readonly string[]): boolean {
    return words.length > 2 && /^\d+(\.\d+)?(ms|s|m|h)?$/.test(words[1]!) && this.find(words.slice(2)) !== undefined
  }

  /** Names that may follow these whole words: commands at the beginning, subcommands and topics' commands behind one. */
  namesAfter(words: readonly string[]): readonly string[] {
    const typed = words.map((word) => word.toLowerCase())
    const names = [...OWN_WORDS.map(({name}) => name), ...this.admin.keys(), ...this.data.keys()]
    const parts = names.map((name) => name.split(' '))
    const fitting = parts.filter((all) => all.length > typed.length && typed.every((word, i) => all[i] === word))
    return [...new Set(fitting.map((all) => all[typed.length]!))].sort()
  }
}

interface LoadedCommand {
  readonly id: string
  readonly summary?: string | undefined
  readonly hidden?: boolean | undefined
  readonly args: Readonly<Record<string, {readonly name?: string; readonly required?: boolean | undefined}>>
  readonly flags: Readonly<Record<string, LoadedFlag>>
}

interface LoadedFlag {
  readonly type: 'boolean' | 'option'
  readonly char?: string | undefined
  readonly summary?: string | undefined
  readonly description?: string | undefined
  readonly required?: boolean | undefined
  readonly helpValue?: string | readonly string[] | undefined
  readonly options?: readonly string[] | undefined
}

/** The shell's registry, as oclif has it. */
export function adminCommands(loaded: Iterable<LoadedCommand>): AdminCommand[] {
  return [...loaded]
    .filter(({hidden}) => hidden !== true)
    .map(({id, summary, args, flags}) => ({
      name: id.replaceAll(':', ' '),
      summary: summary ?? '',
      args: Object.entries(args).map(([name, arg]) => ({name, isRequired: arg.required === true})),
      flags: Object.entries(flags).map(([name, flag]) => readFlag(name, flag)),
    }))
}

function readFlag(name: string, flag: LoadedFlag): AdminFlag {
  const {helpValue} = flag
  return {
    name,
    char: flag.char,
    summary: flag.summary ?? flag.description ?? '',
    hasValue: flag.type === 'option',
    isRequired: flag.required === true,
    options: flag.options ?? [],
    valueName:
      (typeof helpValue === 'string' ? helpValue : undefined) ?? (flag.options ? flag.options.join('|') : 'value'),
  }
}
