/** kv top as it is used: on a terminal (tmux), in a pipe, and when nodes go. */
import {expect, onTestFinished, test} from 'vitest'
import {connectTo, liveNode} from '../../node/live-node.ts'
import {waitFor} from '../../support/wait.ts'
import {hasEscapes, kv, startKv} from '../kv-command.ts'
import {shellOnScreen} from '../../support/tmux.ts'

test('on a terminal: the table, keys, a new size, a node that goes; the terminal is as before', async () => {
  const node = await liveNode()
  const address = `127.0.0.1:${node.address.port}`
  const tmux = shellOnScreen({columns: 100, rows: 20})
  await tmux.shows(/ready:/)
  tmux.press('echo before', 'Enter', `./bin/kv top -n ${address} --interval 200ms`, 'Enter')
  const screen = await tmux.shows(/NODE +ROLE +STATE +MASTERS/)
  expect(screen).toMatch(new RegExp(`${address} +leader +up +16,384`))
  expect(screen).not.toContain('before')
  const connection = await connectTo(node)
  await connection.call('SET', 'k', 'v')
  tmux.press('Enter')
  await tmux.shows(/requests +\d/)
  tmux.press('b')
  await tmux.shows(/No bucket is used|BUCKET +OPS/)
  tmux.press('?')
  await tmux.shows(/the busiest buckets/)
  tmux.resize(20, 8)
  tmux.press('Escape')
  await tmux.shows(/^NODE +OPS\/S$/m)
  tmux.resize(100, 20)
  await node.stop('test')
  await tmux.shows(/no node answers: /)
  tmux.press('q')
  expect(await tmux.shows(/ready:\s*$/)).toContain('before')
}, 90_000)

test('Ctrl-C ends it, too', async () => {
  const node = await liveNode()
  const tmux = shellOnScreen({columns: 80, rows: 24})
  await tmux.shows(/ready:/)
  tmux.press(`./bin/kv top -n 127.0.0.1:${node.address.port}; echo "exit $?"`, 'Enter')
  await tmux.shows(/NODE +/)
  tmux.press('C-c')
  await tmux.shows(/exit 0/)
}, 60_000)

test('in a pipe: one block with --once, objects with --json, blocks without end', async () => {
  const node = await liveNode()
  const flags = ['top', '-n', `127.0.0.1:${node.address.port}`, '--interval', '100ms']
  const once = await kv([...flags, '--once'])
  expect(once).toMatchObject({exit: 0, stderr: ''})
  expect(once.stdout).toMatch(/^\d\d:\d\d:\d\d\nNODE +ROLE [^]* leader +up +16,384 /)
  expect(hasEscapes(once.stdout)).toBe(false)
  const json = await kv([...flags, '--once', '--json'])
  expect(JSON.parse(json.stdout)).toMatchObject({error: null, nodes: [{status: 'up', masters: 16_384}]})
  const stream = startKv([...flags, '--json'])
  onTestFinished(async () => void (await stream.stop()))
  await waitFor('three objects', () => stream.stdout().split('\n').length > 3)
  await node.stop('test')
  await waitFor('it says that nobody answers', () => stream.stdout().includes('"status":"silent"'))
  stream.process.kill('SIGINT')
  expect(await stream.exited).toBe(0)
  for (const line of stream.stdout().trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('nodes')
}, 60_000)

test('nobody there from the beginning: exit 5; an interval that is none: exit 2', async () => {
  expect(await kv(['top', '--once', '-n', '127.0.0.1:1'])).toMatchObject({exit: 5, stdout: ''})
  expect(await kv(['top', '--interval', 'soon'])).toMatchObject({exit: 2})
})
