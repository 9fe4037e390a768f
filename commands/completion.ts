import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {Args} from '@oclif/core'
import {BaseCommand} from '../src/cli/base-command.ts'
import {SHELLS} from '../src/cli/completion/grammar.ts'
import {FILE_NAMES, INSTALL_HINTS} from '../src/cli/completion/scripts.ts'
import {prose} from '../src/cli/prose.ts'

export default class Completion extends BaseCommand {
  static override summary = 'Print what a shell needs to complete commands of kv with Tab.'
  static override description = prose`
    A script for bash, zsh or fish that knows all commands, their flags, and the values of flags that have a fixed choice.
    It was made when kv was built, so make it anew after an update. On a terminal it says how to install it.
  `
  static override examples = [
    '<%= config.bin %> completion bash',
    {
      description: 'For this shell and the next ones:',
      command: '<%= config.bin %> completion bash > ~/.local/share/bash-completion/completions/kv',
    },
  ]
  static override args = {
    shell: Args.string({required: true, ignoreStdin: true, options: [...SHELLS], description: 'The shell.'}),
  }

  async run(): Promise<unknown> {
    const {args} = await this.parse(Completion)
    const shell = SHELLS.find((one) => one === args.shell)!
    const script = readFileSync(join(this.config.root, 'dist/completions', FILE_NAMES[shell]), 'utf8')
    this.print(script.trimEnd())
    if (process.stderr.isTTY) this.note(`\n${INSTALL_HINTS[shell]}`)
    return {shell, fileName: FILE_NAMES[shell], script}
  }
}
