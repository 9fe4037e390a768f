/** Our cluster and Redis' behind one interface, for the parts that move buckets: where they are, and the command by which an operator moves them. */
import {formatBuckets} from '../../../src/base/bucket-ranges.ts'
import {run} from '../../support/child.ts'
import {REPO_ROOT} from '../../support/kv.ts'
import {cpuUs} from '../processes.ts'
import {startOurCluster} from './our-cluster.ts'
import {RedisCluster, rangesOf, redisCli, type Range} from './redis-cluster.ts'

const HOST = '127.0.0.1'
const MOVE_TIMEOUT = '5m'

/** Buckets of one master that another node, which has no copy of them yet, shall get. */
export interface Route {
  readonly buckets: readonly number[]
  /** Ports of the nodes. */
  readonly from: number
  readonly to: number
}

export interface Side {
  readonly name: 'kv' | 'redis'
  readonly ports: readonly number[]
  /** Microseconds of all server processes so far, user and system. */
  cpuUs(): number
  ranges(): Promise<Range[]>
  /** A route for so many buckets. Errors: there is none. */
  route(count: number): Promise<Route>
  /** Runs the operator's command to its end. Errors: it failed. */
  move(route: Route): Promise<void>
  stop(): Promise<void>
}

/** Three nodes with two copies of each bucket, as they are by default. */
export async function startOurSide(): Promise<Side> {
  const cluster = await startOurCluster()
  const ranges = (): Promise<Range[]> => rangesOf(cluster.ports[0]!)
  return {
    name: 'kv',
    ports: cluster.ports,
    cpuUs: () => cluster.nodes.reduce((sum, {child}) => sum + cpuUs(child!.pid), 0),
    ranges,
    route: async (count) => freshRoute(await ranges(), cluster.ports, count),
    async move({buckets, from, to}) {
      const words = ['--to', `${HOST}:${to}`, '--node', `${HOST}:${from}`, '--timeout', MOVE_TIMEOUT, '--json']
      const args = ['buckets', 'move', formatBuckets(buckets), ...words]
      const {exit, stdout, stderr} = await run(`${REPO_ROOT}bin/kv`, args, {timeoutMs: 310_000})
      if (exit !== 0) throw new Error(`kv buckets move ended with ${exit}: ${stdout}${stderr}`)
    },
    stop: () => cluster.stop(),
  }
}

/** Redis' reshard takes the first buckets of the giving node, whichever they are. */
export async function startRedisSide(): Promise<Side> {
  const cluster = await RedisCluster.start()
  const ranges = (): Promise<Range[]> => rangesOf(cluster.ports[0]!)
  return {
    name: 'redis',
    ports: cluster.ports,
    cpuUs: () => cluster.pids.reduce((sum, pid) => sum + cpuUs(pid), 0),
    ranges,
    async route(count) {
      const [first, second] = (await ranges()).sort((a, b) => a.first - b.first)
      const buckets = Array.from({length: count}, (_, i) => first!.first + i)
      return {buckets, from: first!.master, to: second!.master}
    },
    async move({buckets, from, to}) {
      const who = ['--cluster-from', await cluster.idOf(from), '--cluster-to', await cluster.idOf(to)]
      const what = [...who, '--cluster-slots', `${buckets.length}`, '--cluster-yes']
      await redisCli('--cluster', 'reshard', `${HOST}:${from}`, ...what)
    },
    stop: () => cluster.stop(),
  }
}

/** Of the pairs of a master and a node without a copy the one with the most buckets: else a move would be a mere handover. */
function freshRoute(ranges: readonly Range[], ports: readonly number[], count: number): Route {
  const routes = new Map<string, {buckets: number[]; from: number; to: number}>()
  for (const {first, last, master, replicas} of ranges) {
    for (const to of ports.filter((port) => port !== master && !replicas.includes(port))) {
      const route = routes.get(`${master} ${to}`) ?? {buckets: [], from: master, to}
      for (let bucket = first; bucket <= last; bucket++) route.buckets.push(bucket)
      routes.set(`${master} ${to}`, route)
    }
  }
  const [best] = [...routes.values()].sort((a, b) => b.buckets.length - a.buckets.length)
  if (!best || best.buckets.length < count)
    throw new Error(`no master has ${count} buckets that another has no copy of`)
  const buckets = best.buckets.sort((a, b) => a - b).slice(0, count)
  return {...best, buckets}
}
