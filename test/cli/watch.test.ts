/** --watch and --wait: redrawn on a terminal, blocks in a pipe, objects with --json; nodes go meanwhile. */
import {expect, onTestFinished, test} from 'vitest'
import {fitRows} from '../../src/cli/screen-rows.ts'
import {liveNode} from '../node/live-node.ts'
import {waitFor} from '../support/wait.ts'
import {startClusterServer, type ClusterServer} from './cluster-server.ts'
import {hasEscapes, kv, startKv} from './kv-command.ts'
import {shellOnScreen} from '../support/tmux.ts'
import type {Child} from '../support/child.ts'

async function fakeCluster(): Promise<ClusterServer> {
  const fake = await startClusterServer()
  onTestFinished(() => fake.server.stop())
  return fake
}

function watching(...args: readonly string[]): Child {
  const child = startKv(args)
  onTestFinished(async () => void (await child.stop()))
  return child
}

test('rows cover the screen exactly; colours take no room', () => {
  const red = '\u001b[31mabcdef\u001b[39m'
  expect(fitRows('ab\ncd', 4, 3)).toEqual(['ab  ', 'cd  ', '    '])
  expect(fitRows(red, 4, 1)).toEqual(['\u001b[31mabcd\u001b[39m\u001b[0m'])
  expect(fitRows('1\n2\n3\n4', 20, 3).map((row) => row.trimEnd())).toEqual(['1', '2', '... 2 more lines'])
  expect(fitRows('', 0, 1)).toEqual([''])
})

test.each([
  ['node', 'list', 'nodes'],
  ['cluster', 'status', 'members'],
  ['cluster', 'check', 'problems'],
  ['buckets', 'list', 'ranges'],
])('kv %s %s -w: blocks with their time, or objects; Ctrl-C is exit 0', async (topic, name, field) => {
  const {address} = await fakeCluster()
  const flags = [topic, name, '-n', address, '-w', '--interval', '100ms']
  const blocks = watching(...flags)
  const objects = watching(...flags, '--json')
  await waitFor('three blocks', () => blocks.stdout().split('\n\n').length > 3 || undefined)
  await waitFor('three objects', () => objects.stdout().split('\n').length > 3 || undefined)
  for (const child of [blocks, objects]) child.process.kill('SIGINT')
  expect([await blocks.exited, await objects.exited]).toEqual([0, 0])
  expect(blocks.stdout()).toMatch(/^\d\d:\d\d:\d\d\n/)
  expect(blocks.stdout()).toMatch(/\n\n\d\d:\d\d:\d\d\n/)
  expect(hasEscapes(blocks.stdout())).toBe(false)
  expect(blocks.stderr() + objects.stderr()).toBe('')
  for (const line of objects.stdout().trimEnd().split('\n')) {
    const seen = JSON.parse(line) as Record<string, unknown>
    expect(typeof seen['time']).toBe('number')
    expect(seen).toMatchObject({error: null, [field]: expect.anything()})
  }
})

test('a node that goes away is asked no more, another is; if none is left it says so, and goes on', async () => {
  const [first, second] = [await fakeCluster(), await fakeCluster()]
  const child = watching(
    ...['buckets', 'list', '-w', '--json', '--interval', '100ms', '-n', `${first.address},${second.address}`],
  )
  let isSecondAsked = false
  second.onLook = () => (isSecondAsked = true)
  await waitFor('the first answers', () => child.stdout() !== '' || undefined)
  expect(isSecondAsked).toBe(false)
  await first.server.stop()
  await waitFor('the second is asked', () => isSecondAsked || undefined)
  expect(child.stdout()).not.toContain('"E_CONNECT"')
  await second.server.stop()
  await waitFor('it says that nobody answers', () => child.stdout().includes('"code":"E_CONNECT"') || undefined)
  child.process.kill('SIGINT')
  expect(await child.exited).toBe(0)
})

test('on a terminal: redrawn in place, fits a new size, leaves the screen as it was', async () => {
  const node = await liveNode()
  const tmux = shellOnScreen({columns: 100, rows: 20})
  await tmux.shows(/ready:/)
  const command = `./bin/kv node list -w --interval 100ms -n 127.0.0.1:${node.address.port}; echo "exit $?"`
  tmux.press('echo before', 'Enter', command, 'Enter')
  expect(await tmux.shows(/NODE +ADDRESS +ROLE/)).not.toContain('before')
  tmux.resize(30, 2)
  await tmux.shows(/^\d\d:\d\d:\d\d\n\.\.\. 2 more lines$/m)
  tmux.resize(100, 20)
  await tmux.shows(/NODE +ADDRESS +ROLE/)
  await node.stop('test')
  await tmux.shows(/no node answers: /)
  tmux.press('C-c')
  expect(await tmux.shows(/exit 0/)).toContain('before')
})

test('bad input: nobody there is 5, an interval without --watch and one that is none are 2', async () => {
  expect(await kv(['node', 'list', '-w', '-n', '127.0.0.1:1'])).toMatchObject({exit: 5, stdout: ''})
  expect(await kv(['node', 'list', '--interval', '1s'])).toMatchObject({exit: 2, stdout: ''})
  expect(await kv(['node', 'list', '-w', '--interval', 'soon'])).toMatchObject({exit: 2, stdout: ''})
  expect(await kv(['cluster', 'check', '-w', '--wait'])).toMatchObject({exit: 2, stdout: ''})
})

test('kv cluster check --wait: 0 as soon as all is well', async () => {
  const fake = await fakeCluster()
  let looks = 0
  fake.onLook = () => {
    if (++looks === 6) fake.stage.apply({type: 'replicas', count: 0})
  }
  const done = await kv(['cluster', 'check', '--wait', '-n', fake.address])
  expect(done).toEqual({exit: 0, stdout: 'All is well with 1 node.\n', stderr: ''})
  expect(looks).toBeGreaterThanOrEqual(6)
})

test('kv cluster check --wait: at the timeout the problems, and 124', async () => {
  const {address} = await fakeCluster()
  const flags = ['cluster', 'check', '--wait', '--timeout', '300ms', '-n', address]
  const late = await kv(flags)
  expect(late.exit).toBe(124)
  expect(late.stdout).toMatch(/^1\. 2 copies of each bucket /)
  expect(late.stderr).toMatch(/^kv: Not done in time: there is still 1 problem\. /)
  const json = await kv([...flags, '--json'])
  expect(json).toMatchObject({exit: 124, stderr: ''})
  expect(JSON.parse(json.stdout)).toMatchObject({
    ok: false,
    problems: [{kind: 'too-few-nodes'}],
    error: {code: 'E_TIMEOUT', exitCode: 124},
  })
})
