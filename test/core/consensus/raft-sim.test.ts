/** Random runs of whole groups; see raft-sim.ts for what goes wrong in them and raft-checks.ts for what must not. */
import {describe, expect, test} from 'vitest'
import {RaftSim} from './raft-sim.ts'

const SEEDS = 200

describe('a group under random faults', () => {
  test(`keeps every rule and agrees again afterwards, in ${SEEDS} runs, in which all faults occur`, () => {
    const total: Record<string, number> = {}
    for (let seed = 1; seed <= SEEDS; seed++) {
      for (const [name, count] of Object.entries(new RaftSim(seed).run())) total[name] = (total[name] ?? 0) + count
    }
    // Runs in which little happens prove little. About half of what was seen when this was written.
    const least = {
      elections: 350,
      crashes: 1000,
      committed: 18_000,
      truncations: 50,
      installs: 300,
      configs: 1900,
      transfers: 100,
      pauses: 150,
    }
    for (const [name, count] of Object.entries(least)) expect([name, total[name]! >= count]).toEqual([name, true])
  })

  test('goes the same way twice from one seed', () => {
    expect(new RaftSim(7).run()).toEqual(new RaftSim(7).run())
  })

  test(`shows a node that forgets its vote over a restart, within ${SEEDS} runs`, () => {
    const plants = new Set(['forget-vote'])
    const runAll = (): void => {
      for (let seed = 1; seed <= SEEDS; seed++) new RaftSim(seed, {plants}).run()
    }
    expect(runAll).toThrow(/^seed \d+ at \d+ ms: . votes twice in term/)
  })
})
