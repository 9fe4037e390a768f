/** The checker in its thread: what it is given is checked, what is wrong is told without asking, and its death is not silent. */
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {afterEach, expect, test} from 'vitest'
import {CheckerClient} from '../../src/chaos/checker-client.ts'
import {CHECKER_BATCH_OPERATIONS} from '../../src/constants.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {tempDir} from '../support/temp.ts'
import type {Finding, Operation} from '../../src/checker/history.ts'

const clients: CheckerClient[] = []

function start(...args: ConstructorParameters<typeof CheckerClient>): CheckerClient {
  const client = new CheckerClient(...args)
  clients.push(client)
  return client
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()))
})

let stamp = 0
function operation(kind: 'read' | 'write', key: string, value: string | null): Operation {
  return {rule: 'register', key, kind, value, start: ++stamp, end: ++stamp, hasFailed: false}
}

/** A file with this in it, for the thread. */
function threadOf(source: string): URL {
  const file = join(tempDir('checker').path, 'thread.mjs')
  writeFileSync(file, source)
  return pathToFileURL(file)
}

test('all that it takes is checked, in batches and at the end', async () => {
  const client = start()
  const count = 2 * CHECKER_BATCH_OPERATIONS + 10
  for (let i = 0; i < count / 2; i++) {
    client.take(operation('write', `k${i % 5}`, `v${i}`))
    client.take(operation('read', `k${i % 5}`, `v${i}`))
    client.advance(stamp)
  }
  expect(client.behind).toBe(count)
  const {totals, findings} = await client.finish()
  expect(findings).toEqual([])
  expect(totals).toMatchObject({ok: count, reads: count / 2, undecided: 0, findings: 0})
  expect(client.behind).toBe(0)
  expect(client.behindMost).toBe(count)
  expect(client.heapBytes).toBeGreaterThan(1_000_000)
})

test('it works as it was built, too', async () => {
  const built = pathToFileURL(`${REPO_ROOT}dist/src/chaos/checker-client.js`).href
  const {CheckerClient: Built} = (await import(built)) as {CheckerClient: typeof CheckerClient}
  const client = new Built()
  client.take(operation('write', 'k', 'a'))
  expect((await client.finish()).totals.ok).toBe(1)
})

test('a wrong answer is told before anybody asks, with the operations that show it', async () => {
  const {promise, resolve} = Promise.withResolvers<Finding>()
  const client = start({onFinding: resolve})
  client.take(operation('write', 'k', 'a'))
  client.take(operation('write', 'k', 'b'))
  client.take(operation('read', 'k', 'a'))
  const finding = await promise
  expect(finding.reason).toBe('a was seen after b had taken its place')
  expect(finding.operations.map(({kind, value}) => `${kind} ${String(value)}`)).toEqual([
    'write a',
    'write b',
    'read a',
  ])
  expect(finding.culprits).toEqual([0, 1, 2])
  expect((await client.finish()).findings).toEqual([finding])
})

test('a thread that throws is told at once, and finish rejects', async () => {
  const {promise, resolve} = Promise.withResolvers<Error>()
  const client = start({onFailure: resolve})
  client.take(operation('write', 'k', 'a'))
  client.take(operation('write', 'k', 'a'))
  expect((await promise).message).toContain('values are unique')
  await expect(client.finish()).rejects.toThrow('values are unique')
})

test('a thread that ends by itself is a failure too', async () => {
  const {promise, resolve} = Promise.withResolvers<Error>()
  start({onFailure: resolve}, threadOf('process.exit(0)'))
  expect((await promise).message).toContain('ended by itself')
})

test('a thread that dies while all is being checked makes finish reject', async () => {
  const source = "import {parentPort} from 'node:worker_threads'\nparentPort.on('message', () => process.exit(7))"
  const client = start({}, threadOf(source))
  await expect(client.finish()).rejects.toThrow('ended by itself (7)')
})

test('a client that is ended tells no failure', async () => {
  const failures: Error[] = []
  const client = start({onFailure: (error) => failures.push(error)})
  client.take(operation('write', 'k', 'a'))
  await client.end()
  await client.end()
  await expect(client.finish()).rejects.toThrow('stopped')
  expect(failures).toEqual([])
})
