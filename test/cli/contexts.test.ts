/** Contexts: which node a command asks, and the file that they are kept in. */
import {mkdirSync, readFileSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {connectTo, liveNode} from '../node/live-node.ts'
import {tempDir} from '../support/temp.ts'
import {kv} from './kv-command.ts'
import type {Finished} from '../support/child.ts'

interface Home {
  readonly file: string
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished>
}

function home(): Home {
  const dir = tempDir('contexts')
  onTestFinished(() => dir.remove())
  const env = {XDG_CONFIG_HOME: dir.path, KV_CONTEXT: ''}
  return {file: join(dir.path, 'kv', 'contexts.json'), run: (args, more = {}) => kv(args, {env: {...env, ...more}})}
}

test('--node, --context, KV_NODE, KV_CONTEXT, the current context: in this order', async () => {
  const [one, two, three] = [await liveNode(), await liveNode(), await liveNode({password: 'secret'})]
  const [a, b, c] = [one, two, three].map(({address}) => `127.0.0.1:${address.port}`)
  const {run, file} = home()
  const passwordFile = `${file}.password`
  mkdirSync(join(file, '..'), {recursive: true})
  writeFileSync(passwordFile, 'secret\n')
  expect(await run(['context', 'add', 'one', '--node', `127.0.0.1:1,${a}`])).toMatchObject({exit: 0, stderr: ''})
  await run(['context', 'add', 'two', '-n', b!])
  await run(['context', 'add', 'three', '-n', c!, '--password-file', passwordFile])
  const who = async (flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> => {
    const {stdout} = await run(['cluster', 'status', '--json', ...flags], env)
    return (JSON.parse(stdout) as {members: {port: number}[]}).members.map(({port}) => `127.0.0.1:${port}`)[0]!
  }
  // The first one that was made is the current one; of its two nodes the second answers.
  expect(await who([])).toBe(a)
  expect(await who([], {KV_CONTEXT: 'two'})).toBe(b)
  expect(await who(['--context', 'three'], {KV_CONTEXT: 'two'})).toBe(c)
  expect(await who(['--context', 'two'], {KV_NODE: a!})).toBe(b)
  expect(await who(['--context', 'two', '-n', a!], {KV_NODE: c!})).toBe(a)
  expect(await who([], {KV_NODE: a!, KV_CONTEXT: 'two'})).toBe(a)
  expect(await who(['-n', b!], {KV_NODE: a!, KV_CONTEXT: 'one'})).toBe(b)
  expect(await run(['context', 'use', 'two'])).toMatchObject({exit: 0})
  expect(await who([])).toBe(b)
  await run(['exec', 'SET', 'k', 'two'])
  expect(await (await connectTo(two)).call('GET', 'k')).toBe('$3\r\ntwo\r\n')
  expect((await run(['cluster', 'check', '--context', 'nosuch'])).exit).toBe(4)
}, 120_000)

test('list, use, remove; the file is the user own, and whole', async () => {
  const {run, file} = home()
  const empty = await run(['context', 'list'])
  expect(empty).toMatchObject({exit: 0, stdout: ''})
  expect(empty.stderr).toContain('./bin/kv context add NAME --node host:port')
  await run(['context', 'add', 'b', '--node', '10.0.0.2:7379'])
  await run(['context', 'add', 'a', '--node', '10.0.0.1', '--password-file', 'secret.txt'])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(JSON.parse((await run(['context', 'list', '--json'])).stdout)).toMatchObject({
    current: 'b',
    contexts: [
      {name: 'a', node: '10.0.0.1', passwordFile: expect.stringMatching(/^\/.*secret\.txt$/) as string},
      {name: 'b', node: '10.0.0.2:7379', passwordFile: null},
    ],
  })
  expect((await run(['context', 'list'])).stdout).toMatch(
    /^ +NAME +NODE .*\n +a +10\.0\.0\.1 .*\n\* +b +10\.0\.0\.2:7379 +-\n$/,
  )
  expect((await run(['context', 'remove', 'b'])).stdout).toBe('b is forgotten; no context is the current one.\n')
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({version: 1, current: null, contexts: {a: {}}})
}, 60_000)

test('what is wrong is said, with what to type', async () => {
  const {run, file} = home()
  const missing = await run(['node', 'list', '--context', 'prod'])
  expect(missing).toMatchObject({exit: 4, stdout: ''})
  expect(missing.stderr).toBe(
    'kv: There is no context "prod". Make it: `./bin/kv context add prod --node host:port`.\n',
  )
  await run(['context', 'add', 'prod', '--node', '127.0.0.1:1'])
  expect((await run(['context', 'use', 'test'])).stderr).toContain('There are: prod.')
  expect(await run(['context', 'add', '--', '-x', '--node', 'h:1'])).toMatchObject({exit: 2})
  expect(await run(['context', 'add', 'a b', '--node', 'h:1'])).toMatchObject({exit: 2})
  expect(await run(['context', 'add', '__proto__', '--node', 'h:1'])).toMatchObject({exit: 2})
  expect(await run(['context', 'add', 'x', '--node', 'h:port'])).toMatchObject({exit: 2})
  for (const text of [
    '{',
    '[]',
    '{"version":2,"current":null,"contexts":{}}',
    '{"version":1,"current":null,"contexts":{"a":null}}',
  ]) {
    writeFileSync(file, text)
    const damaged = await run(['node', 'list', '--json'])
    expect(JSON.parse(damaged.stdout)).toMatchObject({
      error: {code: 'E_CONTEXT', hint: expect.stringContaining('mv ') as string},
    })
    // A command that says where it goes does not look at it.
    expect((await run(['cluster', 'check', '-n', '127.0.0.1:1'])).exit).toBe(5)
  }
  writeFileSync(file, '{"version":1,"current":"gone","contexts":{}}')
  expect(await run(['node', 'list'])).toMatchObject({exit: 4})
}, 60_000)
