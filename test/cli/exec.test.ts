import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import Exec from '../../commands/exec.ts'
import {EXEC_VALUE_FLAGS, shieldExecArguments} from '../../src/cli/argv.ts'
import {freePort} from '../support/ports.ts'
import {startRedis} from '../support/redis.ts'
import type {TestServer} from '../support/server.ts'
import {startScriptedServer} from '../client/scripted-server.ts'
import {kv, kvOnTerminal, shell} from './kv-command.ts'

let server: TestServer
let env: {KV_NODE: string}

beforeAll(async () => {
  server = await startRedis()
  env = {KV_NODE: `127.0.0.1:${server.port}`}
})
afterAll(() => server.stop())

const exec = (...args: string[]): ReturnType<typeof kv> => kv(['exec', ...args], {env})

describe('output', () => {
  test('into a pipe: bare bytes and a line end', async () => {
    expect(await exec('SET', 'greeting', 'hello, world')).toEqual({exit: 0, stdout: 'OK\n', stderr: ''})
    expect((await exec('GET', 'greeting')).stdout).toBe('hello, world\n')
    expect((await exec('GET', 'nothing')).stdout).toBe('\n')
    await exec('HSET', 'user', 'name', 'ada', 'age', '36')
    expect((await exec('HGETALL', 'user')).stdout).toBe('name\nada\nage\n36\n')
  })

  test('on a terminal: types and numbers', async () => {
    await exec('HSET', 'typed', 'name', 'a"b', 'n', '1')
    const {stdout} = await kvOnTerminal(['exec', 'HGETALL', 'typed'], env)
    expect(stdout.replaceAll('\r', '')).toBe('1# "name" => "a\\"b"\n2# "n" => "1"\n')
    expect((await kvOnTerminal(['exec', '--raw', 'GET', 'nothing'], env)).stdout).toBe('\r\n')
    expect((await exec('--no-raw', 'GET', 'nothing')).stdout).toBe('(nil)\n')
  })

  test('--json: the reply and who gave it', async () => {
    await exec('HSET', 'json', 'name', 'ada')
    expect(JSON.parse((await exec('--json', 'HGETALL', 'json')).stdout)).toEqual({
      reply: {name: 'ada'},
      node: env.KV_NODE,
    })
    expect(JSON.parse((await exec('--json', 'GET', 'nothing')).stdout)).toMatchObject({reply: null})
    expect(JSON.parse((await exec('--json', 'KEYS', 'nothing*')).stdout)).toMatchObject({reply: []})
  })

  test('an error reply goes to stderr and exits 1', async () => {
    await exec('SET', 'text', 'abc')
    expect(await exec('INCR', 'text')).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'kv: ERR value is not an integer or out of range\n',
    })
    expect(JSON.parse((await exec('--json', 'INCR', 'text')).stdout)).toMatchObject({
      error: {code: 'E_REPLY', exitCode: 1},
    })
  })
})

describe('arguments are passed on as they stand', () => {
  test.each([
    ['a negative number', '-5'],
    ['what looks like help', '--help'],
    ['what looks like our flag', '--json'],
    ['what looks like our flag with a value', '--node=x:1'],
    ['a dash alone', '-'],
    ['two dashes alone', '--'],
    ['nothing', ''],
    ['blanks and quotes', ` "a' b`],
    ['other scripts', 'ключ 鍵 🔑'],
  ])('%s', async (_name, value) => {
    expect(await exec('SET', 'passed', value)).toMatchObject({exit: 0, stdout: 'OK\n'})
    expect((await exec('GET', 'passed')).stdout).toBe(`${value}\n`)
  })

  test('repeated arguments keep their order', async () => {
    await exec('MSET', '{t}a', '1', '{t}b', '1', '{t}c', '2')
    expect((await exec('MGET', '{t}a', '{t}b', '{t}c', '{t}a')).stdout).toBe('1\n1\n2\n1\n')
  })

  test('-x takes the last one from stdin, every byte of it', async () => {
    const bytes = Buffer.from([0, 1, 0x0d, 0x0a, 0xff, 0xfe, 0x0a])
    expect(await kv(['exec', '-x', 'SET', 'bytes'], {env, input: bytes})).toMatchObject({exit: 0})
    const {stdout} = await exec('--json', 'GET', 'bytes')
    expect(JSON.parse(stdout)).toMatchObject({reply: {base64: bytes.toString('base64')}})
    const hex = await shell('./bin/kv exec GET bytes | od -An -tx1', env)
    expect(hex.stdout.trim()).toBe('00 01 0d 0a ff fe 0a 0a')
  })

  test('stdin is left alone without -x', async () => {
    expect(await kv(['exec', 'GET'], {env, input: 'greeting'})).toMatchObject({exit: 1})
  })

  test('the flags that take a value are those of the command', () => {
    const names = Object.entries(Exec.flags).flatMap(([name, flag]) => {
      if (flag.type !== 'option') return []
      return 'char' in flag && flag.char ? [`--${name}`, `-${flag.char}`] : [`--${name}`]
    })
    expect(new Set(EXEC_VALUE_FLAGS)).toEqual(new Set(names))
  })

  test('-- is put before the data command only', () => {
    expect(shieldExecArguments(['exec', 'GET', 'a'])).toEqual(['exec', '--', 'GET', 'a'])
    expect(shieldExecArguments(['exec', '-n', 'h:1', '--json', 'GET', '-x'])).toEqual([
      'exec',
      '-n',
      'h:1',
      '--json',
      '--',
      'GET',
      '-x',
    ])
    expect(shieldExecArguments(['exec', '--', 'GET', '--'])).toEqual(['exec', '--', 'GET', '--'])
    expect(shieldExecArguments(['exec', '--help'])).toEqual(['exec', '--help'])
    expect(shieldExecArguments(['node', 'start', 'x'])).toEqual(['node', 'start', 'x'])
  })
})

describe('reaching a node', () => {
  test('exits 5 when nothing listens', async () => {
    const address = `127.0.0.1:${await freePort()}`
    const {exit, stderr} = await kv(['exec', '-n', address, 'PING'])
    expect(exit).toBe(5)
    expect(stderr).toContain(
      `Cannot connect to ${address}: nothing listens there. Start a node with \`./bin/kv node start\``,
    )
  })

  test('exits 124 when no reply comes in time, and says that it may still happen', async () => {
    const silent = await startScriptedServer(([name]) => (name === 'CLUSTER' ? '*0\r\n' : undefined))
    const address = `127.0.0.1:${silent.address.port}`
    const {exit, stderr} = await kv(['exec', '-n', address, '--timeout', '200ms', 'INCR', 'a'])
    await silent.stop()
    expect(exit).toBe(124)
    expect(stderr).toContain('did not answer within 200 ms. It may still be carried out later.')
  })

  test('follows MOVED to where the key lives', async () => {
    const moved = await startScriptedServer(([name]) => {
      if (name === 'CLUSTER') return '*0\r\n'
      return name === 'SET' ? `-MOVED 1 127.0.0.1:${server.port}\r\n` : undefined
    })
    const {stdout} = await kv(['exec', '--json', '-n', `127.0.0.1:${moved.address.port}`, 'SET', 'away', '1'])
    await moved.stop()
    expect(JSON.parse(stdout)).toEqual({reply: 'OK', node: env.KV_NODE})
  })

  test('asks for a password only in a way that nobody else can read', async () => {
    const locked = await startScriptedServer(([name, _version, _auth, _user, password]) => {
      if (name === 'HELLO' && password === undefined)
        return '-NOAUTH HELLO must be called with the client authenticated\r\n'
      if (name === 'HELLO' && password !== 'secret') return '-WRONGPASS invalid username-password pair\r\n'
      return name === 'CLUSTER' ? '*0\r\n' : name === 'PING' ? '+PONG\r\n' : undefined
    })
    const address = `127.0.0.1:${locked.address.port}`
    const without = await kv(['exec', '-n', address, 'PING'])
    expect(without).toMatchObject({exit: 1, stdout: ''})
    expect(without.stderr).toContain('The node wants a password.')
    const wrong = await kv(['exec', '-n', address, 'PING'], {env: {KV_PASSWORD: 'guess'}})
    expect(wrong.stderr).toContain('does not accept this password')
    const right = await kv(['exec', '-n', address, 'PING'], {env: {KV_PASSWORD: 'secret'}})
    expect(right).toMatchObject({exit: 0, stdout: 'PONG\n'})
    await locked.stop()
  })
})
