/** A C program on libhiredis, compiled here. */
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {run} from '../../support/child.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess} from '../../support/subject.ts'
import {tempDir} from '../../support/temp.ts'

const dir = tempDir('hiredis')
const program = `${dir.path}/client`
let server: TestServer

beforeAll(async () => {
  const source = fileURLToPath(new URL('./hiredis_client.c', import.meta.url))
  const compiled = await run('gcc', ['-O1', '-Wall', '-Werror', '-o', program, source, '-lhiredis'])
  expect(compiled.stderr).toBe('')
  expect(compiled.exit).toBe(0)
  server = await startSubjectProcess()
})
afterAll(async () => {
  await server?.stop()
  dir.remove()
})

describe('a C program on libhiredis, unchanged', () => {
  it('does its work', async () => {
    const done = await run(program, [server.host, String(server.port)])
    expect(done.stderr).toBe('')
    expect(done).toEqual({exit: 0, stdout: 'done\n', stderr: ''})
  })

  it('fails when the server is not there', async () => {
    expect((await run(program, [server.host, '1'])).exit).toBe(1)
  })
})
