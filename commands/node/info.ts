import {Args} from '@oclif/core'
import {parseAddress} from '../../src/base/address.ts'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {findMember, isAlone, memberById} from '../../src/cli/cluster-state.ts'
import {nodeFigures} from '../../src/cli/node-figures.ts'
import {factLines, nodeFacts, nodeJson} from '../../src/cli/node-report.ts'
import {prose} from '../../src/cli/prose.ts'
import {KvError} from '../../src/errors.ts'

export default class NodeInfo extends BaseCommand {
  static override summary = 'Show the figures of one node.'
  static override description = prose`
    Its part in the cluster and what it says of itself in INFO. The node is named by its address, its id, or the
    beginning of its id; an address is asked directly, also if the rest of the cluster does not answer.
  `
  static override examples = [
    '<%= config.bin %> node info 127.0.0.1:7379',
    {
      description: 'By the beginning of its id, through another node:',
      command: '<%= config.bin %> node info ab12 -n 10.0.0.7:7379',
    },
  ]
  static override args = {
    node: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'The node: host:port, id, or the beginning of an id.',
    }),
  }
  static override flags = clusterFlags

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(NodeInfo)
    const isAddress = parseAddress(args.node) !== undefined
    return withCluster(isAddress ? {...flags, node: args.node} : flags, async (link) => {
      const state = await link.state()
      const member = isAddress ? memberById(state, state.self) : findMember(state, args.node)
      if (!member) throw new KvError('E_NOT_FOUND', `${args.node} is not a member of a cluster yet.`)
      const address = isAddress || isAlone(state) ? link.address : {host: member.host, port: member.port}
      const figures = await nodeFigures(address, link.password)
      this.print(factLines(nodeFacts(state, member, figures), this.style))
      return {...nodeJson(state, {member, figures, error: undefined}), info: Object.fromEntries(figures)}
    })
  }
}
