/** What can be wrong when a node starts: its data dir, its port, its host. Each is one error with a cause and a cure. */
import {chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {once} from 'node:events'
import {join} from 'node:path'
import {describe, expect, it, onTestFinished} from 'vitest'
import {DataDir} from '../../src/node/data-dir.ts'
import {run, startChild} from '../support/child.ts'
import {nodeBinary} from '../support/kv.ts'
import {waitFor} from '../support/wait.ts'
import {makeFolder} from './folder.ts'
import {connectTo, HOST, liveNode, nodeChild, refusalOf} from './live-node.ts'

const NOBODY = 65_534

describe('the data dir', () => {
  it('is made, keeps the id, and is given back at the end', async () => {
    const dataDir = join(makeFolder(), 'made', 'for', 'us')
    const node = await liveNode({dataDir})
    expect(node.nodeId).toMatch(/^[0-9a-f]{40}$/)
    expect(await (await connectTo(node)).call('CLUSTER', 'MYID')).toContain(node.nodeId)
    expect(readdirSync(dataDir).sort()).toEqual(['lock', 'node.json', 'raft'])
    await node.stop('test')
    expect(readdirSync(dataDir)).toEqual(['node.json'])
    expect((await liveNode({dataDir})).nodeId).toBe(node.nodeId)
  })

  it('in use by a running node, in this process or another: that is told, and nothing is touched', async () => {
    const dataDir = makeFolder()
    const child = await nodeChild({dataDir})
    const error = await refusalOf({dataDir})
    expect(error).toMatchObject({
      code: 'E_DATA_DIR_IN_USE',
      hint: 'stop that node, or start this one with another --data-dir',
    })
    expect(error.message).toBe(`the data dir ${dataDir} is in use by a running node (pid ${child.pid})`)
    expect(readdirSync(dataDir).sort()).toEqual(['lock', 'node.json', 'raft'])
    child.process.kill('SIGTERM')
    expect(await child.exited).toBe(0)
    await liveNode({dataDir})
    expect(await refusalOf({dataDir})).toMatchObject({code: 'E_DATA_DIR_IN_USE'})
  })

  it('of a node that was killed is taken over, with its id', async () => {
    const dataDir = makeFolder()
    const child = await nodeChild({dataDir})
    const id = await (await connectTo(child.port)).call('CLUSTER', 'MYID')
    child.process.kill('SIGKILL')
    await child.exited
    expect(readdirSync(dataDir).sort()).toEqual(['lock', 'node.json', 'raft'])
    const node = await liveNode({dataDir})
    expect(id).toContain(node.nodeId)
  })

  it('of a pid that belongs to another process now, or to a dead one, is taken over', async () => {
    const start = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]!
    // A zombie: killed, and its parent has not noticed.
    const zombie = startChild('/bin/sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'])
    onTestFinished(() => void zombie.process.kill('SIGKILL'))
    const pid = await waitFor('its child ends', () => {
      const dead = zombie.stdout().trim()
      return dead !== '' && readFileSync(`/proc/${dead}/stat`, 'utf8').includes(') Z ') && dead
    })
    const zombieStart = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]!
    for (const owner of [
      `${process.pid}-${Number(start) - 1}-abc`,
      '999999-5-abc',
      'not one of ours',
      `${pid}-${zombieStart}-abc`,
    ]) {
      const dataDir = makeFolder()
      mkdirSync(join(dataDir, 'lock'))
      writeFileSync(join(dataDir, 'lock', owner), '')
      const node = await liveNode({dataDir})
      expect(readdirSync(join(dataDir, 'lock')), owner).toHaveLength(1)
      expect(readdirSync(join(dataDir, 'lock'))).not.toContain(owner)
      await node.stop('next')
    }
    // The same start: it is we, and we live.
    const dataDir = makeFolder()
    mkdirSync(join(dataDir, 'lock'))
    writeFileSync(join(dataDir, 'lock', `${process.pid}-${start}-abc`), '')
    expect(await refusalOf({dataDir})).toMatchObject({code: 'E_DATA_DIR_IN_USE'})
  })

  it('leftovers of starters that crashed are removed, those of living ones are not', async () => {
    const dataDir = makeFolder()
    const start = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]!
    for (const name of ['lock.999999-5-abc', `lock.${process.pid}-${start}-def`]) mkdirSync(join(dataDir, name))
    await liveNode({dataDir})
    expect(readdirSync(dataDir).sort()).toEqual(['lock', `lock.${process.pid}-${start}-def`, 'node.json', 'raft'])
  })

  it('of several starters at once exactly one gets it, stale lock or none', async () => {
    for (let round = 0; round < 30; round++) {
      const path = makeFolder()
      if (round % 2 === 0) {
        mkdirSync(join(path, 'lock'))
        writeFileSync(join(path, 'lock', '999999-5-abc'), '')
      }
      const results = await Promise.allSettled(Array.from({length: 8}, () => DataDir.open(path)))
      const winners = results.filter((result) => result.status === 'fulfilled')
      expect(winners, `round ${round}`).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({code: 'E_DATA_DIR_IN_USE'})
      }
      await winners[0]!.value.release()
      expect(readdirSync(path)).toEqual(['node.json'])
    }
  })

  it('of several processes at once exactly one gets it', async () => {
    const path = makeFolder()
    mkdirSync(join(path, 'lock'))
    writeFileSync(join(path, 'lock', '999999-5-abc'), '')
    const module = new URL('../../src/node/data-dir.ts', import.meta.url).href
    // Each holds on until it is told to end, so that nobody wins after another has finished.
    const script = `
      const {DataDir} = await import(${JSON.stringify(module)})
      const wait = Number(process.argv[1]) - Date.now()
      await new Promise((resolve) => setTimeout(resolve, wait))
      try { await DataDir.open(${JSON.stringify(path)}); console.log('won') } catch (error) { console.log(error.code) }
      await new Promise((resolve) => setTimeout(resolve, 1500))`
    const at = String(Date.now() + 1200)
    const all = await Promise.all(
      Array.from({length: 4}, () => run(nodeBinary(), ['--input-type=module', '-e', script, at])),
    )
    expect(all.map((one) => one.stdout.trim()).sort()).toEqual([
      'E_DATA_DIR_IN_USE',
      'E_DATA_DIR_IN_USE',
      'E_DATA_DIR_IN_USE',
      'won',
    ])
  })

  it('that cannot be used is told with the reason and a cure', async () => {
    const folder = makeFolder()
    writeFileSync(join(folder, 'file'), '')
    const error = await refusalOf({dataDir: join(folder, 'file')})
    expect(error).toMatchObject({code: 'E_DATA_DIR', hint: expect.stringContaining('--data-dir') as string})
    expect(error.message).toMatch(/^the data dir .* cannot be used: .*\(EEXIST\)$/)
    expect((await refusalOf({dataDir: join(folder, 'file', 'below')})).message).toMatch(/\(ENOTDIR\)$/)
    mkdirSync(join(folder, 'dir'))
    writeFileSync(join(folder, 'dir', 'node.json'), '{"nodeId": "short"}')
    expect(await refusalOf({dataDir: join(folder, 'dir')})).toMatchObject({
      code: 'E_DATA_DIR',
      message: `${join(folder, 'dir', 'node.json')} does not hold a node id`,
    })
    expect(readdirSync(join(folder, 'dir'))).toEqual(['node.json'])
  })

  it('that may not be written by this user, too', async () => {
    const folder = makeFolder()
    chmodSync(folder, 0o555)
    const script = `
      const {DataDir} = await import(${JSON.stringify(new URL('../../src/node/data-dir.ts', import.meta.url).href)})
      // Root may write anywhere.
      if (process.getuid() === 0) process.setuid(${NOBODY})
      await DataDir.open(${JSON.stringify(folder)}).catch((error) => console.log(error.code, error.message))`
    const {stdout, stderr} = await run(nodeBinary(), ['--input-type=module', '-e', script])
    expect(stdout + stderr).toMatch(/^E_DATA_DIR the data dir .* cannot be used: permission denied \(EACCES\)/)
  })
})

describe('the port', () => {
  it('in use by another: told, nothing stays behind', async () => {
    const other = createServer().listen(0, HOST)
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const {port} = other.address() as {port: number}
    const dataDir = makeFolder()
    const error = await refusalOf({port, dataDir})
    expect(error).toMatchObject({code: 'E_PORT_IN_USE', message: `port ${port} is in use on ${HOST}`, exitCode: 1})
    expect(error.hint).toContain('--port')
    expect(readdirSync(dataDir)).toEqual(['node.json', 'raft'])
  })

  it('that is none: told', async () => {
    expect(await refusalOf({port: 70_000})).toMatchObject({code: 'E_ADDRESS'})
    expect(await refusalOf({port: -1})).toMatchObject({code: 'E_ADDRESS'})
  })
})

describe('the host', () => {
  it('that is not of this machine, or no host at all: told', async () => {
    const error = await refusalOf({host: '203.0.113.7'})
    expect(error).toMatchObject({code: 'E_ADDRESS', message: '203.0.113.7 is not an address of this machine'})
    expect(await refusalOf({host: 'no such host'})).toMatchObject({code: 'E_ADDRESS'})
    expect(await refusalOf({host: '999.1.1.1'})).toMatchObject({code: 'E_ADDRESS'})
  })

  it('that clients are told is the one they can use', async () => {
    const told = async (options: Parameters<typeof liveNode>[0]): Promise<string> => {
      const node = await liveNode(options)
      const text = await (await connectTo(node)).call('CLUSTER', 'NODES')
      await node.stop('next')
      return / (\S+)@/.exec(text)![1]!.replace(String(node.address.port), 'PORT')
    }
    expect(await told({})).toBe('127.0.0.1:PORT')
    expect(await told({host: '0.0.0.0'})).toBe('127.0.0.1:PORT')
    expect(await told({announce: 'kv.example'})).toBe('kv.example:PORT')
    expect(await told({announce: 'kv.example:7000'})).toBe('kv.example:7000')
    expect(await told({announce: '::1'})).toBe('::1:PORT')
    expect(await told({announce: '[2001:db8::1]:7000'})).toBe('2001:db8::1:7000')
  })
})
