import {Args} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {shortRanges} from '../../src/cli/cluster-check.ts'
import {plantsOf} from '../../src/cli/node-flags.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {formatBytes, formatCount} from '../../src/cli/units.ts'
import {untilInterrupted} from '../../src/cli/watch-cluster.ts'
import {compactLog, type LogSize} from '../../src/datalog/compact.ts'
import {formatBuckets} from '../../src/base/bucket-ranges.ts'

export default class LogCompact extends BaseCommand {
  static override summary = 'Keep only the last state of each key in a data log.'
  static override description = prose`
    Images of all buckets, as they are at the end of the log, are appended in new segments; then the older segments are
    removed. A log node can go on from there. What was in between is given up: --until of a replay and the lines of
    kv log tail begin anew.

    It may be killed at any time: the log has the same content then, and the same command removes what was half done. It
    needs room for the new segments beside the old ones. A log that a running node writes is refused.
  `
  static override examples = ['<%= config.bin %> log compact ./log']
  static override args = {
    dir: Args.string({required: true, ignoreStdin: true, description: 'Folder of the data log.'}),
  }

  async run(): Promise<unknown> {
    const {args} = await this.parse(LogCompact)
    const progress = new Progress()
    const words = {read: 'Reading, entries', write: 'Writing, keys', check: 'Checking, entries'}
    try {
      const report = await untilInterrupted((signal) =>
        compactLog(args.dir, {
          signal,
          dropsTombstones: plantsOf(process.env).has('compact-drops-tombstone'),
          onProgress: (phase, done) => progress.update(() => `${words[phase]}: ${formatCount(done)}`),
        }),
      )
      progress.done()
      const {before, after, buckets, keys, recordsBefore, recordsAfter, unfinished} = report
      if (unfinished.length > 0) {
        this.note(
          `${formatCount(unfinished.length)} buckets have the state before an image that was never finished: ${shortRanges(formatBuckets(unfinished))}.`,
        )
      }
      this.print(`${sizeText(before)} before, ${sizeText(after)} after.`)
      this.print(
        `${formatCount(keys)} keys of ${formatCount(buckets)} buckets; ${formatCount(recordsAfter)} records are left of ${formatCount(recordsBefore)}.`,
      )
      return {...report, unfinished: formatBuckets(unfinished)}
    } finally {
      progress.done()
    }
  }
}

function sizeText({segments, bytes}: LogSize): string {
  return `${formatBytes(bytes)} in ${segments === 1 ? '1 segment' : `${formatCount(segments)} segments`}`
}
