/**
 * The stock clients of JavaScript in cluster mode, each as its documentation shows it, behind the few calls that the load makes. Nothing is set
 * but where the cluster is; what each does by itself when a node goes away is therefore part of what is tested:
 *
 *   ioredis 6, iovalkey 0.4   follow 16 redirections; a command whose connection closed is sent again after 100 ms, as is one that was told
 *                             CLUSTERDOWN or TRYAGAIN; connections to nodes are not made again; the slots are read again after each MOVED
 *   redis 6                   follows 16 redirections, reading the slots at each; listens to SMIGRATED; connections are made again, 50 ms to
 *                             2 s later; a command whose connection closed is NOT sent again: the caller gets the error
 *
 * redis-py is a process of its own: stock_load.py.
 */
import {Cluster as IoredisCluster} from 'ioredis'
import {Cluster as IovalkeyCluster} from 'iovalkey'
import {createCluster} from 'redis'
import {waitFor} from '../support/wait.ts'

const HOST = '127.0.0.1'

export interface Field {
  readonly key: string
  readonly field: string
  readonly value: string
}

/** Strings `a` and `b` and a map, all in one bucket. */
export interface Group {
  readonly a: readonly [key: string, value: string]
  readonly b: readonly [key: string, value: string]
  readonly map: Field
}

/** What a transaction or a pipeline on a group read after it wrote, in the group's order. */
export type GroupReads = readonly [a: string | null, b: string | null, field: string | null]

export interface StockClient {
  set(key: string, value: string): Promise<unknown>
  get(key: string): Promise<string | null>
  hset(field: Field): Promise<unknown>
  hget(key: string, field: string): Promise<string | null>
  /** MULTI: writes the group and reads it. */
  transaction(group: Group): Promise<GroupReads>
  /** The same as a pipeline, or as commands that are sent together where the client has no pipeline. */
  pipeline(group: Group): Promise<GroupReads>
  close(): Promise<void>
}

/** `onEvent`: errors that the client tells of outside of any command. */
export type OpenStockClient = (ports: readonly number[], onEvent: (error: unknown) => void) => Promise<StockClient>

type Chain = ReturnType<IoredisCluster['pipeline']>

function fromIoredis(cluster: IoredisCluster): StockClient {
  const run = async (chain: Chain, {a, b, map}: Group): Promise<GroupReads> => {
    chain.set(...a).set(...b)
    chain.hset(map.key, map.field, map.value)
    const replies = await chain.get(a[0]).get(b[0]).hget(map.key, map.field).exec()
    for (const [error] of replies ?? []) if (error) throw error
    if (replies?.length !== 6) throw new Error(`a chain of 6 commands has ${replies?.length} replies`)
    return replies.slice(3).map(([, reply]) => reply) as unknown as GroupReads
  }
  return {
    set: (key, value) => cluster.set(key, value),
    get: (key) => cluster.get(key),
    hset: ({key, field, value}) => cluster.hset(key, field, value),
    hget: (key, field) => cluster.hget(key, field),
    transaction: (group) => run(cluster.multi(), group),
    pipeline: (group) => run(cluster.pipeline(), group),
    close: async () => cluster.disconnect(),
  }
}

async function readyIoredis(cluster: IoredisCluster, onEvent: (error: unknown) => void): Promise<StockClient> {
  cluster.on('error', onEvent)
  cluster.on('node error', onEvent)
  await waitFor('the cluster client is ready', () => cluster.status === 'ready')
  return fromIoredis(cluster)
}

export const openIoredis: OpenStockClient = (ports, onEvent) =>
  readyIoredis(new IoredisCluster(ports.map((port) => ({host: HOST, port}))), onEvent)

// A fork of ioredis: the part of the API that is used here is the same.
export const openIovalkey: OpenStockClient = (ports, onEvent) =>
  readyIoredis(new IovalkeyCluster(ports.map((port) => ({host: HOST, port}))) as unknown as IoredisCluster, onEvent)

export const openNodeRedis: OpenStockClient = async (ports, onEvent) => {
  const cluster = createCluster({rootNodes: ports.map((port) => ({url: `redis://${HOST}:${port}`}))})
  cluster.on('error', onEvent)
  cluster.on('node-error', onEvent)
  await cluster.connect()
  const set = (key: string, value: string): Promise<unknown> => cluster.set(key, value)
  const hset = ({key, field, value}: Field): Promise<unknown> => cluster.hSet(key, field, value)
  return {
    set,
    get: (key) => cluster.get(key),
    hset,
    hget: (key, field) => cluster.hGet(key, field),
    async transaction({a, b, map}) {
      const {key, field, value} = map
      const chain = cluster
        .multi()
        .set(...a)
        .set(...b)
        .hSet(key, field, value)
      const replies = await chain.get(a[0]).get(b[0]).hGet(key, field).exec()
      return replies.slice(3) as unknown as GroupReads
    },
    // Its documentation: commands that are sent in one tick go out together.
    async pipeline({a, b, map}) {
      await Promise.all([set(...a), set(...b), hset(map)])
      return Promise.all([cluster.get(a[0]), cluster.get(b[0]), cluster.hGet(map.key, map.field)])
    },
    close: async () => cluster.destroy(),
  }
}
