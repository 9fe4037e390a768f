import {BaseCommand} from '../../src/cli/base-command.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {prose} from '../../src/cli/prose.ts'
import {listNodes} from '../../src/cli/node-figures.ts'
import {nodeJson, nodesTable} from '../../src/cli/node-report.ts'
import {EXIT} from '../../src/errors.ts'

export default class NodeList extends BaseCommand {
  static override summary = 'Show all nodes of the cluster in one table.'
  static override description = prose`
    Every member, whichever node is asked, with its part in the cluster and its own figures: keys of the buckets of which
    it is master, memory of its data, clients, requests a second.

    A node that does not answer has dashes instead, and the command exits 7. One that the cluster knows to be down is not
    asked.
  `
  static override examples = [
    '<%= config.bin %> node list',
    {description: 'Addresses only:', command: "<%= config.bin %> node list --json | jq -r '.nodes[].address'"},
  ]
  static override flags = clusterFlags

  async run(): Promise<unknown> {
    const {flags} = await this.parse(NodeList)
    return withCluster(flags, async (link) => {
      const state = await link.state()
      const rows = await listNodes(state, link.password, link.address)
      this.print(nodesTable(state, rows, this.style))
      for (const {error} of rows) {
        if (!error) continue
        this.note(`${this.errorStyle.yellow('kv:')} ${error.message}`)
        this.setExit(EXIT.partial)
      }
      return {revision: state.revision, nodes: rows.map((row) => nodeJson(state, row))}
    })
  }
}
