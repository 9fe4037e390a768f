/**
 * Runs one node in a process of its own, without the CLI: `node kv-child.ts '<NodeOptions as JSON>'`.
 * Says `{"port":n}` on stdout when it serves, and `{"exitCode":n,"reason":...}` when it has stopped. SIGTERM and SIGINT stop it
 * gracefully, a second one in haste; why it did not start or stop is said on stderr. With KV_TEST_LOG, the name of a folder, the node's log, debug
 * lines and all, goes to a file there that is named after its port.
 */
import {appendFileSync} from 'node:fs'
import {join} from 'node:path'
import {SILENT_LOG, type NodeLog} from '../../src/node/log.ts'
import type {NodeOptions} from '../../src/node/options.ts'
import {startNode} from '../../src/node/node.ts'

const say = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`)
const complain = (error: unknown): void => {
  const {code, message} = error as {code?: string; message?: string}
  process.stderr.write(`${JSON.stringify({code, message})}\n`)
}

/** Lines are written at once: the process may be killed at any moment. */
function fileLog(path: string): NodeLog {
  const write = (level: string, fields: object, message: string): void =>
    appendFileSync(path, `${JSON.stringify({time: Date.now(), pid: process.pid, level, message, ...fields})}\n`)
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  }
}

try {
  const options = JSON.parse(process.argv[2] ?? '{}') as NodeOptions
  const folder = process.env['KV_TEST_LOG']
  const node = await startNode(options, folder ? fileLog(join(folder, `${options.port}.log`)) : SILENT_LOG)
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => void node.stop(signal).catch(complain))
  say({port: node.address.port, keys: node.keysLoaded})
  const exit = await node.stopped
  say(exit)
  process.exitCode = exit.exitCode
} catch (error) {
  complain(error)
  process.exitCode = 1
}
