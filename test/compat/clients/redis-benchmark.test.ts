/** redis-benchmark drives the server hard, on both kinds of connection, and must not see an error. */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {run} from '../../support/child.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess} from '../../support/subject.ts'

let server: TestServer
beforeAll(async () => {
  server = await startSubjectProcess()
})
afterAll(() => server?.stop())

async function benchmark(...args: string[]): Promise<string> {
  const done = await run('redis-benchmark', ['-h', server.host, '-p', String(server.port), '--csv', ...args])
  expect(`${done.stdout}${done.stderr}`).not.toMatch(/error|ERR|failed/i)
  expect(done.exit).toBe(0)
  return done.stdout
}

/** Names of the tests in the CSV, in order. */
function names(csv: string): string[] {
  return [...csv.matchAll(/^"(?!test")([^"]+)"/gm)].map((match) => match[1]!.replace(/ .*/, ''))
}

describe('redis-benchmark, unchanged', () => {
  it('one request at a time', async () => {
    expect(names(await benchmark('-t', 'ping,set,get,incr,mset,hset', '-n', '2000', '-c', '20'))).toEqual([
      ...['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'HSET', 'MSET'],
    ])
  })

  it('sixteen at a time, over many keys, RESP3', async () => {
    const csv = await benchmark('-t', 'set,get,hset', '-n', '50000', '-P', '16', '-r', '10000', '-d', '64', '-3')
    expect(names(csv)).toEqual(['SET', 'GET', 'HSET'])
  })

  it('--cluster reads the topology, and wants more than one node as it does with redis-server', async () => {
    const args = ['-h', server.host, '-p', String(server.port), '--cluster', '-t', 'set', '-n', '100']
    const done = await run('redis-benchmark', args)
    expect(done).toEqual({exit: 1, stdout: '', stderr: 'Invalid cluster: 1 node(s).\n'})
  })

  it('a command of our own', async () => {
    await benchmark('-n', '5000', '-P', '4', '-r', '1000', 'HSET', '{t}__rand_int__', 'field', 'value')
  })

  it('large values', async () => {
    await benchmark('-t', 'set,get', '-n', '500', '-d', '100000', '-P', '4')
  })
})
