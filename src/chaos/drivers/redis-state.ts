/** What the nodes of a Redis Cluster say of it: each of itself, put together. */
import {BUCKET_COUNT} from '../../constants.ts'
import type {RedisPlace} from './redis-place.ts'

/** A node as itself, or another one, sees it: a line of CLUSTER NODES. */
export interface NodeLine {
  readonly id: string
  /** ip:port@busport, and perhaps a host name. */
  readonly where: string
  readonly flags: readonly string[]
  /** Id; '' for a master. */
  readonly masterId: string
  readonly isConnected: boolean
  readonly slotCount: number
}

/** What one place says. */
export interface RedisView {
  readonly place: RedisPlace
  readonly self: NodeLine
  readonly nodes: readonly NodeLine[]
  /** `cluster_state:ok`, and all slots served. */
  readonly isOk: boolean
  /** A replica: its master sends it everything. */
  readonly isLinkUp: boolean
}

/** Those who answer. */
export async function viewsOf(places: readonly RedisPlace[]): Promise<RedisView[]> {
  const views = await Promise.all(places.map((place) => viewOf(place).catch(() => null)))
  return views.filter((view) => view !== null)
}

async function viewOf(place: RedisPlace): Promise<RedisView | null> {
  const nodes = parseNodes(await place.ask('CLUSTER', 'NODES'))
  const self = nodes.find(({flags}) => flags.includes('myself'))
  const info = await place.ask('CLUSTER', 'INFO')
  const replication = await place.ask('INFO', 'replication')
  const isOk = info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${BUCKET_COUNT}`)
  return self ? {place, self, nodes, isOk, isLinkUp: replication.includes('master_link_status:up')} : null
}

/** The reply to CLUSTER NODES; lines that are none are passed over. */
export function parseNodes(text: string): NodeLine[] {
  return text.split('\n').flatMap((line) => {
    const [id, where, flags, masterId, , , , link, ...slots] = line.trim().split(' ')
    if (id === undefined || where === undefined || flags === undefined || link === undefined) return []
    return [
      {
        id,
        where,
        flags: flags.split(','),
        masterId: masterId === '-' ? '' : (masterId ?? ''),
        isConnected: link === 'connected',
        slotCount: slots.reduce((sum, range) => sum + countOf(range), 0),
      },
    ]
  })
}

/** `5`, `0-99`; `[93-<-id]`, a slot on its way, counts where it is. */
function countOf(range: string): number {
  const match = /^(\d+)(?:-(\d+))?$/.exec(range)
  return match ? Number(match[2] ?? match[1]) - Number(match[1]) + 1 : 0
}

/** Masters with slots, each with its replicas that are in step, as they see themselves. */
export function copiesOf(views: readonly RedisView[]): {readonly master: RedisView; readonly copies: string[]}[] {
  const masters = views.filter(({self}) => self.masterId === '' && self.slotCount > 0)
  return masters.map((master) => {
    const replicas = views.filter(({self, isLinkUp}) => self.masterId === master.self.id && isLinkUp)
    return {master, copies: [master, ...replicas].map(({place}) => place.name)}
  })
}

/** What keeps the cluster from being healthy, one sentence each. */
export function redisAilments(places: readonly RedisPlace[], views: readonly RedisView[], replicas: number): string[] {
  const ailments = places.filter(({state}) => state !== 'up').map(({name, state}) => `${name} is ${state}.`)
  for (const {name, state} of places) {
    if (state === 'up' && !views.some(({place}) => place.name === name)) ailments.push(`${name} does not answer.`)
  }
  for (const {place, self, nodes, isOk, isLinkUp} of views) {
    if (!isOk) ailments.push(`${place.name} says that the cluster is down.`)
    if (self.masterId !== '' && !isLinkUp) ailments.push(`${place.name} is not in step with its master.`)
    if (nodes.length !== places.length) ailments.push(`${place.name} knows ${nodes.length} nodes.`)
    const failed = nodes.filter(({flags}) => flags.some((flag) => flag.startsWith('fail') || flag === 'handshake'))
    if (failed.length > 0) ailments.push(`To ${place.name} ${failed.length} nodes are not there.`)
  }
  const all = copiesOf(views)
  const slots = all.reduce((sum, {master}) => sum + master.self.slotCount, 0)
  if (slots !== BUCKET_COUNT) ailments.push(`The masters have ${slots} slots.`)
  const poor = all.filter(({copies}) => copies.length < Math.min(2, replicas + 1))
  if (poor.length > 0) ailments.push(`${poor.length} masters have no replica.`)
  return ailments
}
