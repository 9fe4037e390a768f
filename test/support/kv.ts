/**
 * kv under test, in three shapes:
 *
 *   startKv()          in this process: quick, and a debugger sees both sides
 *   startKvChild()     the same node in a process of its own: crashes, memory and CPU are its own
 *   startKvCommand()   `./bin/kv node start` as a user types it: black box
 */
import {existsSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import type {NodeOptions} from '../../src/node/options.ts'
import {startChild, type Child} from './child.ts'
import {startNode} from '../../src/node/node.ts'
import {freePort} from './ports.ts'
import {rawConnection} from './raw-connection.ts'
import type {TestServer} from './server.ts'
import {waitFor} from './wait.ts'

const HOST = '127.0.0.1'
export const REPO_ROOT = fileURLToPath(new URL('../..', import.meta.url))

const DEFAULTS: NodeOptions = {
  host: HOST,
  port: 0,
  maxMemoryBytes: 0,
  maxMemoryPolicy: 'noeviction',
  maxClients: 10_000,
  clientIdleTimeoutS: 0,
}

export async function startKv(options: Partial<NodeOptions> = {}): Promise<TestServer> {
  const node = await startNode({...DEFAULTS, ...options})
  let stopping: Promise<void> | undefined
  return {
    kind: 'kv',
    host: HOST,
    port: node.address.port,
    pid: process.pid,
    stop: () => (stopping ??= node.stop('end of test').then(() => undefined)),
  }
}

/** The pinned runtime; tests may be started by another node. */
export function nodeBinary(): string {
  const pinned = `${REPO_ROOT}/node_modules/.bin/node`
  return existsSync(pinned) ? pinned : process.execPath
}

function served(child: Child, port: number): TestServer {
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => (stopping ??= child.stop().then(() => undefined))
  return {kind: 'kv', host: HOST, port, pid: child.pid, stop}
}

function refuseDead(child: Child): void {
  if (child.process.exitCode !== null)
    throw new Error(`kv exited ${child.process.exitCode}:\n${child.stdout()}${child.stderr()}`)
}

export async function startKvChild(options: Partial<NodeOptions> = {}): Promise<TestServer> {
  const script = fileURLToPath(new URL('./kv-child.ts', import.meta.url))
  const child = startChild(nodeBinary(), [script, JSON.stringify({...DEFAULTS, ...options})])
  try {
    const port = await waitFor('kv child says its port', () => {
      refuseDead(child)
      const match = /"port":(\d+)/.exec(child.stdout())
      return match === null ? undefined : Number(match[1])
    })
    return served(child, port)
  } catch (error) {
    await child.stop()
    throw error
  }
}

export async function startKvCommand(flags: readonly string[] = []): Promise<TestServer & {readonly child: Child}> {
  const port = await freePort()
  const child = startChild(`${REPO_ROOT}/bin/kv`, ['node', 'start', '--host', HOST, '--port', String(port), ...flags])
  try {
    await waitFor('kv node start accepts connections', async () => {
      refuseDead(child)
      return rawConnection(port).then(
        (connection) => (connection.close(), true),
        () => false,
      )
    })
    return {...served(child, port), child}
  } catch (error) {
    await child.stop()
    throw error
  }
}
