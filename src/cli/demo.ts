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
import {setTimeout as sleep} from 'node:timers/promises'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {formatAddress, type Address} from '../base/address.ts'
import {ClusterClient} from '../client/cluster-client.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {ERROR_KINDS, KvError, type ErrorCode} from '../errors.ts'
import type {NodeEvent} from './run-node.ts'

const LAUNCHER = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))

export interface DemoOptions {
  /** Of the first node; the others take free ones. */
  readonly port: number
  readonly nodes: number
  readonly replicas: number
  readonly isDetached: boolean
  /** A data-log node as well, which writes to this folder. */
  readonly logDir?: string
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
  /** Settles when the nodes have ended, whoever ended them; resolves to the worst exit code. One that ends by itself takes the others with it. */
  readonly ended: Promise<number>
  /** Asks the nodes to stop; a second call asks for haste. */
  stop(): void
}

/** How long the nodes may take to share the buckets. */
const SHARE_MS = 10_000
const POLL_MS = 25
/** Two signals mean haste: nothing of a throw-away cluster is worth handing over. */
const HASTE_MS = 30

interface Started {
  readonly child: ChildProcess
  readonly event: StartedEvent
}

/** Resolves when every bucket is served, by as many nodes as were asked for. Errors: what a node printed (E_PORT_IN_USE...), or E_INTERNAL. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const startedMs = performance.now()
  const logFile = options.isDetached ? join(tmpdir(), `kv-demo-${options.port}.log`) : undefined
  const started: Started[] = []
  const stop = (): void => {
    for (const {child} of started) end(child)
  }
  try {
    started.push(await startOne(options, options.port, undefined, logFile))
    const {host, port} = started[0]!.event
    const others = Array.from({length: options.nodes - 1}, () => startOne(options, 0, {host, port}, logFile))
    // All of them, so that none is forgotten if one fails.
    const outcomes = await Promise.allSettled(others)
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') started.push(outcome.value)
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    if (options.logDir !== undefined) {
      const args = ['log', 'start', '--dir', options.logDir, '--port', '0', '--join', formatAddress({host, port})]
      started.push(await startChild(args, options.isDetached, logFile))
    }
    const counts = await sharedOut({host, port}, options.nodes)
    const readyMs = Math.round(performance.now() - startedMs)
    const nodes = started.map(({event}, i) => describe(event, i < options.nodes ? `n${i + 1}` : 'log', counts))
    const ended = allEnded(started, stop)
    if (options.isDetached) for (const {child} of started) letGo(child)
    return {nodes, readyMs, logFile, ended, stop}
  } catch (error) {
    stop()
    throw error
  }
}

function end(child: ChildProcess): void {
  child.kill('SIGTERM')
  setTimeout(() => child.kill('SIGTERM'), HASTE_MS)
}

function describe(event: StartedEvent, name: string, counts: ReadonlyMap<string, number>): DemoNode {
  const address = {host: event.host, port: event.port}
  const bucketCount = counts.get(formatAddress(address)) ?? 0
  return {name, address, nodeId: event.nodeId, pid: event.pid, bucketCount}
}

async function allEnded(started: readonly Started[], stop: () => void): Promise<number> {
  const codes = started.map(async ({child}) => {
    const isOver = child.exitCode !== null || child.signalCode !== null
    if (!isOver) await once(child, 'exit')
    stop()
    // Our second signal may come when it listens to none any more.
    return child.exitCode ?? (child.signalCode === 'SIGTERM' ? 0 : 1)
  })
  return Math.max(...(await Promise.all(codes)))
}

function startOne(
  {replicas, isDetached}: DemoOptions,
  port: number,
  join: Address | undefined,
  logFile: string | undefined,
): Promise<Started> {
  const args = ['node', 'start', '--port', String(port)]
  if (join) args.push('--join', formatAddress(join))
  else args.push('--replicas', String(replicas))
  return startChild(args, isDetached, logFile)
}

async function startChild(
  command: readonly string[],
  isDetached: boolean,
  logFile: string | undefined,
): Promise<Started> {
  const args = [LAUNCHER, ...command, '--log-level', 'error', '--json']
  if (!isDetached) args.push('--stop-with-parent')
  const log = logFile === undefined ? 'inherit' : openSync(logFile, 'a')
  const stdio = isDetached ? (['ignore', 'pipe', log] as const) : (['ignore', 'pipe', log, 'ipc'] as const)
  const child = spawn(process.execPath, args, {detached: true, stdio: [...stdio]})
  try {
    return {child, event: await firstEvent(child)}
  } catch (error) {
    end(child)
    throw error
  }
}

/** Buckets of each address, once they are dealt out evenly. */
async function sharedOut(address: Address, nodes: number): Promise<ReadonlyMap<string, number>> {
  const client = await ClusterClient.connect([address])
  const until = performance.now() + SHARE_MS
  try {
    for (;;) {
      const counts = countBuckets(client)
      const all = [...counts.values()]
      const isDone = counts.size === nodes && Math.max(...all) - Math.min(...all) <= 1
      if (isDone || performance.now() > until) return counts
      await sleep(POLL_MS)
      await client.refresh()
    }
  } finally {
    await client.close()
  }
}

function countBuckets(client: ClusterClient): Map<string, number> {
  const counts = new Map<string, number>()
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const owner = client.map.ownerOf(bucket)
    if (owner) counts.set(formatAddress(owner), (counts.get(formatAddress(owner)) ?? 0) + 1)
  }
  return counts
}

/** Lets this process end while the child goes on. */
function letGo(child: ChildProcess): void {
  child.stdout?.destroy()
  child.unref()
}

type StartedEvent = NodeEvent & {readonly event: 'started'}

/** The child's first line on stdout says where it listens, or why it cannot. */
async function firstEvent(child: ChildProcess): Promise<StartedEvent> {
  const line = await new Promise<string | undefined>((resolve) => {
    // Later lines are read and dropped, so that the pipe never fills.
    createInterface({input: child.stdout!})
      .on('line', (text) => resolve(text))
      .on('close', () => resolve(undefined))
  })
  if (line === undefined)
    throw new KvError('E_INTERNAL', 'The node ended before it was ready.', 'Try `kv node start` to see why.')
  const message = JSON.parse(line) as StartedEvent | {readonly error: {readonly code: string; readonly message: string}}
  if ('error' in message) throw childError(message.error)
  return message
}

function childError(error: {readonly code: string; readonly message: string; readonly hint?: string}): KvError {
  const code = Object.hasOwn(ERROR_KINDS, error.code) ? (error.code as ErrorCode) : 'E_INTERNAL'
  return new KvError(code, error.message, error.hint)
}

/** The line that shows every change as the data-log node writes it. */
export function logLine(address: Address, self: string): string {
  return `${self} log tail ${formatAddress(address)} -f`
}

/** Three lines that show three ways in. `self` is how this reader starts kv. */
export function demoLines(address: Address, self: string): readonly string[] {
  const {port} = address
  const script = `r=new(require("ioredis").Cluster)([${port}]);r.incr("visits").then(n=>{console.log(n);r.quit()})`
  return [
    `${self} exec -n ${formatAddress(address)} SET greeting "hello, world"`,
    `redis-cli -c -p ${port} GET greeting`,
    `node -e '${script}'`,
  ]
}
