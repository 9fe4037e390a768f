/** What may go wrong in a run of raft-sim.ts, and how much of it. */
import type {Prng} from '../../../src/base/prng.ts'

/** Rates in percent; times in ms, where 0 is never: means between faults, else the most that something takes. */
export interface Faults {
  readonly lossPercent: number
  readonly doublePercent: number
  readonly tailPercent: number
  readonly tailMs: number
  readonly diskMs: number
  readonly diesAfterVotePercent: number
  readonly crashMs: number
  readonly pauseMs: number
  readonly partitionMs: number
  readonly configMs: number
  readonly transferMs: number
  readonly proposeMs: number
  readonly tickMs: number
  readonly compactAfter: number
}

/** Each seed has its own mix, as one that always has all faults seldom gets anywhere. */
export function drawFaults(prng: Prng): Faults {
  const pick = (values: readonly number[]): number => values[prng.below(values.length)]!
  return {
    lossPercent: pick([0, 0, 5, 20]),
    doublePercent: pick([0, 5, 20]),
    tailPercent: pick([0, 5, 20, 40]),
    tailMs: pick([100, 700, 2500]),
    diskMs: pick([2, 20, 200]),
    diesAfterVotePercent: pick([0, 0, 20, 50]),
    crashMs: pick([0, 2000, 600]),
    pauseMs: pick([0, 0, 1500]),
    partitionMs: pick([0, 1500, 3000]),
    configMs: pick([0, 300, 1000]),
    transferMs: pick([0, 0, 500]),
    proposeMs: pick([20, 60]),
    tickMs: pick([10, 30, 50]),
    compactAfter: pick([3, 10, 40]),
  }
}
