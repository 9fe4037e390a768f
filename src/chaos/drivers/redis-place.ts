/**
 * A place of a Redis Cluster: one redis-server (or valkey-server) with Redis' defaults, except for where it listens and, if asked for, the node timeout. It calls
 * from an IP address of its own, 127.0.1.n, so that a proxy in front of another node knows who calls.
 */
import {mkdirSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {Connection} from '../../client/connection.ts'
import {isError, replyText} from '../../client/reply.ts'
import {KvError} from '../../errors.ts'
import {ProcessPlace, type PlaceOptions, type StartProblem} from './place.ts'
import type {Processes, Running} from './processes.ts'

const CONNECT_TIMEOUT_MS = 1_000
const REPLY_TIMEOUT_MS = 3_000
const POLL_MS = 30

export interface RedisPlaceOptions extends PlaceOptions {
  /** Of the program. */
  readonly server: string
  /** Where the process listens for clients and for its cluster; `port` of a place is what others are told. */
  readonly ownPort: number
  readonly ownBusPort: number
  readonly busPort: number
  /** Where its calls come from. */
  readonly source: string
  /** Undefined: Redis' default. */
  readonly nodeTimeoutMs: number | undefined
}

export class RedisPlace extends ProcessPlace {
  readonly busPort: number
  readonly #redis: RedisPlaceOptions

  constructor(options: RedisPlaceOptions, processes: Processes) {
    super(options, processes)
    this.busPort = options.busPort
    this.#redis = options
  }

  protected override launch(): Running {
    mkdirSync(this.dataDir, {recursive: true})
    const {server, port, ownPort, ownBusPort, busPort, source, nodeTimeoutMs} = this.#redis
    const settings: Readonly<Record<string, string | number>> = {
      bind: '127.0.0.1',
      port: ownPort,
      dir: this.dataDir,
      logfile: this.processes.logFile(this.name),
      'cluster-enabled': 'yes',
      'cluster-port': ownBusPort,
      'bind-source-addr': source,
      'cluster-announce-ip': '127.0.0.1',
      'cluster-announce-port': port,
      'cluster-announce-bus-port': busPort,
      ...(nodeTimeoutMs !== undefined && {'cluster-node-timeout': nodeTimeoutMs}),
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    return this.processes.start({name: this.name, command: server, args})
  }

  protected override async ready(running: Running): Promise<StartProblem | null> {
    while (running.exit === null) {
      // It may be reading what it saved.
      const id = await this.ask('CLUSTER', 'MYID').catch(() => '')
      if (/^[0-9a-f]{40}$/.test(id)) {
        this.nodeId = id
        return null
      }
      await sleep(POLL_MS)
    }
    return this.endedEarly(running)
  }

  /** One request to its own port, whatever lies on the links. Errors: E_REPLY, E_CONNECT and its kin. */
  async ask(...request: readonly string[]): Promise<string> {
    const connection = await Connection.connect(
      {host: '127.0.0.1', port: this.#redis.ownPort},
      {connectTimeoutMs: CONNECT_TIMEOUT_MS, replyTimeoutMs: REPLY_TIMEOUT_MS},
    )
    try {
      const reply = await connection.send(request)
      if (isError(reply)) throw new KvError('E_REPLY', `${this.name}: ${reply.text}`)
      return replyText(reply) ?? ''
    } finally {
      connection.close()
    }
  }

  /** The same; what went wrong is an event of every day. */
  async tell(...request: readonly string[]): Promise<boolean> {
    return this.ask(...request).then(
      () => true,
      () => false,
    )
  }
}
