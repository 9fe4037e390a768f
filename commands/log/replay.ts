import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {nodeAddresses, readPassword} from '../../src/cli/connect.ts'
import {amountOf, connectFlags} from '../../src/cli/flags.ts'
import {bucketsOf, keyMatcher, timeOf} from '../../src/cli/log-flags.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {replayExit, replayJson, replayLines, replayRemarks} from '../../src/cli/replay-report.ts'
import {formatCount, formatRate} from '../../src/cli/units.ts'
import {untilInterrupted} from '../../src/cli/watch-cluster.ts'
import {KvError} from '../../src/errors.ts'
import {openContent, type Content} from '../../src/datalog/open-content.ts'
import {ReplayTarget} from '../../src/datalog/replay-target.ts'
import {replay, type ReplayMode, type ReplayOptions} from '../../src/datalog/replay.ts'

const MODES = ['into-empty', 'overwrite', 'if-newer'] as const

export default class LogReplay extends BaseCommand {
  static override summary = 'Bring the content of a data log or a savefile into a cluster or server.'
  static override description = prose`
    The content at the end of the log, or at --until, is written key by key with ordinary commands, into a kv cluster or
    any Redis or Valkey (6.2 or later), with or without cluster mode. Transactions are whole; what has expired is left
    out. Then all of it is read back and compared.

    Ctrl-C, a crash or a target that goes away may come at any moment: the same command goes on from there. How far it
    has come is kept in a small file beside the log, which the message names. Replayed twice is replayed once.

    The target must be empty, or --mode overwrite says that keys of the log replace those of the target; it keeps its
    others. No server tells when a key was last written, so --mode if-newer is refused. Fields of maps that expire are left out,
    and named, if the target cannot express that (Redis before 7.4, Valkey before 9).

    Exits 0 if everything is there, 7 if something could not be brought over, 8 if what was read back differs.
  `
  static override examples = [
    '<%= config.bin %> log replay ./log --to 127.0.0.1:7379',
    {
      description: 'As it was before the mistake, only the users:',
      command: "<%= config.bin %> log replay ./log --to 10.0.0.3:7379 --until 2026-11-22T09:59:00Z --key 'user:*'",
    },
    {
      description: 'A savefile into a Redis cluster; what would happen:',
      command: '<%= config.bin %> log replay ./data/kv.save --to 10.0.0.5:6379,10.0.0.6:6379 --dry-run',
    },
  ]
  static override args = {
    source: Args.string({required: true, ignoreStdin: true, description: 'Folder of a data log, or a savefile.'}),
  }
  static override flags = {
    to: Flags.string({
      required: true,
      helpValue: 'host:port,...',
      description: 'The target; of several nodes the first that answers.',
    }),
    mode: Flags.option({
      options: MODES,
      default: 'into-empty' as const,
      description: 'What to do about keys that the target has.',
    })(),
    until: Flags.string({helpValue: 'time', description: 'The content at this time: ISO (UTC) or Unix ms.'}),
    bucket: Flags.string({
      aliases: ['only'],
      helpValue: 'ranges',
      description: 'Only these buckets, such as 0-99,200.',
    }),
    key: Flags.string({helpValue: 'glob', description: 'Only keys like this.'}),
    rate: Flags.string({default: '0', helpValue: 'keys/s', description: 'No more keys a second; 0 = no limit.'}),
    'dry-run': Flags.boolean({description: 'Count what would be written, and write nothing.'}),
    salvage: Flags.boolean({description: 'Go on after damage in the log; what is missing is named.'}),
    'password-file': connectFlags['password-file'],
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(LogReplay)
    const mode = requireMode(flags.mode)
    const password = readPassword(flags['password-file'])
    const seeds = nodeAddresses(flags.to)
    if (seeds.length === 0) throw new KvError('E_USAGE', '--to names no address.', 'Write host:port.')
    const choice = {until: timeOf('until', flags.until), buckets: bucketsOf(flags.bucket)}
    const rate = amountOf('count', 'rate', flags.rate)
    const content = await openContent(args.source)
    const progress = new Progress()
    try {
      const report = await untilInterrupted((signal) => {
        const onDamage = flags.salvage ? this.#damage : undefined
        const rebuild: ReplayOptions['rebuild'] = (end) =>
          content.rebuild({
            ...choice,
            end: end ?? undefined,
            onDamage,
            signal,
            onProgress: (_, entries) => showReading(progress, entries),
          })
        return replay({
          identity: identityOf(content, flags, mode),
          rebuild,
          connect: () => ReplayTarget.connect(seeds, {password, signal}),
          mode,
          matches: keyMatcher(flags.key),
          rate,
          isDryRun: flags['dry-run'],
          signal,
          onProgress: showWriting(progress),
        })
      })
      progress.done()
      for (const line of replayRemarks(report)) this.note(line)
      for (const line of replayLines(report)) this.print(line)
      if (!report.isDryRun) this.setExit(replayExit(report))
      return replayJson(report)
    } finally {
      progress.done()
      await content.close()
    }
  }

  readonly #damage: NonNullable<Parameters<Content['rebuild']>[0]['onDamage']> = ({file, offset, words}) =>
    this.note(`Damage: ${file}, byte ${offset}: ${words}.`)
}

function requireMode(mode: (typeof MODES)[number]): ReplayMode {
  if (mode !== 'if-newer') return mode
  throw new KvError(
    'E_USAGE',
    'No server tells when a key was last written, so "newer" cannot be decided; nothing was written.',
    'Use --mode overwrite, with --key or --bucket to choose, or an empty target.',
  )
}

interface Choice {
  readonly to: string
  readonly until: string | undefined
  readonly bucket: string | undefined
  readonly key: string | undefined
}

function identityOf(
  {path, source}: Content,
  {to, until, bucket, key}: Choice,
  mode: string,
): ReplayOptions['identity'] {
  return {path, source, to, until: timeOf('until', until), buckets: bucket ?? '', key: key ?? '', mode}
}

function showReading(progress: Progress, entries: number): void {
  progress.update(() => `Reading the log: ${formatCount(entries)} entries`)
}

/** The rate is of this phase alone. */
function showWriting(progress: Progress): ReplayOptions['onProgress'] {
  const words = {count: 'Counting', write: 'Writing', verify: 'Reading back'}
  let [shown, startedMs] = ['', 0]
  return ({phase, done, total, keys}) => {
    if (phase !== shown) [shown, startedMs] = [phase, performance.now()]
    const elapsedMs = performance.now() - startedMs
    progress.update(() => `${words[phase]}: ${formatCount(keys)} keys; records ${formatRate(done, total, elapsedMs)}`)
  }
}
