/**
 * A cluster of redis-server processes, three masters with a replica each (or none), nothing on disk but their own configuration: what
 * ours is measured beside. Its settings are Redis' defaults, except where the caller names others.
 */
import {mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {ClusterClient} from '../../../src/client/cluster-client.ts'
import {isError, isList, replyText, type Reply} from '../../../src/client/reply.ts'
import {run, startChild, type Child} from '../../support/child.ts'
import {freePort} from '../../support/ports.ts'
import {tempDir} from '../../support/temp.ts'
import {waitFor} from '../../support/wait.ts'

const HOST = '127.0.0.1'
const MASTERS = 3
const SETTLE_TIMEOUT_MS = 120_000

/** A redis-server with a data folder of its own, in which it finds its part in the cluster again. */
class RedisNode {
  readonly port: number
  readonly #words: readonly string[]
  #child: Child | null = null

  constructor(port: number, busPort: number, dir: string, settings: readonly string[]) {
    mkdirSync(dir)
    const place = ['--port', `${port}`, '--cluster-port', `${busPort}`, '--bind', HOST, '--dir', dir]
    const memoryOnly = ['--save', '', '--appendonly', 'no', '--cluster-enabled', 'yes']
    this.port = port
    this.#words = [...place, ...memoryOnly, ...settings]
  }

  get pid(): number {
    return this.#child!.pid
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.process.exitCode === null && this.#child.process.signalCode === null
  }

  async start(): Promise<void> {
    const child = startChild('redis-server', this.#words)
    this.#child = child
    await waitFor(`redis-server ${this.port} answers`, async () => {
      if (child.process.exitCode !== null) throw new Error(`redis-server ended: ${child.stdout()}${child.stderr()}`)
      return (await askRedis(this.port, ['PING']).catch(() => null)) === 'PONG'
    })
  }

  async kill(): Promise<void> {
    this.#child!.process.kill('SIGKILL')
    await this.#child!.exited
  }
}

export class RedisCluster {
  readonly nodes: RedisNode[] = []

  /** `settings`: words of the command line of each server, such as `--cluster-node-timeout 1000`; `replicas`: of each master. */
  static async start(settings: readonly string[] = [], replicas = 1): Promise<RedisCluster> {
    const cluster = new RedisCluster()
    const folder = tempDir('redis').path
    for (let i = 0; i < MASTERS * (1 + replicas); i++) {
      cluster.nodes.push(new RedisNode(await freePort(), await freePort(), join(folder, `n${i}`), settings))
    }
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()))
      const addresses = cluster.nodes.map(({port}) => `${HOST}:${port}`)
      await redisCli('--cluster', 'create', ...addresses, '--cluster-replicas', `${replicas}`, '--cluster-yes')
      await cluster.settled()
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  get ports(): number[] {
    return this.nodes.filter(({isRunning}) => isRunning).map(({port}) => port)
  }

  get pids(): number[] {
    return this.nodes.filter(({isRunning}) => isRunning).map(({pid}) => pid)
  }

  /** Resolves when every node agrees that all is well and each master has a replica that follows it. */
  async settled(): Promise<void> {
    const isWell = async (port: number): Promise<boolean> => {
      const info = replyText(await askRedis(port, ['CLUSTER', 'INFO'])) ?? ''
      const nodes = replyText(await askRedis(port, ['CLUSTER', 'NODES'])) ?? ''
      const replication = replyText(await askRedis(port, ['INFO', 'replication'])) ?? ''
      const isFollowing = !replication.includes('role:slave') || replication.includes('master_link_status:up')
      const masters = nodes.split('\n').filter((line) => / (myself,)?master /.test(line))
      return (
        info.includes('cluster_state:ok') && !/fail|handshake/.test(nodes) && isFollowing && masters.length === MASTERS
      )
    }
    const areWell = async (): Promise<boolean> => (await Promise.all(this.ports.map(isWell))).every(Boolean)
    await waitFor('the Redis cluster is whole', () => areWell().catch(() => false), {
      timeoutMs: SETTLE_TIMEOUT_MS,
      intervalMs: 50,
    })
  }

  /** Node id of the server at this port, as redis-cli wants it. */
  async idOf(port: number): Promise<string> {
    return replyText(await askRedis(port, ['CLUSTER', 'MYID'])) ?? ''
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.filter(({isRunning}) => isRunning).map((node) => node.kill()))
  }
}

/** Runs redis-cli to its end; what it said. Errors: it failed, or took more than ten minutes. */
export async function redisCli(...words: string[]): Promise<string> {
  const {exit, stdout, stderr} = await run('redis-cli', words, {timeoutMs: 600_000})
  if (exit !== 0) throw new Error(`redis-cli ${words.slice(0, 2).join(' ')} failed: ${stdout.slice(-2000)}${stderr}`)
  return stdout
}

/** One request on a connection of its own, to this very node. */
export async function askRedis(port: number, args: readonly string[]): Promise<Reply> {
  const address = {host: HOST, port}
  const client = new ClusterClient([address], {connectTimeoutMs: 1_000, replyTimeoutMs: 5_000})
  try {
    return await (await client.connectionTo(address)).call(args)
  } finally {
    client.cut()
  }
}

/** A line of CLUSTER SLOTS: first and last bucket, port of the master, ports of the replicas. */
export interface Range {
  readonly first: number
  readonly last: number
  readonly master: number
  readonly replicas: readonly number[]
}

/** CLUSTER SLOTS as this node, ours or Redis', tells it. */
export async function rangesOf(port: number): Promise<Range[]> {
  const reply = await askRedis(port, ['CLUSTER', 'SLOTS'])
  if (isError(reply) || !isList(reply)) throw new Error(`${port} does not tell its slots`)
  return reply.map((line) => {
    const [first, last, ...nodes] = line as readonly [number, number, ...(readonly [Buffer, number])[]]
    const [master, ...replicas] = nodes.map(([, nodePort]) => nodePort)
    return {first, last, master: master!, replicas}
  })
}
