/** A peer may be dialled somewhere else than where it says it is: testers stand between nodes that way. */
import {once} from 'node:events'
import {connect, createServer, type AddressInfo} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {peerViaOf} from '../../../src/cli/node-flags.ts'
import {SILENT_LOG} from '../../../src/node/log.ts'
import {PeerNet} from '../../../src/node/peer/peer-net.ts'
import {waitFor} from '../../support/wait.ts'

const HOST = '127.0.0.1'

function makeNet(letter: string, via: ReadonlyMap<string, {host: string; port: number}>): PeerNet {
  const self = {nodeId: letter.repeat(40), incarnation: `${letter}1`, host: HOST, port: 0, clusterId: () => 'c'}
  const ignore = (): void => undefined
  const net = new PeerNet(
    {...self, secret: null, via, log: SILENT_LOG},
    {packet: ignore, connected: ignore, disconnected: ignore, refused: ignore},
  )
  onTestFinished(() => net.close())
  return net
}

test('a peer that is named in KV_PEER_VIA is dialled there', async () => {
  let calls = 0
  let target = 0
  const relay = createServer((near) => {
    calls++
    const far = connect(target, HOST)
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  })
  relay.listen(0, HOST)
  await once(relay, 'listening')
  onTestFinished(() => void relay.close())
  const b = makeNet('b', new Map())
  target = await b.listen()
  const via = peerViaOf({KV_PEER_VIA: `${HOST}:${target}=${HOST}:${(relay.address() as AddressInfo).port}`})
  const a = makeNet('a', via)
  await a.listen()
  a.setPeers([{id: 'b'.repeat(40), host: HOST, port: target}])
  await waitFor('they are connected', () => a.isConnected('b'.repeat(40)))
  expect(calls).toBe(1)
})

test('KV_PEER_VIA is pairs of addresses, or is refused', () => {
  expect(peerViaOf({}).size).toBe(0)
  expect([...peerViaOf({KV_PEER_VIA: 'a:1=b:2,c:3=d:4'})]).toEqual([
    ['a:1', {host: 'b', port: 2}],
    ['c:3', {host: 'd', port: 4}],
  ])
  for (const text of ['a:1', 'a:1=b', 'a:1=b:2=c:3', '=']) {
    expect(() => peerViaOf({KV_PEER_VIA: text})).toThrow('is no pair of addresses')
  }
})
