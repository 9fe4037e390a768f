import {afterEach, describe, expect, test} from 'vitest'
import {stopNode, type StopResult} from '../../src/cli/stop-node.ts'
import {startScriptedServer, type ScriptedServer} from '../client/scripted-server.ts'
import {kv} from './kv-command.ts'

let server: ScriptedServer | undefined
afterEach(async () => {
  await server?.stop().catch(() => undefined)
  server = undefined
})

interface Behaviour {
  readonly keys?: number
  readonly saveFile?: string
  /** Its cluster: what is said of each member beside the node itself. */
  readonly others?: readonly object[]
  /** Answer to SHUTDOWN; without one the node obeys: it ends after a moment. */
  readonly shutdown?: string
  /** It obeys, but never ends. */
  readonly isStuck?: boolean
}

async function node({keys = 0, saveFile, others, shutdown, isStuck}: Behaviour): Promise<ScriptedServer> {
  server = await startScriptedServer(([name]) => {
    if (name === 'DBSIZE') return `:${keys}\r\n`
    if (name === 'CONFIG') return saveFile === undefined ? '%0\r\n' : `%1\r\n+save-file\r\n+${saveFile}\r\n`
    if (name === 'CLUSTER') return others ? bulk(stateWith(others)) : '-ERR unknown command\r\n'
    if (name !== 'SHUTDOWN') return undefined
    if (shutdown === undefined && !isStuck) setTimeout(() => void server?.stop(), 50)
    return shutdown
  })
  return server
}

function stateWith(others: readonly object[]): string {
  const members = [{id: 'a'}, ...others.map((other, i) => ({id: `b${i}`, ...other}))]
  return JSON.stringify({version: 1, self: 'a', members, ranges: [], moves: []})
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

function stop(target: ScriptedServer, isForced = false): Promise<StopResult> {
  return stopNode({address: target.address, password: undefined, isForced, timeoutMs: 1_000, onWait: () => {}})
}

const namesOf = (target: ScriptedServer): string[] => target.requests.map(([name]) => name!)

describe('stopping a node', () => {
  test('waits until it is gone', async () => {
    const target = await node({keys: 5, saveFile: '/data/kv.save'})
    const result = await stop(target)
    expect(result).toMatchObject({keys: 5, saveFile: '/data/kv.save'})
    expect(result.elapsedMs).toBeGreaterThanOrEqual(45)
    expect(namesOf(target)).toEqual(['HELLO', 'DBSIZE', 'CLUSTER', 'CONFIG', 'SHUTDOWN'])
  })

  test('an empty node needs no savefile', async () => {
    expect(await stop(await node({keys: 0}))).toMatchObject({keys: 0, saveFile: undefined})
  })

  test.each([
    [1, '1 key '],
    [12_345, '12,345 keys '],
  ])('%i keys without a savefile are not given up without --yes', async (keys, text) => {
    const target = await node({keys})
    await expect(stop(target)).rejects.toMatchObject({
      code: 'E_REFUSED',
      message: expect.stringContaining(text) as string,
    })
    expect(namesOf(target)).not.toContain('SHUTDOWN')
    expect(await stop(target, true)).toMatchObject({keys})
  })

  test('a node that leaves its keys to others needs no savefile, and writes none', async () => {
    const target = await node({keys: 5, saveFile: '/data/kv.save', others: [{}, {isVoterOnly: true}, {}]})
    expect(await stop(target)).toMatchObject({keys: 5, heirs: 2, saveFile: undefined})
  })

  test.each(['isDown', 'isLeaving', 'isVoterOnly'])('a node that %s takes nothing', async (state) => {
    await expect(stop(await node({keys: 5, others: [{[state]: true}]}))).rejects.toMatchObject({code: 'E_REFUSED'})
  })

  test('a savefile with an empty name is none', async () => {
    await expect(stop(await node({keys: 1, saveFile: ''}))).rejects.toMatchObject({code: 'E_REFUSED'})
  })

  test('a node that refuses says why', async () => {
    const target = await node({shutdown: '-ERR Errors trying to SHUTDOWN: disk full\r\n'})
    await expect(stop(target)).rejects.toMatchObject({
      code: 'E_REPLY',
      message: 'ERR Errors trying to SHUTDOWN: disk full',
    })
  })

  test('a node that does not end in time', async () => {
    await expect(stop(await node({isStuck: true}))).rejects.toMatchObject({code: 'E_TIMEOUT'})
  })
})

describe('kv node stop', () => {
  test('exit codes: 0 stopped, 6 refused, 5 nobody there, 124 too slow', async () => {
    const target = await node({keys: 2})
    const address = `127.0.0.1:${target.address.port}`
    const refused = await kv(['node', 'stop', address])
    expect(refused).toMatchObject({exit: 6, stdout: ''})
    expect(refused.stderr).toBe(
      `kv: ${address} holds 2 keys and has no savefile: stopping it loses them. Add --yes to stop it all the same.\n`,
    )
    const stopped = await kv(['node', 'stop', address, '--yes', '--json'])
    expect(stopped.exit).toBe(0)
    expect(JSON.parse(stopped.stdout)).toEqual({
      node: address,
      stopped: true,
      keys: 2,
      heirs: 0,
      saveFile: null,
      elapsedMs: expect.any(Number) as number,
    })
    expect(await kv(['node', 'stop', address])).toMatchObject({exit: 5})
    const stuck = await node({isStuck: true})
    expect(await kv(['node', 'stop', `:${stuck.address.port}`, '--timeout', '300ms'])).toMatchObject({exit: 124})
  })
})
