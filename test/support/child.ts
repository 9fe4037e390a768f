/**
 * Child processes of tests: output is kept for the error message, they are ended by their own pid only,
 * and none outlives the test process (an exit hook kills what is left).
 */
import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'

const running = new Set<ChildProcess>()

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

const OUTPUT_KEPT_CHARS = 256 * 1024

export interface ChildOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Sent to stdin, which is then closed. */
  readonly input?: string | Uint8Array
}

export interface Child {
  readonly process: ChildProcess
  readonly pid: number
  stdout(): string
  stderr(): string
  /** Resolves with the exit code (or the signal's name) once the process is gone. */
  readonly exited: Promise<number | string>
  /** SIGTERM, then SIGKILL when it does not go within `graceMs`. */
  stop(graceMs?: number): Promise<number | string>
}

export function startChild(command: string, args: readonly string[], options: ChildOptions = {}): Child {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: {...process.env, ...options.env},
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout = (stdout + text).slice(-OUTPUT_KEPT_CHARS)))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-OUTPUT_KEPT_CHARS)))
  // A child that closes its stdin early is judged by its exit code, not by our EPIPE.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)

  const exited = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      running.delete(child)
      resolve(code ?? signal ?? 'unknown')
    })
  })
  exited.catch(() => running.delete(child))

  return {
    process: child,
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    async stop(graceMs = 5_000) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
        await once(child, 'close')
        clearTimeout(timer)
      }
      return exited
    },
  }
}

export interface Finished {
  readonly exit: number | string
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end; one that takes longer than `timeoutMs` is killed and rejected. */
export async function run(
  command: string,
  args: readonly string[],
  options: ChildOptions & {readonly timeoutMs?: number} = {},
): Promise<Finished> {
  const child = startChild(command, args, options)
  const timeoutMs = options.timeoutMs ?? 30_000
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.process.kill('SIGKILL')
  }, timeoutMs)
  const exit = await child.exited.finally(() => clearTimeout(timer))
  const finished = {exit, stdout: child.stdout(), stderr: child.stderr()}
  if (late)
    throw new Error(
      `${command} ${args.join(' ')}: not done after ${timeoutMs} ms\n${finished.stdout}${finished.stderr}`,
    )
  return finished
}
