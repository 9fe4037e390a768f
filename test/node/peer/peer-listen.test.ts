/** The peer port is taken, or it is said in words why not; afterwards it is free again. */
import {execFileSync} from 'node:child_process'
import {connect} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {SILENT_LOG} from '../../../src/node/log.ts'
import {PeerNet} from '../../../src/node/peer/peer-net.ts'

function makeNet(port: number, host = '127.0.0.1'): PeerNet {
  const options = {nodeId: 'a'.repeat(40), incarnation: 'i', host, port, clusterId: () => '', secret: null}
  const ignore = (): void => undefined
  const events = {packet: ignore, connected: ignore, disconnected: ignore, refused: ignore}
  const net = new PeerNet({...options, log: SILENT_LOG}, events)
  onTestFinished(() => net.close())
  return net
}

test('a port in use, and an address that is not ours, are said in words', async () => {
  const port = await makeNet(0).listen()
  await expect(makeNet(port).listen()).rejects.toMatchObject({
    code: 'E_PORT_IN_USE',
    message: expect.stringContaining(`${port}`) as string,
  })
  await expect(makeNet(0, '203.0.113.1').listen()).rejects.toMatchObject({code: 'E_ADDRESS'})
  await expect(makeNet(70_000).listen()).rejects.toMatchObject({code: 'E_ADDRESS'})
})

test('the port is free again after the end, also if strangers were connected', async () => {
  const net = makeNet(0)
  const port = await net.listen()
  const stranger = connect(port, '127.0.0.1')
  stranger.on('error', () => undefined)
  await new Promise((resolve) => stranger.once('data', resolve))
  await net.close()
  expect(await makeNet(port).listen()).toBe(port)
})

test('a net that never listened ends as well', async () => {
  const net = makeNet(0)
  net.setPeers([{id: 'b'.repeat(40), host: '127.0.0.1', port: 1}])
  await expect(net.close()).resolves.toBeUndefined()
})

test('an address that cannot be dialled does no harm', async () => {
  const net = makeNet(0)
  net.setPeers([
    {id: 'b'.repeat(40), host: '127.0.0.1', port: 70_000},
    {id: 'c'.repeat(40), host: 'no such host', port: 1},
  ])
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(net.isConnected('b'.repeat(40))).toBe(false)
})

test('no socket and no timer is left when it is closed', () => {
  const file = (name: string): string => new URL(`../../../src/node/${name}`, import.meta.url).href
  const script = `
    import {PeerNet} from '${file('peer/peer-net.ts')}'
    import {SILENT_LOG} from '${file('log.ts')}'
    const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(40))
    const ignore = () => undefined
    let open = 0
    const make = (nodeId) => new PeerNet(
      {nodeId, incarnation: 'i', host: '127.0.0.1', port: 0, clusterId: () => '', secret: 's', log: SILENT_LOG},
      {packet: ignore, connected: () => ++open === 2 && close(), disconnected: ignore, refused: ignore},
    )
    const nets = ids.slice(0, 2).map(make)
    const ports = await Promise.all(nets.map((net) => net.listen()))
    // One is connected, one is not there, one is in the middle of being dialled.
    const peers = ids.map((id, i) => ({id, host: '127.0.0.1', port: ports[i] ?? 1}))
    for (const net of nets) net.setPeers(peers)
    async function close() {
      await Promise.all(nets.map((net) => net.close()))
      const kinds = process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|Immediate/.test(kind))
      process.stdout.write(JSON.stringify(kinds))
    }`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  expect(output).toBe('[]')
})
