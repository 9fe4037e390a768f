/** Looking at a cluster again and again until it is as it shall be. Nodes may come and go meanwhile; time and Ctrl-C end it. */
import {setTimeout as sleep} from 'node:timers/promises'
import {KvError, type ErrorCode} from '../errors.ts'
import type {ClusterLink} from './cluster-link.ts'
import type {ClusterState} from './cluster-state.ts'

const POLL_MS = 100
/** What a failover looks like from outside. */
export const PASSING: ReadonlySet<ErrorCode> = new Set(['E_CONNECT', 'E_CLOSED_UNSENT', 'E_CLOSED_MAYBE', 'E_TIMEOUT'])

export interface WatchOptions {
  readonly timeoutMs: number
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** How far it has come and how to go on, for the message of E_TIMEOUT and E_INTERRUPTED. */
  readonly standing: () => {readonly text: string; readonly hint: string}
}

/**
 * Calls `look` with the state, several times a second, until it gives something. Errors: E_TIMEOUT, E_INTERRUPTED, those of `look` and of
 * the first state.
 */
export async function untilState<T>(
  link: ClusterLink,
  options: WatchOptions,
  look: (state: ClusterState) => Promise<T | undefined>,
): Promise<T> {
  const endMs = performance.now() + options.timeoutMs
  for (let isFirst = true; ; isFirst = false) {
    if (options.signal.aborted) throw ending('E_INTERRUPTED', options)
    try {
      const found = await look(await link.state())
      if (found !== undefined) return found
    } catch (error) {
      const isPassing = error instanceof KvError && PASSING.has(error.code) && !isFirst
      if (!isPassing) throw error
    }
    if (performance.now() >= endMs) throw ending('E_TIMEOUT', options)
    await sleep(POLL_MS, undefined, {signal: options.signal}).catch(() => undefined)
  }
}

function ending(code: 'E_TIMEOUT' | 'E_INTERRUPTED', {standing}: WatchOptions): KvError {
  const {text, hint} = standing()
  return new KvError(code, `${code === 'E_TIMEOUT' ? 'Not done in time' : 'Stopped'}: ${text}`, hint)
}

/** Runs `work` with a signal that Ctrl-C aborts; a second Ctrl-C ends the process as usual. */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const interrupt = (): void => abort.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    return await work(abort.signal)
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}
