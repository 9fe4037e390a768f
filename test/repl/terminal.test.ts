/** The console on a real terminal: hints, Tab, history, Ctrl-C, questions, and what happens when its node goes. */
import {mkdirSync, readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {run} from '../support/child.ts'
import {ProcessCluster} from '../e2e/processes.ts'
import {startKvChild} from '../support/kv.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import {onScreen, type Screen, type ScreenOptions} from '../support/tmux.ts'

interface Trial {
  readonly screen: Screen
  readonly node: string
  readonly history: string
  /** The prompt, as the last line shows it. */
  readonly prompt: string
}

async function open(
  options: ScreenOptions = {},
  history = join(tempDir('repl').path, 'kv', 'history'),
): Promise<Trial> {
  const server = await startKvChild()
  onTestFinished(() => server.stop())
  const node = `127.0.0.1:${server.port}`
  const env = {KV_HISTORY: history, TERM: 'xterm-256color', ...options.env}
  const screen = onScreen(['./bin/kv', 'repl', '-n', node], {...options, env})
  await screen.untilLast(/> ?$/)
  return {screen, node, history, prompt: screen.lines().at(-1)!}
}

test('hints follow what is typed, and go with Enter', async () => {
  const {screen, prompt, node} = await open()
  expect(prompt).toMatch(new RegExp(`^[0-9a-f]{8} ${node}>$`))
  screen.type('expire ')
  await screen.untilLast(`${prompt} expire key seconds [NX | XX | GT | LT]`)
  screen.type('a 10 ')
  await screen.untilLast(`${prompt} expire a 10 [NX | XX | GT | LT]`)
  screen.press('Left')
  await screen.untilLast(`${prompt} expire a 10`)
  screen.press('Enter')
  await screen.until(/\(integer\) 0/)
  expect(screen.lines().slice(-3)).toEqual([`${prompt} expire a 10`, '(integer) 0', prompt])
})

test('Tab completes commands, keys and nodes', async () => {
  const {screen, prompt, node} = await open()
  screen.type('set user:1 ada')
  screen.press('Enter')
  await screen.until(/OK/)
  screen.type('hgeta')
  screen.press('Tab')
  await screen.untilLast(/hgetall +key$/)
  screen.press('C-c')
  screen.type('get us')
  screen.press('Tab')
  await screen.untilLast(new RegExp(`^${prompt} get user:1`))
  screen.press('Enter')
  await screen.until(/"ada"/)
  screen.type('use 127')
  screen.press('Tab')
  await screen.untilLast(new RegExp(`use ${node}`))
})

test('Ctrl-C gives up what was typed and ends what runs; Ctrl-D leaves', async () => {
  const {screen, prompt} = await open()
  screen.type('get half')
  screen.press('C-c')
  await screen.untilLast(prompt)
  screen.type('set a "open')
  screen.press('Enter')
  screen.press('C-c')
  await screen.untilLast(prompt)
  screen.type('watch 0.2 dbsize')
  screen.press('Enter')
  await screen.until(/every 0\.2: dbsize/)
  screen.press('C-c')
  await screen.untilLast(prompt)
  screen.type('monitor')
  screen.press('Enter')
  await screen.until(/Ctrl-C ends it\.\nOK/)
  screen.press('C-c')
  await screen.untilLast(prompt)
  screen.press('C-d')
  expect(await screen.exitCode()).toBe(0)
})

test('history is kept for its owner alone, without passwords, and found with Ctrl-R', async () => {
  const {screen, history, prompt} = await open()
  for (const line of ['set greeting hello', 'hello 3 auth default secret', 'get greeting']) {
    screen.type(line)
    screen.press('Enter')
    await screen.until(new RegExp(`> ${line}\n[^]*\n[^\n]*> *\n`))
  }
  screen.press('C-r')
  screen.type('set')
  await screen.until(/bck-i-search: set/)
  screen.press('Enter')
  await screen.until(/> set greeting hello\nOK[^]*> set greeting hello\nOK/)
  screen.press('Up')
  await screen.untilLast(new RegExp(`^${prompt} set greeting hello`))
  screen.press('C-c', 'C-d')
  expect(await screen.exitCode()).toBe(0)
  expect(statSync(history).mode & 0o777).toBe(0o600)
  const kept = readFileSync(history, 'utf8').split('\n')
  expect(kept).toContain('get greeting')
  expect(kept.join()).not.toContain('secret')
  const again = await open({}, history)
  again.screen.press('Up')
  await again.screen.untilLast(/> set greeting hello/)
})

test('a history that cannot be used is said, and does not keep anybody out', async () => {
  const history = join(tempDir('repl').path, 'folder')
  mkdirSync(history)
  const {screen} = await open({}, history)
  // The screen breaks the line.
  expect(screen.lines().join('')).toMatch(/The history \S+ cannot be used: .*This session is not kept\./)
  screen.type('dbsize')
  screen.press('Enter')
  await screen.until(/\(integer\) 0/)
})

test('values are shown by their type: a map is a table; several lines are one value', async () => {
  const {screen, prompt} = await open()
  screen.type('hset u name Ada city Zürich')
  screen.press('Enter')
  await screen.until(/\(integer\) 2/)
  screen.type('hgetall u')
  screen.press('Enter')
  await screen.until(/FIELD +VALUE\nname +Ada\ncity +Zürich/)
  screen.type('set note "one')
  screen.press('Enter')
  screen.type('two"')
  screen.press('Enter')
  await screen.until(/OK/)
  screen.type('get note')
  screen.press('Enter')
  await screen.until(/"one\\ntwo"/)
  await screen.untilLast(prompt)
})

test('dangerous commands ask once', async () => {
  const {screen, prompt} = await open()
  for (const [answer, outcome] of [
    ['no', /kv: Nothing was done\./],
    ['yes', /\nOK\n/],
  ] as const) {
    screen.type('flushall')
    screen.press('Enter')
    await screen.untilLast(/Type yes to do it:$/)
    screen.type(answer)
    screen.press('Enter')
    await screen.until(outcome)
    await screen.untilLast(prompt)
  }
})

test('a terminal of 20 columns, one that is resized, and one that can do nothing', async () => {
  const narrow = await open({columns: 20, rows: 10})
  narrow.screen.type('set k ')
  await narrow.screen.until(/set k/)
  narrow.screen.type('v')
  narrow.screen.press('Enter')
  await narrow.screen.until(/OK/)
  narrow.screen.resize(100, 30)
  narrow.screen.type('get k')
  narrow.screen.press('Enter')
  await narrow.screen.until(/"v"/)
  const dumb = await open({env: {TERM: 'dumb'}})
  dumb.screen.type('set k v')
  dumb.screen.press('Enter')
  await dumb.screen.until(/OK/)
  expect(dumb.screen.lines().join('\n')).not.toContain('NX')
})

test('a value of 50 MB is shown in part, at once', async () => {
  const {screen, node, prompt} = await open()
  const set = await run('./bin/kv', ['exec', '-n', node, '-x', 'SET', 'big'], {input: Buffer.alloc(50_000_000, 'x')})
  expect(set.exit).toBe(0)
  screen.type('get big')
  screen.press('Enter')
  await screen.until(/… 50,000,000 bytes in all/)
  await screen.untilLast(prompt)
  const file = join(tempDir('repl').path, 'big')
  screen.type(`get big > ${file}`)
  screen.press('Enter')
  await waitFor('the file is whole', () => statSync(file, {throwIfNoEntry: false})?.size === 50_000_001)
})

test('when its node leaves or dies another one is asked, and data commands go on', async () => {
  const cluster = await ProcessCluster.start(3)
  onTestFinished(() => cluster.stop())
  await cluster.settled(2)
  const [first, second, third] = cluster.nodes
  const screen = onScreen(['./bin/kv', 'repl', '-n', `127.0.0.1:${first!.port}`], {
    env: {KV_HISTORY: '', TERM: 'xterm'},
  })
  await screen.untilLast(/> ?$/)
  screen.type('set a 1')
  screen.press('Enter')
  await screen.until(/OK/)
  screen.type(`node stop 127.0.0.1:${first!.port}`)
  screen.press('Enter')
  await screen.until(new RegExp(`127.0.0.1:${first!.port} has left its cluster and stopped`))
  await screen.until(
    new RegExp(
      `127.0.0.1:${first!.port} does not answer any more; asking 127.0.0.1:(${second!.port}|${third!.port}) now`,
    ),
  )
  screen.type('incr a')
  screen.press('Enter')
  await screen.until(/\(integer\) 2/)
})
