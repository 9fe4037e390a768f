/** `help`: all that can be typed, by group, or one command. Pure. */
import type {ChalkInstance} from 'chalk'
import {OWN_WORDS, type Catalogue} from './catalogue.ts'
import {syntaxOf} from './syntax.ts'
import type {CommandDocs} from './command-docs.ts'

const WIDTH = 76
const NAME_CHARS = 22

/** Without a line end; undefined if there is no such command. */
export function helpText(catalogue: Catalogue, words: readonly string[], style: ChalkInstance): string | undefined {
  if (words.length === 0) return overview(catalogue, style)
  const found = catalogue.find(words)
  if (found?.kind === 'own')
    return `${style.bold(`${found.word.name} ${found.word.syntax}`.trim())}\n${found.word.summary}`
  if (found?.kind === 'data') return dataHelp(found.docs, catalogue, style)
  const inTopic = catalogue.namesAfter(words.slice(0, 1))
  const name = words[0]!.toLowerCase()
  if (found || inTopic.length === 0 || words.length > 1) return undefined
  return inTopic
    .map((sub) => line(`${name} ${sub}`, catalogue.admin.get(`${name} ${sub}`)?.summary ?? '', style))
    .join('\n')
}

function dataHelp(docs: CommandDocs, catalogue: Catalogue, style: ChalkInstance): string {
  const {name, args, summary, group, since, complexity} = docs
  const subcommands = catalogue.namesAfter([name]).filter((sub) => catalogue.data.has(`${name} ${sub}`))
  const facts = [group && `group ${group}`, since && `since ${since}`, complexity].filter((fact) => fact !== '')
  return [
    style.bold(`${name.toUpperCase()} ${syntaxOf(args)}`.trim()),
    ...(summary === '' ? [] : [summary]),
    ...(facts.length === 0 ? [] : [style.dim(facts.join(', '))]),
    ...subcommands.map((sub) => line(`${name} ${sub}`, catalogue.data.get(`${name} ${sub}`)!.summary, style)),
  ].join('\n')
}

function overview(catalogue: Catalogue, style: ChalkInstance): string {
  const own = OWN_WORDS.map(({name, syntax, summary}) => line(`${name} ${syntax}`.trim(), summary, style))
  const admin = [...catalogue.admin.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const groups = new Map<string, string[]>()
  for (const {name, group} of catalogue.data.values()) {
    if (!name.includes(' ')) groups.set(group, [...(groups.get(group) ?? []), name])
  }
  const data = [...groups].map(([group, names]) => `${style.cyan(group || 'other')}\n${wrapped(names.sort())}`)
  return [
    style.bold('In here'),
    ...own,
    '',
    style.bold('The cluster'),
    ...admin.map(({name, summary}) => line(name, summary, style)),
    '',
    style.bold('Data'),
    ...data,
    '',
    'help COMMAND shows one. "| program" and "> file" take the output; jq gets JSON.',
  ].join('\n')
}

function line(name: string, summary: string, style: ChalkInstance): string {
  return `  ${style.green(name.padEnd(NAME_CHARS))}  ${summary}`.trimEnd()
}

function wrapped(words: readonly string[]): string {
  const lines: string[] = []
  let current = ' '
  for (const word of words) {
    if (current.length + 1 + word.length > WIDTH) {
      lines.push(current)
      current = ' '
    }
    current += ` ${word}`
  }
  return [...lines, current].join('\n')
}
