/** No process survives its tester, whatever happens to it; what survives a tester and its guardian is found by the next run, and nothing else is touched. */
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {endLeftovers, findLeftovers} from '../../../src/chaos/drivers/leftovers.ts'
import {Processes} from '../../../src/chaos/drivers/processes.ts'
import {startChild, type Child} from '../../support/child.ts'
import {nodeBinary} from '../../support/kv.ts'
import {tempDir} from '../../support/temp.ts'
import {waitFor} from '../../support/wait.ts'

const TESTER = fileURLToPath(new URL('doomed-tester.ts', import.meta.url))
const IDLE = ['-e', 'console.log("up"); setInterval(() => undefined, 1000)']

const pidsOfTests: number[] = []
afterEach(() => {
  for (const pid of pidsOfTests.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

interface Doomed {
  readonly child: Child
  readonly pids: readonly number[]
  readonly guardian: number
}

async function startTester(folder: string): Promise<Doomed> {
  const child = startChild(nodeBinary(), [TESTER, folder])
  const line = await waitFor('the tester has started all', () => {
    if (child.process.exitCode !== null) throw new Error(`it ended: ${child.stderr()}`)
    return child.stdout().includes('}') && child.stdout()
  })
  const said = JSON.parse(line) as {pids: number[]; guardian: number}
  pidsOfTests.push(...said.pids, said.guardian)
  expect([...said.pids, said.guardian].every(isAlive)).toBe(true)
  return {child, ...said}
}

test('a tester that is killed with -9 takes all with it, what is stopped by SIGSTOP too', async () => {
  const {path} = tempDir('doomed')
  const {child, pids, guardian} = await startTester(path)
  child.process.kill('SIGKILL')
  await waitFor('nothing is left', () => ![...pids, guardian].some(isAlive))
  expect(findLeftovers(path)).toEqual([])
})

test('if the guardian is killed first, the next run finds what is left, and ends it and nothing else', async () => {
  const {path} = tempDir('doomed')
  const {child, pids, guardian} = await startTester(path)
  const bystander = startChild(nodeBinary(), IDLE)
  onTestFinished(() => bystander.stop().then(() => undefined))
  process.kill(guardian, 'SIGKILL')
  child.process.kill('SIGKILL')
  await child.exited
  const left = findLeftovers(path)
  expect(left.map(({pid}) => pid).sort()).toEqual([...pids].sort())
  expect(left.map(({name}) => name).sort()).toEqual(['n1', 'n2'])
  expect(left[0]!.command).toContain('setInterval')
  endLeftovers(path)
  await waitFor('they are gone', () => !pids.some(isAlive))
  expect(findLeftovers(path)).toEqual([])
  expect(readdirSync(join(path, 'pids'))).toEqual([])
  expect(isAlive(bystander.pid)).toBe(true)
})

test('files of a run whose processes are gone, or that are no such files, name nobody', () => {
  const {path} = tempDir('leftovers')
  expect(findLeftovers(path)).toEqual([])
  mkdirSync(join(path, 'pids'))
  writeFileSync(join(path, 'pids', 'n1.json'), JSON.stringify({name: 'n1', token: 'of a run long ago'}))
  writeFileSync(join(path, 'pids', 'n2.json'), '{"name": "n2", "token": ""}')
  writeFileSync(join(path, 'pids', 'n3.json'), 'nothing')
  expect(findLeftovers(path)).toEqual([])
})

test('the end of a run ends all of its processes and files, and starts nothing more', async () => {
  const {path} = tempDir('run')
  const processes = new Processes(path)
  await processes.begin()
  const running = processes.start({name: 'n1', command: nodeBinary(), args: IDLE})
  expect(await running.line((line) => line)).toBe('up')
  expect(readdirSync(join(path, 'pids'))).toEqual(['n1.json'])
  processes.freeze()
  await processes.end()
  expect(running.exit).toEqual({code: null, signal: 'SIGKILL'})
  expect(isAlive(running.pid)).toBe(false)
  expect(readdirSync(join(path, 'pids'))).toEqual([])
  expect(() => processes.start({name: 'n1', command: nodeBinary(), args: IDLE})).toThrow('the run is over')
  await processes.end()
})

test('a program that is not there ends at once', async () => {
  const {path} = tempDir('run')
  const processes = new Processes(path)
  await processes.begin()
  onTestFinished(() => processes.end())
  const running = processes.start({name: 'n1', command: join(path, 'missing'), args: []})
  expect(await running.exited).toEqual({code: 1, signal: null})
  expect(await running.line((line) => line)).toBeUndefined()
})
