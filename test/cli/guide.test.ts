/** Commands that ask a person for what is missing, on a real terminal; without one they say what is missing (base.test.ts). */
import {beforeAll, expect, test} from 'vitest'
import {ProcessCluster} from '../e2e/processes.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {onScreen, type Screen} from '../support/tmux.ts'
import {startKvChild} from '../support/kv.ts'

let cluster: ProcessCluster
beforeAll(async () => {
  cluster = await ProcessCluster.start(3)
  return () => cluster.stop()
}, 120_000)

function kv(...args: readonly string[]): Screen {
  return onScreen(['./bin/kv', ...args], {env: {TERM: 'xterm', KV_NODE: `127.0.0.1:${cluster.ports[0]}`}})
}

test('buckets move asks for buckets and node, says what it will do, and how it is typed', async () => {
  await cluster.settled(2)
  const screen = kv('buckets', 'move')
  await screen.until(/Which buckets/)
  screen.type('0-99x')
  screen.press('Enter')
  await screen.until(/0-99,200/)
  screen.press('BSpace', 'Enter')
  await screen.until(/To which node\?[^]*127\.0\.0\.1:\d+ +[0-9a-f]{8}/)
  screen.press('Down', 'Enter')
  const asked = await screen.until(/Move \d+ buckets? to 127\.0\.0\.1:\d+\? Clients go on meanwhile/)
  const [, to] = /to (127\.0\.0\.1:\d+)\? Clients/.exec(asked)!
  screen.type('y')
  screen.press('Enter')
  await screen.until(new RegExp(`The same without questions: ./bin/kv buckets move 0-99 --to ${to}`))
  await screen.until(/buckets? moved to/)
  expect(await screen.exitCode()).toBe(0)
  const state = await withCluster({node: to!}, (link) => link.state())
  const owner = state.members.find(({id}) => id === state.self)!.slot
  const there = state.ranges.filter(([first, , master]) => first <= 99 && master === owner)
  expect(there.at(0)![0]).toBe(0)
})

test('node stop offers the nodes, and an answer of no stops nothing', async () => {
  await cluster.settled(2)
  const screen = kv('node', 'stop')
  await screen.until(/Which node shall stop\?/)
  screen.press('Enter')
  await screen.until(/Stop 127\.0\.0\.1:\d+\? Its buckets go to the other 2 nodes/)
  screen.type('n')
  screen.press('Enter')
  await screen.until(/Nothing was done/)
  expect(await screen.exitCode()).toBe(6)
  expect(cluster.ports).toHaveLength(3)
})

test('cluster join asks for both ends; Ctrl-C does nothing', async () => {
  const alone = await startKvChild()
  const interrupted = kv('cluster', 'join')
  await interrupted.until(/Which node shall join/)
  interrupted.press('C-c')
  expect(await interrupted.exitCode()).toBe(130)
  const screen = kv('cluster', 'join')
  await screen.until(/Which node shall join/)
  screen.type(`127.0.0.1:${alone.port}`)
  screen.press('Enter')
  await screen.until(/Any node of the cluster/)
  screen.press('Enter')
  await screen.until(/is one of 4 nodes now/)
  expect(await screen.exitCode()).toBe(0)
  await alone.stop()
})
