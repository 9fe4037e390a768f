import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {reportLines} from '../../src/cli/log-report.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {formatBytes} from '../../src/cli/units.ts'
import {verifyLog} from '../../src/datalog/log-verify.ts'
import {EXIT} from '../../src/errors.ts'

export default class LogVerify extends BaseCommand {
  static override summary = 'Read a data log and list what is damaged or missing.'
  static override description = prose`
    Reads every byte of every segment and checks that all entries are as they were written, follow each other, and that
    no change of any bucket is missing between two others. Names the file and the bytes of what is damaged, and the
    changes (epoch.seq, by bucket) that are missing. Changes nothing; the log may be running.

    Exits 0 if the log is whole, 3 if anything was found, 1 if there is no log that can be read.
  `
  static override examples = [
    '<%= config.bin %> log verify /var/lib/kv-log',
    {description: 'In a script:', command: '<%= config.bin %> log verify /var/lib/kv-log --json || notify-someone'},
  ]
  static override args = {
    dir: Args.string({description: 'The folder of the log.', required: true, ignoreStdin: true}),
  }

  async run(): Promise<unknown> {
    const {args} = await this.parse(LogVerify)
    const progress = new Progress()
    const report = await verifyLog(args.dir, {
      onProgress: ({bytes, totalBytes}) =>
        progress.update(() => `verifying: ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`),
    }).finally(() => progress.done())
    this.print(reportLines(report, this.style))
    if (!report.isOk) this.setExit(EXIT.unhealthy)
    const {isOk: ok, findings, findingCount, torn, totals} = report
    return {ok, findings, findingCount, torn, totals}
  }
}
