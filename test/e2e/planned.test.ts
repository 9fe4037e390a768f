/**
 * Planned work under load from stock clients, which must not notice: no error, no wrong read. A node joins, an operator moves buckets and
 * has them spread again, and each node in turn is stopped with SIGTERM and started again.
 */
import {afterEach, expect, it} from 'vitest'
import {run} from '../support/child.ts'
import {moveSome, spreadAgain} from './moves.ts'
import {StockLoad} from './stock-load.ts'
import {ProcessCluster} from './processes.ts'

const NODES = 5
const COPIES = 2
/** What each client must have done between one piece of work and the next, and in all: a client that stands still sees no error. */
const STEP_OPERATIONS = 20
const OPERATIONS_MIN = 500
const CHECK_TIMEOUT_MS = 60_000

let cluster: ProcessCluster | null = null
afterEach(async () => {
  await cluster?.stop()
  cluster = null
})

it('no stock client sees an error or a wrong read while nodes join, buckets move and nodes are stopped in turn', async () => {
  const nodes = await ProcessCluster.start(NODES)
  cluster = nodes
  await nodes.settled(COPIES)
  const load = await StockLoad.start(nodes.ports.slice(0, 3))
  await load.progress(STEP_OPERATIONS)
  await nodes.add()
  await nodes.settled(COPIES)
  await load.progress(STEP_OPERATIONS)
  await moveSome(nodes, nodes.ports[0]!, 0)
  await moveSome(nodes, nodes.ports[5]!, 8_000)
  await load.progress(STEP_OPERATIONS)
  await spreadAgain(nodes)
  for (const node of nodes.nodes) {
    await load.progress(STEP_OPERATIONS)
    expect(await node.stop()).toBe(0)
    await load.progress(STEP_OPERATIONS)
    await node.start(nodes.ports)
  }
  await nodes.settled(COPIES)
  const reports = await load.end()
  for (const {client, ok, errors, wrongReads} of reports) {
    expect({client, errors, wrongReads}).toEqual({client, errors: {}, wrongReads: []})
    expect(ok, client).toBeGreaterThan(OPERATIONS_MIN)
  }
  const check = await run('redis-cli', ['--cluster', 'check', `127.0.0.1:${nodes.ports[0]!}`], {
    timeoutMs: CHECK_TIMEOUT_MS,
  })
  expect(check.stdout).toContain('[OK] All 16384 slots covered.')
  expect(check.exit).toBe(0)
}, 300_000)
