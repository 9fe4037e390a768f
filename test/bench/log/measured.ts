/** Runs `bin/kv` to its end and says what it took. */
import {readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {REPO_ROOT} from '../../support/kv.ts'
import {startChild} from '../../support/child.ts'
import {cpuUs} from '../processes.ts'

const POLL_MS = 20

export interface Took {
  readonly seconds: number
  readonly cpuSeconds: number
  /** Highest resident memory (VmHWM). */
  readonly peakBytes: number
  readonly stdout: string
}

/** Errors: it ended with another code than 0, or took longer than `timeoutMs`. */
export async function runKv(args: readonly string[], timeoutMs = 300_000): Promise<Took> {
  const startedMs = performance.now()
  const child = startChild(`${REPO_ROOT}bin/kv`, args)
  let [peakBytes, usedUs] = [0, 0]
  let exit: number | string | undefined
  void child.exited.then((code) => (exit = code))
  while (exit === undefined) {
    try {
      // Of the last poll before the end: a high-water mark and a counter only rise.
      peakBytes = Math.max(peakBytes, peakOf(child.pid))
      usedUs = Math.max(usedUs, cpuUs(child.pid))
    } catch {
      // It has just ended.
    }
    if (performance.now() - startedMs > timeoutMs) {
      await child.stop(0)
      throw new Error(`kv ${args.join(' ')}: not done after ${timeoutMs} ms`)
    }
    await sleep(POLL_MS)
  }
  const seconds = (performance.now() - startedMs) / 1_000
  if (exit !== 0) throw new Error(`kv ${args.join(' ')} ended with ${exit}: ${child.stdout()}${child.stderr()}`)
  return {seconds, cpuSeconds: usedUs / 1e6, peakBytes, stdout: child.stdout()}
}

function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
}
