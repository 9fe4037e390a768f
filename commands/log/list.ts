import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {segmentTable, totalsLine, totalsOf} from '../../src/cli/log-report.ts'
import {prose} from '../../src/cli/prose.ts'
import {listLog} from '../../src/datalog/log-list.ts'

export default class LogList extends BaseCommand {
  static override summary = 'Show the segments of a data log.'
  static override description = prose`
    One line for each segment, the oldest first: its size on the disk, the times of its first and last entry, and how many
    changes (records) and images of buckets it holds. A gap is an image that had to be taken because changes were lost on
    their way to the log. The last segment is open while the log is written. It may be running: nothing is locked.
  `
  static override examples = ['<%= config.bin %> log list /var/lib/kv-log']
  static override args = {
    dir: Args.string({description: 'The folder of the log.', required: true, ignoreStdin: true}),
  }

  async run(): Promise<unknown> {
    const {args} = await this.parse(LogList)
    const {identity, segments} = await listLog(args.dir)
    const totals = totalsOf(segments)
    this.print(segmentTable(segments, this.style))
    this.print(totalsLine(totals))
    return {clusterId: identity?.clusterId ?? null, nodeId: identity?.nodeId ?? null, segments, totals}
  }
}
