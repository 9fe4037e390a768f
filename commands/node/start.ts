import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {readPassword} from '../../src/cli/connect.ts'
import {amountOf, connectFlags} from '../../src/cli/flags.ts'
import {LOG_LEVELS, makeLogger} from '../../src/cli/log.ts'
import {nodeBanner} from '../../src/cli/node-banner.ts'
import {joinAddresses, peerViaOf, plantsOf} from '../../src/cli/node-flags.ts'
import {outliveReader} from '../../src/cli/pipe.ts'
import {prose} from '../../src/cli/prose.ts'
import {runNode, type NodeUi} from '../../src/cli/run-node.ts'
import {DEFAULT_PORT, REPLICAS_MAX} from '../../src/constants.ts'
import type {NodeOptions} from '../../src/node/options.ts'

const POLICIES = ['noeviction', 'allkeys-lru', 'volatile-lru', 'volatile-ttl'] as const

export default class NodeStart extends BaseCommand {
  static override summary = 'Start a node and keep it in the foreground.'
  static override description = prose`
    Any Redis client can talk to it at once. Ctrl-C or SIGTERM stops it in good order: clients get the replies they wait
    for, the savefile is written if there is one, and it exits 0. A second signal asks for haste.

    On a terminal it shows where it listens; elsewhere it logs JSON lines to stderr. With --json it prints one event a
    line to stdout: started, stopping, stopped.
  `
  static override examples = [
    '<%= config.bin %> node start',
    {
      description: 'Keep the data over a restart:',
      command: '<%= config.bin %> node start --data-dir ./data --save-file ./data/kv.save',
    },
    {
      description: 'Everything that a data log holds, in a new cluster:',
      command: '<%= config.bin %> node start --data-dir ./new --load ./log',
    },
    {
      description: 'As a cache of at most 2 GB:',
      command: '<%= config.bin %> node start --max-memory 2gb --max-memory-policy allkeys-lru',
    },
  ]
  static override flags = {
    host: Flags.string({default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 for every one.'}),
    port: Flags.integer({default: DEFAULT_PORT, min: 0, max: 65_535, description: 'Client port; 0 picks a free one.'}),
    announce: Flags.string({
      helpValue: 'host[:port]',
      description: 'What clients are told to connect to, if not the address it listens on.',
    }),
    'data-dir': Flags.string({helpValue: 'dir', description: 'Keeps the node id; made if missing.'}),
    join: Flags.string({
      helpValue: 'host:port,...',
      description: 'Join the cluster of the first of these nodes that answers.',
    }),
    'peer-port': Flags.integer({
      min: 1,
      max: 65_535,
      description: 'Port for other nodes; default the client port + 10000.',
    }),
    replicas: Flags.integer({
      default: 1,
      min: 0,
      max: REPLICAS_MAX,
      description: 'Copies besides the master, in a cluster that this node founds.',
    }),
    'min-replicas': Flags.integer({
      default: 0,
      min: 0,
      max: REPLICAS_MAX,
      description: 'Refuse writes (NOREPLICAS) to buckets with fewer replicas in sync than this.',
    }),
    'voter-only': Flags.boolean({description: 'Vote on changes of the cluster, but hold no data.'}),
    'secret-file': Flags.string({
      helpValue: 'file',
      description: 'What nodes must share to talk to each other; one line.',
    }),
    'accept-loss': Flags.boolean({
      description: 'If the only copy of some buckets went with the last process of this node, go on with empty ones.',
    }),
    'save-file': Flags.string({helpValue: 'file', description: 'Read at start if it exists, written on a stop.'}),
    load: Flags.string({
      helpValue: 'path',
      description: 'Begin with the content of this data log or savefile, as the first node of a new cluster.',
    }),
    'max-memory': Flags.string({
      default: '0',
      helpValue: 'size',
      description: 'Limit for data (512mb, 2gb); 0 = none.',
    }),
    'max-memory-policy': Flags.option({
      options: POLICIES,
      default: 'noeviction' as const,
      description: 'What gives way at the limit.',
    })(),
    'password-file': connectFlags['password-file'],
    'max-clients': Flags.integer({default: 10_000, min: 1, description: 'Connections at a time.'}),
    'idle-timeout': Flags.string({
      default: '0',
      helpValue: 'time',
      description: 'Close a client that was idle for this long; 0 = never.',
    }),
    'log-level': Flags.option({options: LOG_LEVELS, default: 'info' as const, description: 'How much to log.'})(),
    'stop-with-parent': Flags.boolean({
      hidden: true,
      description: 'Stop when the IPC channel to the parent process closes.',
    }),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(NodeStart)
    const node = nodeOptions(flags)
    outliveReader()
    const log = await makeLogger(flags['log-level'])
    const isBoundToParent = flags['stop-with-parent']
    // The node brings the whole engine, which no other command should load.
    const {startNode} = await import('../../src/node/node.ts')
    const exit = await runNode({start: startNode, node, ui: this.#ui(node, log), source: process, isBoundToParent})
    process.exitCode = exit.exitCode
  }

  #ui(options: NodeOptions, log: NodeUi['log']): NodeUi {
    const isJson = this.jsonEnabled()
    return {
      banner: (node) => {
        if (process.stdout.isTTY) this.print(nodeBanner(node, options, this.style))
      },
      event: (event) => isJson && this.emitJson(event),
      log,
    }
  }
}

interface StartFlags {
  readonly host: string
  readonly port: number
  readonly announce: string | undefined
  readonly 'data-dir': string | undefined
  readonly 'save-file': string | undefined
  readonly load: string | undefined
  readonly join: string | undefined
  readonly 'peer-port': number | undefined
  readonly replicas: number
  readonly 'min-replicas': number
  readonly 'voter-only': boolean
  readonly 'secret-file': string | undefined
  readonly 'accept-loss': boolean
  readonly 'max-memory': string
  readonly 'max-memory-policy': (typeof POLICIES)[number]
  readonly 'password-file': string | undefined
  readonly 'max-clients': number
  readonly 'idle-timeout': string
}

function nodeOptions(flags: StartFlags): NodeOptions {
  const password = readPassword(flags['password-file'])
  const secret = flags['secret-file'] === undefined ? undefined : readPassword(flags['secret-file'])
  return {
    host: flags.host,
    port: flags.port,
    ...(flags.announce !== undefined && {announce: flags.announce}),
    ...(flags['data-dir'] !== undefined && {dataDir: flags['data-dir']}),
    ...(flags['save-file'] !== undefined && {saveFile: flags['save-file']}),
    ...(flags.load !== undefined && {load: flags.load}),
    ...(password !== undefined && {password}),
    ...(secret !== undefined && {secret}),
    ...(flags.join !== undefined && {join: joinAddresses(flags.join)}),
    ...(flags['peer-port'] !== undefined && {peerPort: flags['peer-port']}),
    replicas: flags.replicas,
    minReplicas: flags['min-replicas'],
    isVoterOnly: flags['voter-only'],
    acceptsLoss: flags['accept-loss'],
    plants: plantsOf(process.env),
    peerVia: peerViaOf(process.env),
    maxMemoryBytes: amountOf('bytes', 'max-memory', flags['max-memory']),
    maxMemoryPolicy: flags['max-memory-policy'],
    maxClients: flags['max-clients'],
    clientIdleTimeoutS: Math.ceil(amountOf('milliseconds', 'idle-timeout', flags['idle-timeout']) / 1000),
  }
}
