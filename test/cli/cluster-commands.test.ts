/** The commands that look after a cluster, as a user types them: what they print, and how they exit. */
import {afterEach, beforeEach, expect, test} from 'vitest'
import {idOf, SELF_ID} from '../core/server-cluster-support.ts'
import {waitFor} from '../support/wait.ts'
import {down, joinDeaf, loseCopies, startClusterServer, type ClusterServer} from './cluster-server.ts'
import {kv, shell, startKv} from './kv-command.ts'

let fake: ClusterServer

beforeEach(async () => {
  fake = await startClusterServer()
})
afterEach(() => fake.server.stop())

const run = (...args: string[]): ReturnType<typeof kv> => kv(args, {env: {KV_NODE: fake.address}})

test('kv cluster status: exit 0 at risk, 3 in an outage; --json has it all', async () => {
  const calm = await run('cluster', 'status')
  expect(calm).toMatchObject({exit: 0, stderr: ''})
  expect(calm.stdout).toContain('health     at risk\n')
  expect(calm.stdout).toMatch(new RegExp(`abababab +${fake.address} +leader +up +16,384 +16,384 +asked\n`))
  fake.stage.join(1, 2)
  loseCopies(fake, '5-9')
  const bad = await run('cluster', 'status', '--json')
  expect(bad.exit).toBe(3)
  expect(JSON.parse(bad.stdout)).toMatchObject({health: 'unhealthy', down: '5-9', members: [{id: SELF_ID}, {}, {}]})
})

test('kv cluster check: numbered, each with a command; exit 3, or 0 if all is well', async () => {
  const {exit, stdout} = await run('cluster', 'check')
  expect(exit).toBe(3)
  expect(stdout).toMatch(
    /^1\. 2 copies of each bucket .*\n {3}\.\/bin\/kv node start --port 0 --join 127\.0\.0\.1:\d+\n$/,
  )
  fake.stage.apply({type: 'replicas', count: 0})
  expect(await run('cluster', 'check')).toMatchObject({exit: 0, stdout: 'All is well with 1 node.\n'})
  expect(JSON.parse((await run('cluster', 'check', '--json')).stdout)).toMatchObject({ok: true, problems: []})
})

test('kv node list and info: figures of those that answer, 7 if one does not', async () => {
  await joinDeaf(fake, 1)
  const {exit, stdout, stderr} = await run('node', 'list')
  expect(exit).toBe(7)
  expect(stdout).toMatch(/^NODE +ADDRESS +ROLE/)
  expect(stdout).toMatch(/\n00000000 .* - +- +- +- +-\n$/)
  expect(stderr).toMatch(/^kv: /)
  const info = await run('node', 'info', 'abab', '--json')
  expect(JSON.parse(info.stdout)).toMatchObject({id: SELF_ID, isLeader: true, keys: 0, info: {redis_mode: 'cluster'}})
  expect(JSON.parse(info.stdout)).toMatchObject({unacknowledgedBytes: 0, logLagBytes: null, slowlogEntries: 0})
  expect((await run('node', 'info', 'abab')).stdout).toMatch(/^behind +copies 0 B\nslow log +empty\n/m)
  expect(await run('node', 'info', 'ffff')).toMatchObject({exit: 4, stdout: ''})
})

test('kv node remove: 6 without --yes, 2 for a node that is up', async () => {
  fake.stage.join(1, 2)
  loseCopies(fake, '5-9')
  const refused = await run('node', 'remove', '10.0.0.1:7000')
  expect(refused).toMatchObject({exit: 6, stdout: ''})
  expect(refused.stderr).toContain('has the only copy of 5 buckets')
  expect(await run('node', 'remove', '10.0.0.2:7000', '--yes')).toMatchObject({exit: 2})
  expect(await run('node', 'remove', '10.0.0.1:7000', '--yes')).toMatchObject({exit: 0})
  expect(await run('buckets', 'accept-loss', '0-99')).toMatchObject({exit: 6})
  const accepted = await run('buckets', 'accept-loss', '0-99', '--yes', '--json')
  expect(JSON.parse(accepted.stdout)).toEqual({accepted: 5, buckets: '5-9', to: idOf(2)})
  expect(fake.stage.json('CLUSTER', 'STATE')).toMatchObject({lost: ''})
})

test('kv node remove asks a person at a terminal, and takes only yes', async () => {
  fake.stage.join(1)
  down(fake, 1)
  const typed = (answer: string): ReturnType<typeof shell> =>
    shell(`(sleep 1; echo ${answer}) | script -qec "./bin/kv node remove 10.0.0.1:7000" /dev/null`, {
      KV_NODE: fake.address,
    })
  expect((await typed('y')).stdout).toContain('Nothing was done.')
  expect(fake.changes).toEqual([])
  const {stdout} = await typed('yes')
  expect(stdout).toContain('Nothing is lost when 10.0.0.1:7000 (00000000) is forgotten. Type yes to do it: ')
  expect(fake.changes).toEqual([{type: 'removed', node: idOf(1)}])
})

test('Ctrl-C during kv buckets move: exit 130, and how to go on', async () => {
  fake.stage.join(1)
  fake.isMoving = false
  const child = startKv(['buckets', 'move', '0-9', '--to', '10.0.0.1:7000'], {env: {KV_NODE: fake.address}})
  await waitFor('the move is ordered', () => fake.changes.length >= 2)
  child.process.kill('SIGINT')
  expect(await child.exited).toBe(130)
  expect(child.stderr()).toContain(
    'Stopped: 0 of 10 buckets have moved. Those under way will still arrive. Run the same',
  )
})

test('kv buckets list, move and rebalance --dry-run', async () => {
  fake.stage.join(1)
  fake.stage.copy(1, '0-99')
  fake.stage.move(1, '0-49')
  const list = await run('buckets', 'list')
  expect(list.stdout).toMatch(/\n00000000 +10\.0\.0\.1:7000 +50 +100 +0-49\n$/)
  expect((await run('buckets', 'list', '--wide')).stdout).toMatch(
    new RegExp(`\n0-49 +50 +10\\.0\\.0\\.1:7000 +${fake.address}\n50-99 `),
  )
  const plan = await run('buckets', 'move', '40-59', '--to', '10.0.0.1:7000', '--dry-run')
  expect(plan.stdout).toContain('10 buckets would move to 10.0.0.1:7000 (00000000); 10 are there.')
  expect(fake.changes).toEqual([])
  const moved = await run('buckets', 'move', '40-59', '--to', '10.0.0.1:7000')
  expect(moved).toMatchObject({
    exit: 0,
    stdout: '10 buckets moved to 10.0.0.1:7000 (00000000); 10 were there before.\n',
  })
  const rehearsal = await run('buckets', 'rebalance', '--dry-run', '--json')
  expect(JSON.parse(rehearsal.stdout)).toMatchObject({dryRun: true, members: [{masters: 8_192}, {masters: 8_192}]})
  expect(await run('buckets', 'move', '5-x', '--to', 'ab')).toMatchObject({exit: 2})
})
