/**
 * A node in the foreground: starts it, says where it is, hands it the signals, and ends with its exit code.
 *
 *   start --> ready --SIGINT/SIGTERM/SIGHUP--> stopping --second signal--> in haste --> stopped
 *
 * stdout carries the banner for a person, or one event a line under `--json`, which is how a parent process learns the
 * port. The log goes to stderr. A reader that leaves (`kv node start | head -1`) must not take the node with it.
 */
import type {NodeLog} from '../node/log.ts'
import type {NodeExit, NodeOptions, RunningNode} from '../node/options.ts'

/** `startNode` of src/node/node.ts; tests hand in their own. */
export type StartNode = (options: NodeOptions, log: NodeLog) => Promise<RunningNode>

export interface NodeUi {
  /** Shows a person that it is ready. */
  banner(node: RunningNode): void
  /** One object of the event stream. */
  event(event: NodeEvent): void
  /** Handed on to the node, which says there what it does. */
  readonly log: NodeLog
}

export type NodeEvent =
  | {
      readonly event: 'started'
      readonly host: string
      readonly port: number
      readonly nodeId: string
      readonly keysLoaded: number
      /** Null: none was asked for. */
      readonly adminPort: number | null
      readonly pid: number
    }
  | {readonly event: 'stopping'; readonly cause: string}
  | {readonly event: 'notStopped'; readonly message: string}
  | {readonly event: 'stopped'; readonly exitCode: number; readonly reason: string}

/** What tells a node to stop; the process itself, except in tests. */
export interface StopSource {
  on(event: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'disconnect', listener: () => void): unknown
  off(event: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'disconnect', listener: () => void): unknown
}

export interface RunOptions {
  readonly start: StartNode
  readonly node: NodeOptions
  readonly ui: NodeUi
  readonly source: StopSource
  /** Stop when the parent that started us over an IPC channel is gone. */
  readonly isBoundToParent: boolean
}

/** Resolves, when the node has stopped, to why and to the exit code. Errors: those of `startNode`. */
export async function runNode(options: RunOptions): Promise<NodeExit> {
  const {ui, source} = options
  const node = await options.start(options.node, ui.log)
  const unlisten = listenForStop(node, options)
  const {host, port} = node.address
  ui.event({
    event: 'started',
    host,
    port,
    nodeId: node.nodeId,
    keysLoaded: node.keysLoaded,
    adminPort: node.admin?.port ?? null,
    pid: process.pid,
  })
  ui.banner(node)
  const exit = await node.stopped
  unlisten()
  ui.event({event: 'stopped', exitCode: exit.exitCode, reason: exit.reason})
  // An open IPC channel alone would keep the process alive.
  if (source === process && process.connected) process.disconnect()
  return exit
}

/** Returns what takes the listeners away again. */
function listenForStop(node: RunningNode, {ui, source, isBoundToParent}: RunOptions): () => void {
  const stop = (cause: string, isHasty = false): void => {
    ui.event({event: 'stopping', cause})
    // A stop that fails leaves the node running: its savefile could not be written, and it keeps the data.
    node.stop(cause).catch((error: Error) => {
      ui.event({event: 'notStopped', message: error.message})
      ui.log.error({cause}, error.message)
    })
    if (isHasty) node.stop(cause).catch(() => undefined)
  }
  const listeners = [
    ['SIGINT', () => stop('SIGINT')],
    ['SIGTERM', () => stop('SIGTERM')],
    // A terminal that is closed is no reason to lose what the savefile would keep.
    ['SIGHUP', () => stop('SIGHUP')],
    // Nobody is left to wait for a handover: the second call asks for haste.
    ...(isBoundToParent ? [['disconnect', () => stop('the parent process ended', true)] as const] : []),
  ] as const
  for (const [event, listener] of listeners) source.on(event, listener)
  return () => {
    for (const [event, listener] of listeners) source.off(event, listener)
  }
}
