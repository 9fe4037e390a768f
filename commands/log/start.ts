import {Flags} from '@oclif/core'
import {amountOf} from '../../src/cli/flags.ts'
import {logBanner} from '../../src/cli/node-banner.ts'
import {NodeCommand} from '../../src/cli/node-command.ts'
import {networkOptions, nodeFlags, type NodeFlags} from '../../src/cli/node-flags.ts'
import {prose} from '../../src/cli/prose.ts'
import {LOG_SEGMENT_BYTES_MAX, LOG_SEGMENT_BYTES_MIN} from '../../src/constants.ts'
import {KvError} from '../../src/errors.ts'
import type {DataLogOptions, NodeOptions} from '../../src/node/options.ts'

export default class LogStart extends NodeCommand {
  static override summary = 'Start a data-log node: it writes every change of the cluster to files.'
  static override description = prose`
    The node joins the cluster, votes, and holds no buckets. For each bucket it writes an image, and then every
    acknowledged change, to a series of files in its folder. Started again with the same folder it goes on from what it
    has; what it missed meanwhile comes as new images.

    With --log-ack sync a write is acknowledged only when it is on the log's disk, too, once the log is in step. If the
    log node dies or is late for a second, the cluster agrees to go on without it, kv cluster check says so, and it
    counts again when it is back in step.
  `
  static override examples = [
    '<%= config.bin %> log start --join 10.0.0.7:7379 --dir /var/lib/kv/log',
    {
      description: 'Writes survive the loss of every data node:',
      command: '<%= config.bin %> log start --join 10.0.0.7:7379 --dir ./log --log-ack sync',
    },
    {
      description: 'Keep a week, in compressed files:',
      command: '<%= config.bin %> log start --join 10.0.0.7:7379 --dir ./log --keep-days 7 --compress',
    },
  ]
  static override flags = {
    dir: Flags.string({required: true, helpValue: 'dir', description: 'Folder of the log; made if missing.'}),
    'log-ack': Flags.option({
      options: ['async', 'sync'] as const,
      default: 'async' as const,
      description: 'Whether writes wait for the disk of the log.',
    })(),
    'segment-size': Flags.string({default: '64mb', helpValue: 'size', description: 'A new file after so much.'}),
    rotate: Flags.option({
      options: ['never', 'daily'] as const,
      default: 'never' as const,
      description: 'A new file each day (UTC) as well.',
    })(),
    compress: Flags.boolean({description: 'Compress files that are finished (zstd).'}),
    'keep-bytes': Flags.string({
      helpValue: 'size',
      description: 'Delete old files beyond this, if nothing needs them.',
    }),
    'keep-days': Flags.integer({min: 1, description: 'Delete files older than this, if nothing needs them.'}),
    ...nodeFlags,
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(LogStart)
    const {dir, 'log-ack': ack} = flags
    await this.keepRunning(nodeOptions(flags), flags, (node) => logBanner(node, dir, ack, this.style))
  }
}

interface LogFlags extends NodeFlags {
  readonly dir: string
  readonly 'log-ack': 'async' | 'sync'
  readonly 'segment-size': string
  readonly rotate: 'never' | 'daily'
  readonly compress: boolean
  readonly 'keep-bytes': string | undefined
  readonly 'keep-days': number | undefined
}

function nodeOptions(flags: LogFlags): NodeOptions {
  return {
    ...networkOptions(flags),
    isVoterOnly: true,
    dataLog: dataLogOptions(flags),
    maxMemoryBytes: 0,
    maxMemoryPolicy: 'noeviction',
    maxClients: 10_000,
    clientIdleTimeoutS: 0,
  }
}

function segmentBytesOf(text: string): number {
  const bytes = amountOf('bytes', 'segment-size', text)
  const isRight = bytes >= LOG_SEGMENT_BYTES_MIN && bytes <= LOG_SEGMENT_BYTES_MAX
  if (isRight) return bytes
  throw new KvError('E_USAGE', `--segment-size ${text} is too small or too large.`, 'Write something from 1mb to 1gb.')
}

function dataLogOptions(flags: LogFlags): DataLogOptions {
  const {'keep-bytes': keepBytes, 'keep-days': keepDays} = flags
  return {
    dir: flags.dir,
    ack: flags['log-ack'],
    segmentBytes: segmentBytesOf(flags['segment-size']),
    isDaily: flags.rotate === 'daily',
    isCompressed: flags.compress,
    ...(keepBytes !== undefined && {keepBytes: amountOf('bytes', 'keep-bytes', keepBytes)}),
    ...(keepDays !== undefined && {keepDays}),
  }
}
