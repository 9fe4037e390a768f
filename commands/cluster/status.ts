import {askedOf, clusterFlags} from '../../src/cli/cluster-flags.ts'
import {problemsOf} from '../../src/cli/cluster-check.ts'
import {healthOf, membersTable, problemLines, summaryLines} from '../../src/cli/cluster-report.ts'
import {prose} from '../../src/cli/prose.ts'
import {WatchCommand, watchFlags} from '../../src/cli/watch-command.ts'
import {EXIT} from '../../src/errors.ts'

export default class ClusterStatus extends WatchCommand {
  static override summary = 'Show how the cluster is.'
  static override description = prose`
    Health, leader, members, and what is under way, as one node of the cluster knows it. Any node will do: they agree on
    all of it, except for the column LINK, which is that node's own.

    Exits 3 if clients cannot reach some of their data. What is wrong is listed with the command that mends it; kv cluster
    check also asks every node for itself.
  `
  static override examples = [
    '<%= config.bin %> cluster status',
    {description: 'Live, until Ctrl-C:', command: '<%= config.bin %> cluster status --watch --interval 1s'},
    {
      description: 'From another node, for a script:',
      command: '<%= config.bin %> cluster status -n 10.0.0.7:7379 --json',
    },
  ]
  static override flags = {...clusterFlags, ...watchFlags}

  async run(): Promise<unknown> {
    const {flags} = await this.parse(ClusterStatus)
    return this.show(flags, async (link) => {
      const state = await link.state()
      const problems = problemsOf(state, askedOf(flags, link.address))
      const health = healthOf(problems)
      const parts = [summaryLines(state, problems, this.style), membersTable(state, this.style)]
      if (problems.length > 0) parts.push(problemLines(problems, this.style))
      const document = {health, problems, ...state}
      return {text: parts.join('\n\n'), document, ...(health === 'unhealthy' && {exit: EXIT.unhealthy})}
    })
  }
}
