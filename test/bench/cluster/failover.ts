/**
 * How long are the buckets of a master that is killed (kill -9) without a master? The time counts from the kill until each of several keys
 * of the victim has been written again, every key tried anew as soon as an attempt failed. Ours, Redis with its default node timeout (15 s),
 * and Redis with 1 s, take turns: one after the other is killed, restarted and waited for.
 *
 *   npm run bench:cluster -- failover [--rounds 10]
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {ClusterClient} from '../../../src/client/cluster-client.ts'
import {isError} from '../../../src/client/reply.ts'
import {median} from '../processes.ts'
import {keyIn} from './keys.ts'
import {startOurCluster, stateOf, untilCalm} from './our-cluster.ts'
import {RedisCluster, rangesOf} from './redis-cluster.ts'
import {figure, printTable, verdict, type Cell, type PartOptions} from './report.ts'

const HOST = '127.0.0.1'
/** Keys of the victim that must be writable again, spread over its buckets. */
const KEYS = 8
/** After a round, so that leases, elections and Redis' own timers are at rest. */
const CALM_MS = 500
const RETRY_MS = 5
const GIVE_UP_MS = 90_000
/** Of ours: median and worst. */
const MEDIAN_BAR_MS = 1_000
const WORST_BAR_MS = 1_500

interface Node {
  readonly port: number
  kill(): Promise<void>
  restart(): Promise<void>
}

interface Contender {
  readonly name: string
  readonly rounds: number
  /** Milliseconds until writable, one for each round. */
  readonly times: number[]
  /** Of these the ones whose victim was the leader of our cluster as well. */
  readonly leaderTimes: number[]
  /** Port of the leader; Redis has none. */
  leader(): Promise<number | null>
  nodes(): readonly Node[]
  /** Resolves when every bucket has all of its copies again. */
  settled(): Promise<void>
  stop(): Promise<void>
}

/** Ours: a kill of any node, all of which are masters. */
async function startOurs(rounds: number): Promise<Contender> {
  const cluster = await startOurCluster()
  return {
    name: 'kv',
    rounds,
    times: [],
    leaderTimes: [],
    async leader() {
      const {members, leader} = await stateOf(cluster.ports[0]!)
      return members.find(({id}) => id === leader)?.port ?? null
    },
    nodes: () =>
      cluster.nodes.map((node) => ({
        port: node.port,
        kill: () => node.kill(),
        restart: () => node.start(cluster.ports),
      })),
    settled: () => untilCalm(cluster),
    stop: () => cluster.stop(),
  }
}

async function startRedis(name: string, rounds: number, settings: readonly string[]): Promise<Contender> {
  const cluster = await RedisCluster.start(settings)
  return {
    name,
    rounds,
    times: [],
    leaderTimes: [],
    leader: () => Promise.resolve(null),
    nodes: () => cluster.nodes.map((node) => ({port: node.port, kill: () => node.kill(), restart: () => node.start()})),
    settled: () => cluster.settled(),
    stop: () => cluster.stop(),
  }
}

/** Kills a master and measures; then brings it back. */
async function round(contender: Contender): Promise<void> {
  const nodes = contender.nodes()
  const ranges = await rangesOf(nodes[0]!.port)
  const masters = nodes.filter(({port}) => ranges.some(({master}) => master === port))
  const victim = masters[Math.floor(Math.random() * masters.length)]!
  const buckets = ranges
    .filter(({master}) => master === victim.port)
    .flatMap(({first, last}) => Array.from({length: last - first + 1}, (_, i) => first + i))
  const keys = Array.from({length: KEYS}, (_, i) => keyIn(buckets[Math.floor((i * buckets.length) / KEYS)]!, 0))
  const others = nodes.filter(({port}) => port !== victim.port).map(({port}) => port)
  await Promise.all(keys.map((key) => untilWritten([victim.port], key)))
  await sleep(CALM_MS)
  const isLeader = (await contender.leader()) === victim.port
  const startedMs = performance.now()
  await victim.kill()
  await Promise.all(keys.map((key) => untilWritten(others, key)))
  const tookMs = performance.now() - startedMs
  await victim.restart()
  await contender.settled()
  await sleep(CALM_MS)
  contender.times.push(tookMs)
  if (isLeader) contender.leaderTimes.push(tookMs)
  const who = isLeader ? ', the leader' : ''
  console.error(`  failover ${contender.times.length}: ${contender.name} ${tookMs.toFixed(0)} ms${who}`)
}

/** Writes the key with clients that know nothing yet, until one is told OK. */
async function untilWritten(ports: readonly number[], key: string): Promise<void> {
  const seeds = ports.map((port) => ({host: HOST, port}))
  for (const untilMs = performance.now() + GIVE_UP_MS; performance.now() < untilMs;) {
    const client = new ClusterClient(seeds, {replyTimeoutMs: 300, connectTimeoutMs: 100})
    const reply = await client.send(['SET', key, 'v'], key).catch(() => null)
    client.cut()
    if (reply !== null && !isError(reply)) return
    await sleep(RETRY_MS)
  }
  throw new Error(`${key} could not be written for ${GIVE_UP_MS / 1000} s`)
}

function row({name, times, leaderTimes}: Contender): Cell[] {
  const middle = median(times)
  const worst = Math.max(...times)
  if (name !== 'kv') return [name, times.length, middle, worst, '', '', '']
  const isFast = verdict(middle <= MEDIAN_BAR_MS, `<= ${MEDIAN_BAR_MS}`)
  const ofLeader = leaderTimes.length === 0 ? '' : `${figure(median(leaderTimes))} (${leaderTimes.length})`
  return [name, times.length, middle, worst, ofLeader, isFast, verdict(worst <= WORST_BAR_MS, `<= ${WORST_BAR_MS}`)]
}

/** Runs the part and prints its table. */
export async function runFailover({isQuick, rounds}: PartOptions): Promise<void> {
  const contenders: Contender[] = []
  try {
    contenders.push(await startOurs(isQuick ? 2 : (rounds ?? 10)))
    const short = ['--cluster-node-timeout', '1000']
    contenders.push(await startRedis('redis, node timeout 1 s', isQuick ? 1 : 5, short))
    if (!isQuick) contenders.push(await startRedis('redis, defaults (15 s)', 2, []))
    for (const contender of contenders) await contender.settled()
    while (contenders.some((contender) => contender.times.length < contender.rounds)) {
      for (const contender of contenders) if (contender.times.length < contender.rounds) await round(contender)
    }
    const titles = ['kill -9 of a master', 'kills', 'median ms', 'worst ms', 'leader killed', 'bar: median', 'worst']
    printTable('Failover: until all of 8 keys of it are written again', titles, contenders.map(row))
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()))
  }
}
