import {Args, Flags} from '@oclif/core'
import {formatBuckets} from '../../src/base/bucket-ranges.ts'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {findMember, memberName, requireBuckets} from '../../src/cli/cluster-state.ts'
import {confirm} from '../../src/cli/confirm.ts'
import {amountOf} from '../../src/cli/flags.ts'
import {requireTarget} from '../../src/cli/move-buckets.ts'
import {prose} from '../../src/cli/prose.ts'
import {acceptLoss, heirOf, lostAmong} from '../../src/cli/remove-node.ts'
import {formatCount} from '../../src/cli/units.ts'
import {untilInterrupted} from '../../src/cli/watch-cluster.ts'

export default class BucketsAcceptLoss extends BaseCommand {
  static override summary = 'Let buckets whose last copy is gone begin anew, empty.'
  static override description = prose`
    A bucket is lost when no process that had all its data runs any more. It is not served as if it were empty: clients
    get CLUSTERDOWN until somebody decides. This decides that the data is gone. Only buckets that are lost are touched.

    If a node that had the data still runs somewhere, or there is a savefile or a log to take it from, use that instead.
  `
  static override examples = [
    '<%= config.bin %> buckets accept-loss 0-99,200',
    {description: 'In a script:', command: '<%= config.bin %> buckets accept-loss 0-16383 --yes'},
  ]
  static override args = {
    ranges: Args.string({required: true, ignoreStdin: true, description: 'Buckets, such as 0-99,200.'}),
  }
  static override flags = {
    ...clusterFlags,
    to: Flags.string({
      helpValue: 'node',
      description: 'Who shall have them; without it the node with the fewest buckets.',
    }),
    yes: Flags.boolean({char: 'y', description: 'Do not ask.'}),
    timeout: Flags.string({default: '30s', helpValue: 'time', description: 'Longest wait until they are served.'}),
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(BucketsAcceptLoss)
    const wanted = requireBuckets(args.ranges)
    const timeoutMs = amountOf('milliseconds', 'timeout', flags.timeout)
    return withCluster(flags, async (link) => {
      const state = await link.state()
      const buckets = lostAmong(state, wanted)
      if (buckets.length === 0) {
        this.print('None of them is lost; nothing was done.')
        return {accepted: 0, buckets: '', to: null}
      }
      const to = flags.to === undefined ? heirOf(state) : requireTarget(state, findMember(state, flags.to).id)
      const count = buckets.length === 1 ? '1 bucket' : `${formatCount(buckets.length)} buckets`
      const text = formatBuckets(buckets)
      await confirm({text: `The data of ${count} is given up for good.`, isGiven: flags.yes})
      await untilInterrupted((signal) => acceptLoss(link, {buckets, text, nodeId: to.id}, {timeoutMs, signal}))
      this.print(`${count} began anew on ${memberName(to)}, empty.`)
      return {accepted: buckets.length, buckets: text, to: to.id}
    })
  }
}
