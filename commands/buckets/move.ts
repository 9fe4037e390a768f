import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {shortRanges} from '../../src/cli/cluster-check.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster, type ClusterLink} from '../../src/cli/cluster-link.ts'
import {addressOf, findMember, memberById, memberName, requireBuckets} from '../../src/cli/cluster-state.ts'
import {amountOf} from '../../src/cli/flags.ts'
import {moveBuckets, planBuckets, type MovePlan, type MoveResult} from '../../src/cli/move-buckets.ts'
import {whatAndWhere} from '../../src/cli/guided-move.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {renderTable} from '../../src/cli/table.ts'
import {formatCount, formatRate} from '../../src/cli/units.ts'
import {untilInterrupted} from '../../src/cli/watch-cluster.ts'
import {EXIT} from '../../src/errors.ts'
import type {ClusterState} from '../../src/cli/cluster-state.ts'

export default class BucketsMove extends BaseCommand {
  static override summary = 'Make a node master of buckets, while clients go on.'
  static override description = prose`
    A node that has no copy of a bucket gets one first; then the bucket is handed over within milliseconds, and clients
    are sent to the new master. It waits until all are there.

    Ctrl-C or --timeout may come at any moment: what is under way still arrives, the rest stays where it is, and the same
    command goes on from there. Exits 7 if some buckets cannot go there, and says why.
  `
  static override examples = [
    '<%= config.bin %> buckets move 0-99,200 --to 10.0.0.3:7379',
    {description: 'What would happen:', command: '<%= config.bin %> buckets move 0-8191 --to ab12 --dry-run'},
  ]
  static override args = {
    ranges: Args.string({ignoreStdin: true, description: 'Buckets, such as 0-99,200. At a terminal you are asked.'}),
  }
  static override flags = {
    ...clusterFlags,
    to: Flags.string({
      helpValue: 'node',
      description: 'The node: host:port, id, or the beginning of an id; must be given, or you are asked.',
    }),
    'dry-run': Flags.boolean({description: 'Show what would be moved, and move nothing.'}),
    timeout: Flags.string({default: '10m', helpValue: 'time', description: 'Longest wait until all are there.'}),
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(BucketsMove)
    const {ranges, to: target} = await whatAndWhere(args.ranges, flags, (line) => this.note(line))
    const buckets = requireBuckets(ranges)
    const timeoutMs = amountOf('milliseconds', 'timeout', flags.timeout)
    return withCluster(flags, async (link) => {
      const state = await link.state()
      const to = findMember(state, target)
      const plan = planBuckets(state, buckets, to.id)
      if (flags['dry-run']) return this.#showPlan(state, plan)
      const startedMs = performance.now()
      const result = await this.#move(link, {buckets, toId: to.id, timeoutMs})
      for (const {buckets: ranges, reason} of result.blocked) this.note(`Not moved: ${shortRanges(ranges)}, ${reason}.`)
      if (result.blocked.length > 0) this.setExit(EXIT.partial)
      this.print(summary(result, memberName(to)))
      return {to: to.id, ...result, elapsedMs: Math.round(performance.now() - startedMs)}
    })
  }

  async #move(link: ClusterLink, what: {buckets: number[]; toId: string; timeoutMs: number}): Promise<MoveResult> {
    const progress = new Progress()
    const startedMs = performance.now()
    const onProgress = (done: number, total: number): void =>
      progress.update(() => `Moving: ${formatRate(done, total, performance.now() - startedMs)}`)
    try {
      return await untilInterrupted((signal) => moveBuckets({...what, link, signal, onProgress}))
    } finally {
      progress.done()
    }
  }

  #showPlan(state: ClusterState, {to, moving, groups, already, blocked}: MovePlan): unknown {
    this.print(
      `${formatCount(moving.length)} buckets would move to ${memberName(to)}; ${formatCount(already)} are there.`,
    )
    const rows = groups.map(({from, buckets, count, toCopy}) => {
      const member = memberById(state, from)
      return [member ? addressOf(member) : from, formatCount(count), formatCount(toCopy), shortRanges(buckets)]
    })
    const columns = [
      {title: 'FROM'},
      {title: 'COUNT', align: 'right'},
      {title: 'TO COPY', align: 'right'},
      {title: 'BUCKETS'},
    ] as const
    if (rows.length > 0) this.print(`\n${renderTable(columns, rows, this.style.bold)}`)
    for (const {buckets, reason} of blocked) this.print(`\nCannot move: ${shortRanges(buckets)}, ${reason}.`)
    return {dryRun: true, to: to.id, moves: groups, already, blocked}
  }
}

function summary({moved, already}: MoveResult, name: string): string {
  const before = already === 0 ? '' : `; ${formatCount(already)} were there before`
  return `${moved === 1 ? '1 bucket' : `${formatCount(moved)} buckets`} moved to ${name}${before}.`
}
