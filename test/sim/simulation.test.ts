/** A fixed set of seeds of the simulator, every one of which must pass; and what makes a simulation worth something: it is repeatable, and faults do happen. */
import {expect, test} from 'vitest'
import {FAULTS} from '../../src/sim/faults.ts'
import {runSeed} from '../../src/sim/simulation.ts'

const SEEDS = 20
const SECONDS = 15

test('no seed finds a lost, stale or torn answer, and every cluster heals', {timeout: 300_000}, () => {
  const faults = new Set<string>()
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = runSeed(seed, {seconds: SECONDS})
    expect(result.violations, `seed ${seed}`).toEqual([])
    expect(result.operations.ok, `seed ${seed}`).toBeGreaterThan(SECONDS)
    expect(result.operations.reads, `seed ${seed}`).toBeGreaterThan(0)
    for (const kind of Object.keys(result.faults)) faults.add(kind)
  }
  // A fault that never happens proves nothing.
  expect([...faults].sort()).toEqual([...FAULTS].sort())
})

test('two runs of one seed are the same to the last event, two seeds are not', () => {
  const lines: string[][] = [[], []]
  const [one, other] = lines.map((list) => runSeed(7, {seconds: 5, trace: (line) => list.push(line)}))
  expect(lines[0]).toEqual(lines[1])
  expect(other).toEqual(one)
  expect(runSeed(12, {seconds: 5}).hash).not.toBe(one!.hash)
})

test('a cluster whose every bucket is in play works as well', () => {
  expect(runSeed(3, {seconds: 3, nodes: 3, buckets: 16_384}).violations).toEqual([])
})

test('a bucket whose copies are all gone is lost, and nobody is told that it is empty', {timeout: 120_000}, () => {
  for (let seed = 1; seed <= 3; seed++) expect(runSeed(seed, {seconds: 10, faults: ['lose']}).violations).toEqual([])
})

test('planned work costs no client an answer: each is told, once, and nothing is unknown', {timeout: 300_000}, () => {
  for (let seed = 1; seed <= 8; seed++) {
    const planned = {seconds: 10, faults: ['move', 'join', 'leave'], pace: 5, clients: 12}
    const {violations, operations, faults} = runSeed(seed, planned)
    expect(violations, `seed ${seed}`).toEqual([])
    expect(Object.keys(faults).length, `seed ${seed}`).toBeGreaterThan(0)
    expect(operations, `seed ${seed}`).toMatchObject({failed: 0, unknown: 0})
  }
})
