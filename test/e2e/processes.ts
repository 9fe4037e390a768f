/** A cluster of real node processes on this machine, each with its own data dir, that tests stop, kill, pause and start again. */
import {fileURLToPath} from 'node:url'
import {join} from 'node:path'
import {startChild, type Child} from '../support/child.ts'
import {nodeBinary} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import {withCluster, type ClusterLink} from '../../src/cli/cluster-link.ts'
import type {ClusterState} from '../../src/cli/cluster-state.ts'
import type {NodeAddress, NodeOptions} from '../../src/node/options.ts'

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
    const child = this.launch(join.filter((port) => port !== this.port).map((port) => ({host: HOST, port})))
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

  /** Its process, which says its port on stdout when it serves. */
  protected launch(join: readonly NodeAddress[]): Child {
    const options: NodeOptions = {
      host: HOST,
      port: this.port,
      peerPort: 0,
      maxMemoryBytes: 0,
      maxMemoryPolicy: 'noeviction',
      maxClients: 10_000,
      clientIdleTimeoutS: 0,
      ...this.#options,
      join,
    }
    return startChild(nodeBinary(), [CHILD, JSON.stringify(options)])
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
  readonly #folder = tempDir('cluster').path

  /** Starts so many nodes; the first founds the cluster. */
  static async start(count: number, options: Partial<NodeOptions> = {}): Promise<ProcessCluster> {
    const cluster = new ProcessCluster()
    for (let i = 0; i < count; i++) {
      const dataDir = join(cluster.#folder, `n${i}`)
      cluster.nodes.push(new NodeProcess(await freePort(), {dataDir, ...options}))
    }
    try {
      await cluster.nodes[0]!.start([])
      await Promise.all(cluster.nodes.slice(1).map((node) => node.start([cluster.nodes[0]!.port])))
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  get ports(): number[] {
    return this.nodes.filter(({isRunning}) => isRunning).map(({port}) => port)
  }

  /** Starts one node more, which joins. */
  async add(options: Partial<NodeOptions> = {}): Promise<NodeProcess> {
    const dataDir = join(this.#folder, `n${this.nodes.length}`)
    const node = new NodeProcess(await freePort(), {dataDir, ...options})
    await this.adopt(node)
    return node
  }

  /** Starts a node of another kind, which joins. */
  async adopt(node: NodeProcess): Promise<void> {
    const others = this.ports
    this.nodes.push(node)
    await node.start(others)
  }

  /** Calls `work` with a link to nodes that run. */
  linked<T>(work: (link: ClusterLink) => Promise<T>): Promise<T> {
    return withCluster({node: this.ports.map((port) => `${HOST}:${port}`).join(',')}, work)
  }

  /**
   * Resolves when every bucket has so many copies, nothing moves any more, all nodes that run are members and no others, and each of them
   * knows it: the next fault does not come on top of the last one.
   */
  async settled(copies: number, timeoutMs = 60_000): Promise<void> {
    let said: unknown = ''
    const isSettled = async (): Promise<boolean> => {
      const states = await Promise.all(this.ports.map(stateOf)).catch((error: unknown) => String(error))
      said = typeof states === 'string' ? states : states.map(summary)
      if (typeof states === 'string') return false
      const isOne = states.every(({revision}) => revision === states[0]!.revision)
      return isOne && states.every((state) => isAtRest(state, this.ports, copies))
    }
    await waitFor('the cluster is whole and at rest', isSettled, {timeoutMs, intervalMs: 50}).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}: ${JSON.stringify(said)}`)
      },
    )
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.filter(({isRunning}) => isRunning).map((node) => node.kill()))
  }
}

async function stateOf(port: number): Promise<ClusterState> {
  return withCluster({node: `${HOST}:${port}`}, (link) => link.state())
}

function isAtRest(state: ClusterState, ports: readonly number[], copies: number): boolean {
  const {members, ranges, moves, isBalancing, hasLease} = state
  const isIn = (port: number): boolean => members.some((member) => member.port === port && !member.isDown)
  const isMember = members.length === ports.length && ports.every(isIn)
  const isWhole = state.lost === '' && ranges.every(([, , , replicas]) => replicas.length + 1 === copies)
  const isSpread = members.every(({isVoterOnly, masters}) => masters > 0 !== isVoterOnly)
  return isMember && isWhole && isSpread && hasLease && !isBalancing && moves.length === 0
}

/** What is looked at, for the message of a test that waited in vain. */
function summary(state: ClusterState): object {
  const {revision, hasLease, isBalancing, lost, down, underReplicated, moves} = state
  const members = state.members.map(({port, masters, isDown, role}) => ({port, masters, isDown, role}))
  return {revision, hasLease, isBalancing, lost, down, underReplicated, moves: moves.length, members}
}
