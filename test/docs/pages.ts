/** The pages of the manual that are made from the code: commands.md whole, and the tables of wire.md. `npm run docs` writes them, a test compares. */
import {readFileSync} from 'node:fs'
import {ALL_COMMANDS} from '../../src/core/command/all.ts'
import {KNOWN_DIFFERENCES} from '../compat/differential/known-differences.ts'
import {REPO_ROOT} from '../support/kv.ts'

export const COMMANDS_PAGE = 'src/docs/commands.md'
export const WIRE_PAGE = 'src/docs/wire.md'

interface Flag {
  readonly name: string
  readonly char?: string
  readonly description?: string
  readonly summary?: string
  readonly default?: string | number | boolean
  readonly type: 'boolean' | 'option'
  readonly allowNo?: boolean
  readonly helpValue?: string | readonly string[]
  readonly options?: readonly string[]
  readonly required?: boolean
  readonly multiple?: boolean
  readonly hidden?: boolean
}

interface ManifestCommand {
  readonly id: string
  readonly summary: string
  readonly description: string
  readonly args: Readonly<Record<string, {readonly description: string; readonly required?: boolean}>>
  readonly flags: Readonly<Record<string, Flag>>
  readonly examples: readonly (string | {readonly description: string; readonly command: string})[]
  readonly usage?: string
  readonly hidden?: boolean
}

const HEAD = `# Commands

Made from the code by \`npm run docs\`; \`kv COMMAND --help\` shows the same. In every command: stdout is data, stderr the rest; \`--json\` prints one document, or one object a line; exit codes and
error codes are in the [README](../../README.md#exit-codes).
`

/** All commands of `kv`, from the manifest of the build. */
export function commandsPage(): string {
  const {commands} = JSON.parse(readFileSync(`${REPO_ROOT}/.oclif.manifest.json`, 'utf8')) as {
    readonly commands: Readonly<Record<string, ManifestCommand>>
  }
  const shown = Object.values(commands).filter(({hidden}) => hidden !== true)
  return [HEAD, ...shown.sort((a, b) => (a.id < b.id ? -1 : 1)).map(commandSection)].join('\n')
}

function commandSection(command: ManifestCommand): string {
  const {id, summary, description, args, flags, examples} = command
  const name = `kv ${id.replaceAll(':', ' ')}`
  const rows = [
    ...Object.entries(args).map(([arg, {description: text}]) => [`\`${arg.toUpperCase()}\``, text]),
    ...Object.values(flags)
      .filter(({hidden, name: flag}) => hidden !== true && flag !== 'json')
      .map((flag) => [flagText(flag), flagDescription(flag)]),
  ]
  const table =
    rows.length === 0 ? [] : ['| | |', '|---|---|', ...rows.map((cells) => `| ${cells.map(cell).join(' | ')} |`), '']
  return [
    `## ${name}`,
    '',
    `${summary} ${unwrapped(description)}`,
    '',
    '```',
    usage(name, command),
    '```',
    '',
    ...table,
    '```',
    ...examples.flatMap(exampleLines),
    '```',
    '',
  ].join('\n')
}

function usage(name: string, {args, flags, usage: own}: ManifestCommand): string {
  if (own !== undefined) return `kv ${own}`
  const shownArgs = Object.entries(args).map(([arg, {required}]) =>
    required === true ? arg.toUpperCase() : `[${arg.toUpperCase()}]`,
  )
  const required = Object.values(flags)
    .filter((flag) => flag.required === true)
    .map((flag) => `--${flag.name} ${valueOf(flag)}`)
  return [name, ...shownArgs, ...required, '[flags]'].join(' ')
}

function exampleLines(example: ManifestCommand['examples'][number]): string[] {
  const lines = typeof example === 'string' ? [example] : [`# ${example.description}`, example.command]
  return lines.map((line) => line.replaceAll('<%= config.bin %>', 'kv'))
}

function flagText(flag: Flag): string {
  const short = flag.char === undefined ? '' : `-${flag.char}, `
  const long = flag.allowNo === true ? `--[no-]${flag.name}` : `--${flag.name}`
  return `\`${short}${long}${flag.type === 'option' ? ` ${valueOf(flag)}` : ''}\``
}

function valueOf({options, helpValue}: Flag): string {
  if (options && options.length > 0) return options.join('|')
  return typeof helpValue === 'string' ? helpValue : 'value'
}

function flagDescription(flag: Flag): string {
  const text = flag.description ?? flag.summary ?? ''
  const {default: initial} = flag
  const isShown = initial !== undefined && initial !== false && initial !== '' && flag.type === 'option'
  return isShown ? `${text} Default ${String(initial)}.` : text
}

function unwrapped(text: string): string {
  return text.replaceAll('\n\n', '\n\n').trim()
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** Puts what is made from the code between its marks: `<!-- made: NAME -->` ... `<!-- end -->`. */
export function filled(page: string, made: Readonly<Record<string, string>>): string {
  return page.replace(/<!-- made: (\S+) -->[^]*?<!-- end -->/g, (whole, name: string) => {
    const text = made[name]
    return text === undefined ? whole : `<!-- made: ${name} -->\n\n${text}\n\n<!-- end -->`
  })
}

/** The tables of wire.md. */
export function wireTables(): Readonly<Record<string, string>> {
  return {commands: dataCommandsTable(), differences: differencesTable()}
}

function dataCommandsTable(): string {
  const groups = new Map<string, string[]>()
  for (const spec of ALL_COMMANDS) {
    const subcommands = (spec.subcommands ?? []).map(({name}) => name.toUpperCase())
    const text = `\`${spec.name.toUpperCase()}\`${subcommands.length > 0 ? ` (${subcommands.join(' ')})` : ''}`
    groups.set(spec.group, [...(groups.get(spec.group) ?? []), text])
  }
  const rows = [...groups].map(([group, names]) => `| ${group} | ${names.sort().join(', ')} |`)
  return ['| group | commands |', '|---|---|', ...rows.sort()].join('\n')
}

function differencesTable(): string {
  const seen = new Map<string, string[]>()
  for (const {step, reason} of KNOWN_DIFFERENCES) {
    const command = `\`${step.replace(/^\[\w+\] /, '')}\``
    const steps = seen.get(reason) ?? []
    if (!steps.includes(command)) seen.set(reason, [...steps, command])
  }
  const rows = [...seen].map(([reason, steps]) => `| ${cell(steps.join(', '))} | ${cell(reason)} |`)
  return ['| request | why |', '|---|---|', ...rows].join('\n')
}
