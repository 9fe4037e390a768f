import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster, type ClusterLink} from '../../src/cli/cluster-link.ts'
import {membersTable, movesText, planTables} from '../../src/cli/cluster-report.ts'
import {amountOf} from '../../src/cli/flags.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {rebalance, requireCluster, type RebalanceResult} from '../../src/cli/rebalance.ts'
import {untilInterrupted} from '../../src/cli/watch-cluster.ts'
import {KvError} from '../../src/errors.ts'

export default class BucketsRebalance extends BaseCommand {
  static override summary = 'Spread masters and copies evenly over the nodes.'
  static override description = prose`
    The cluster does this by itself when nodes come and go; this asks for it after buckets were moved by hand. Clients go
    on meanwhile. It waits for the end; the cluster goes on also if this is stopped.
  `
  static override examples = [
    '<%= config.bin %> buckets rebalance',
    {description: 'What would happen:', command: '<%= config.bin %> buckets rebalance --dry-run'},
  ]
  static override flags = {
    ...clusterFlags,
    'dry-run': Flags.boolean({description: 'Show what would be moved, and move nothing.'}),
    wait: Flags.boolean({allowNo: true, default: true, description: 'Wait for the end, or only until it has begun.'}),
    timeout: Flags.string({default: '30m', helpValue: 'time', description: 'Longest wait.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(BucketsRebalance)
    const timeoutMs = amountOf('milliseconds', 'timeout', flags.timeout)
    return withCluster(flags, async (link) => {
      if (flags['dry-run']) return this.#showPlan(link)
      const startedMs = performance.now()
      const {state, revisions} = await this.#rebalance(link, timeoutMs, flags.wait)
      this.print(flags.wait ? 'Balanced.\n' : 'Under way; look with kv cluster status.\n')
      this.print(membersTable(state, this.style))
      const members = state.members.map(({id, masters, copies}) => ({id, masters, copies}))
      return {balanced: !state.isBalancing, revisions, members, elapsedMs: Math.round(performance.now() - startedMs)}
    })
  }

  async #rebalance(link: ClusterLink, timeoutMs: number, isWaiting: boolean): Promise<RebalanceResult> {
    const progress = new Progress()
    try {
      return await untilInterrupted((signal) =>
        rebalance({
          ...{link, timeoutMs, signal, isWaiting},
          onProgress: (state) => progress.update(() => `Balancing: ${movesText(state)}`),
        }),
      )
    } finally {
      progress.done()
    }
  }

  async #showPlan(link: ClusterLink): Promise<unknown> {
    const state = await link.state({withPlan: true})
    requireCluster(state)
    if (!state.plan) throw new KvError('E_PROTOCOL', 'The node did not say what it would do.')
    this.print(planTables(state, state.plan, this.style))
    return {dryRun: true, ...state.plan}
  }
}
