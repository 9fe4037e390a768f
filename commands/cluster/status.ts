import {BaseCommand} from '../../src/cli/base-command.ts'
import {askedOf, clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {problemsOf} from '../../src/cli/cluster-check.ts'
import {healthOf, membersTable, problemLines, summaryLines} from '../../src/cli/cluster-report.ts'
import {prose} from '../../src/cli/prose.ts'
import {EXIT} from '../../src/errors.ts'

export default class ClusterStatus extends BaseCommand {
  static override summary = 'Show how the cluster is.'
  static override description = prose`
    Health, leader, members, and what is under way, as one node of the cluster knows it. Any node will do: they agree on
    all of it, except for the column LINK, which is that node's own.

    Exits 3 if clients cannot reach some of their data. What is wrong is listed with the command that mends it; kv cluster
    check also asks every node for itself.
  `
  static override examples = [
    '<%= config.bin %> cluster status',
    {
      description: 'From another node, for a script:',
      command: '<%= config.bin %> cluster status -n 10.0.0.7:7379 --json',
    },
  ]
  static override flags = clusterFlags

  async run(): Promise<unknown> {
    const {flags} = await this.parse(ClusterStatus)
    return withCluster(flags, async (link) => {
      const state = await link.state()
      const problems = problemsOf(state, askedOf(flags, link.address))
      const health = healthOf(problems)
      this.print(`${summaryLines(state, problems, this.style)}\n`)
      this.print(membersTable(state, this.style))
      if (problems.length > 0) this.print(`\n${problemLines(problems, this.style)}`)
      if (health === 'unhealthy') this.setExit(EXIT.unhealthy)
      return {health, problems, ...state}
    })
  }
}
