/** What is shown, dim, behind the cursor while a command is typed: the arguments that are still to come. Pure. */
import {piecesOf} from './words.ts'
import {remainingSyntax} from './syntax.ts'
import type {AdminCommand, Catalogue} from './catalogue.ts'

/** With a blank in front if the line does not end with one; empty if there is nothing to say. */
export function hintFor(line: string, catalogue: Catalogue): string {
  const pieces = piecesOf(line)
  if (!pieces || pieces.length === 0 || pieces.at(-1)!.problem !== '') return ''
  const words = pieces.map(({word}) => word.text)
  if (words.length === 1 && words[0]!.toLowerCase() === 'watch') return spaced(line, 'key [key ...] | seconds command')
  const found = catalogue.find(words)
  if (!found) return ''
  const isPartOfName = found.length > 1 && words.length < found.length
  const rest = words.slice(found.length)
  const hint = isPartOfName ? '' : textOf(found, rest, catalogue)
  return hint === '' ? '' : spaced(pieces.at(-1)!.isOpen ? '' : line, hint)
}

function spaced(line: string, hint: string): string {
  return /\s$/.test(line) ? hint : ` ${hint}`
}

function textOf(
  found: NonNullable<ReturnType<Catalogue['find']>>,
  rest: readonly string[],
  catalogue: Catalogue,
): string {
  if (found.kind === 'data') {
    const subcommands = rest.length === 0 ? catalogue.namesAfter([found.docs.name]) : []
    return subcommands.length > 0 ? subcommands.join(' | ') : remainingSyntax(found.docs.args, rest)
  }
  if (found.kind === 'admin') return adminSyntax(found.command, rest)
  if (found.word.name !== 'watch' && found.word.name !== 'on') return rest.length === 0 ? found.word.syntax : ''
  // Behind seconds, or a node, stands a command of its own.
  if (rest.length < 2) return found.word.syntax.split(' ').slice(rest.length).join(' ')
  return hintFor(`${rest.slice(1).join(' ')}`, catalogue).trimStart()
}

/** The arguments and flags of a command of kv that were not given yet; what must be given first. */
export function adminSyntax({args, flags}: AdminCommand, typed: readonly string[]): string {
  const used = new Set(typed.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0]!))
  const given = positionals({flags}, typed).length
  const open = flags.filter(({name, char}) => !used.has(`--${name}`) && !used.has(`-${char ?? ''}`) && name !== 'json')
  const shown = open.map((flag) => {
    const text = `--${flag.name}${flag.hasValue ? ` ${flag.valueName}` : ''}`
    return {text: flag.isRequired ? text : `[${text}]`, isRequired: flag.isRequired}
  })
  return [
    ...args.slice(given).map(({name, isRequired}) => (isRequired ? name.toUpperCase() : `[${name.toUpperCase()}]`)),
    ...shown.filter(({isRequired}) => isRequired).map(({text}) => text),
    ...shown.filter(({isRequired}) => !isRequired).map(({text}) => text),
  ].join(' ')
}

/** Words that are neither flags nor their values. */
export function positionals({flags}: Pick<AdminCommand, 'flags'>, typed: readonly string[]): readonly string[] {
  const found: string[] = []
  for (let i = 0; i < typed.length; i++) {
    const word = typed[i]!
    if (!word.startsWith('-')) found.push(word)
    else if (!word.includes('=') && flags.some((flag) => flag.hasValue && isNamed(flag, word))) i++
  }
  return found
}

export function isNamed({name, char}: AdminCommand['flags'][number], word: string): boolean {
  return word === `--${name}` || (char !== undefined && word === `-${char}`)
}
