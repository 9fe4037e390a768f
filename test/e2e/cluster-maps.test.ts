/** The example program in C, on a cluster of three nodes of which one stops, comes back, and another dies. */
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {run, startChild} from '../support/child.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor, within} from '../support/wait.ts'
import {ProcessCluster} from './processes.ts'

const dir = tempDir('cluster-maps')
const program = `${dir.path}/cluster_maps`
let cluster: ProcessCluster

beforeAll(async () => {
  const source = fileURLToPath(new URL('../compat/clients/cluster_maps.c', import.meta.url))
  const compiled = await run('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source, '-lhiredis'])
  expect(compiled).toEqual({exit: 0, stdout: '', stderr: ''})
  cluster = await ProcessCluster.start(3)
  await cluster.settled(2)
})
afterAll(async () => {
  await cluster?.stop()
  dir.remove()
})

test('maps in C: every write is there, over GOODBYE, a stop, a start and kill -9', async () => {
  const addresses = cluster.ports.map((port) => `127.0.0.1:${port}`)
  const child = startChild(program, ['20', ...addresses])
  await waitFor('it works', () => child.stdout().includes('working'))
  expect(await cluster.nodes[0]!.stop()).toBe(0)
  await cluster.nodes[0]!.start(cluster.ports)
  await cluster.settled(2)
  await cluster.nodes[1]!.kill()
  const exit = await within(child.exited, 120_000, 'the program ends')
  expect([exit, child.stderr()]).toEqual([0, ''])
  const [, sent, maps, reconnects, moved] = /sent (\d+) maps (\d+) reconnects (\d+) moved (\d+)/.exec(child.stdout())!
  expect(Number(sent)).toBeGreaterThan(100)
  expect(Number(maps)).toBe(50)
  expect(Number(reconnects)).toBeGreaterThan(3)
  expect(Number(moved)).toBeGreaterThan(0)
})

test('it says so when nothing is there', async () => {
  const done = await run(program, ['1'])
  expect(done.exit).toBe(1)
  expect(done.stderr).toContain('usage')
})
