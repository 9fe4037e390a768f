import {once} from 'node:events'
import {existsSync, rmSync} from 'node:fs'
import {createServer} from 'node:net'
import {afterEach, describe, expect, test} from 'vitest'
import {demoLines} from '../../src/cli/demo.ts'
import type {Child} from '../support/child.ts'
import {freePort} from '../support/ports.ts'
import {waitFor} from '../support/wait.ts'
import {hasEscapes, kv, shell, startKv} from './kv-command.ts'

const children: Child[] = []
/** Detached nodes outlive their parents, so a test that fails half-way must not leave them to the machine. */
const detached: number[] = []
afterEach(async () => {
  for (const pid of detached.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  for (const child of children.splice(0)) await child.stop()
})

interface DemoJson {
  readonly nodes: readonly {
    readonly name: string
    readonly address: string
    readonly pid: number
    readonly bucketCount: number
  }[]
  readonly try: readonly string[]
  readonly logFile?: string
  readonly logDir?: string
}

async function startDemo(port: number, flags: readonly string[] = []): Promise<{child: Child; demo: DemoJson}> {
  const child = startKv(['cluster', 'demo', '--port', String(port), '--json', ...flags])
  children.push(child)
  const text = await waitFor('the demo is ready', () => {
    if (child.process.exitCode !== null) throw new Error(`it ended:\n${child.stdout()}${child.stderr()}`)
    return child.stdout().includes('\n') && child.stdout()
  })
  return {child, demo: JSON.parse(text) as DemoJson}
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('kv cluster demo', () => {
  test('starts nodes that share every bucket, and Ctrl-C takes them away', async () => {
    const port = await freePort()
    const {child, demo} = await startDemo(port)
    expect(demo.nodes).toMatchObject([{name: 'n1', address: `127.0.0.1:${port}`}, {name: 'n2'}, {name: 'n3'}])
    expect(demo.nodes.map(({bucketCount}) => bucketCount).sort()).toEqual([5461, 5461, 5462])
    expect((await kv(['exec', '-n', `:${port}`, 'SET', 'a', '1'])).stdout).toBe('OK\n')
    child.process.kill('SIGINT')
    expect(await child.exited).toBe(0)
    for (const {pid} of demo.nodes) expect(isAlive(pid)).toBe(false)
  })

  test('the three lines that it prints work as they stand', async () => {
    const {demo} = await startDemo(await freePort())
    const outputs = []
    for (const line of demo.try) outputs.push((await shell(line)).stdout)
    expect(outputs).toEqual(['OK\n', 'hello, world\n', '1\n'])
  })

  test('a demo that is killed without a word leaves no node behind', async () => {
    const {child, demo} = await startDemo(await freePort())
    child.process.kill('SIGKILL')
    await waitFor('the nodes are gone', () => !demo.nodes.some(({pid}) => isAlive(pid)), {timeoutMs: 30_000})
  })

  test('--detach returns at once, and kv node stop ends it', async () => {
    const port = await freePort()
    const args = ['cluster', 'demo', '--nodes', '1', '--port', String(port), '--detach', '--json']
    const {exit, stdout} = await kv(args)
    expect(exit).toBe(0)
    const demo = JSON.parse(stdout) as DemoJson
    detached.push(demo.nodes[0]!.pid)
    expect((await kv(['exec', '-n', `:${port}`, 'SET', 'a', '1'])).stdout).toBe('OK\n')
    expect(await kv(['node', 'stop', `:${port}`, '--yes'])).toMatchObject({exit: 0})
    await waitFor('the node is gone', () => !isAlive(demo.nodes[0]!.pid))
    expect(existsSync(demo.logFile!)).toBe(true)
    rmSync(demo.logFile!)
  })

  test('with --log-node every change can be watched, and the files go with the demo', async () => {
    const {child, demo} = await startDemo(await freePort(), ['--log-node'])
    expect(demo.nodes.map(({name}) => name)).toEqual(['n1', 'n2', 'n3', 'log'])
    expect((await shell(demo.try[0]!)).stdout).toBe('OK\n')
    const tail = demo.try.at(-1)!.replace(' -f', '')
    await waitFor('the change is in the log', async () =>
      /set "greeting" "hello, world"/.test((await shell(tail)).stdout) ? true : undefined,
    )
    child.process.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    expect(existsSync(demo.logDir!)).toBe(false)
  })

  test('for a person: a table, lines to paste, how to end it; no colour into a pipe', async () => {
    const port = await freePort()
    const child = startKv(['cluster', 'demo', '--port', String(port)])
    children.push(child)
    await waitFor('the demo is ready', () => child.stdout().includes('Ctrl-C'))
    child.process.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    const text = child.stdout()
    expect(text).toMatch(/NODE +ADDRESS +ID +BUCKETS +PID\n +n1 +127\.0\.0\.1:\d+ +[0-9a-f]{8} +5,46\d of 16,384 +\d+/)
    for (const line of demoLines({host: '127.0.0.1', port}, './bin/kv')) expect(text).toContain(`  ${line}\n`)
    expect(hasEscapes(text)).toBe(false)
  })

  test('a port that is taken is refused in one line', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const {port} = other.address() as {port: number}
    const {exit, stdout, stderr} = await kv(['cluster', 'demo', '--port', String(port)])
    other.close()
    expect({exit, stdout}).toEqual({exit: 1, stdout: ''})
    expect(stderr).toContain(String(port))
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})
