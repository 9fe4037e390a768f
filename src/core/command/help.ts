/** `X HELP`, made from the table. */
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

export function helpReply(c: Context, spec: CommandSpec): void {
  const lines = [`${spec.name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`]
  for (const sub of [...(spec.subcommands ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    lines.push(sub.name.toUpperCase(), `    ${sub.summary}`)
  }
  c.out.array(lines.length)
  for (const line of lines) c.out.simple(line)
}
