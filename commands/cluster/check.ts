import {BaseCommand} from '../../src/cli/base-command.ts'
import {askMembers, disagreements, problemsOf} from '../../src/cli/cluster-check.ts'
import {askedOf, clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {problemLines, shownCommand} from '../../src/cli/cluster-report.ts'
import {prose} from '../../src/cli/prose.ts'
import {formatCount} from '../../src/cli/units.ts'
import {EXIT} from '../../src/errors.ts'

export default class ClusterCheck extends BaseCommand {
  static override summary = 'List what is wrong with the cluster, and how to mend it.'
  static override description = prose`
    Looks at the cluster from one node, then asks every node for itself, and lists the problems, those first that keep
    clients from their data. Below each stands the command that mends it or is the first step. It changes nothing.

    Exits 0 if all is well and 3 if there is any problem.
  `
  static override examples = [
    '<%= config.bin %> cluster check',
    {description: 'In a script:', command: '<%= config.bin %> cluster check --json || notify-someone'},
  ]
  static override flags = clusterFlags

  async run(): Promise<unknown> {
    const {flags} = await this.parse(ClusterCheck)
    return withCluster(flags, async (link) => {
      const state = await link.state()
      const witnesses = await askMembers(state, link.password)
      const asked = askedOf(flags, link.address)
      const problems = [...problemsOf(state, asked), ...disagreements(state, witnesses)]
      if (problems.length > 0) {
        this.print(problemLines(problems, this.style))
        this.setExit(EXIT.unhealthy)
      } else {
        const nodes = state.members.length === 1 ? '1 node' : `${formatCount(state.members.length)} nodes`
        this.print(`${this.style.green('All is well')} with ${nodes}.`)
      }
      const shown = problems.map((problem) => ({...problem, command: shownCommand(problem.command)}))
      return {ok: problems.length === 0, clusterId: state.clusterId, revision: state.revision, problems: shown}
    })
  }
}
