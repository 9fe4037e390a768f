/** redis-py's RedisCluster, run as a script by the system's Python. */
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {run} from '../../support/child.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess} from '../../support/subject.ts'

let server: TestServer
beforeAll(async () => {
  server = await startSubjectProcess()
})
afterAll(() => server?.stop())

describe('redis-py RedisCluster, unchanged', () => {
  it('does its work', async () => {
    const script = fileURLToPath(new URL('./redis_py.py', import.meta.url))
    const done = await run('/usr/bin/python3', [script, server.host, String(server.port)])
    expect(done.stderr).toBe('')
    expect(done.stdout.trim().split('\n').at(-1)).toBe('done')
    expect(done.exit).toBe(0)
  })

  it('fails when the server is not there', async () => {
    const script = fileURLToPath(new URL('./redis_py.py', import.meta.url))
    expect((await run('/usr/bin/python3', [script, server.host, '1'])).exit).not.toBe(0)
  })
})
