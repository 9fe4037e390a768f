/**
 * Majorities, as arithmetic on lists: imports nothing of Raft, so that each function can be held against a count by hand.
 */
import {assert} from '../../base/assert.ts'

/** How many of `count` voters are a majority. */
export function majorityOf(count: number): number {
  assert(count > 0, 'nobody has no majority')
  return Math.floor(count / 2) + 1
}

/** The largest value that a majority has reached, of one value for each voter. */
export function reachedByMajority(values: readonly number[]): number {
  const descending = [...values].sort((a, b) => b - a)
  return descending[majorityOf(values.length) - 1]!
}

/** Who has answered how. */
export interface Ballot {
  readonly granted: Set<string>
  readonly refused: Set<string>
}

export type Outcome = 'won' | 'lost' | 'open'

/** How a ballot stands. Answers of others than the voters do not count; `lost` when no majority can be reached any more. */
export function outcomeOf(voters: readonly string[], {granted, refused}: Ballot): Outcome {
  const needed = majorityOf(voters.length)
  if (voters.filter((id) => granted.has(id)).length >= needed) return 'won'
  if (voters.filter((id) => !refused.has(id)).length < needed) return 'lost'
  return 'open'
}
