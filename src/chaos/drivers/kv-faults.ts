/** How each fault is done to a cluster of kv processes: those of processes and links, as to any cluster, and what only kv can do. */
import {BUCKET_COUNT} from '../../constants.ts'
import {moveBuckets} from '../../cli/move-buckets.ts'
import {whyNotAway} from '../budget.ts'
import {freeData, type FaultTools} from './cluster.ts'
import {drawSome, drawTime, FAULT_MS_MAX, FAULT_MS_MIN, pick} from './draws.ts'
import {isolate, NETWORK_FAULTS} from './network-faults.ts'
import {
  canSpareOne,
  claim,
  KILLED_MS_MAX,
  KILLED_MS_MIN,
  orderlyEnd,
  planPause,
  PROCESS_FAULTS,
  seconds,
} from './process-faults.ts'
import type {FaultKind} from '../driver.ts'
import type {FaultPlan, Wait} from './fault-book.ts'
import type {KvCluster} from './kv-cluster.ts'
import type {ProcessPlace} from './place.ts'

export interface KvFaultTools extends FaultTools<KvCluster> {
  /** Buckets that are used much; empty: any. */
  hotBuckets(): readonly number[]
}

type KvPlanner = (tools: KvFaultTools) => Promise<FaultPlan | null>

const MOVE_BUCKETS_MAX = 32
const MOVE_TIMEOUT_MS = 60_000

export const KV_FAULTS: Readonly<Record<FaultKind, KvPlanner>> = {
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  join: planJoin,
  leave: planLeave,
  move: planMove,
  'log-kill': planLogKill,
  'log-pause': async (tools) => planPause(tools, freeLog(tools)),
  'log-cut': async (tools) => planLogCut(tools),
}

function freeLog({cluster}: KvFaultTools): ProcessPlace | undefined {
  return cluster.places.find(({role, state, isBusy}) => role === 'log' && state === 'up' && !isBusy)
}

async function planJoin(tools: KvFaultTools): Promise<FaultPlan | null> {
  const {cluster, prng} = tools
  const place = pick(
    prng,
    cluster.places.filter(({isSpare, state, isBusy}) => isSpare && state === 'off' && !isBusy),
  )
  if (!place) return null
  const staysMs = drawTime(prng, FAULT_MS_MIN, FAULT_MS_MAX)
  let starting: Promise<void> = Promise.resolve()
  return claim(place, {
    places: [place.name],
    note: `joins, leaves again after ${seconds(staysMs)}`,
    begin: () => {
      starting = cluster.start(place)
      // Awaited in `finish`.
      starting.catch(() => undefined)
    },
    finish: async (wait) => {
      try {
        await starting
        await wait(staysMs)
        await leaveForGood(tools, place)
      } finally {
        // One that could not join, or leave in good order, is not left behind.
        await place.kill()
        place.state = 'off'
        place.wipe()
      }
    },
  })
}

/** Its data dir goes with it. One that could not leave in good order is forgotten by the others like one that lost its disk. */
async function leaveForGood(tools: KvFaultTools, place: ProcessPlace): Promise<void> {
  const {nodeId} = place
  place.beginStop()
  const code = await orderlyEnd(tools, place)
  place.wipe()
  place.state = 'off'
  if (code !== 0) await tools.cluster.replace(place, nodeId)
}

async function planLeave(tools: KvFaultTools): Promise<FaultPlan | null> {
  const {cluster, prng} = tools
  const place = pick(
    prng,
    freeData(tools.cluster).filter(({isSpare}) => !isSpare),
  )
  if (!place || !canSpareOne(tools)) return null
  const awayMs = drawTime(prng, FAULT_MS_MIN, FAULT_MS_MAX)
  return claim(place, {
    places: [place.name],
    note: `leaves for good; a new node comes in its place after ${seconds(awayMs)}`,
    begin: () => place.beginStop(),
    finish: async (wait) => {
      await leaveForGood(tools, place)
      await wait(awayMs)
      await cluster.start(place)
    },
  })
}

async function planMove(tools: KvFaultTools): Promise<FaultPlan | null> {
  const {cluster, prng} = tools
  const to = pick(prng, freeData(tools.cluster))
  if (!to) return null
  const hot = tools.hotBuckets()
  const all = hot.length > 0 ? hot : Array.from({length: BUCKET_COUNT}, (_, bucket) => bucket)
  const buckets = drawSome(prng, all, 1 + prng.below(MOVE_BUCKETS_MAX)).sort((a, b) => a - b)
  return {
    places: [to.name],
    note: `${buckets.length} buckets to ${to.name}`,
    begin: () => undefined,
    finish: (wait) => move(cluster, buckets, to, wait),
  }
}

async function move(cluster: KvCluster, buckets: readonly number[], to: ProcessPlace, wait: Wait): Promise<void> {
  const over = new AbortController()
  const link = cluster.link()
  // A heal, or its time, ends the giving of orders; those that were given are carried out.
  void wait(MOVE_TIMEOUT_MS).then(() => over.abort())
  try {
    const options = {link, buckets, toId: to.nodeId, timeoutMs: MOVE_TIMEOUT_MS, onProgress: () => undefined}
    await moveBuckets({...options, signal: AbortSignal.any([over.signal, cluster.signal])})
  } catch (error) {
    if (!over.signal.aborted) throw error
  } finally {
    link.close()
  }
}

async function planLogKill(tools: KvFaultTools): Promise<FaultPlan | null> {
  const {cluster, prng} = tools
  const place = freeLog(tools)
  const facts = await cluster.facts()
  if (!place || !facts || whyNotAway(facts, [place.name]) !== null) return null
  const downMs = drawTime(prng, KILLED_MS_MIN, KILLED_MS_MAX)
  return claim(place, {
    places: [place.name],
    note: `SIGKILL, started again after ${seconds(downMs)}`,
    begin: () => place.kill(),
    finish: async (wait) => {
      await wait(downMs)
      await cluster.start(place)
    },
  })
}

async function planLogCut({cluster, prng}: KvFaultTools): Promise<FaultPlan | null> {
  const {log} = cluster
  return log?.state === 'up' ? isolate(cluster, prng, log.name, prng.below(2) === 0 ? 'cut' : 'late') : null
}
