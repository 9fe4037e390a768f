/** A cluster of real node processes on this machine, each with its own data dir, that tests stop, kill, pause and start again. */
import {fileURLToPath} from 'node:url'
import {join} from 'node:path'
import {startChild, type Child} from '../support/child.ts'
import {nodeBinary} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import {rawConnection} from '../support/raw-connection.ts'
import type {NodeOptions} from '../../src/node/options.ts'

const HOST = '127.0.0.1'
const CHILD = fileURLToPath(new URL('../support/kv-child.ts', import.meta.url))

export class NodeProcess {
  readonly port: number
  readonly #options: Partial<NodeOptions>
  child: Child | null = null

  constructor(port: number, options: Partial<NodeOptions>) {
    this.port = port
    this.#options = options
  }

  /** Starts it and waits until it serves; `join`: ports of nodes to ask. */
  async start(join: readonly number[]): Promise<void> {
    const options: NodeOptions = {
      host: HOST,
      port: this.port,
      peerPort: 0,
      maxMemoryBytes: 0,
      maxMemoryPolicy: 'noeviction',
      maxClients: 10_000,
      clientIdleTimeoutS: 0,
      ...this.#options,
      join: join.filter((port) => port !== this.port).map((port) => ({host: HOST, port})),
    }
    const child = startChild(nodeBinary(), [CHILD, JSON.stringify(options)])
    this.child = child
    await waitFor(
      `node ${this.port} serves`,
      () => {
        if (child.process.exitCode !== null)
          throw new Error(`node ${this.port} ended: ${child.stdout()}${child.stderr()}`)
        return child.stdout().includes('"port"') ? true : undefined
      },
      {timeoutMs: 30_000},
    )
  }

  /** SIGTERM, and waits for the end, whose exit code it returns. */
  async stop(): Promise<number | string> {
    this.child!.process.kill('SIGTERM')
    return this.child!.exited
  }

  async kill(): Promise<void> {
    this.child!.process.kill('SIGKILL')
    await this.child!.exited
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child!.process.kill(name)
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.process.exitCode === null && this.child.process.signalCode === null
  }
}

export class ProcessCluster {
  readonly nodes: NodeProcess[] = []

  /** Starts so many nodes; the first founds the cluster. */
  static async start(count: number, options: Partial<NodeOptions> = {}): Promise<ProcessCluster> {
    const cluster = new ProcessCluster()
    const folder = tempDir('cluster').path
    for (let i = 0; i < count; i++) {
      const dataDir = join(folder, `n${i}`)
      cluster.nodes.push(new NodeProcess(await freePort(), {dataDir, ...options}))
    }
    await cluster.nodes[0]!.start([])
    await Promise.all(cluster.nodes.slice(1).map((node) => node.start([cluster.nodes[0]!.port])))
    return cluster
  }

  get ports(): number[] {
    return this.nodes.filter(({isRunning}) => isRunning).map(({port}) => port)
  }

  /** Resolves when every bucket has its copies and nothing moves any more, as one node sees it. */
  async settled(copies: number, timeoutMs = 30_000): Promise<void> {
    await waitFor(
      'the cluster is whole and in balance',
      async () => {
        const lines = await this.slots().catch(() => [])
        const covered = lines.reduce((sum, [from, to]) => sum + to! - from! + 1, 0)
        const isWhole = covered === 16_384 && lines.every((line) => line.length === 2 + copies)
        const masters = new Set(lines.map((line) => line[2]))
        return isWhole && masters.size === this.ports.length ? true : undefined
      },
      {timeoutMs, intervalMs: 50},
    )
  }

  /** CLUSTER SLOTS of the first node that runs: [from, to, port of the master, ports of replicas...]. */
  async slots(): Promise<number[][]> {
    const connection = await rawConnection(this.ports[0]!)
    try {
      connection.write(Buffer.from('*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n'))
      const text = (await connection.reply()).toString()
      return parseSlots(text)
    } finally {
      connection.close()
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.filter(({isRunning}) => isRunning).map((node) => node.kill()))
  }
}

/** Nested arrays of integers and strings, as nested lists. */
function parseSlots(text: string): number[][] {
  let at = 0
  const line = (): string => {
    const end = text.indexOf('\r\n', at)
    const part = text.slice(at, end)
    at = end + 2
    return part
  }
  const value = (): unknown => {
    const head = line()
    const size = Number(head.slice(1))
    if (head.startsWith('*') || head.startsWith('%'))
      return Array.from({length: size * (head[0] === '%' ? 2 : 1)}, value)
    if (head.startsWith(':')) return size
    const bytes = text.slice(at, at + size)
    at += size + 2
    return bytes
  }
  const slots = value() as [number, number, ...[string, number][]][]
  return slots.map(([from, to, ...nodes]) => [from, to, ...nodes.map(([, port]) => port)])
}
