import {existsSync} from 'node:fs'
import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {LineOutput} from '../../src/cli/line-output.ts'
import {bucketsOf, timeOf} from '../../src/cli/log-flags.ts'
import {JsonLines, PersonLines} from '../../src/cli/log-lines.ts'
import {connectFlags} from '../../src/cli/flags.ts'
import {readPassword, requireAddress} from '../../src/cli/connect.ts'
import {RemoteLog} from '../../src/cli/remote-log.ts'
import {prose} from '../../src/cli/prose.ts'
import {showTail} from '../../src/cli/show-tail.ts'
import {untilInterrupted} from '../../src/cli/watch-cluster.ts'
import {EXIT, KvError} from '../../src/errors.ts'
import {lastSegments} from '../../src/datalog/last-segments.ts'
import {openLogReader} from '../../src/datalog/log-reader.ts'
import {TAIL_OPS, type TailFilter, type TailSource} from '../../src/datalog/tail.ts'
import type {LogPlace} from '../../src/datalog/types.ts'

export default class LogTail extends BaseCommand {
  static override summary = 'Show the changes in a data log, one a line.'
  static override description = prose`
    Each line has the time of the change, its bucket, epoch.seq, what was done, the key, the field, the value and when it
    expires. Long values are cut and strange bytes escaped; with --json all of it comes, one object a line, bytes
    that are no UTF-8 as base64.

    With -f it goes on as the log grows, beginning with the last ten lines (or --lines, or --since). The log may be
    written meanwhile; nothing is locked.

    Images of buckets are hidden unless --images asks for them; an image that was needed because of a gap is always told.
  `
  static override examples = [
    '<%= config.bin %> log tail ./log -f',
    {description: 'Of a data-log node:', command: '<%= config.bin %> log tail 10.0.0.9:7379 -f'},
    "<%= config.bin %> log tail ./log --key 'user:*' --since 2026-11-22T09:00:00Z",
    {description: 'Who deletes?', command: '<%= config.bin %> log tail ./log --op delete,clear --json | jq .key'},
  ]
  static override args = {
    log: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'Folder of a data log, or host:port of a data-log node.',
    }),
  }
  static override flags = {
    follow: Flags.boolean({char: 'f', exclusive: ['until'], description: 'Go on as the log grows.'}),
    lines: Flags.integer({char: 'n', min: 0, max: 1_000_000, description: 'Only the last so many lines.'}),
    bucket: Flags.string({helpValue: 'ranges', description: 'Only these buckets, such as 0-99,200.'}),
    key: Flags.string({helpValue: 'glob', description: 'Only keys like this.'}),
    op: Flags.string({helpValue: 'op,...', description: `Only these: ${TAIL_OPS.join(', ')}.`}),
    since: Flags.string({helpValue: 'time', description: 'Changes made from then on: ISO (UTC) or Unix ms.'}),
    until: Flags.string({helpValue: 'time', description: 'Changes made until then.'}),
    images: Flags.boolean({description: 'Images of buckets too, marked as such.'}),
    salvage: Flags.boolean({description: 'Go on after damage in the log (of a folder).'}),
    'password-file': connectFlags['password-file'],
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(LogTail)
    const filter: TailFilter = {
      buckets: bucketsOf(flags.bucket),
      key: flags.key === undefined ? undefined : Buffer.from(flags.key),
      ops: requireOps(flags.op),
      since: timeOf('since', flags.since),
      until: timeOf('until', flags.until),
      images: flags.images,
    }
    const log = await openSource(args.log, flags['password-file'])
    const output = new LineOutput()
    const makeSink = (take: (line: string) => void) =>
      this.jsonEnabled() ? new JsonLines(take) : new PersonLines(take)
    const onDamage = flags.salvage
      ? ({file, offset, words}: {file: string; offset: number; words: string}): void =>
          this.note(`Damage: ${file}, byte ${offset}: ${words}.`)
      : undefined
    try {
      const isInterrupted = await untilInterrupted(async (signal) => {
        await showTail({
          source: log.source,
          recent: () => log.recent(),
          filter,
          output,
          makeSink,
          lines: flags.lines,
          follows: flags.follow,
          onDamage,
          signal,
        })
        return signal.aborted
      })
      if (isInterrupted) this.setExit(EXIT.interrupted)
    } finally {
      await log.close()
    }
  }
}

interface Source {
  readonly source: TailSource
  recent(): Promise<LogPlace | null>
  close(): Promise<void> | void
}

/** A folder, or else a node. Errors: those of both. */
async function openSource(text: string, passwordFile: string | undefined): Promise<Source> {
  if (text.includes(':') && !existsSync(text)) {
    const source = await RemoteLog.connect(requireAddress(text), readPassword(passwordFile))
    return {source, recent: () => source.recent(), close: () => source.close()}
  }
  const source = await openLogReader(text)
  return {source, recent: () => lastSegments(text), close: () => source.close()}
}

function requireOps(text: string | undefined): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined
  const names = text.split(',').map((word) => word.trim().toLowerCase())
  const strange = names.find((name) => !TAIL_OPS.includes(name))
  if (strange === undefined) return new Set(names)
  throw new KvError('E_USAGE', `There is no op "${strange}".`, `There are ${TAIL_OPS.join(', ')}.`)
}
