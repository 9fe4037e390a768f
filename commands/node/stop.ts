import {Args, Flags} from '@oclif/core'
import {formatAddress, type Address} from '../../src/base/address.ts'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {addressOf, findMember} from '../../src/cli/cluster-state.ts'
import {readPassword, requireAddress, type ConnectFlags} from '../../src/cli/connect.ts'
import {amountOf} from '../../src/cli/flags.ts'
import {askChoice, askWhether, nodeChoices, requirePerson, sameCommand} from '../../src/cli/guide.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {stopNode, type StopResult} from '../../src/cli/stop-node.ts'
import {counted} from '../../src/cli/units.ts'

export default class NodeStop extends BaseCommand {
  static override summary = 'Stop a node in good order.'
  static override description = prose`
    Asks the node to stop and waits until it has: clients get the replies they wait for, and its buckets go to the
    other nodes of its cluster. The last node writes its savefile, if it has one.

    A last node that holds keys and has no savefile would take them with it; then this refuses (exit code 6) unless
    --yes is given.
  `
  static override examples = [
    '<%= config.bin %> node stop 127.0.0.1:7379',
    {description: 'By the beginning of its id:', command: '<%= config.bin %> node stop ab12 -n 10.0.0.7:7379'},
    {description: 'Its data may go:', command: '<%= config.bin %> node stop 127.0.0.1:7379 --yes'},
  ]
  static override args = {
    node: Args.string({
      ignoreStdin: true,
      description: 'The node: host:port, id, or the beginning of an id. At a terminal you are asked if it is missing.',
    }),
  }
  static override flags = {
    ...clusterFlags,
    yes: Flags.boolean({char: 'y', description: 'Stop it even if its data is lost.'}),
    timeout: Flags.string({default: '60s', helpValue: 'time', description: 'Longest wait until it has stopped.'}),
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(NodeStop)
    const address = await whereIs(args.node ?? (await this.#choose(flags)), flags)
    const name = formatAddress(address)
    const progress = new Progress()
    try {
      const result = await stopNode({
        address,
        password: readPassword(flags['password-file']),
        isForced: flags.yes,
        timeoutMs: amountOf('milliseconds', 'timeout', flags.timeout),
        onWait: (waitedMs) => progress.update(() => `Stopping ${name}, ${(waitedMs / 1000).toFixed(0)} s`),
      })
      progress.done()
      this.print(`${name} has ${outcomeText(result)}.`)
      return {node: name, stopped: true, ...result, saveFile: result.saveFile ?? null}
    } finally {
      progress.done()
    }
  }

  async #choose(flags: ConnectFlags): Promise<string> {
    requirePerson('The node', 'kv node stop 127.0.0.1:7379')
    const state = await withCluster(flags, (link) => link.state())
    const node = await askChoice(
      'Which node shall stop?',
      nodeChoices(state, () => true),
    )
    const others = state.members.filter((member) => !member.isDown && addressOf(member) !== node).length
    const heirs = others === 0 ? 'It is the last one.' : `Its buckets go to the other ${counted(others, 'node')}.`
    await askWhether(`Stop ${node}? ${heirs}`)
    this.note(sameCommand(['node', 'stop', node]))
    return node
  }
}

/** An address is asked directly; an id is looked up in the cluster. */
async function whereIs(text: string, flags: ConnectFlags): Promise<Address> {
  if (text.includes(':')) return requireAddress(text)
  return withCluster(flags, async (link) => findMember(await link.state(), text))
}

function outcomeText({heirs, saveFile}: StopResult): string {
  if (heirs > 0)
    return `left its cluster and stopped; its buckets are on ${heirs === 1 ? 'the other node' : `the ${heirs} other nodes`}`
  return saveFile === undefined ? 'stopped' : `stopped; its keys are in ${saveFile}`
}
