/**
 * What can be typed after `kv`, taken from oclif's manifest: the one source of all three completion files. Pure: manifest in, words out.
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

interface ManifestFlag {
  readonly name: string
  readonly char?: string | undefined
  readonly description?: string | undefined
  readonly type: 'boolean' | 'option'
  readonly allowNo?: boolean | undefined
  readonly helpValue?: string | readonly string[] | undefined
  readonly options?: readonly string[] | undefined
  readonly hidden?: boolean | undefined
}

interface ManifestArg {
  readonly options?: readonly string[] | undefined
}

/** The part of oclif's manifest that is used here. */
export interface Manifest {
  readonly commands: Readonly<
    Record<
      string,
      {
        readonly summary?: string | undefined
        readonly hidden?: boolean | undefined
        readonly args: Readonly<Record<string, ManifestArg>>
        readonly flags: Readonly<Record<string, ManifestFlag>>
      }
    >
  >
}

/** A word that may come next, and what it is. */
export interface Word {
  readonly word: string
  readonly text: string
}

export interface FlagGrammar extends Word {
  /** With dashes: the long form first. */
  readonly forms: readonly string[]
  /** Null: it takes none. Empty: anything. */
  readonly values: readonly string[] | null
  readonly isPath: boolean
}

export interface CommandGrammar {
  /** `buckets list`. */
  readonly name: string
  readonly text: string
  readonly flags: readonly FlagGrammar[]
  /** What its first argument may be; empty: anything. */
  readonly argValues: readonly string[]
  readonly hasArgs: boolean
}

export interface Grammar {
  /** What may stand first. */
  readonly first: readonly Word[]
  /** The second words of each topic. */
  readonly topics: ReadonlyMap<string, readonly Word[]>
  readonly commands: readonly CommandGrammar[]
}

/** Values that are names of files or folders. */
const PATH_VALUES: ReadonlySet<string> = new Set(['file', 'dir', 'path', 'command'])
const HELP: FlagGrammar = {word: '--help', forms: ['--help', '-h'], text: 'Show help.', values: null, isPath: false}

/** `topicTexts`: what each topic is, from package.json. */
export function grammarOf(manifest: Manifest, topicTexts: Readonly<Record<string, string>>): Grammar {
  const shown = Object.entries(manifest.commands).filter(([, {hidden}]) => hidden !== true)
  const commands = shown
    .map(([id, command]): CommandGrammar => {
      const args = Object.values(command.args)
      return {
        name: id.replaceAll(':', ' '),
        text: oneLine(command.summary),
        flags: [...Object.values(command.flags).flatMap(flagGrammar), HELP],
        argValues: args[0]?.options ?? [],
        hasArgs: args.length > 0,
      }
    })
    .sort(byName)
  const topics = new Map<string, Word[]>()
  const first: Word[] = []
  for (const {name, text} of commands) {
    const [topic, word] = name.split(' ') as [string, string | undefined]
    if (word === undefined) first.push({word: topic, text})
    else if (topics.has(topic)) topics.get(topic)!.push({word, text})
    else {
      topics.set(topic, [{word, text}])
      first.push({word: topic, text: oneLine(topicTexts[topic])})
    }
  }
  first.sort((a, b) => (a.word < b.word ? -1 : 1))
  first.push({word: 'help', text: 'Show help for a command'}, {word: '--help', text: 'Show help'})
  first.push({word: '--version', text: 'Show the version'})
  return {first, topics, commands}
}

function flagGrammar(flag: ManifestFlag): FlagGrammar[] {
  if (flag.hidden === true) return []
  const word = `--${flag.name}`
  const forms = [word, ...(flag.char === undefined ? [] : [`-${flag.char}`])]
  const values = flag.type === 'option' ? (flag.options ?? []) : null
  const isPath = typeof flag.helpValue === 'string' && PATH_VALUES.has(flag.helpValue)
  const own: FlagGrammar = {word, forms, text: oneLine(flag.description), values, isPath}
  const no = `--no-${flag.name}`
  return flag.allowNo === true ? [own, {...own, word: no, forms: [no]}] : [own]
}

/** The first sentence, without its full stop. */
function oneLine(text = ''): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replace(/(\.\s.*|\.)$/, '')
    .trim()
}

function byName(a: CommandGrammar, b: CommandGrammar): number {
  return a.name < b.name ? -1 : 1
}
