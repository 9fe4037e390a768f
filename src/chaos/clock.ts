/** The tester's clock: monotonic ms since the run began, which every report speaks of. */
import type {Clock} from '../workload/types.ts'

/** A timer that is still to come keeps the process alive. */
export function startClock(): Clock {
  const beganMs = performance.now()
  const now = (): number => performance.now() - beganMs
  return {
    now,
    after(ms, run) {
      const dueMs = now() + ms
      // Timers of Node.js count whole ms of the loop's own clock, and may come a little early.
      const look = (): void => {
        const leftMs = dueMs - now()
        if (leftMs <= 0) run()
        else setTimeout(look, Math.ceil(leftMs))
      }
      setTimeout(look, Math.max(0, Math.ceil(ms)))
    },
  }
}
