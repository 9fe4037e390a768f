/** What all families of scenarios share: how a loss is called, and how long things may take. */
import type {Loss} from '../../../src/sim/outages.ts'

export const VERBS: Readonly<Record<Loss, string>> = {
  kill: 'is killed',
  wipe: 'is killed and wiped',
  pause: 'stops',
  cut: 'is cut off',
}

/** Long enough to be declared down, and longer than any lease. */
export const AWAY_MS = 1_500
/** A bucket whose master is gone is served again within this. */
export const SERVED_MS = 4_000
