import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {prose} from '../../src/cli/prose.ts'
import {listNodes} from '../../src/cli/node-figures.ts'
import {nodeJson, nodesTable} from '../../src/cli/node-report.ts'
import {WatchCommand, watchFlags} from '../../src/cli/watch-command.ts'
import {EXIT} from '../../src/errors.ts'

export default class NodeList extends WatchCommand {
  static override summary = 'Show all nodes of the cluster in one table.'
  static override description = prose`
    Every member, whichever node is asked, with its part in the cluster and its own figures: keys of the buckets of which
    it is master, memory of its data, clients, requests a second.

    A node that does not answer has dashes instead, and the command exits 7. One that the cluster knows to be down is not
    asked.
  `
  static override examples = [
    '<%= config.bin %> node list',
    {description: 'Live, until Ctrl-C:', command: '<%= config.bin %> node list --watch'},
    {description: 'Addresses only:', command: "<%= config.bin %> node list --json | jq -r '.nodes[].address'"},
  ]
  static override flags = {...clusterFlags, ...watchFlags}

  async run(): Promise<unknown> {
    const {flags} = await this.parse(NodeList)
    return this.show(flags, async (link) => {
      const state = await link.state()
      const rows = await listNodes(state, link.password, link.address)
      const notes = rows.flatMap(({error}) => (error ? [error.message] : []))
      return {
        text: nodesTable(state, rows, this.style),
        document: {revision: state.revision, nodes: rows.map((row) => nodeJson(state, row))},
        notes,
        ...(notes.length > 0 && {exit: EXIT.partial}),
      }
    })
  }
}
