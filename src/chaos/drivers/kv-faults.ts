/** How each fault is done to a cluster of kv processes. Every planner draws what it needs, asks the fault budget, and gives a plan, or null if it must not be now. */
import {setTimeout as sleep} from 'node:timers/promises'
import {BUCKET_COUNT, LEASE_MS} from '../../constants.ts'
import {moveBuckets} from '../../cli/move-buckets.ts'
import {whyNotAway, whyNotLose} from '../budget.ts'
import {drawSome, drawTime, FAULT_MS_MAX, FAULT_MS_MIN, pick} from './draws.ts'
import {NETWORK_FAULTS} from './network-faults.ts'
import type {Prng} from '../../base/prng.ts'
import type {FaultKind} from '../driver.ts'
import type {FaultPlan, Wait} from './fault-book.ts'
import type {KvCluster} from './kv-cluster.ts'
import type {KvPlace} from './kv-place.ts'

/** What a planner has to do with. */
export interface FaultTools {
  readonly cluster: KvCluster
  readonly prng: Prng
  readonly replicas: number
  /** Data nodes at the beginning. */
  readonly nodes: number
  /** Buckets that are used much; empty: any. */
  hotBuckets(): readonly number[]
  event(text: string): void
}

type Planner = (tools: FaultTools) => Promise<FaultPlan | null>

const KILLED_MS_MIN = 200
const KILLED_MS_MAX = 6_000
const BOUNCE_MS_MAX = 50
/** An orderly stop takes its 2 s, most of them after the buckets were given away. */
const KILL_IN_STOP_MS_MAX = 1_500
const BUDGET_POLL_MS = 50
const MOVE_BUCKETS_MAX = 32
const MOVE_TIMEOUT_MS = 60_000
const LEASES = [0.5, 1, 3]

/** The processes' faults are here, those of the links in network-faults.ts. */
export const KV_FAULTS: Readonly<Record<FaultKind, Planner>> = {
  ...NETWORK_FAULTS,
  stop: planStop,
  kill: (tools) => planCrash(tools, {downMs: drawTime(tools.prng, KILLED_MS_MIN, KILLED_MS_MAX), isWiped: false}),
  bounce: (tools) => planCrash(tools, {downMs: tools.prng.below(BOUNCE_MS_MAX), isWiped: false}),
  wipe: (tools) => planCrash(tools, {downMs: drawTime(tools.prng, KILLED_MS_MIN, KILLED_MS_MAX), isWiped: true}),
  'kill-in-stop': planKillInStop,
  pause: async (tools) => planPause(tools, pick(tools.prng, freeData(tools))),
  join: planJoin,
  leave: planLeave,
  move: planMove,
  'log-kill': planLogKill,
  'log-pause': async (tools) => planPause(tools, freeLog(tools)),
}

/** Nobody does anything else to this process meanwhile. */
function claim(place: KvPlace, plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    begin: async () => {
      place.isBusy = true
      try {
        await plan.begin()
      } catch (error) {
        place.isBusy = false
        throw error
      }
    },
    finish: async (wait) => {
      try {
        await plan.finish(wait)
      } finally {
        place.isBusy = false
      }
    },
  }
}

function freeData({cluster}: FaultTools): KvPlace[] {
  return cluster.free.filter(({role}) => role === 'data')
}

function freeLog({cluster}: FaultTools): KvPlace | undefined {
  return cluster.free.find(({role}) => role === 'log')
}

/** Enough data nodes would be there without one of them to have all copies. */
function canSpareOne({cluster, replicas, nodes}: FaultTools): boolean {
  const others = cluster.dataPlaces.filter(({state, isBusy}) => state === 'up' && !isBusy).length - 1
  return others >= Math.max(1, Math.min(replicas + 1, nodes - 1))
}

/** Of the places that may lose their memory now one. */
async function drawVictim({cluster, prng}: FaultTools, losesDisk: boolean): Promise<KvPlace | null> {
  const facts = await cluster.facts()
  if (!facts) return null
  // One that has just come is taken, too, but not before it is calm: the facts know.
  const may = cluster.free.filter(({role, name}) => role === 'data' && whyNotLose(facts, name, losesDisk) === null)
  return pick(prng, may) ?? null
}

async function planStop(tools: FaultTools): Promise<FaultPlan | null> {
  const place = pick(tools.prng, freeData(tools))
  if (!place || !canSpareOne(tools)) return null
  const downMs = drawTime(tools.prng, 0, FAULT_MS_MAX)
  return claim(place, {
    places: [place.name],
    note: `SIGTERM, ${seconds(downMs)} down`,
    begin: () => place.beginStop(),
    finish: async (wait) => {
      await orderlyEnd(tools, place)
      await wait(downMs)
      await tools.cluster.start(place)
    },
  })
}

async function orderlyEnd({event}: FaultTools, place: KvPlace): Promise<void> {
  const code = await place.exited()
  if (code !== 0) event(`${place.name} ended its stop with ${code === null ? 'a signal' : `exit code ${code}`}`)
}

interface Crash {
  readonly downMs: number
  readonly isWiped: boolean
}

async function planCrash(tools: FaultTools, {downMs, isWiped}: Crash): Promise<FaultPlan | null> {
  const place = await drawVictim(tools, isWiped)
  if (!place) return null
  const {nodeId} = place
  return claim(place, {
    places: [place.name],
    note: `SIGKILL, ${isWiped ? 'data dir emptied, ' : ''}started again after ${seconds(downMs)}`,
    begin: () => place.kill(),
    finish: async (wait) => {
      if (isWiped) place.wipe()
      await wait(downMs)
      await tools.cluster.start(place)
      // The node of before will not come back.
      if (isWiped) await tools.cluster.forget(nodeId)
    },
  })
}

async function planKillInStop(tools: FaultTools): Promise<FaultPlan | null> {
  const place = await drawVictim(tools, false)
  if (!place || !canSpareOne(tools)) return null
  const afterMs = tools.prng.below(KILL_IN_STOP_MS_MAX)
  const downMs = drawTime(tools.prng, KILLED_MS_MIN, KILLED_MS_MAX)
  return claim(place, {
    places: [place.name],
    note: `SIGTERM, SIGKILL ${afterMs} ms later, ${seconds(downMs)} down`,
    begin: () => place.beginStop(),
    finish: async (wait) => {
      await sleep(afterMs)
      const isKilled = await killWhenAllowed(tools.cluster, place)
      await wait(downMs)
      await tools.cluster.start(place)
      if (!isKilled) throw new Error('it had stopped before it could be killed')
    },
  })
}

/** Other faults may have begun since: the budget is asked again. False: its stop came to its end before. */
async function killWhenAllowed(cluster: KvCluster, place: KvPlace): Promise<boolean> {
  while (place.pid !== null) {
    const facts = await cluster.facts(place)
    if (facts && place.pid !== null && whyNotLose(facts, place.name, false) === null) {
      await place.kill()
      return true
    }
    await sleep(BUDGET_POLL_MS)
  }
  return false
}

async function planPause(tools: FaultTools, place: KvPlace | undefined): Promise<FaultPlan | null> {
  const facts = await tools.cluster.facts()
  if (!place || !facts || whyNotAway(facts, [place.name]) !== null) return null
  const leases = LEASES[tools.prng.below(LEASES.length)]!
  const ms = leases * LEASE_MS
  return claim(place, {
    places: [place.name],
    note: `SIGSTOP for ${seconds(ms)} (${leases} x the lease)`,
    begin: () => place.pause(),
    finish: async (wait) => {
      await wait(ms)
      place.resume()
    },
  })
}

async function planJoin(tools: FaultTools): Promise<FaultPlan | null> {
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

async function leaveForGood(tools: FaultTools, place: KvPlace): Promise<void> {
  place.beginStop()
  await orderlyEnd(tools, place)
  place.wipe()
  place.state = 'off'
}

async function planLeave(tools: FaultTools): Promise<FaultPlan | null> {
  const {cluster, prng} = tools
  const place = pick(
    prng,
    freeData(tools).filter(({isSpare}) => !isSpare),
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

async function planMove(tools: FaultTools): Promise<FaultPlan | null> {
  const {cluster, prng} = tools
  const to = pick(prng, freeData(tools))
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

async function move(cluster: KvCluster, buckets: readonly number[], to: KvPlace, wait: Wait): Promise<void> {
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

async function planLogKill(tools: FaultTools): Promise<FaultPlan | null> {
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

function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
