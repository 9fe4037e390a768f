/** A node that looks for one that is gone, and finds another at its address, was not turned away: others may still let it in. */
import {expect, onTestFinished, test} from 'vitest'
import {SILENT_LOG} from '../../../src/node/log.ts'
import {PeerNet} from '../../../src/node/peer/peer-net.ts'
import {waitFor} from '../../support/wait.ts'

const HOST = '127.0.0.1'

interface Told {
  readonly reason: string
  readonly isAboutUs: boolean
}

async function startNet(
  letter: string,
  secret: string | null = null,
): Promise<{net: PeerNet; port: number; told: Told[]}> {
  const self = {nodeId: letter.repeat(40), incarnation: `${letter}1`, host: HOST, port: 0, clusterId: () => 'c'}
  const told: Told[] = []
  const ignore = (): void => undefined
  const refused = (_: unknown, reason: string, isAboutUs: boolean): void => void told.push({reason, isAboutUs})
  const events = {packet: ignore, connected: ignore, disconnected: ignore, refused}
  const net = new PeerNet({...self, secret, log: SILENT_LOG}, events)
  onTestFinished(() => net.close())
  return {net, port: await net.listen(), told}
}

test('somebody else at the address is told as such, to both', async () => {
  const [a, b] = [await startNet('a'), await startNet('b')]
  a.net.setPeers([{id: 'c'.repeat(40), host: HOST, port: b.port}])
  await waitFor('both know', () => a.told.length > 0 && b.told.length > 0)
  expect(a.told[0]!.reason).toMatch(/^node b+ answers at the address of node c+$/)
  expect([a.told[0]!.isAboutUs, b.told[0]!.isAboutUs]).toEqual([false, false])
})

test('its own address, where another node was before, turns nobody away', async () => {
  const a = await startNet('a')
  a.net.setPeers([{id: 'c'.repeat(40), host: HOST, port: a.port}])
  await waitFor('it knows', () => a.told.length > 0)
  expect(a.told.some(({isAboutUs}) => isAboutUs)).toBe(false)
})

test('a wrong secret is about the one who dialled', async () => {
  const [a, b] = [await startNet('a', 'one'), await startNet('b', 'two')]
  a.net.setPeers([{id: 'b'.repeat(40), host: HOST, port: b.port}])
  await waitFor('it knows', () => a.told.length > 0)
  expect(a.told[0]).toMatchObject({reason: expect.stringContaining('secrets differ'), isAboutUs: true})
})
