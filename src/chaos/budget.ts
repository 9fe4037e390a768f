/**
 * The fault budget: what may be done to a cluster without taking from it what it never promised to survive. A loss of data that the budget allowed is the
 * cluster's fault; without a budget it would be the tester's.
 *
 * The promise is that no acknowledged write is lost while one in-sync copy of its bucket keeps its memory, and that the map is agreed on by a majority of
 * voters. So a process may lose its memory when each bucket of which it holds a copy has another in-sync copy at a place that is *calm*: up, not
 * disturbed, and able to talk to every other calm place. The last matters: a copy that cannot be heard is about to be taken out of the in-sync set, and
 * the entry that does so may be agreed on in the moment in which the other copy dies. The same holds for a while after a disturbance has ended, and
 * the victim must be calm itself, since a paused or cut-off master may have such an entry under way.
 *
 * Pure: the driver gathers the facts, here they are judged.
 */

export interface BudgetFacts {
  /** Data nodes and the data-log node that run and are not disturbed themselves. */
  readonly up: readonly string[]
  /** Links between which something is laid, or was a moment ago; the direction does not matter. */
  readonly disturbed: readonly (readonly [string, string])[]
  /** Place of the leader; null if nobody knows one. */
  readonly leader: string | null
  /** Places of the voters; '' for one that has no place (any more). */
  readonly voters: readonly string[]
  /** For each kind of bucket the places that have it in sync; '' for a member without a place. No bucket without any may be left out. */
  readonly copySets: readonly (readonly string[])[]
  /** Members of the map that have no place any more, or are leaving: nobody's disk is taken meanwhile. */
  readonly hasLeftovers: boolean
}

/** Places that are up and can all talk to each other: whoever is most cut off is left out first. */
export function calmPlaces({up, disturbed}: Pick<BudgetFacts, 'up' | 'disturbed'>): ReadonlySet<string> {
  const calm = new Set(up)
  for (;;) {
    const counts = new Map<string, number>()
    for (const [a, b] of disturbed) {
      if (a === b || !calm.has(a) || !calm.has(b)) continue
      for (const name of [a, b]) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    const [worst] = [...counts].sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? 1 : -1))
    if (!worst) return calm
    calm.delete(worst[0])
  }
}

/** Why the victim must not lose its memory now (`losesDisk`: and its disk), or null if it may. */
export function whyNotLose(facts: BudgetFacts, victim: string, losesDisk: boolean): string | null {
  const calm = calmPlaces(facts)
  if (!calm.has(victim)) return `${victim} is disturbed`
  if (facts.leader === null || !calm.has(facts.leader)) return 'there is no leader that all can hear'
  if (losesDisk && facts.hasLeftovers) return 'the membership is changing'
  if (!keepsMajority(facts.voters, calm, victim)) return 'no majority of voters would be left'
  const rest = new Set(calm)
  rest.delete(victim)
  for (const copies of facts.copySets) {
    if (copies.length === 0) return 'some buckets are lost already'
    if (copies.includes(victim) && !copies.some((name) => rest.has(name)))
      return `some buckets have no other calm copy than that of ${victim}`
  }
  return null
}

/** Why these places must not be away (stopped, paused) for a while, or null. Nothing is lost by it, but somebody must be left to go on. */
export function whyNotAway(facts: Pick<BudgetFacts, 'up' | 'voters'>, away: readonly string[]): string | null {
  const left = new Set(facts.up)
  for (const name of away) left.delete(name)
  if (!keepsMajority(facts.voters, left, '')) return 'no majority of voters would be left'
  return null
}

function keepsMajority(voters: readonly string[], alive: ReadonlySet<string>, victim: string): boolean {
  // A learner may be made a voter before its death is noticed: it counts as one that is gone.
  const size = voters.includes(victim) || victim === '' ? voters.length : voters.length + 1
  const kept = voters.filter((name) => name !== victim && alive.has(name)).length
  return kept * 2 > size
}
