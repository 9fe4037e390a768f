/** The faults of links: who is cut off from whom, held back, or slow. Any of them may overlap with any other. */
import {drawSome, drawTime, FAULT_MS_MAX, FAULT_MS_MIN, linksBetween, linksTo, pick} from './draws.ts'
import type {Prng} from '../../base/prng.ts'
import type {FaultKind} from '../driver.ts'
import type {FaultTools, FaultyCluster, Planner} from './cluster.ts'
import type {FaultPlan} from './fault-book.ts'
import type {LinkEffect, LinkName} from './proxy.ts'

type NetworkKind = Extract<FaultKind, 'partition' | 'one-way' | 'isolate-leader' | 'late' | 'slow'>

const SLOW_MS_MIN = 5
const SLOW_MS_MAX = 250
const DRIBBLE_BYTES_MAX = 1_400
const DRIBBLE_MS_MAX = 8

export const NETWORK_FAULTS: Readonly<Record<NetworkKind, Planner>> = {
  partition: async ({cluster, prng}) => {
    const names = namesOf(cluster)
    if (names.length < 2) return null
    return prng.below(4) === 0 && names.length > 3 ? ring(cluster, prng, names) : halves(cluster, prng, names)
  },
  'one-way': async ({cluster, prng}) => {
    const names = namesOf(cluster)
    const [one, ...others] = drawSome(prng, names, names.length)
    if (one === undefined || others.length === 0) return null
    const isDeaf = prng.below(2) === 0
    const links = isDeaf ? linksTo(others, [one]) : linksTo([one], others)
    const note = isDeaf ? `${one} hears nobody` : `nobody hears ${one}`
    return planLinks(cluster, prng, {effects: [{kind: 'cut'}], links, places: [one], note})
  },
  'isolate-leader': async ({cluster, prng}) => {
    const leader = await cluster.leader()
    return leader ? isolate(cluster, prng, leader.name, 'cut') : null
  },
  late: async ({cluster, prng}) => {
    const name = pick(prng, namesOf(cluster))
    return name === undefined ? null : isolate(cluster, prng, name, 'late')
  },
  slow,
}

/** Places with a process. */
function namesOf({places}: FaultyCluster): string[] {
  return places.filter(({state}) => state !== 'off').map(({name}) => name)
}

interface OnLinks {
  readonly effects: readonly LinkEffect[]
  readonly links: readonly LinkName[]
  readonly places: readonly string[]
  readonly note: string
}

function planLinks(cluster: FaultyCluster, prng: Prng, {effects, links, places, note}: OnLinks): FaultPlan {
  const ms = drawTime(prng, FAULT_MS_MIN, FAULT_MS_MAX)
  let ends: (() => void)[] = []
  return {
    places,
    note: `${note} for ${(ms / 1000).toFixed(1)} s`,
    begin: () => {
      ends = effects.map((effect) => cluster.disturb(effect, links))
    },
    finish: async (wait) => {
      await wait(ms)
      for (const end of ends) end()
    },
  }
}

function halves(cluster: FaultyCluster, prng: Prng, names: readonly string[]): FaultPlan {
  const some = drawSome(prng, names, 1 + prng.below(Math.floor(names.length / 2))).sort()
  const others = names.filter((name) => !some.includes(name))
  const note = `${some.join(', ')} <-> ${others.join(', ')} cut`
  return planLinks(cluster, prng, {effects: [{kind: 'cut'}], links: linksBetween(some, others), places: some, note})
}

function ring(cluster: FaultyCluster, prng: Prng, names: readonly string[]): FaultPlan {
  const order = drawSome(prng, names, names.length)
  const isNeighbour = (a: string, b: string): boolean => {
    const apart = Math.abs(order.indexOf(a) - order.indexOf(b))
    return apart === 1 || apart === order.length - 1
  }
  const links = linksTo(names, names).filter(([a, b]) => !isNeighbour(a, b))
  const note = `ring ${order.join(' - ')} cut down to neighbours`
  return planLinks(cluster, prng, {effects: [{kind: 'cut'}], links, places: order, note})
}

/** Nothing comes through between this place and any other. */
export function isolate(cluster: FaultyCluster, prng: Prng, name: string, kind: 'cut' | 'late'): FaultPlan {
  const others = cluster.places.map((place) => place.name).filter((other) => other !== name)
  const note = kind === 'cut' ? `${name} cut off from all` : `all to and from ${name} held back, then delivered,`
  return planLinks(cluster, prng, {effects: [{kind}], links: linksBetween([name], others), places: [name], note})
}

async function slow({cluster, prng}: FaultTools): Promise<FaultPlan | null> {
  const [one, other] = drawSome(prng, namesOf(cluster), 2)
  if (one === undefined || other === undefined) return null
  // All links of one node, or one pair.
  const isPair = prng.below(2) === 0
  const others = isPair ? [other] : cluster.places.map(({name}) => name)
  const delayMs = drawTime(prng, SLOW_MS_MIN, SLOW_MS_MAX)
  const dribble = {
    kind: 'dribble',
    bytes: 1 + prng.below(DRIBBLE_BYTES_MAX),
    everyMs: 1 + prng.below(DRIBBLE_MS_MAX),
  } as const
  const shape = prng.below(3)
  const effects: LinkEffect[] = []
  if (shape !== 1) effects.push({kind: 'slow', delayMs})
  if (shape !== 0) effects.push(dribble)
  const parts = effects.map((effect) =>
    effect.kind === 'slow' ? `${effect.delayMs} ms later` : `${dribble.bytes} bytes every ${dribble.everyMs} ms`,
  )
  const note = `${one} <-> ${isPair ? other : 'all'}: ${parts.join(', ')}`
  const places = isPair ? [one, other] : [one]
  return planLinks(cluster, prng, {effects, links: linksBetween([one], others), places, note})
}
