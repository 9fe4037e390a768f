/** Real processes under load: what kill -9 and SIGSTOP may cost, and what planned work must not. */
import {afterEach, expect, it} from 'vitest'
import {LEASE_MS} from '../../src/constants.ts'
import {sleep} from '../support/wait.ts'
import {Load} from './load.ts'
import {ProcessCluster} from './processes.ts'

let cluster: ProcessCluster | null = null
afterEach(async () => {
  await cluster?.stop()
  cluster = null
})

async function start(): Promise<ProcessCluster> {
  cluster = await ProcessCluster.start(3)
  await cluster.settled(2)
  return cluster
}

it('nodes that are stopped and started in turn cost clients no error, and nothing is lost', async () => {
  const nodes = await start()
  const load = new Load({ports: () => nodes.ports, clients: 8, keys: 40})
  for (const node of nodes.nodes) {
    await sleep(300)
    expect(await node.stop()).toBe(0)
    await node.start(nodes.ports)
    await nodes.settled(2)
  }
  expect(await load.end()).toEqual([])
  expect(Object.fromEntries(load.errors)).toEqual({})
  expect(load.ok).toBeGreaterThan(500)
}, 120_000)

it('nodes that are killed lose no acknowledged write', async () => {
  const nodes = await start()
  const load = new Load({ports: () => nodes.ports, clients: 8, keys: 40})
  for (const node of nodes.nodes) {
    await sleep(300)
    await node.kill()
    await sleep(2_500)
    await node.start(nodes.ports)
    await nodes.settled(2)
  }
  expect(await load.end()).toEqual([])
  expect(load.ok).toBeGreaterThan(500)
}, 120_000)

it('nodes that hang for three leases answer no stale read', async () => {
  const nodes = await start()
  const load = new Load({ports: () => nodes.ports, clients: 8, keys: 40})
  for (const node of nodes.nodes) {
    await sleep(300)
    node.signal('SIGSTOP')
    await sleep(LEASE_MS * 3)
    node.signal('SIGCONT')
    await sleep(1_000)
    await nodes.settled(2)
  }
  expect(await load.end()).toEqual([])
  expect(load.ok).toBeGreaterThan(500)
}, 120_000)
