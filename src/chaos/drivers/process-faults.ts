/** The faults of processes: stopped, killed, paused, each at its place, and started there again. The same for every cluster of processes. */
import {setTimeout as sleep} from 'node:timers/promises'
import {LEASE_MS} from '../../constants.ts'
import {whyNotAway, whyNotLose} from '../budget.ts'
import {freeData, type FaultTools, type FaultyCluster, type Planner} from './cluster.ts'
import {drawTime, FAULT_MS_MAX, pick} from './draws.ts'
import type {FaultPlan} from './fault-book.ts'
import type {ProcessPlace} from './place.ts'
import type {FaultKind} from '../driver.ts'

type ProcessKind = Extract<FaultKind, 'stop' | 'kill' | 'kill-in-stop' | 'bounce' | 'wipe' | 'pause'>

export const KILLED_MS_MIN = 200
export const KILLED_MS_MAX = 6_000
const BOUNCE_MS_MAX = 50
const BUDGET_POLL_MS = 50
const LEASES = [0.5, 1, 3]

export const PROCESS_FAULTS: Readonly<Record<ProcessKind, Planner>> = {
  stop: planStop,
  kill: (tools) => planCrash(tools, {downMs: drawTime(tools.prng, KILLED_MS_MIN, KILLED_MS_MAX), isWiped: false}),
  bounce: (tools) => planCrash(tools, {downMs: tools.prng.below(BOUNCE_MS_MAX), isWiped: false}),
  wipe: (tools) => planCrash(tools, {downMs: drawTime(tools.prng, KILLED_MS_MIN, KILLED_MS_MAX), isWiped: true}),
  'kill-in-stop': planKillInStop,
  pause: async (tools) => planPause(tools, pick(tools.prng, freeData(tools.cluster))),
}

/** Nobody does anything else to this process meanwhile. */
export function claim(place: ProcessPlace, plan: FaultPlan): FaultPlan {
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

/** Enough data nodes would be there without one of them to have all copies. */
export function canSpareOne({cluster, replicas, nodes}: FaultTools): boolean {
  const others = freeData(cluster).length - 1
  return others >= Math.max(1, Math.min(replicas + 1, nodes - 1))
}

/** Of the places that may lose their memory now one. */
async function drawVictim({cluster, prng}: FaultTools, losesDisk: boolean): Promise<ProcessPlace | null> {
  const facts = await cluster.facts()
  if (!facts) return null
  // One that has just come is taken, too, but not before it is calm: the facts know.
  const may = freeData(cluster).filter(({name}) => whyNotLose(facts, name, losesDisk) === null)
  return pick(prng, may) ?? null
}

async function planStop(tools: FaultTools): Promise<FaultPlan | null> {
  // Who hands nothing over is missed as if it had crashed.
  const {isHandover} = tools.cluster.stopping
  const place = isHandover ? pick(tools.prng, freeData(tools.cluster)) : await drawVictim(tools, false)
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

/** Waits for the end that a SIGTERM asked for; resolves to the exit code. One that is not 0 is an event. */
export async function orderlyEnd(tools: FaultTools, place: ProcessPlace): Promise<number | null> {
  const code = await place.exited()
  if (code !== 0) tools.event(`${place.name} ended its stop with ${code === null ? 'a signal' : `exit code ${code}`}`)
  return code
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
      if (isWiped) await tools.cluster.replace(place, nodeId)
    },
  })
}

async function planKillInStop(tools: FaultTools): Promise<FaultPlan | null> {
  const place = await drawVictim(tools, false)
  if (!place || !canSpareOne(tools)) return null
  const afterMs = tools.prng.below(tools.cluster.stopping.ms)
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
async function killWhenAllowed(cluster: FaultyCluster, place: ProcessPlace): Promise<boolean> {
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

export async function planPause(tools: FaultTools, place: ProcessPlace | undefined): Promise<FaultPlan | null> {
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

/** For people. */
export function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
