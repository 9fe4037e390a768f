import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {useContext} from '../../src/cli/contexts.ts'
import {prose} from '../../src/cli/prose.ts'

export default class ContextUse extends BaseCommand {
  static override summary = 'Make a context the current one.'
  static override description = prose`
    From then on every command that names no node goes to this cluster. --node, --context, KV_NODE and KV_CONTEXT still go
    before it.
  `
  static override examples = ['<%= config.bin %> context use prod']
  static override args = {name: Args.string({required: true, ignoreStdin: true, description: 'Name of the context.'})}

  async run(): Promise<unknown> {
    const {args} = await this.parse(ContextUse)
    const {node} = useContext(args.name)
    this.print(`${args.name} is the current context now: ${node}.`)
    if (process.env['KV_NODE']) this.note(`KV_NODE is set to ${process.env['KV_NODE']}, and goes before it.`)
    return {current: args.name, node}
  }
}
