/** Nodes with real sockets for tests, in this process or in one of its own; all are gone when the test ends. */
import {onTestFinished} from 'vitest'
import type {KvError} from '../../src/errors.ts'
import {startNode} from '../../src/node/node.ts'
import {nodeBinary} from '../support/kv.ts'
import {startChild, type Child} from '../support/child.ts'
import {encodeCommand, rawConnection, type Arg, type RawConnection} from '../support/raw-connection.ts'
import {waitFor} from '../support/wait.ts'
import type {NodeLog} from '../../src/node/log.ts'
import type {NodeExit, NodeOptions, RunningNode} from '../../src/node/options.ts'

export const HOST = '127.0.0.1'
const DEFAULTS: NodeOptions = {
  host: HOST,
  port: 0,
  maxMemoryBytes: 0,
  maxMemoryPolicy: 'noeviction',
  maxClients: 10_000,
  clientIdleTimeoutS: 0,
}

/** Starts a node in this process; it is stopped at the end of the test. */
export async function liveNode(options: Partial<NodeOptions> = {}, log?: NodeLog): Promise<RunningNode> {
  const node = await startNode({...DEFAULTS, ...options}, log)
  onTestFinished(async () => {
    await node.stop('end of test').catch(() => undefined)
    await node.stop('end of test, at once').catch(() => undefined)
  })
  return node
}

/** Why a node does not start. */
export async function refusalOf(options: Partial<NodeOptions>): Promise<KvError> {
  const node = await startNode({...DEFAULTS, ...options}).catch((error: unknown) => error as KvError)
  if (!('stop' in node)) return node
  await node.stop('it should not have started')
  throw new Error('it started')
}

/** A connection that is closed at the end of the test. */
export async function connectTo(node: {readonly address: {readonly port: number}} | number): Promise<RawConnection> {
  const connection = await rawConnection(typeof node === 'number' ? node : node.address.port)
  onTestFinished(() => connection.close())
  return connection
}

/** Sends requests at once and returns their replies, as Latin-1. */
export async function pipeline(connection: RawConnection, requests: readonly (readonly Arg[])[]): Promise<string[]> {
  connection.write(Buffer.concat(requests.map(encodeCommand)))
  return (await connection.replies(requests.length, 20_000)).map((reply) => reply.toString('latin1'))
}

/** Sets keys `prefix0`..., some thousand a time. */
export async function fill(connection: RawConnection, count: number, prefix = 'key:', valueBytes = 100): Promise<void> {
  const value = 'v'.repeat(valueBytes)
  for (let i = 0; i < count; i += 5000) {
    const size = Math.min(5000, count - i)
    await pipeline(
      connection,
      Array.from({length: size}, (_, j) => ['SET', `${prefix}${i + j}`, value]),
    )
  }
}

export interface NodeChild extends Child {
  readonly port: number
  readonly keys: number
  /** What it said when it stopped. */
  exit(): NodeExit | null
}

/** Starts a node in a process of its own, which is killed at the end of the test. Throws if it does not start. */
export async function nodeChild(options: Partial<NodeOptions> = {}): Promise<NodeChild> {
  const script = new URL('../support/kv-child.ts', import.meta.url).pathname
  const child = startChild(nodeBinary(), [script, JSON.stringify({...DEFAULTS, ...options})])
  onTestFinished(() => void child.process.kill('SIGKILL'))
  const match = await waitFor('the child serves', () => {
    if (child.process.exitCode !== null) throw new Error(child.stderr())
    return /"port":(\d+),"keys":(\d+)/.exec(child.stdout()) ?? false
  })
  const exit = (): NodeExit | null => {
    const line = child
      .stdout()
      .split('\n')
      .find((text) => text.includes('"exitCode"'))
    return line === undefined ? null : (JSON.parse(line) as NodeExit)
  }
  return {...child, port: Number(match[1]), keys: Number(match[2]), exit}
}
