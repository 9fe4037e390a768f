import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {addContext, contextsPath} from '../../src/cli/contexts.ts'
import {prose} from '../../src/cli/prose.ts'

export default class ContextAdd extends BaseCommand {
  static override summary = 'Give a cluster a name, to be used instead of addresses.'
  static override description = prose`
    The name stands for one or several nodes of the cluster and, if there is one, the file that holds the password. One
    that exists already is replaced. The first one is the current one, which every command uses that names no node.

    Contexts are kept in contexts.json in the folder kv of XDG_CONFIG_HOME, by default ~/.config.
  `
  static override examples = [
    '<%= config.bin %> context add prod --node 10.0.0.1:7379,10.0.0.2:7379 --password-file ~/.kv-prod',
    {description: 'For one command only:', command: '<%= config.bin %> context add test --node 127.0.0.1:7400'},
  ]
  static override args = {name: Args.string({required: true, ignoreStdin: true, description: 'Name of the context.'})}
  static override flags = {
    node: Flags.string({
      char: 'n',
      required: true,
      helpValue: 'host:port,...',
      description: 'Any node of the cluster; of several, with commas, the first that answers.',
    }),
    'password-file': Flags.string({helpValue: 'file', description: 'File that holds the password (first line).'}),
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(ContextAdd)
    const passwordFile = flags['password-file']
    const {current} = addContext(args.name, {node: flags.node, ...(passwordFile !== undefined && {passwordFile})})
    const isCurrent = current === args.name
    this.print(`${args.name} is ${flags.node}${isCurrent ? ', and the current context' : ''}.`)
    return {name: args.name, node: flags.node, passwordFile: passwordFile ?? null, isCurrent, file: contextsPath()}
  }
}
