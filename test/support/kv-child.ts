/**
 * Runs one node in a process of its own, without the CLI: `node kv-child.ts '<NodeOptions as JSON>'`.
 * Says `{"port":n}` on stdout when it serves. Stops gracefully on SIGTERM.
 */
import type {NodeOptions} from '../../src/node/options.ts'
import {startNode} from '../../src/node/node.ts'

const node = await startNode(JSON.parse(process.argv[2] ?? '{}') as NodeOptions)
process.once('SIGTERM', () => void node.stop('SIGTERM'))
process.stdout.write(`${JSON.stringify({port: node.address.port})}\n`)
process.exitCode = (await node.stopped).exitCode
