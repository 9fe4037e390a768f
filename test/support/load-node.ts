/** The one place where tests reach for the node itself, by a name that resolves when it is called. */
import type {NodeOptions, RunningNode} from '../../src/node/options.ts'

type StartNode = (options: NodeOptions) => Promise<RunningNode>

export async function loadStartNode(): Promise<StartNode> {
  const path = new URL('../../src/node/node.ts', import.meta.url).href
  const module = (await import(path)) as {startNode: StartNode}
  return module.startNode
}
