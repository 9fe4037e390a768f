/**
 * A node in the foreground: starts it, says where it is, hands it the signals, and ends with its exit code.
 *
 *   start --> ready --SIGINT/SIGTERM--> stopping --second signal--> in haste --> stopped
 *
 * stdout carries the banner for a person, or one event a line under `--json`, which is how a parent process learns the port. The log goes to
 * stderr. A reader that leaves (`kv node start | head -1`) must not take the node with it.
 */
import type {Logger} from 'pino'
import {formatAddress} from '../base/address.ts'
import type {NodeExit, NodeOptions, RunningNode} from '../node/options.ts'

/** `startNode` of src/node/node.ts; tests hand in their own. */
export type StartNode = (options: NodeOptions) => Promise<RunningNode>

export interface NodeUi {
  /** Shows a person that it is ready; false if there is none to show it to. */
  banner(node: RunningNode): boolean
  /** One object of the event stream. */
  event(event: NodeEvent): void
  readonly log: Logger
}

export type NodeEvent =
  | {
      readonly event: 'started'
      readonly host: string
      readonly port: number
      readonly nodeId: string
      readonly keysLoaded: number
      readonly pid: number
    }
  | {readonly event: 'stopping'; readonly cause: string}
  | {readonly event: 'stopped'; readonly exitCode: number; readonly reason: string}

/** What tells a node to stop; the process itself, except in tests. */
export interface StopSource {
  on(event: 'SIGINT' | 'SIGTERM' | 'disconnect', listener: () => void): unknown
  off(event: 'SIGINT' | 'SIGTERM' | 'disconnect', listener: () => void): unknown
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
  const node = await options.start(options.node)
  const unlisten = listenForStop(node, options)
  announce(node, options)
  const exit = await node.stopped
  unlisten()
  ui.event({event: 'stopped', exitCode: exit.exitCode, reason: exit.reason})
  ui.log[exit.exitCode === 0 ? 'info' : 'error']({exitCode: exit.exitCode, reason: exit.reason}, 'node stopped')
  // An open IPC channel alone would keep the process alive.
  if (source === process && process.connected) process.disconnect()
  return exit
}

function announce(node: RunningNode, {ui, node: options}: RunOptions): void {
  const {host, port} = node.address
  ui.event({event: 'started', host, port, nodeId: node.nodeId, keysLoaded: node.keysLoaded, pid: process.pid})
  const isShown = ui.banner(node)
  const facts = {address: formatAddress(node.address), nodeId: node.nodeId, keysLoaded: node.keysLoaded}
  // Who has seen the banner needs no log line that says the same.
  ui.log[isShown ? 'debug' : 'info']({...facts, dataDir: options.dataDir, saveFile: options.saveFile}, 'node started')
}

/** Returns what takes the listeners away again. */
function listenForStop(node: RunningNode, {ui, source, isBoundToParent}: RunOptions): () => void {
  let calls = 0
  const stop = (cause: string): void => {
    calls++
    ui.event({event: 'stopping', cause})
    ui.log.info({cause}, calls === 1 ? 'stopping in good order; another signal asks for haste' : 'stopping in haste')
    // The outcome is `stopped`; a rejection there is the one that is reported.
    node.stop(cause).catch(() => undefined)
  }
  const onInterrupt = (): void => stop('SIGINT')
  const onTerminate = (): void => stop('SIGTERM')
  const onDisconnect = (): void => stop('the parent process ended')
  source.on('SIGINT', onInterrupt)
  source.on('SIGTERM', onTerminate)
  if (isBoundToParent) source.on('disconnect', onDisconnect)
  return () => {
    source.off('SIGINT', onInterrupt)
    source.off('SIGTERM', onTerminate)
    source.off('disconnect', onDisconnect)
  }
}
