/** redis-cli as people use it: one command, a pipe of commands, mass insertion, and its independent cluster check. */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {run, type Finished} from '../../support/child.ts'
import {encodeCommand} from '../../support/raw-connection.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess} from '../../support/subject.ts'

let server: TestServer
beforeAll(async () => {
  server = await startSubjectProcess()
})
afterAll(() => server?.stop())

const cli = (args: readonly string[], input?: string | Uint8Array): Promise<Finished> =>
  run('redis-cli', ['-h', server.host, '-p', String(server.port), ...args], input === undefined ? {} : {input})

describe('redis-cli, unchanged', () => {
  it('one command', async () => {
    expect(await cli(['SET', 'k', 'v'])).toEqual({exit: 0, stdout: 'OK\n', stderr: ''})
    expect((await cli(['-c', 'GET', 'k'])).stdout).toBe('v\n')
    expect((await cli(['-3', 'HSET', 'h', 'f', 'v'])).stdout).toBe('1\n')
    expect((await cli(['-3', 'HGETALL', 'h'])).stdout).toBe('f v\n')
    expect((await cli(['--json', 'HGETALL', 'h'])).stdout).toBe('{"f":"v"}\n')
    expect((await cli(['-e', 'NOSUCH'])).exit).toBe(1)
    expect((await cli(['NOSUCH', 'a'])).stdout).toContain("ERR unknown command 'NOSUCH', with args beginning with: 'a'")
  })

  it('a value from stdin', async () => {
    expect((await cli(['-x', 'SET', 'stdin'], Buffer.from([0xff, 0x00, 0x0a]))).stdout).toBe('OK\n')
    expect((await cli(['STRLEN', 'stdin'])).stdout).toBe('3\n')
  })

  it('a session of commands in a pipe', async () => {
    const session = [
      'FLUSHALL',
      'SET greeting "hello world"',
      'GET greeting',
      'HSET user:1 name Ann age 30',
      'HGETALL user:1',
      'EXPIRE greeting 100',
      'TTL greeting',
      'MULTI',
      'INCR {t}n',
      'INCR {t}n',
      'EXEC',
      'SCAN 0 MATCH user:* COUNT 100000',
      'CLIENT SETNAME me',
      'CLIENT GETNAME',
      'GET',
      'DEL greeting user:1 extra',
    ]
    const {stdout, exit} = await cli([], `${session.join('\n')}\n`)
    expect(exit).toBe(0)
    expect(stdout.trim().split('\n')).toEqual([
      ...['OK', 'OK', 'hello world', '2', 'name', 'Ann', 'age', '30', '1', '100', 'OK', 'QUEUED', 'QUEUED', '1', '2'],
      ...['0', 'user:1', 'OK', 'me', "ERR wrong number of arguments for 'get' command", ''],
      "CROSSSLOT Keys in request don't hash to the same slot",
    ])
  })

  it('mass insertion with --pipe', async () => {
    await cli(['FLUSHALL'])
    const requests = Array.from({length: 5_000}, (_, i) => encodeCommand(['SET', `pipe:${i}`, i]))
    const done = await cli(['--pipe'], Buffer.concat(requests))
    expect(done.stdout).toContain('errors: 0, replies: 5000')
    expect(done.exit).toBe(0)
    expect((await cli(['DBSIZE'])).stdout).toBe('5000\n')
  })

  it('scans, counts, and looks for big keys', async () => {
    const scanned = await cli(['--scan', '--pattern', 'pipe:49*'])
    expect(scanned.stdout.trim().split('\n')).toHaveLength(111)
    const big = await cli(['--bigkeys'])
    expect(big.stdout).toContain('5000 keys')
    expect(big.exit).toBe(0)
    const memory = await cli(['--memkeys'])
    expect(memory.exit).toBe(0)
  })

  it('--cluster check finds every slot covered and agreed', async () => {
    const done = await cli(['--cluster', 'check', `${server.host}:${server.port}`])
    expect(done.stdout).toContain('[OK] All nodes agree about slots configuration.')
    expect(done.stdout).toContain('[OK] All 16384 slots covered.')
    expect(done.exit).toBe(0)
  })

  it('--cluster info and call', async () => {
    const address = `${server.host}:${server.port}`
    const info = await cli(['--cluster', 'info', address])
    expect(info.stdout).toContain('5000 keys in 1 masters')
    const called = await cli(['--cluster', 'call', address, 'PING'])
    expect(called.stdout).toContain('PONG')
  })
})
