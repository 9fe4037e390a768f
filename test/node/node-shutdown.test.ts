/** The end of a node: one event whoever asks, replies for everybody, data saved or the stop called off. */
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import {join} from 'node:path'
import {describe, expect, it, onTestFinished} from 'vitest'
import {verifySavefile} from '../../src/node/savefile.ts'
import {encodeCommand, rawConnection} from '../support/raw-connection.ts'
import {sleep, waitFor, within} from '../support/wait.ts'
import {makeFolder} from './folder.ts'
import {connectTo, fill, HOST, liveNode, nodeChild} from './live-node.ts'
import type {NodeLog} from '../../src/node/log.ts'

const refusesConnections = async (port: number): Promise<boolean> =>
  rawConnection(port).then(
    (connection) => (connection.close(), false),
    () => true,
  )

describe('an orderly stop', () => {
  it('answers all that was sent before it, and saves exactly what was acknowledged', async () => {
    const saveFile = join(makeFolder(), 'data')
    const node = await liveNode({saveFile})
    const connections = await Promise.all(Array.from({length: 20}, () => connectTo(node)))
    const requests = Array.from({length: 300}, (_, i) => i)
    for (const [c, connection] of connections.entries()) {
      connection.write(Buffer.concat(requests.map((i) => encodeCommand(['SET', `k:${c}:${i}`, 'v']))))
    }
    const exit = await node.stop('test')
    expect(exit).toEqual({exitCode: 0, reason: 'test'})
    let acknowledged = 0
    for (const connection of connections) {
      const replies = (await connection.replies(300)).map(String)
      const refused = replies.filter((reply) => reply === '-CLUSTERDOWN The cluster is down\r\n').length
      acknowledged += replies.filter((reply) => reply === '+OK\r\n').length
      expect(refused + replies.filter((reply) => reply === '+OK\r\n').length).toBe(300)
      await connection.untilClosed()
    }
    expect(acknowledged).toBeGreaterThan(0)
    expect(await verifySavefile(saveFile)).toMatchObject({kind: 'final', keys: acknowledged})
    const again = await liveNode({saveFile})
    expect(again.keysLoaded).toBe(acknowledged)
  })

  it('fires once, whoever asks: everybody gets the same end', async () => {
    const log: string[] = []
    const note = (_: object, message: string): void => void log.push(message)
    const spy: NodeLog = {debug: note, info: note, warn: note, error: note}
    const node = await liveNode({saveFile: join(makeFolder(), 'data')}, spy)
    const [one, two] = [await connectTo(node), await connectTo(node)]
    await one.call('SET', 'k', 'v')
    one.write(encodeCommand(['SHUTDOWN']))
    two.write(encodeCommand(['SHUTDOWN']))
    const exit = await within(node.stopped, 3000, 'the end')
    expect(exit).toEqual({exitCode: 0, reason: 'SHUTDOWN'})
    expect(await node.stop('later')).toEqual(exit)
    // Redis closes without a word, too.
    expect([await one.untilClosed(), await two.untilClosed()].map(String)).toEqual(['', ''])
    expect(log.filter((line) => /serving|shutting|stopped/.test(line))).toEqual(['serving', 'shutting down', 'stopped'])
    expect(await refusesConnections(node.address.port)).toBe(true)
  })

  it('refuses new connections, serves reads to the last and holds writes', async () => {
    const saveFile = join(makeFolder(), 'data')
    const node = await liveNode({saveFile})
    const [client, other] = [await connectTo(node), await connectTo(node)]
    await fill(client, 60_000)
    const {port} = node.address
    const stopping = node.stop('test')
    await waitFor(
      'it writes the file',
      () => readdirSync(join(saveFile, '..')).some((name) => name.includes('.tmp-')),
      {intervalMs: 1},
    )
    expect(await refusesConnections(port)).toBe(true)
    // FLUSHALL has no key and is a write all the same; neither UNPAUSE nor a pause that ends lets it through.
    other.write(encodeCommand(['FLUSHALL']))
    client.write(
      Buffer.concat(
        [
          ['CLIENT', 'UNPAUSE'],
          ['CLIENT', 'PAUSE', '1'],
          ['CLIENT', 'UNPAUSE'],
          ['GET', 'key:1'],
          ['SET', 'late', 'v'],
        ].map(encodeCommand),
      ),
    )
    expect((await client.replies(4)).map((reply) => reply.toString('latin1', 0, 4))).toEqual([
      '+OK\r',
      '+OK\r',
      '+OK\r',
      '$100',
    ])
    expect(String(await client.reply())).toBe('-CLUSTERDOWN The cluster is down\r\n')
    expect(String(await other.reply())).toBe('-CLUSTERDOWN The cluster is down\r\n')
    expect((await stopping).exitCode).toBe(0)
    expect((await verifySavefile(saveFile)).keys).toBe(60_000)
  })

  it('lets go of a client that keeps its side open', async () => {
    const node = await liveNode()
    const socket = connect({port: node.address.port, host: HOST, allowHalfOpen: true})
    onTestFinished(() => void socket.destroy())
    socket.resume()
    await waitFor('it is connected', () => socket.readyState === 'open')
    expect(await within(node.stop('test'), 5000, 'the end')).toEqual({exitCode: 0, reason: 'test'})
  })

  it('without a savefile says what is gone', async () => {
    const node = await liveNode()
    await (await connectTo(node)).call('SET', 'k', 'v')
    expect(await node.stop('test')).toEqual({exitCode: 0, reason: 'test; 1 keys were not saved and are gone'})
  })

  it('waits for SAVE, whose client is answered', async () => {
    const saveFile = join(makeFolder(), 'data')
    const node = await liveNode({saveFile})
    const client = await connectTo(node)
    await fill(client, 30_000)
    client.write(encodeCommand(['SAVE']))
    await sleep(2)
    const stopping = node.stop('test')
    expect(String(await client.reply())).toBe('+OK\r\n')
    expect((await stopping).exitCode).toBe(0)
    expect(await verifySavefile(saveFile)).toMatchObject({kind: 'final', keys: 30_000})
  })
})

describe('a save that fails', () => {
  it('calls the stop off: the node serves on, old clients and new', async () => {
    const saveFile = join(makeFolder(), 'missing', 'data')
    const node = await liveNode({saveFile})
    const [client, waiting] = [await connectTo(node), await connectTo(node)]
    await client.call('SET', 'k', 'v')
    client.write(encodeCommand(['SHUTDOWN']))
    await sleep(22)
    waiting.write(encodeCommand(['SET', 'held', 'v']))
    expect(String(await client.reply())).toMatch(
      /^-ERR Errors trying to SHUTDOWN: not stopped, because the savefile was not written: .*ENOENT/,
    )
    expect(String(await waiting.reply())).toBe('+OK\r\n')
    expect(await client.call('SET', 'k', 'w')).toBe('+OK\r\n')
    expect(await (await connectTo(node)).call('GET', 'k')).toBe('$1\r\nw\r\n')
    await expect(node.stop('test')).rejects.toMatchObject({code: 'E_SAVEFILE'})
    // NOSAVE gives the data up, and so does FORCE.
    client.write(encodeCommand(['SHUTDOWN', 'NOSAVE']))
    expect(await node.stopped).toEqual({exitCode: 0, reason: 'SHUTDOWN; 2 keys were not saved and are gone'})
  })

  it('is passed over by FORCE, with an exit code that says so', async () => {
    const node = await liveNode({saveFile: join(makeFolder(), 'missing', 'data')})
    const client = await connectTo(node)
    await client.call('SET', 'k', 'v')
    client.write(encodeCommand(['SHUTDOWN', 'FORCE']))
    expect(await node.stopped).toEqual({exitCode: 1, reason: 'SHUTDOWN; 1 keys were not saved and are gone'})
  })

  it('SHUTDOWN SAVE on a node without a savefile is refused, not obeyed by half', async () => {
    const node = await liveNode()
    const client = await connectTo(node)
    const error = '-ERR no savefile was named: start the node with --save-file\r\n'
    expect([await client.call('SHUTDOWN', 'SAVE'), await client.call('SAVE'), await client.call('BGSAVE')]).toEqual([
      error,
      error,
      error,
    ])
    expect(await client.call('PING')).toBe('+PONG\r\n')
  })

  it('another save cannot take the place of the final one', async () => {
    const saveFile = join(makeFolder(), 'data')
    const node = await liveNode({saveFile})
    const client = await connectTo(node)
    await fill(client, 20_000)
    let stopped = false
    const stopping = node.stop('test').then(() => (stopped = true))
    const said = new Set<string>()
    while (!stopped && !client.closed) {
      client.write(encodeCommand(['BGSAVE']))
      const reply = await client.tryReply(1000)
      if (reply) said.add(String(reply))
      await sleep(1)
    }
    await stopping
    expect([...said].filter((text) => text.startsWith('-')).length).toBeGreaterThan(0)
    expect(await verifySavefile(saveFile)).toMatchObject({kind: 'final', keys: 20_000})
    expect(readdirSync(join(saveFile, '..'))).toEqual(['data'])
  })
})

describe('signals', () => {
  it('SIGTERM and SIGINT stop the process in order: exit code 0, nothing left behind', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const folder = makeFolder()
      const child = await nodeChild({saveFile: join(folder, 'data'), dataDir: join(folder, 'dir')})
      const client = await connectTo(child.port)
      await client.call('SET', 'k', 'v')
      child.process.kill(signal)
      expect(await within(child.exited, 5000, 'it exits')).toBe(0)
      expect(child.exit()).toEqual({exitCode: 0, reason: signal})
      expect(child.stderr()).toBe('')
      expect(readdirSync(folder).sort()).toEqual(['data', 'dir'])
      expect(readdirSync(join(folder, 'dir'))).toEqual(['node.json'])
    }
  })

  it('a second one is hasty: what is lost is told, the old savefile stays, exit code 1', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'data')
    const child = await nodeChild({saveFile})
    const client = await connectTo(child.port)
    await fill(client, 1000)
    expect(await client.call('SAVE')).toBe('+OK\r\n')
    const before = readFileSync(saveFile)
    await fill(client, 80_000)
    child.process.kill('SIGTERM')
    await waitFor('it writes the file', () => readdirSync(folder).some((name) => name.includes('.tmp-')), {
      intervalMs: 1,
    })
    child.process.kill('SIGTERM')
    expect(await within(child.exited, 2000, 'it exits at once')).toBe(1)
    expect(child.exit()).toEqual({exitCode: 1, reason: 'SIGTERM; 80000 keys were not saved and are gone'})
    expect(readFileSync(saveFile).equals(before)).toBe(true)
    expect(readdirSync(folder)).toEqual(['data'])
  })

  it('a second one while a background save is waited for does not begin another save', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'data')
    const child = await nodeChild({saveFile})
    const client = await connectTo(child.port)
    await fill(client, 80_000)
    await client.call('BGSAVE')
    child.process.kill('SIGTERM')
    await sleep(40)
    child.process.kill('SIGINT')
    expect(await within(child.exited, 2000, 'it exits at once')).toBe(1)
    expect(existsSync(saveFile)).toBe(false)
  })

  it('a stop that was called off can be asked for again', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'missing', 'data')
    const child = await nodeChild({saveFile})
    const client = await connectTo(child.port)
    await client.call('SET', 'k', 'v')
    child.process.kill('SIGTERM')
    await waitFor('it says why not', () => child.stderr().includes('E_SAVEFILE'))
    expect(await client.call('GET', 'k')).toBe('$1\r\nv\r\n')
    mkdirSync(join(folder, 'missing'))
    child.process.kill('SIGTERM')
    expect(await within(child.exited, 5000, 'it exits')).toBe(0)
    expect((await verifySavefile(saveFile)).keys).toBe(1)
  })
})

describe('QUIT and GOODBYE', () => {
  it('are answered behind what came before, then the server closes; what comes after is not executed', async () => {
    const node = await liveNode()
    for (const word of ['QUIT', 'goodbye']) {
      const client = await connectTo(node)
      client.write(Buffer.concat([['SET', 'k', word], ['GET', 'k'], [word], ['SET', 'k', 'after']].map(encodeCommand)))
      expect(String(await client.untilClosed())).toBe(`+OK\r\n$${word.length}\r\n${word}\r\n+OK\r\n`)
      expect(await (await connectTo(node)).call('GET', 'k')).toBe(`$${word.length}\r\n${word}\r\n`)
    }
  })

  it('close the connection even if the client does not', async () => {
    const node = await liveNode()
    const watcher = await connectTo(node)
    const socket = connect({port: node.address.port, host: HOST, allowHalfOpen: true})
    onTestFinished(() => void socket.destroy())
    let said = ''
    socket.on('data', (bytes: Buffer) => (said += bytes.toString()))
    socket.write('QUIT\r\n')
    await waitFor('the server ended its side', () => socket.readableEnded)
    expect(said).toBe('+OK\r\n')
    // It goes on talking; nobody listens, and in a moment the connection is gone.
    const noise = setInterval(() => socket.write('PING\r\n'), 50)
    socket.on('error', () => undefined)
    await waitFor('the server let it go', async () => !(await watcher.call('CLIENT', 'LIST')).includes('cmd=quit'), {
      timeoutMs: 4000,
    })
    clearInterval(noise)
    expect(said).toBe('+OK\r\n')
  })
})

it('a file where the savefile should be, that is none of ours, is not overwritten at the start', async () => {
  const saveFile = join(makeFolder(), 'data')
  writeFileSync(saveFile, 'precious')
  await expect(liveNode({saveFile})).rejects.toMatchObject({code: 'E_SAVEFILE'})
  expect(readFileSync(saveFile, 'utf8')).toBe('precious')
})
