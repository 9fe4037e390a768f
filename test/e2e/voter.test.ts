/**
 * Two data nodes and a third member that only votes survive the crash of one data node: the two that are left agree that it is gone, and the
 * other copy of each bucket becomes its master.
 */
import {afterEach, expect, it} from 'vitest'
import {Load} from './load.ts'
import {ProcessCluster, type NodeProcess} from './processes.ts'

const COPIES = 2
/** Writes that must be acknowledged while a node is gone, before it is taken to be the truth that writes go on. */
const WRITES_WITHOUT = 200
const KEYS = 40

let cluster: ProcessCluster | null = null
afterEach(async () => {
  await cluster?.stop()
  cluster = null
})

/** Ports of the masters of all buckets, as the cluster says. */
async function masters(nodes: ProcessCluster): Promise<Set<number>> {
  const {members} = await nodes.linked((link) => link.state())
  return new Set(members.filter((member) => member.masters > 0).map(({port}) => port))
}

it('two data nodes survive the crash of either when a third member without buckets votes', async () => {
  const nodes = await ProcessCluster.start(2)
  cluster = nodes
  const data: readonly NodeProcess[] = [...nodes.nodes]
  const voter = await nodes.add({isVoterOnly: true})
  await nodes.settled(COPIES)
  const load = new Load({ports: () => nodes.ports, clients: 6, keys: KEYS})
  await load.progress(WRITES_WITHOUT)
  for (const node of data) {
    await node.kill()
    await load.progress(WRITES_WITHOUT)
    const [other] = data.filter(({isRunning}) => isRunning)
    expect(await masters(nodes)).toEqual(new Set([other!.port]))
    await node.start(nodes.ports)
    // It has its masters and copies again, and the voter still has none.
    await nodes.settled(COPIES)
    expect(await masters(nodes)).toEqual(new Set(data.map(({port}) => port)))
  }
  expect(await load.end()).toEqual([])
  expect(voter.isRunning).toBe(true)
}, 240_000)
