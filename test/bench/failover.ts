/**
 * `node test/bench/failover.ts [rounds]`: how long are the buckets of a master that is killed (kill -9) without a master? A writer per
 * node writes to a key of each; the time counts from the kill to the next write on the victim's key that was acknowledged.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {loadavg} from 'node:os'
import {ClusterClient} from '../../src/client/cluster-client.ts'
import {isError} from '../../src/client/reply.ts'
import {ProcessCluster} from '../e2e/processes.ts'

const rounds = Number(process.argv[2] ?? 10)
const KEYS = 64

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** Ms from the kill of the master of `key` to the next acknowledged write on it. */
async function measure(cluster: ProcessCluster): Promise<number> {
  const seeds = cluster.ports.map((port) => ({host: '127.0.0.1', port}))
  const client = await ClusterClient.connect(seeds, {replyTimeoutMs: 300, connectTimeoutMs: 300})
  const owners = new Map<number, string>()
  for (let i = 0; i < KEYS; i++) {
    const key = `key:${i}`
    await client.send(['SET', key, 'v'], key)
    const slot = await client.send(['CLUSTER', 'KEYSLOT', key], key)
    const owner = client.map.ownerOf(Number(slot))
    if (owner) owners.set(owner.port, key)
  }
  const victim = cluster.nodes[Math.floor(Math.random() * cluster.nodes.length)]!
  const key = owners.get(victim.port)!
  const others = seeds.filter(({port}) => port !== victim.port)
  await sleep(300)
  const began = performance.now()
  await victim.kill()
  for (;;) {
    const fresh = new ClusterClient(others, {replyTimeoutMs: 300, connectTimeoutMs: 100})
    const reply = await fresh.send(['SET', key, 'w'], key).catch(() => null)
    fresh.cut()
    if (reply !== null && !isError(reply)) break
    await sleep(10)
  }
  const took = performance.now() - began
  client.cut()
  await victim.start(cluster.ports)
  await cluster.settled(2, 60_000)
  return took
}

const cluster = await ProcessCluster.start(3)
try {
  await cluster.settled(2, 60_000)
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    times.push(await measure(cluster))
    console.log(`round ${round + 1}: ${times[round]!.toFixed(0)} ms`)
  }
  const worst = Math.max(...times)
  console.log(
    `kv: ${rounds} kills, median ${median(times).toFixed(0)} ms, worst ${worst.toFixed(0)} ms, load ${loadavg()[0]!.toFixed(1)}`,
  )
} finally {
  await cluster.stop()
}
