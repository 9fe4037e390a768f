/** What the commands that start a node do alike: keep it in the foreground, and say where it is, to a person or as events. */
import {BaseCommand} from './base-command.ts'
import {makeLogger} from './log.ts'
import {outliveReader} from './pipe.ts'
import {runNode} from './run-node.ts'
import type {NodeFlags} from './node-flags.ts'
import type {NodeOptions, RunningNode} from '../node/options.ts'

export abstract class NodeCommand extends BaseCommand {
  /** Resolves when the node has ended; its exit code is the process'. `banner`: what a person sees when it is ready. Errors: those of `startNode`. */
  protected async keepRunning(
    node: NodeOptions,
    flags: Pick<NodeFlags, 'log-level' | 'stop-with-parent'>,
    banner: (node: RunningNode) => string,
  ): Promise<void> {
    outliveReader()
    const log = await makeLogger(flags['log-level'])
    const isBoundToParent = flags['stop-with-parent']
    const isJson = this.jsonEnabled()
    // The node brings the whole engine, which no other command should load.
    const {startNode} = await import('../node/node.ts')
    const ui = {
      banner: (running: RunningNode) => {
        if (process.stdout.isTTY) this.print(banner(running))
      },
      event: (event: unknown) => isJson && this.emitJson(event),
      log,
    }
    const exit = await runNode({start: startNode, node, ui, source: process, isBoundToParent})
    process.exitCode = exit.exitCode
  }
}
