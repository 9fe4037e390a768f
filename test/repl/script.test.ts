/** The console without a terminal: `kv repl` in a pipe, on a real node. */
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {beforeAll, expect, test} from 'vitest'
import {hasEscapes, kv, shell} from '../cli/kv-command.ts'
import {startKvChild} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {tempDir} from '../support/temp.ts'
import type {Finished} from '../support/child.ts'
import type {TestServer} from '../support/server.ts'

let server: TestServer
let node: string
beforeAll(async () => {
  server = await startKvChild()
  node = `127.0.0.1:${server.port}`
  return () => server.stop()
})

function script(text: string | Buffer, ...flags: readonly string[]): Promise<Finished> {
  return kv(['repl', '-n', node, ...flags], {input: text})
}

test('answers each line, without a prompt or an escape code', async () => {
  const {exit, stdout, stderr} = await script(
    'set s:a "1 2"\nget s:a\n\n# a remark\nhset s:m f v\nhgetall s:m\nget s:none\n',
  )
  expect([exit, stdout, stderr]).toEqual([0, 'OK\n1 2\n1\nf\nv\n\n', ''])
})

test('ends at the first line that fails; or goes on, and fails at the end', async () => {
  const text = 'set e:a x\nincr e:a\nset e:b y\n'
  const ended = await script(text)
  expect([ended.exit, ended.stdout]).toEqual([1, 'OK\n'])
  expect(ended.stderr).toMatch(/^kv: ERR value is not an integer/)
  const kept = await script(text, '--keep-going')
  expect([kept.exit, kept.stdout]).toEqual([1, 'OK\nOK\n'])
})

test('--json gives one object a line, for errors too', async () => {
  const {exit, stdout} = await script('hset j:m a 1\nhgetall j:m\nincr j:m\nnonsense\n', '--json', '--keep-going')
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as {reply?: unknown; node?: string; error?: {code: string; exitCode: number}})
  expect(lines[1]).toEqual({reply: {a: '1'}, node})
  expect(lines[2]!.error).toMatchObject({code: 'E_REPLY', exitCode: 1})
  expect(lines[3]!.error).toMatchObject({code: 'E_UNKNOWN_COMMAND'})
  expect([exit, lines.length]).toEqual([1, 4])
})

test('knows the commands of kv, and asks its own node', async () => {
  const {exit, stdout} = await script('node list\nkv buckets list\n')
  expect(exit).toBe(0)
  expect(stdout).toMatch(/NODE +ADDRESS/)
  expect(stdout).toContain(node)
  expect(hasEscapes(stdout)).toBe(false)
})

test('output goes to a file or a program; jq gets JSON', async () => {
  const file = join(tempDir('repl').path, 'out')
  const text = `set o:a abc\nget o:a > ${file}\nget o:a >> ${file}\nhset o:m f v\nhgetall o:m | cat\nget o:a | tr a-c x-z\n`
  const {exit, stdout} = await script(text)
  expect([exit, stdout]).toEqual([0, 'OK\n1\nf\nv\nxyz\n'])
  expect(readFileSync(file, 'utf8')).toBe('abc\nabc\n')
  const failed = await script('get o:a | exit 3\nget o:a\n')
  expect([failed.exit, failed.stdout]).toEqual([1, ''])
  const nowhere = await script('get o:a > /nowhere/at/all\n')
  expect([nowhere.exit, nowhere.stderr]).toEqual([
    1,
    'kv: /nowhere/at/all cannot be written: no such file or directory (ENOENT).\n',
  ])
})

test('dangerous commands want --yes', async () => {
  const refused = await script('flushall\n')
  expect([refused.exit, refused.stderr]).toEqual([
    1,
    'kv: FLUSHALL deletes every key of the cluster. Start `./bin/kv repl` with --yes to do it.\n',
  ])
  const done = await script('set d:a 1\nflushall\ndbsize\n', '--yes')
  expect([done.exit, done.stdout]).toEqual([0, 'OK\nOK\n0\n'])
})

test('--yes holds for commands of kv, too', async () => {
  const alone = await startKvChild()
  const address = `127.0.0.1:${alone.port}`
  const stop = (...flags: readonly string[]): Promise<Finished> =>
    kv(['repl', '-n', address, ...flags], {input: `set k v\nnode stop ${address}\n`})
  expect(await stop()).toMatchObject({exit: 1, stderr: expect.stringContaining('--yes')})
  expect(await stop('--yes')).toMatchObject({exit: 0, stdout: expect.stringContaining('has stopped')})
  await alone.stop()
})

test('transactions are whole', async () => {
  const {exit, stdout} = await script('watch {t}a\nmulti\nincr {t}a\nincr {t}a\nexec\nget {t}a\n')
  expect([exit, stdout]).toEqual([0, 'OK\nOK\nQUEUED\nQUEUED\n1\n2\n2\n'])
  const given = await script('multi\nset {t}b 1\ndiscard\nget {t}b\nexec\n')
  expect([given.exit, given.stdout]).toEqual([1, 'OK\nQUEUED\nOK\n\n'])
})

test('bytes come through as they are, also those that are no text', async () => {
  const {stdout} = await script(String.raw`set b:a "\x00\xff\n"` + '\nstrlen b:a\n')
  expect(stdout).toBe('OK\n3\n')
  // A line that is not UTF-8 is an error in words, or a key of its own; never a crash.
  const {exit, stderr} = await script(
    Buffer.from([0x67, 0x65, 0x74, 0x20, 0xff, 0xfe, 0x0a, 0x01, 0x02, 0x0a]),
    '--keep-going',
  )
  expect(exit).toBe(1)
  expect(stderr).toContain('There is no command')
})

test('unknown and unfinished lines say what to type', async () => {
  const {exit, stderr} = await script('gett a\nbuckets mvoe\nbuckets\nget "a', '--keep-going')
  expect(exit).toBe(1)
  expect(stderr.split('\n')).toEqual([
    'kv: There is no command "gett". Did you mean get?',
    'kv: There is no command "buckets mvoe". Did you mean buckets move?',
    expect.stringMatching(/^kv: There is no command "buckets"\. There are accept-loss, list/),
    'kv: The line ends within quotes.',
    '',
  ])
})

test('whoever reads slowly or not to the end is served all the same', async () => {
  const big = join(tempDir('repl').path, 'script')
  writeFileSync(big, `set l:a ${'x'.repeat(200_000)}\n${'get l:a\n'.repeat(50)}`)
  const slow = await shell(`./bin/kv repl -n ${node} < ${big} | (sleep 1; wc -c)`)
  expect(slow.stdout.trim()).toBe(String(3 + 50 * 200_001))
  const head = await shell(`./bin/kv repl -n ${node} < ${big} | head -1`)
  expect([head.stdout, head.stderr]).toEqual(['OK\n', ''])
})

test('a node that is not there, and a password that is wrong, are said at once', async () => {
  const port = await freePort()
  const nobody = await kv(['repl', '-n', `127.0.0.1:${port}`], {input: 'get a\n'})
  expect([nobody.exit, nobody.stdout]).toEqual([5, ''])
  expect(nobody.stderr).toContain(`127.0.0.1:${port}`)
  const locked = await startKvChild({password: 'secret'})
  const enter = (password: string): Promise<Finished> =>
    kv(['repl', '-n', `127.0.0.1:${locked.port}`], {input: 'set a 1\nnode list\n', env: {KV_PASSWORD: password}})
  expect(await enter('')).toMatchObject({exit: 1, stderr: expect.stringContaining('wants a password')})
  expect(await enter('x')).toMatchObject({exit: 1, stderr: expect.stringContaining('does not accept this password')})
  expect(await enter('secret')).toMatchObject({exit: 0, stdout: expect.stringMatching(/^OK\nNODE/)})
  await locked.stop()
})
