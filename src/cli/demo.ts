/**
 * A throw-away cluster for a first look: starts nodes as child processes of this very program, waits until clients can
 * use them, and takes them away again.
 *
 * Each child is the leader of a process group of its own, because Ctrl-C in a terminal reaches every process of the
 * group: the child would get one signal from the terminal and one from us, and two mean haste. Instead it is bound to
 * us by an IPC channel, so that it also stops when we die without a word. A detached demo has no such channel and logs
 * to a file.
 */
import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {openSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {formatAddress, type Address} from '../base/address.ts'
import {ClusterClient} from '../client/cluster-client.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {ERROR_KINDS, KvError, type ErrorCode} from '../errors.ts'
import type {NodeEvent} from './run-node.ts'

const LAUNCHER = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))

export interface DemoOptions {
  readonly port: number
  readonly isDetached: boolean
}

export interface DemoNode {
  readonly name: string
  readonly address: Address
  readonly nodeId: string
  readonly pid: number
  /** Buckets of which it is the master. */
  readonly bucketCount: number
}

export interface Demo {
  readonly nodes: readonly DemoNode[]
  readonly readyMs: number
  /** Where a detached demo logs. */
  readonly logFile: string | undefined
  /** Settles when the nodes have ended, whoever ended them; resolves to the worst exit code. */
  readonly ended: Promise<number>
  /** Asks the nodes to stop; a second call asks for haste. */
  stop(): void
}

/** Resolves when every bucket is served. Errors: what the node printed (E_PORT_IN_USE...), or E_INTERNAL. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const startedMs = performance.now()
  const logFile = options.isDetached ? join(tmpdir(), `kv-demo-${options.port}.log`) : undefined
  const child = spawnNode(options, logFile)
  const ended = once(child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : 1))
  try {
    const event = await firstEvent(child)
    const address = {host: event.host, port: event.port}
    const node = {name: 'n1', address, nodeId: event.nodeId, pid: event.pid, bucketCount: await countBuckets(address)}
    if (options.isDetached) letGo(child)
    const readyMs = Math.round(performance.now() - startedMs)
    return {nodes: [node], readyMs, logFile, ended, stop: () => void child.kill('SIGTERM')}
  } catch (error) {
    child.kill('SIGTERM')
    throw error
  }
}

function spawnNode({port, isDetached}: DemoOptions, logFile: string | undefined): ChildProcess {
  const args = [LAUNCHER, 'node', 'start', '--port', String(port), '--log-level', 'warn', '--json']
  if (!isDetached) args.push('--stop-with-parent')
  const log = logFile === undefined ? 'inherit' : openSync(logFile, 'a')
  const stdio = isDetached ? (['ignore', 'pipe', log] as const) : (['ignore', 'pipe', log, 'ipc'] as const)
  return spawn(process.execPath, args, {detached: true, stdio: [...stdio]})
}

/** Lets this process end while the child goes on. */
function letGo(child: ChildProcess): void {
  child.stdout?.destroy()
  child.unref()
}

type Started = NodeEvent & {readonly event: 'started'}

/** The child's first line on stdout says where it listens, or why it cannot. */
async function firstEvent(child: ChildProcess): Promise<Started> {
  const line = await new Promise<string | undefined>((resolve) => {
    // Later lines are read and dropped, so that the pipe never fills.
    createInterface({input: child.stdout!})
      .on('line', (text) => resolve(text))
      .on('close', () => resolve(undefined))
  })
  if (line === undefined)
    throw new KvError('E_INTERNAL', 'The node ended before it was ready.', 'Try `kv node start` to see why.')
  const message = JSON.parse(line) as Started | {readonly error: {readonly code: string; readonly message: string}}
  if ('error' in message) throw childError(message.error)
  return message
}

function childError(error: {readonly code: string; readonly message: string; readonly hint?: string}): KvError {
  const code = Object.hasOwn(ERROR_KINDS, error.code) ? (error.code as ErrorCode) : 'E_INTERNAL'
  return new KvError(code, error.message, error.hint)
}

async function countBuckets(address: Address): Promise<number> {
  const client = await ClusterClient.connect([address])
  let count = 0
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (client.map.ownerOf(bucket)) count++
  await client.close()
  return count
}

/** Three lines that show three ways in. `self` is how this reader starts kv. */
export function demoLines(address: Address, self: string): readonly string[] {
  const {port} = address
  const script = `r=new(require("ioredis"))(${port});r.incr("visits").then(console.log);r.quit()`
  return [
    `${self} exec -n ${formatAddress(address)} SET greeting "hello, world"`,
    `redis-cli -p ${port} GET greeting`,
    `node -e '${script}'`,
  ]
}
