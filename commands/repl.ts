import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/cli/base-command.ts'
import {clusterFlags} from '../src/cli/cluster-flags.ts'
import {nodeAddresses, readPassword} from '../src/cli/connect.ts'
import {outliveReader} from '../src/cli/pipe.ts'
import {prose} from '../src/cli/prose.ts'
import {EXIT} from '../src/errors.ts'

export default class Repl extends BaseCommand {
  static override summary = 'Open an interactive console.'
  static override description = prose`
    Data commands and commands of kv in one place, with hints while you type, Tab, history (also Ctrl-R), and pipes: get a,
    hgetall user:1 | jq ., buckets list, watch 1 node list, help set. Data commands go to whichever node has the key.

    Without a terminal it reads lines from stdin and answers each, without a prompt, until the first that fails (exit code 1).
    Dangerous commands ask once, and are refused in a script without --yes.
  `
  static override examples = [
    '<%= config.bin %> repl',
    {description: 'Another cluster:', command: '<%= config.bin %> repl -n 10.0.0.7:7379'},
    {description: 'A script:', command: 'printf "set a 1\\nget a\\n" | <%= config.bin %> repl --json'},
  ]
  static override flags = {
    ...clusterFlags,
    'keep-going': Flags.boolean({
      description: 'In a script: go on after a line that failed; the exit code is 1 all the same.',
    }),
    yes: Flags.boolean({char: 'y', description: 'Do not ask before dangerous commands.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(Repl)
    outliveReader()
    const {runConsole} = await import('../src/repl/main.ts')
    const isGood = await runConsole({
      seeds: nodeAddresses(flags.node),
      password: readPassword(flags['password-file']),
      commands: this.config.commands,
      isJson: this.jsonEnabled(),
      isYes: flags.yes,
      keepsGoing: flags['keep-going'],
      style: this.style,
      errorStyle: this.errorStyle,
    })
    if (!isGood) this.setExit(EXIT.failed)
    return undefined
  }
}
