import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {readPassword} from '../../src/cli/connect.ts'
import {amountOf, connectFlags} from '../../src/cli/flags.ts'
import {LOG_LEVELS, makeLogger} from '../../src/cli/log.ts'
import {logBanner} from '../../src/cli/node-banner.ts'
import {joinAddresses, peerViaOf, plantsOf} from '../../src/cli/node-flags.ts'
import {outliveReader} from '../../src/cli/pipe.ts'
import {prose} from '../../src/cli/prose.ts'
import {runNode} from '../../src/cli/run-node.ts'
import {DEFAULT_PORT, LOG_SEGMENT_BYTES_MAX, LOG_SEGMENT_BYTES_MIN} from '../../src/constants.ts'
import {KvError} from '../../src/errors.ts'
import type {DataLogOptions, NodeOptions} from '../../src/node/options.ts'

export default class LogStart extends BaseCommand {
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
    join: Flags.string({
      helpValue: 'host:port,...',
      description: 'Join the cluster of the first of these nodes that answers; not needed again later.',
    }),
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
    host: Flags.string({default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 for every one.'}),
    port: Flags.integer({default: DEFAULT_PORT, min: 0, max: 65_535, description: 'Client port; 0 picks a free one.'}),
    announce: Flags.string({
      helpValue: 'host[:port]',
      description: 'What others are told to connect to, if not the address it listens on.',
    }),
    'peer-port': Flags.integer({
      min: 1,
      max: 65_535,
      description: 'Port for other nodes; default the client port + 10000.',
    }),
    'secret-file': Flags.string({
      helpValue: 'file',
      description: 'What nodes must share to talk to each other; one line.',
    }),
    'password-file': connectFlags['password-file'],
    'log-level': Flags.option({options: LOG_LEVELS, default: 'info' as const, description: 'How much to log.'})(),
    'stop-with-parent': Flags.boolean({
      hidden: true,
      description: 'Stop when the IPC channel to the parent process closes.',
    }),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(LogStart)
    const node = nodeOptions(flags)
    outliveReader()
    const log = await makeLogger(flags['log-level'])
    // The node brings the whole engine, which no other command should load.
    const {startNode} = await import('../../src/node/node.ts')
    const isJson = this.jsonEnabled()
    const exit = await runNode({
      start: startNode,
      node,
      ui: {
        banner: (running) => {
          if (process.stdout.isTTY) this.print(logBanner(running, flags.dir, flags['log-ack'], this.style))
        },
        event: (event) => isJson && this.emitJson(event),
        log,
      },
      source: process,
      isBoundToParent: flags['stop-with-parent'],
    })
    process.exitCode = exit.exitCode
  }
}

interface LogFlags {
  readonly dir: string
  readonly join: string | undefined
  readonly 'log-ack': 'async' | 'sync'
  readonly 'segment-size': string
  readonly rotate: 'never' | 'daily'
  readonly compress: boolean
  readonly 'keep-bytes': string | undefined
  readonly 'keep-days': number | undefined
  readonly host: string
  readonly port: number
  readonly announce: string | undefined
  readonly 'peer-port': number | undefined
  readonly 'secret-file': string | undefined
  readonly 'password-file': string | undefined
}

function nodeOptions(flags: LogFlags): NodeOptions {
  const password = readPassword(flags['password-file'])
  const secret = flags['secret-file'] === undefined ? undefined : readPassword(flags['secret-file'])
  return {
    host: flags.host,
    port: flags.port,
    ...(flags.announce !== undefined && {announce: flags.announce}),
    ...(password !== undefined && {password}),
    ...(secret !== undefined && {secret}),
    ...(flags.join !== undefined && {join: joinAddresses(flags.join)}),
    ...(flags['peer-port'] !== undefined && {peerPort: flags['peer-port']}),
    isVoterOnly: true,
    dataLog: dataLogOptions(flags),
    plants: plantsOf(process.env),
    peerVia: peerViaOf(process.env),
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
