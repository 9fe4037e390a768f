/** What `kv log start` and `kv log replay` refuse, or cannot go on with: each says what is wrong in its last line, and ends with its own exit code. */
import {rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {Connection} from '../../src/client/connection.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {run, type Finished} from '../support/child.ts'
import {freePort} from '../support/ports.ts'
import {tempDir} from '../support/temp.ts'
import {kv} from '../cli/kv-command.ts'
import {addLogNode, addressOf, kvLog, type LogNode} from './log-node.ts'
import {ProcessCluster} from './processes.ts'

const folder = tempDir('refused').path
const dir = join(folder, 'log')
let cluster: ProcessCluster
let other: ProcessCluster
let log: LogNode

beforeAll(async () => {
  ;[cluster, other] = await Promise.all([ProcessCluster.start(1), ProcessCluster.start(1)])
  await cluster.settled(1)
  log = await addLogNode(cluster, dir)
})

afterAll(async () => {
  await Promise.all([cluster.stop(), other.stop()])
})

function seed(nodes: ProcessCluster): string {
  return addressOf(nodes.nodes[0]!.port)
}

async function startLog(...flags: string[]): Promise<Finished> {
  return kv(['log', 'start', '--port', `${await freePort()}`, '--log-level', 'silent', ...flags])
}

/** As `startLog`, by a process that can write no file beyond so many blocks of 1 KB: as if the disk were full. */
async function startLogInRoom(blocks: number, ...flags: string[]): Promise<Finished> {
  const words = ['log', 'start', '--port', `${await freePort()}`, ...flags]
  const line = `trap '' XFSZ; ulimit -f ${blocks}; exec ./bin/kv "$@"`
  return run('bash', ['-c', line, 'kv', ...words], {cwd: REPO_ROOT, timeoutMs: 60_000})
}

function refusal(exit: number, words: string): object {
  return {exit, stdout: '', stderr: expect.stringContaining(words)}
}

it('a first start without --join', async () => {
  expect(await startLog('--dir', join(folder, 'fresh'))).toMatchObject(refusal(5, 'Name one of its nodes with --join'))
})

it('a folder that a running log node writes', async () => {
  const second = await startLog('--dir', dir, '--join', seed(cluster))
  expect(second).toMatchObject(refusal(1, 'running'))
  expect(second.stderr).toContain(dir)
})

it('a folder that cannot be made', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  expect(await startLog('--dir', join(file, 'log'), '--join', seed(cluster))).toMatchObject(
    refusal(1, 'not a directory'),
  )
})

it('a disk that is full from the start', async () => {
  const full = await startLogInRoom(0, '--dir', join(folder, 'full'), '--join', seed(cluster))
  expect(full).toMatchObject(refusal(1, 'file too large (EFBIG)'))
})

it('a disk that becomes full: the log node stops, the cluster goes on', async () => {
  const ended = startLogInRoom(600, '--dir', join(folder, 'filling'), '--join', seed(cluster))
  const connection = await Connection.connect({host: '127.0.0.1', port: cluster.nodes[0]!.port})
  let isOver = false
  const finished = ended.finally(() => (isOver = true))
  const value = 'x'.repeat(10_000)
  for (let i = 0; !isOver; i++) expect(await connection.call(['SET', `filling:${i % 10}`, value])).toBe('OK')
  expect(await finished).toMatchObject({exit: 1, stderr: expect.stringContaining('file too large (EFBIG)')})
  expect(await connection.call(['SET', 'after', '1'])).toBe('OK')
  connection.close()
})

it('a replay to a target that is not empty, or not there', async () => {
  const full = await kvLog('replay', dir, '--to', seed(cluster))
  expect(full).toMatchObject(refusal(1, 'The target is not empty'))
  expect(full.stderr).toContain('--mode overwrite')
  const port = await freePort()
  expect(await kvLog('replay', dir, '--to', addressOf(port))).toMatchObject(refusal(5, `127.0.0.1:${port}`))
})

it('the folder of a log of another cluster', async () => {
  expect(await log.stop()).toBe(0)
  const asMember = await startLog('--dir', dir, '--join', seed(other))
  expect(asMember).toMatchObject(refusal(5, 'it is of cluster'))
  // The files say so as well, without what the node itself remembers.
  rmSync(join(dir, 'node'), {recursive: true})
  const asStranger = await startLog('--dir', dir, '--join', seed(other))
  expect(asStranger).toMatchObject(refusal(5, 'it is of cluster'))
  const {members} = await other.linked((link) => link.state())
  expect(members).toHaveLength(1)
})
