/** Waiting in tests: always for a condition with a limit, never for "long enough". */
import {setTimeout as sleep} from 'node:timers/promises'

export {sleep}

export interface WaitOptions {
  readonly timeoutMs?: number
  readonly intervalMs?: number
}

/** Polls until `condition` gives a truthy value, and returns it; throws naming `what` when time is up. */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | false | undefined> | T | false | undefined,
  {timeoutMs = 30_000, intervalMs = 20}: WaitOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await condition()
    if (value !== false && value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(intervalMs)
  }
}

/** Settles as `promise` does, or rejects naming `what` after `timeoutMs`. */
export function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${timeoutMs} ms: ${what}`)), timeoutMs)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
