/**
 * Real processes under load that is checked for linearizability: what kill -9 and SIGSTOP may cost, and what planned work must not. Stock clients
 * work beside it; of them only wrong reads are judged, since a fault may cost an error.
 */
import {afterEach, expect, it} from 'vitest'
import {LEASE_MS} from '../../src/constants.ts'
import {sleep} from '../support/wait.ts'
import {Load} from './load.ts'
import {ProcessCluster} from './processes.ts'
import {StockLoad} from './stock-load.ts'

const NODES = 5
const COPIES = 2
/** Less is no test: of the checked load, and of each stock client. */
const OPERATIONS_MIN = 500
const STOCK_OPERATIONS_MIN = 200

let cluster: ProcessCluster | null = null
afterEach(async () => {
  await cluster?.stop()
  cluster = null
})

async function start(count: number): Promise<ProcessCluster> {
  cluster = await ProcessCluster.start(count)
  await cluster.settled(COPIES)
  return cluster
}

function checkedLoad(nodes: ProcessCluster): Load {
  return new Load({ports: () => nodes.ports, clients: 8, keys: 40})
}

/** Both loads end: nothing was lost, and no client read what it must not read. */
async function judge(load: Load, stock: StockLoad): Promise<void> {
  expect(await load.end()).toEqual([])
  expect(load.ok).toBeGreaterThan(OPERATIONS_MIN)
  for (const {client, ok, wrongReads} of await stock.end()) {
    expect({client, wrongReads}).toEqual({client, wrongReads: []})
    expect(ok, client).toBeGreaterThan(STOCK_OPERATIONS_MIN)
  }
}

it('nodes that are stopped and started in turn cost clients no error, and nothing is lost', async () => {
  const nodes = await start(3)
  const load = checkedLoad(nodes)
  for (const node of nodes.nodes) {
    await sleep(300)
    expect(await node.stop()).toBe(0)
    await node.start(nodes.ports)
    await nodes.settled(COPIES)
  }
  expect(await load.end()).toEqual([])
  expect(Object.fromEntries(load.errors)).toEqual({})
  expect(load.ok).toBeGreaterThan(OPERATIONS_MIN)
}, 240_000)

it('nodes that are killed lose no acknowledged write', async () => {
  const nodes = await start(NODES)
  const load = checkedLoad(nodes)
  const stock = await StockLoad.start(nodes.ports)
  for (const node of nodes.nodes) {
    await sleep(300)
    await node.kill()
    await sleep(2_500)
    await node.start(nodes.ports)
    await nodes.settled(COPIES)
  }
  await judge(load, stock)
}, 300_000)

it('nodes that hang for three leases answer no stale read', async () => {
  const nodes = await start(NODES)
  const load = checkedLoad(nodes)
  const stock = await StockLoad.start(nodes.ports)
  for (const node of nodes.nodes) {
    await sleep(300)
    node.signal('SIGSTOP')
    await sleep(LEASE_MS * 3)
    node.signal('SIGCONT')
    await nodes.settled(COPIES)
  }
  await judge(load, stock)
}, 300_000)
