/** The scale run works, on the smallest cluster: its figures are there and plausible. */
import {expect, test} from 'vitest'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {measureScale} from '../../src/sim/scale.ts'
import {scaleTable} from '../../src/sim/scale-table.ts'

// Real time is not measured here: a clock that only counts gives every run the same figures.
let ticks = 0
const result = measureScale({nodes: 3, patienceMs: 1_000_000, clock: () => ++ticks})

test('every phase comes to its end and changes the map', () => {
  for (const phase of ['form', 'join', 'leave', 'failover', 'heal'] as const) {
    expect(result[phase].ms, phase).toBeLessThan(60_000)
    expect(result[phase].entries, phase).toBeGreaterThan(0)
    expect(result[phase].raftBytes, phase).toBeGreaterThan(0)
  }
  expect(result.idleBytesPerSecond).toBeGreaterThan(0)
})

test('the map and the answer to CLUSTER SLOTS are those of a cluster with all buckets', () => {
  expect(result.ranges).toBeGreaterThan(2)
  expect(result.ranges).toBeLessThan(BUCKET_COUNT)
  expect(result.snapshotBytes).toBeGreaterThan(result.ranges * 10)
  expect(result.slotsBytes).toBeGreaterThan(result.ranges * 50)
})

test('the table has a column for each size, and all lines are aligned', () => {
  const lines = scaleTable([result, {...result, nodes: 1_000_000}]).split('\n')
  expect(lines[0]).toMatch(/^nodes +3 +1000000$/)
  expect(new Set(lines.map((line) => line.length)).size).toBe(1)
})

test('a phase that does not end within the patience has no time', () => {
  let now = 0
  const impatient = measureScale({nodes: 3, patienceMs: 0, clock: () => ++now})
  expect(impatient.form.ms).toBe(Infinity)
  expect(impatient.heal.ms).toBe(Infinity)
  expect(scaleTable([impatient])).toContain(' -')
})
