/** Random runs of whole groups; see raft-sim.ts for what goes wrong in them and raft-checks.ts for what must not. */
import {describe, expect, test} from 'vitest'
import {RaftSim} from './raft-sim.ts'
import type {SimStats} from './raft-sim.ts'

const SEEDS = 200

describe('a group under random faults', () => {
  test(`keeps every rule and agrees again afterwards, in ${SEEDS} runs, in which all faults occur`, () => {
    const total: Record<string, number> = {}
    for (let seed = 1; seed <= SEEDS; seed++) {
      const stats: SimStats = new RaftSim(seed).run()
      for (const [name, count] of Object.entries(stats)) total[name] = (total[name] ?? 0) + Number(count)
    }
    console.log(total)
    // A run in which nothing happens proves nothing.
    expect(total.elections).toBeGreaterThan(5 * SEEDS)
  })

  test('a node that forgets its vote over a restart is found out', () => {
    let found = ''
    for (let seed = 1; seed <= SEEDS && found === ''; seed++) {
      try {
        new RaftSim(seed, {plants: new Set(['forget-vote'])}).run()
      } catch (error) {
        found = (error as Error).message
      }
    }
    console.log(found)
    expect(found).toMatch(/votes twice/)
  })
})
