import {Args, Flags} from '@oclif/core'
import {formatAddress} from '../../src/base/address.ts'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {readPassword, requireAddress} from '../../src/cli/connect.ts'
import {amountOf, connectFlags} from '../../src/cli/flags.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {stopNode} from '../../src/cli/stop-node.ts'

export default class NodeStop extends BaseCommand {
  static override summary = 'Stop a node in good order.'
  static override description = prose`
    Asks the node to stop and waits until it has: clients get the replies they wait for, and the savefile is written
    if the node has one.

    A node that holds keys and has no savefile would take them with it; then this refuses (exit code 6) unless --yes is
    given.
  `
  static override examples = [
    '<%= config.bin %> node stop 127.0.0.1:7379',
    {description: 'Its data may go:', command: '<%= config.bin %> node stop 127.0.0.1:7379 --yes'},
  ]
  static override args = {
    address: Args.string({required: true, ignoreStdin: true, description: 'The node, as host:port.'}),
  }
  static override flags = {
    yes: Flags.boolean({char: 'y', description: 'Stop it even if its data is lost.'}),
    timeout: Flags.string({default: '60s', helpValue: 'time', description: 'Longest wait until it has stopped.'}),
    'password-file': connectFlags['password-file'],
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(NodeStop)
    const address = requireAddress(args.address)
    const name = formatAddress(address)
    const progress = new Progress()
    try {
      const {keys, saveFile, elapsedMs} = await stopNode({
        address,
        password: readPassword(flags['password-file']),
        isForced: flags.yes,
        timeoutMs: amountOf('milliseconds', 'timeout', flags.timeout),
        onWait: (waitedMs) => progress.update(() => `Stopping ${name}, ${(waitedMs / 1000).toFixed(0)} s`),
      })
      progress.done()
      this.print(`${name} has stopped${saveFile === undefined ? '' : `; its keys are in ${saveFile}`}.`)
      return {node: name, stopped: true, keys, saveFile: saveFile ?? null, elapsedMs}
    } finally {
      progress.done()
    }
  }
}
