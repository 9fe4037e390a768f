import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {removeContext} from '../../src/cli/contexts.ts'
import {prose} from '../../src/cli/prose.ts'

export default class ContextRemove extends BaseCommand {
  static override summary = 'Forget a context.'
  static override description = prose`
    Only the name goes; nothing happens to the cluster. If it was the current context there is none afterwards, and
    commands go to 127.0.0.1:7379 again.
  `
  static override examples = ['<%= config.bin %> context remove test']
  static override args = {name: Args.string({required: true, ignoreStdin: true, description: 'Name of the context.'})}

  async run(): Promise<unknown> {
    const {args} = await this.parse(ContextRemove)
    const {current} = removeContext(args.name)
    this.print(`${args.name} is forgotten${current === null ? '; no context is the current one' : ''}.`)
    return {removed: args.name, current}
  }
}
