import {Flags} from '@oclif/core'
import {amountOf} from '../../src/cli/flags.ts'
import {nodeBanner} from '../../src/cli/node-banner.ts'
import {NodeCommand} from '../../src/cli/node-command.ts'
import {networkOptions, nodeFlags, type NodeFlags} from '../../src/cli/node-flags.ts'
import {prose} from '../../src/cli/prose.ts'
import {REPLICAS_MAX} from '../../src/constants.ts'
import type {NodeOptions} from '../../src/node/options.ts'

const POLICIES = ['noeviction', 'allkeys-lru', 'volatile-lru', 'volatile-ttl'] as const

export default class NodeStart extends NodeCommand {
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
    'data-dir': Flags.string({helpValue: 'dir', description: 'Keeps the node id; made if missing.'}),
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
    'max-clients': Flags.integer({default: 10_000, min: 1, description: 'Connections at a time.'}),
    'idle-timeout': Flags.string({
      default: '0',
      helpValue: 'time',
      description: 'Close a client that was idle for this long; 0 = never.',
    }),
    ...nodeFlags,
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(NodeStart)
    const options = nodeOptions(flags)
    await this.keepRunning(options, flags, (node) => nodeBanner(node, options, this.style))
  }
}

interface StartFlags extends NodeFlags {
  readonly 'data-dir': string | undefined
  readonly 'save-file': string | undefined
  readonly load: string | undefined
  readonly replicas: number
  readonly 'min-replicas': number
  readonly 'voter-only': boolean
  readonly 'accept-loss': boolean
  readonly 'max-memory': string
  readonly 'max-memory-policy': (typeof POLICIES)[number]
  readonly 'max-clients': number
  readonly 'idle-timeout': string
}

function nodeOptions(flags: StartFlags): NodeOptions {
  return {
    ...networkOptions(flags),
    ...(flags['data-dir'] !== undefined && {dataDir: flags['data-dir']}),
    ...(flags['save-file'] !== undefined && {saveFile: flags['save-file']}),
    ...(flags.load !== undefined && {load: flags.load}),
    replicas: flags.replicas,
    minReplicas: flags['min-replicas'],
    isVoterOnly: flags['voter-only'],
    acceptsLoss: flags['accept-loss'],
    maxMemoryBytes: amountOf('bytes', 'max-memory', flags['max-memory']),
    maxMemoryPolicy: flags['max-memory-policy'],
    maxClients: flags['max-clients'],
    clientIdleTimeoutS: Math.ceil(amountOf('milliseconds', 'idle-timeout', flags['idle-timeout']) / 1000),
  }
}
