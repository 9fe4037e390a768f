import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {findMember, memberName} from '../../src/cli/cluster-state.ts'
import {confirm} from '../../src/cli/confirm.ts'
import {amountOf} from '../../src/cli/flags.ts'
import {prose} from '../../src/cli/prose.ts'
import {removalText, removeNode} from '../../src/cli/remove-node.ts'
import {untilInterrupted} from '../../src/cli/watch-cluster.ts'

export default class NodeRemove extends BaseCommand {
  static override summary = 'Forget a node that is gone for good.'
  static override description = prose`
    Takes a node that is down out of the cluster map, from any other node. If it had the only copy of buckets, their data
    is lost with it; that is said first, and needs a yes or --yes.

    A node that is up is stopped instead, with kv node stop: it then leaves by itself, and nothing is lost.
  `
  static override examples = [
    '<%= config.bin %> node remove ab12cd34',
    {description: 'In a script:', command: '<%= config.bin %> node remove 10.0.0.3:7379 --yes'},
  ]
  static override args = {
    node: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'The node: id, the beginning of an id, or host:port.',
    }),
  }
  static override flags = {
    ...clusterFlags,
    yes: Flags.boolean({char: 'y', description: 'Do not ask.'}),
    timeout: Flags.string({default: '30s', helpValue: 'time', description: 'Longest wait until it is forgotten.'}),
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(NodeRemove)
    const timeoutMs = amountOf('milliseconds', 'timeout', flags.timeout)
    return withCluster(flags, async (link) => {
      const member = findMember(await link.state(), args.node)
      await confirm({text: removalText(member), isGiven: flags.yes})
      await untilInterrupted((signal) => removeNode(link, member.id, {timeoutMs, signal}))
      this.print(`${memberName(member)} is forgotten.`)
      return {removed: member.id, lostBuckets: member.masters}
    })
  }
}
