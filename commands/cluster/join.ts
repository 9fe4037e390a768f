import {Args, Flags} from '@oclif/core'
import {formatAddress} from '../../src/base/address.ts'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {readPassword, requireAddress} from '../../src/cli/connect.ts'
import {amountOf, connectFlags} from '../../src/cli/flags.ts'
import {joinCluster, joinedText} from '../../src/cli/join-cluster.ts'
import {prose} from '../../src/cli/prose.ts'

export default class ClusterJoin extends BaseCommand {
  static override summary = 'Let a running node join a cluster.'
  static override description = prose`
    The node must be alone and empty: what it holds would be in nobody's buckets. The cluster is named by any one of its
    nodes; all learn of the new one, and give it its share of the buckets.

    A node that is started with kv node start --join joins by itself.
  `
  static override examples = ['<%= config.bin %> cluster join 127.0.0.1:7382 --to 127.0.0.1:7379']
  static override args = {
    address: Args.string({required: true, ignoreStdin: true, description: 'The node that shall join, as host:port.'}),
  }
  static override flags = {
    to: Flags.string({required: true, helpValue: 'host:port', description: 'Any node of the cluster.'}),
    timeout: Flags.string({default: '30s', helpValue: 'time', description: 'Longest wait until it is a member.'}),
    'password-file': connectFlags['password-file'],
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(ClusterJoin)
    const address = requireAddress(args.address)
    const result = await joinCluster({
      address,
      to: requireAddress(flags.to),
      password: readPassword(flags['password-file']),
      timeoutMs: amountOf('milliseconds', 'timeout', flags.timeout),
    })
    this.print(joinedText(result, {address}))
    return {node: formatAddress(address), ...result}
  }
}
