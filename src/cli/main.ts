/**
 * Where bin/run.js hands over. `run` of oclif rather than its `execute`: that one ends the process ten seconds after
 * the command, whether or not `| less` has read everything. The process ends by itself when nothing is left to do, with
 * `process.exitCode`.
 */
import {fileURLToPath} from 'node:url'
import {KV_VERSION} from '../constants.ts'
import {helpAsFlag, shieldExecArguments} from './argv.ts'
import {watchReader} from './pipe.ts'

const VERSION_FLAGS = ['--version', '-v', '-V']

/** Runs one command line. Never throws; the outcome is in `process.exitCode`. `root` is the folder of package.json. */
export async function runCli(argv: readonly string[], root: URL): Promise<void> {
  watchReader()
  if (VERSION_FLAGS.includes(argv[0] ?? '')) return printVersion(argv.includes('--json'))
  // Loaded only now: the version above should not wait for all of oclif.
  const {run} = await import('@oclif/core/run')
  try {
    await run(shieldExecArguments(helpAsFlag(argv)), {root: fileURLToPath(root)})
  } catch (error) {
    await report(error, argv)
  }
}

function printVersion(isJson: boolean): void {
  const platform = `${process.platform}-${process.arch}`
  const text = `kv ${KV_VERSION} (Node.js ${process.version}, ${platform})`
  const json = {version: KV_VERSION, node: process.version, platform}
  process.stdout.write(`${isJson ? JSON.stringify(json) : text}\n`)
}

/** Errors from before a command took over: an unknown command, an unreadable manifest. */
async function report(error: unknown, argv: readonly string[]): Promise<void> {
  const {failureJson, failureLine, toFailure} = await import('./report.ts')
  const {styleFor} = await import('./style.ts')
  const failure = toFailure(error, {commandId: undefined})
  process.exitCode = failure.exitCode
  if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(failureJson(failure))}\n`)
  else process.stderr.write(`${styleFor(process.stderr).red('kv:')} ${failureLine(failure)}\n`)
  if (process.env['KV_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`)
}
