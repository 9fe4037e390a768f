/** CLUSTER MEET and `kv cluster join`: a running node that is alone and empty becomes a member of another cluster; whoever cannot stays as he was. */
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {formatAddress} from '../../src/base/address.ts'
import {joinCluster} from '../../src/cli/join-cluster.ts'
import {waitFor} from '../support/wait.ts'
import {freePort} from '../support/ports.ts'
import {makeFolder} from './folder.ts'
import {connectTo, HOST, liveNode} from './live-node.ts'
import type {RunningNode} from '../../src/node/options.ts'

const meet = async (node: RunningNode, port: number): Promise<string> => {
  const client = await connectTo(node)
  return String(await client.call('CLUSTER', 'MEET', HOST, String(port)))
}

async function knownNodes(node: RunningNode): Promise<number> {
  const text = String(await (await connectTo(node)).call('CLUSTER', 'NODES'))
  return text.split('\n').filter((line) => line.includes('@')).length
}

test('a lone, empty node becomes a member, is known to all, gets copies, and comes back to that cluster', async () => {
  const first = await liveNode()
  const dataDir = join(makeFolder(), 'joiner')
  const joiner = await liveNode({dataDir})
  const writer = await connectTo(first)
  expect(await writer.call('SET', 'k', 'v')).toBe('+OK\r\n')
  expect(await meet(joiner, first.address.port)).toBe('+OK\r\n')
  // A member meets whom it knows.
  expect(await meet(joiner, first.address.port)).toBe('+OK\r\n')
  expect(await knownNodes(first)).toBe(2)
  const reader = await connectTo(joiner)
  await waitFor('it has half of the buckets and a copy of all', async () => {
    const info = String(await reader.call('CLUSTER', 'STATE'))
    return /"underReplicated":""/.test(info) && /"moves":\[\]/.test(info) && /"isBalancing":false/.test(info)
      ? true
      : undefined
  })
  await reader.call('READONLY')
  expect(await reader.call('GET', 'k')).toBe('$1\r\nv\r\n')
  await joiner.stop('test')
  const again = await liveNode({dataDir})
  await waitFor('it is let in again', async () => ((await knownNodes(again)) === 2 ? true : undefined))
})

test('what has keys, is a member, or names itself or nobody is refused in words, and goes on as it was', async () => {
  const [first, full, empty] = [await liveNode(), await liveNode(), await liveNode()]
  const client = await connectTo(full)
  await client.call('SET', 'k', 'v')
  const address = first.address.port
  expect(await meet(full, address)).toBe('-ERR this node has 1 key: only an empty one can join another cluster\r\n')
  expect(await client.call('GET', 'k')).toBe('$1\r\nv\r\n')
  const nobody = await freePort()
  expect(await meet(empty, nobody)).toMatch(/^-ERR cannot join: .* nothing listens there/)
  const toItself = joinCluster({address: empty.address, to: empty.address, password: undefined, timeoutMs: 20_000})
  await expect(toItself).rejects.toMatchObject({
    code: 'E_JOIN',
    message: `${formatAddress(empty.address)} is that node itself.`,
  })
  const done = await joinCluster({address: empty.address, to: first.address, password: undefined, timeoutMs: 20_000})
  expect(done).toMatchObject({id: empty.nodeId, members: 2})
  expect(await meet(first, full.address.port)).toMatch(/^-ERR nodes join by themselves: kv cluster join/)
})

test('a node that the cluster turns away is a cluster of its own again, and serves', async () => {
  const first = await liveNode({secret: 'one'})
  const stranger = await liveNode({secret: 'another'})
  expect(await meet(stranger, first.address.port)).toMatch(/^-ERR not let in: /)
  expect(await (await connectTo(stranger)).call('SET', 'k', 'v')).toBe('+OK\r\n')
  expect(await knownNodes(stranger)).toBe(1)
}, 60_000)

test('of two requests to join at once one is carried out, and the other refused', async () => {
  const [first, second, joiner] = [await liveNode(), await liveNode(), await liveNode()]
  const replies = await Promise.all([meet(joiner, first.address.port), meet(joiner, second.address.port)])
  expect(replies.filter((reply) => reply === '+OK\r\n')).toHaveLength(1)
  const refused = replies.find((reply) => reply !== '+OK\r\n')
  expect(refused).toMatch(/^-ERR (it is joining, or a member of a cluster, already|nodes join by themselves)/)
  expect((await knownNodes(first)) + (await knownNodes(second))).toBe(3)
}, 60_000)
