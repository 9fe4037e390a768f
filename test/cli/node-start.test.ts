/** `kv node start` as a user runs it. */
import {once} from 'node:events'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {stripVTControlCharacters} from 'node:util'
import {afterEach, describe, expect, test} from 'vitest'
import {Connection} from '../../src/client/connection.ts'
import {openSocket} from '../../src/client/socket.ts'
import type {Child} from '../support/child.ts'
import {freePort} from '../support/ports.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import {kv, kvOnTerminal, shell, startKv} from './kv-command.ts'

const children: Child[] = []
afterEach(async () => {
  for (const child of children.splice(0)) await child.stop()
})

interface Started {
  readonly child: Child
  readonly port: number
  readonly nodeId: string
  events(): Record<string, unknown>[]
}

async function start(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const child = startKv(['node', 'start', '--port', '0', '--json', ...flags], {env})
  children.push(child)
  const events = (): Record<string, unknown>[] =>
    child
      .stdout()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const first = await waitFor('the node starts', () => {
    if (child.process.exitCode !== null) throw new Error(`it ended:\n${child.stdout()}${child.stderr()}`)
    return child.stdout().includes('\n') && events()[0]
  })
  return {child, port: Number(first['port']), nodeId: String(first['nodeId']), events}
}

function canConnect(port: number): Promise<boolean> {
  return openSocket({host: '127.0.0.1', port}).then(
    (socket) => (socket.destroy(), true),
    () => false,
  )
}

describe('life', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('starts, serves, and stops on %s with exit code 0', async (signal) => {
    const {child, port, nodeId, events} = await start()
    expect(nodeId).toMatch(/^[0-9a-f]{40}$/)
    const connection = await Connection.connect({host: '127.0.0.1', port})
    expect(await connection.send(['SET', 'a', '1'])).toBe('OK')
    child.process.kill(signal)
    expect(await child.exited).toBe(0)
    expect(connection.isOpen).toBe(false)
    expect(events().map(({event}) => event)).toEqual(['started', 'stopping', 'stopped'])
    expect(events().at(-1)).toMatchObject({exitCode: 0})
  })

  test('keeps id and data over a restart', async () => {
    const dir = tempDir('start')
    const flags = ['--data-dir', `${dir.path}/data`, '--save-file', `${dir.path}/kv.save`]
    const first = await start(flags)
    await kv(['exec', '-n', `:${first.port}`, 'SET', 'kept', 'yes'])
    await first.child.stop()
    const second = await start(flags)
    expect(second.nodeId).toBe(first.nodeId)
    expect(second.events()[0]).toMatchObject({keysLoaded: 1})
    expect((await kv(['exec', '-n', `:${second.port}`, 'GET', 'kept'])).stdout).toBe('yes\n')
    await second.child.stop()
    dir.remove()
  })

  test('goes on when the reader of its output has left', async () => {
    const {stdout} = await shell(
      `./bin/kv node start --port 0 --json 2>/dev/null | head -1 |
       sed 's/.*"port":\\([0-9]*\\).*"pid":\\([0-9]*\\).*/\\1 \\2/' |
       { read port pid; sleep 0.2; ./bin/kv exec -n :$port SET a 1; kill $pid; }`,
    )
    expect(stdout).toBe('OK\n')
  })
})

describe('what a person sees', () => {
  test('a banner on a terminal: where, what is kept, what to type next', async () => {
    const port = await freePort()
    const started = kvOnTerminal(['node', 'start', '--port', String(port), '--max-memory', '512mb'])
    await waitFor('the node listens', () => canConnect(port))
    const stopped = await kv(['node', 'stop', `:${port}`])
    if (stopped.exit !== 0) await kv(['exec', '-n', `:${port}`, 'SHUTDOWN', 'NOSAVE'])
    expect(stopped).toMatchObject({exit: 0})
    const {exit, stdout: screen} = await started
    const stdout = stripVTControlCharacters(screen)
    expect(exit).toBe(0)
    expect(stdout).toMatch(/kv \d+\.\d+\.\d+ is ready on 127\.0\.0\.1:\d+/)
    expect(stdout).toMatch(/node id +[0-9a-f]{40}/)
    expect(stdout).toMatch(/savefile +none/)
    expect(stdout).toContain('at most 512 MB, noeviction')
    expect(stdout).toMatch(/\.\/bin\/kv exec -n 127\.0\.0\.1:\d+ SET greeting hello/)
  })

  test('JSON log lines elsewhere, without a word of data or password', async () => {
    const {child, port} = await start([], {KV_PASSWORD: 'pa55word'})
    const answer = await kv(['exec', '-n', `:${port}`, 'SET', 'secretkey', 'secretvalue'], {
      env: {KV_PASSWORD: 'pa55word'},
    })
    expect(answer.stdout).toBe('OK\n')
    await child.stop()
    const lines = child.stderr().trim().split('\n')
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({level: 30})
    expect(child.stderr()).not.toMatch(/pa55word|secretkey|secretvalue/)
  })
})

describe('what cannot start', () => {
  test('a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const {port} = other.address() as {port: number}
    const {exit, stdout, stderr} = await kv(['node', 'start', '--port', String(port), '--log-level', 'silent'])
    other.close()
    expect({exit, stdout}).toEqual({exit: 1, stdout: ''})
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toContain(String(port))
  })

  test('an address that is not ours', async () => {
    const {exit, stdout} = await kv(['node', 'start', '--host', '192.0.2.1', '--port', '0', '--json'])
    expect(exit).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({error: {code: 'E_ADDRESS'}})
  })

  test('a data dir that a running node uses', async () => {
    const dir = tempDir('in-use')
    const {child} = await start(['--data-dir', dir.path])
    const {exit, stdout} = await kv(['node', 'start', '--port', '0', '--data-dir', dir.path, '--json'])
    await child.stop()
    dir.remove()
    expect(exit).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({error: {code: 'E_DATA_DIR_IN_USE'}})
  })

  test('a data dir that cannot be made', async () => {
    const dir = tempDir('no-dir')
    writeFileSync(`${dir.path}/file`, '')
    const {exit, stdout} = await kv(['node', 'start', '--port', '0', '--data-dir', `${dir.path}/file/data`, '--json'])
    dir.remove()
    expect(exit).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({error: {code: 'E_DATA_DIR'}})
  })

  test('a savefile that is none', async () => {
    const dir = tempDir('bad-save')
    const path = `${dir.path}/kv.save`
    writeFileSync(path, 'REDIS0011 this is somebody else\u2019s file')
    const {exit, stdout} = await kv(['node', 'start', '--port', '0', '--save-file', path, '--json'])
    expect(exit).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({error: {code: 'E_SAVEFILE'}})
    expect(readFileSync(path, 'utf8')).toContain('somebody else')
    dir.remove()
  })

  test('a password file that holds nothing', async () => {
    const dir = tempDir('password')
    mkdirSync(dir.path, {recursive: true})
    writeFileSync(`${dir.path}/empty`, '\nsecond line')
    const {exit, stderr} = await kv(['node', 'start', '--port', '0', '--password-file', `${dir.path}/empty`])
    dir.remove()
    expect(exit).toBe(2)
    expect(stderr).toContain('The first line of the password file')
  })
})
