import {Flags} from '@oclif/core'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {checkCluster, whenWell, type Checked} from '../../src/cli/cluster-health.ts'
import {problemLines, shownCommand} from '../../src/cli/cluster-report.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {amountOf} from '../../src/cli/flags.ts'
import {prose} from '../../src/cli/prose.ts'
import {failureJson, failureLine, toFailure} from '../../src/cli/report.ts'
import {formatCount} from '../../src/cli/units.ts'
import {WatchCommand, watchFlags, type View} from '../../src/cli/watch-command.ts'
import {EXIT} from '../../src/errors.ts'

const TIMEOUT = '60s'

export default class ClusterCheck extends WatchCommand {
  static override summary = 'List what is wrong with the cluster, and how to mend it.'
  static override description = prose`
    Looks at the cluster from one node, then asks every node for itself, and lists the problems, those first that keep
    clients from their data. Below each stands the command that mends it or is the first step. It changes nothing.

    Exits 0 if all is well and 3 if there is any problem. With --wait it looks again until all is well, for example after a
    node was started; if that is not so in time it lists the problems that are left and exits 124.
  `
  static override examples = [
    '<%= config.bin %> cluster check',
    {description: 'In a script:', command: '<%= config.bin %> cluster check --json || notify-someone'},
    {description: 'Until copies are restored:', command: '<%= config.bin %> cluster check --wait --timeout 5m'},
  ]
  static override flags = {
    ...clusterFlags,
    ...watchFlags,
    wait: Flags.boolean({exclusive: ['watch'], description: 'Wait until there are no problems.'}),
    timeout: Flags.string({
      helpValue: 'time',
      dependsOn: ['wait'],
      description: `Longest wait with --wait; ${TIMEOUT} without it.`,
    }),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(ClusterCheck)
    if (!flags.wait) return this.show(flags, async (link) => this.#viewOf(await checkCluster(link, flags)))
    const timeoutMs = amountOf('milliseconds', 'timeout', flags.timeout ?? TIMEOUT)
    const {checked, late} = await withCluster(flags, (link) => whenWell(link, flags, timeoutMs))
    const document = this.showOnce(this.#viewOf(checked))
    if (!late) return document
    const failure = toFailure(late, {commandId: this.id})
    if (!this.jsonEnabled()) this.note(`${this.errorStyle.red('kv:')} ${failureLine(failure)}`)
    this.setExit(EXIT.timeout)
    return {...document, ...failureJson(failure)}
  }

  #viewOf({state, problems}: Checked): View {
    const isOk = problems.length === 0
    const nodes = state.members.length === 1 ? '1 node' : `${formatCount(state.members.length)} nodes`
    const text = isOk ? `${this.style.green('All is well')} with ${nodes}.` : problemLines(problems, this.style)
    const shown = problems.map((problem) => ({...problem, command: shownCommand(problem.command)}))
    const document = {ok: isOk, clusterId: state.clusterId, revision: state.revision, problems: shown}
    return {text, document, ...(!isOk && {exit: EXIT.unhealthy})}
  }
}
