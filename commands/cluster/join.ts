import {Args, Flags} from '@oclif/core'
import {formatAddress} from '../../src/base/address.ts'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {readPassword, requireAddress} from '../../src/cli/connect.ts'
import {amountOf, connectFlags} from '../../src/cli/flags.ts'
import {addressProblem, askText, requirePerson, sameCommand} from '../../src/cli/guide.ts'
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
    address: Args.string({
      ignoreStdin: true,
      description: 'The node that shall join, as host:port. At a terminal you are asked.',
    }),
  }
  static override flags = {
    to: Flags.string({
      helpValue: 'host:port',
      description: 'Any node of the cluster; must be given, or you are asked.',
    }),
    timeout: Flags.string({default: '30s', helpValue: 'time', description: 'Longest wait until it is a member.'}),
    'password-file': connectFlags['password-file'],
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(ClusterJoin)
    const isWhole = args.address !== undefined && flags.to !== undefined
    const [node, cluster] = [args.address ?? (await askNode()), flags.to ?? (await askCluster())]
    if (!isWhole) this.note(sameCommand(['cluster', 'join', node, '--to', cluster]))
    const address = requireAddress(node)
    const result = await joinCluster({
      address,
      to: requireAddress(cluster),
      password: readPassword(flags['password-file']),
      timeoutMs: amountOf('milliseconds', 'timeout', flags.timeout),
    })
    this.print(joinedText(result, {address}))
    return {node: formatAddress(address), ...result}
  }
}

const EXAMPLE = 'kv cluster join 127.0.0.1:7382 --to 127.0.0.1:7379'

async function askNode(): Promise<string> {
  requirePerson('The node that shall join', EXAMPLE)
  return askText('Which node shall join (host:port)? It must run, be alone and empty:', '', addressProblem)
}

async function askCluster(): Promise<string> {
  requirePerson('--to, any node of the cluster,', EXAMPLE)
  return askText('Any node of the cluster (host:port):', process.env['KV_NODE'] ?? '', addressProblem)
}
