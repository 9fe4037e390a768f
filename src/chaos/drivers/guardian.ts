/**
 * A process of its own that outlives the tester by a moment: `node guardian.ts TOKEN`. It holds the other end of a pipe from the tester and does nothing.
 * When the pipe closes, by an orderly end or because somebody killed the tester with -9, it ends every process that runs with the run's token, also
 * one that is stopped by SIGSTOP and could not notice anything by itself. Then it looks once more, for what was being started at that moment.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {endProcess, processesOf} from './leftovers.ts'

const LOOK_AGAIN_MS = 100

async function watch(token: string): Promise<void> {
  // The tester's whole process group may be sent a signal; this one has work to do then.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.stdout.write('ready\n')
  process.stdin.resume()
  await new Promise((resolve) => process.stdin.once('end', resolve).once('error', resolve).once('close', resolve))
  for (let clean = 0; clean < 2;) {
    const left = processesOf(token)
    for (const {pid} of left) endProcess(pid)
    clean = left.length === 0 ? clean + 1 : 0
    await sleep(LOOK_AGAIN_MS)
  }
}

const [token] = process.argv.slice(2)
if (token) await watch(token)
