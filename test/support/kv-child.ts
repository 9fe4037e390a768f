/**
 * Runs one node in a process of its own, without the CLI: `node kv-child.ts '<NodeOptions as JSON>'`.
 * Says `{"port":n}` on stdout when it serves, and `{"exitCode":n,"reason":...}` when it has stopped. SIGTERM and SIGINT stop it
 * gracefully, a second one in haste; why it did not start or stop is said on stderr.
 */
import type {NodeOptions} from '../../src/node/options.ts'
import {startNode} from '../../src/node/node.ts'

const say = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`)
const complain = (error: unknown): void => {
  const {code, message} = error as {code?: string; message?: string}
  process.stderr.write(`${JSON.stringify({code, message})}\n`)
}

try {
  const node = await startNode(JSON.parse(process.argv[2] ?? '{}') as NodeOptions)
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => void node.stop(signal).catch(complain))
  say({port: node.address.port, keys: node.keysLoaded})
  const exit = await node.stopped
  say(exit)
  process.exitCode = exit.exitCode
} catch (error) {
  complain(error)
  process.exitCode = 1
}
