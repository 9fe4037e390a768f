/** A data-log node that was away goes on from what it has, if its masters still have the rest; and what a log node is for: all data nodes gone at once. */
import {expect, test} from 'vitest'
import {ROLE_SERVING} from '../../src/core/replication/roles.ts'
import {kill} from '../../src/sim/outages.ts'
import {Simulation} from '../../src/sim/simulation.ts'
import type {LogMode} from '../../src/core/cluster/cluster-map.ts'
import type {SimNode} from '../../src/sim/sim-node.ts'

const NODES = 3
const LOG = NODES

function begin(seed: number, log: LogMode): Simulation {
  const sim = new Simulation({seed, nodes: NODES, replicas: 1, seconds: 10, faults: [], pace: 10, log})
  for (let i = 0; i <= LOG; i++) sim.begin(i, i === 0)
  sim.advance(6_000)
  sim.workload.start(8)
  sim.advance(1_000)
  return sim
}

function logNode(sim: Simulation): SimNode {
  return sim.nodes.get(LOG)!
}

test.each([1, 2, 3])('what it missed comes from the backlog, not as images (seed %i)', (seed) => {
  const sim = begin(seed, 'async')
  const before = logNode(sim).cluster.recorder!.recordCount
  expect(before).toBeGreaterThan(0)
  const restore = kill(sim, logNode(sim), false)
  sim.advance(700)
  restore()
  sim.advance(3_000)
  const {gaps, recordCount} = logNode(sim).cluster.recorder!
  expect(recordCount).toBeGreaterThan(50)
  expect(gaps).toBe(0)
  sim.workload.stop()
  sim.heal()
  sim.finish()
  expect(sim.violations).toEqual([])
})

test.each([1, 2, 3])(
  'all data nodes die at once: the log of a synchronous node has all that counts (seed %i)',
  (seed) => {
    const sim = begin(seed, 'sync')
    expect(logNode(sim).cluster.map.member(logNode(sim).id)).toMatchObject({log: 'sync', isLogOn: true})
    const data = sim.running().filter((node) => node !== logNode(sim))
    // What was acknowledged of each bucket at the moment of death is at most this; the invariants have held it against the disk all along.
    const acknowledged = new Map<number, number>()
    for (const {cluster, engine} of data) {
      for (const bucket of sim.workload.buckets) {
        const {seq, ticketOf} = engine.effects
        const isClean = cluster.roles.role[bucket] === ROLE_SERVING && cluster.sets.isClean(bucket, ticketOf[bucket]!)
        if (isClean) acknowledged.set(bucket, seq[bucket]!)
      }
    }
    for (const node of data) node.kill()
    expect(acknowledged.size).toBeGreaterThan(5)
    const log = sim.logs.get(logNode(sim).id)!
    for (const [bucket, seq] of acknowledged) {
      expect(log.positions.seq[bucket]).toBeGreaterThanOrEqual(seq)
      expect(log.image(bucket)).not.toBeNull()
    }
    expect(sim.violations).toEqual([])
  },
)

test('a cluster whose every bucket is in play is logged whole', () => {
  const sim = new Simulation({seed: 5, nodes: 2, replicas: 1, seconds: 3, faults: [], buckets: 16_384, log: 'async'})
  expect(sim.run().violations).toEqual([])
  expect(sim.nodes.get(2)!.cluster.recorder!.countWhole()).toBe(16_384)
})
