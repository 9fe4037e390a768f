/** The node itself is loaded only by the command that runs one: it brings the whole engine. */
import type {StartNode} from './run-node.ts'

const NODE_MODULE = '../node/node.ts'

export async function loadStartNode(): Promise<StartNode> {
  const module = (await import(NODE_MODULE)) as {readonly startNode: StartNode}
  return module.startNode
}
