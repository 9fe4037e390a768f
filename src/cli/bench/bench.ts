/**
 * One run of the load generator: finds the masters, loads what the reads will ask for, then measures. Each lane talks
 * to one master and asks only for keys that live there, so no request is redirected; a bucket that moves during the run
 * shows up as `MOVED` errors.
 */
import type {Address} from '../../base/address.ts'
import {keyBucket} from '../../base/crc16.ts'
import {ClusterClient} from '../../client/cluster-client.ts'
import type {SlotMap} from '../../client/slot-map.ts'
import {KvError} from '../../errors.ts'
import {drive, type DriveOutcome} from './drive.ts'
import {Lane} from './lane.ts'
import {loadsFor, OPERATIONS, type OperationName, type Share} from './mix.ts'
import {keyName, LoadSource, makeValue, MixSource, type KeySpace, type RequestSource} from './requests.ts'
import {Stats} from './stats.ts'

/** Requests in flight on one lane: loading; and at a fixed rate, when the server falls behind. */
const LOAD_PIPELINE = 64
const OPEN_LOOP_IN_FLIGHT_MAX = 65_536

export interface BenchPlan {
  readonly node: Address
  readonly password: string | undefined
  readonly mix: readonly Share[]
  readonly clients: number
  readonly pipeline: number
  readonly valueBytes: number
  readonly space: KeySpace
  readonly requests: number
  readonly durationMs: number
  readonly ratePerSecond: number | undefined
  /** Write first what the mix reads. */
  readonly isLoading: boolean
}

export interface BenchProgress {
  readonly phase: 'load' | 'run'
  readonly elapsedMs: number
  readonly stats: Stats
  /** Requests that the phase will send, if that is known. */
  readonly total: number
}

export interface BenchWatch {
  /** Ends the run early; what was measured so far counts. */
  readonly signal: AbortSignal
  readonly onProgress: (progress: BenchProgress) => void
}

export interface BenchOutcome extends DriveOutcome {
  readonly stats: Stats
  readonly masters: number
  readonly clients: number
}

/** What both phases share. */
interface Bench {
  readonly plan: BenchPlan
  readonly watch: BenchWatch
  readonly map: SlotMap
  readonly clients: number
  readonly value: Buffer
}

/** Errors: those of `ClusterClient.connect`, and E_CLOSED_MAYBE or E_TIMEOUT while loading. */
export async function runBench(plan: BenchPlan, watch: BenchWatch): Promise<BenchOutcome> {
  const client = await ClusterClient.connect([plan.node], {password: plan.password})
  const {map} = client
  await client.close()
  if (map.masters.length === 0) throw new KvError('E_CONNECT', 'No node serves any bucket.')
  const clients = Math.max(plan.clients, map.masters.length)
  const bench: Bench = {plan, watch, map, clients, value: makeValue(plan.valueBytes)}
  for (const name of plan.isLoading ? loadsFor(plan.mix) : []) await load(bench, name)
  const stats = new Stats(plan.mix.length)
  const outcome = await measure(bench, stats)
  return {...outcome, stats, masters: map.masters.length, clients}
}

async function load(bench: Bench, name: OperationName): Promise<void> {
  const {plan, watch, map, clients} = bench
  const masterCount = map.masters.length
  const choice = elementsByMaster(map, plan.space, name)
  const stats = new Stats(1)
  const outcome = await drive({
    laneCount: clients,
    openLane: (index) => {
      // The lanes of one master share its elements: every k-th is this lane's.
      const step = Math.ceil((clients - (index % masterCount)) / masterCount)
      const part = {elements: choice?.[index % masterCount], first: Math.floor(index / masterCount), step}
      return openLane(bench, index, new LoadSource(name, plan.space, bench.value, part), stats, LOAD_PIPELINE)
    },
    pipeline: LOAD_PIPELINE,
    requests: Infinity,
    durationMs: Infinity,
    ratePerSecond: undefined,
    replies: () => stats.replies,
    isLossFatal: true,
    signal: watch.signal,
    onTick: (elapsedMs) => watch.onProgress({phase: 'load', elapsedMs, stats, total: plan.space.size}),
  })
  if (outcome.isHung) throw new KvError('E_TIMEOUT', 'The node fell silent while the keys were loaded.')
  if (stats.firstError !== undefined) throw new KvError('E_REPLY', `The keys could not be loaded: ${stats.firstError}`)
}

function measure(bench: Bench, stats: Stats): Promise<DriveOutcome> {
  const {plan, watch, map, clients} = bench
  const byOperation = plan.mix.map(({name}) => elementsByMaster(map, plan.space, name))
  const inFlightMax = plan.ratePerSecond === undefined ? plan.pipeline : OPEN_LOOP_IN_FLIGHT_MAX
  return drive({
    laneCount: clients,
    openLane: (index) => {
      const choice = byOperation.map((lists) => lists?.[index % map.masters.length])
      return openLane(bench, index, new MixSource(plan.mix, plan.space, bench.value, choice), stats, inFlightMax)
    },
    pipeline: plan.pipeline,
    requests: plan.requests,
    durationMs: plan.durationMs,
    ratePerSecond: plan.ratePerSecond,
    replies: () => stats.replies,
    isLossFatal: false,
    signal: watch.signal,
    onTick: (elapsedMs) => watch.onProgress({phase: 'run', elapsedMs, stats, total: plan.requests}),
  })
}

function openLane(
  {plan, map}: Bench,
  index: number,
  source: RequestSource,
  stats: Stats,
  inFlightMax: number,
): Promise<Lane> {
  const address = map.masters[index % map.masters.length]!
  return Lane.open({address, password: plan.password, source, stats, inFlightMax})
}

/**
 * For each master the elements whose keys it holds; undefined if one master holds them all. Errors: E_USAGE if one
 * holds none.
 */
function elementsByMaster(map: SlotMap, space: KeySpace, name: OperationName): readonly Uint32Array[] | undefined {
  if (map.masters.length === 1) return undefined
  const lists: number[][] = map.masters.map(() => [])
  const {elementsPerKey} = OPERATIONS[name]
  let owner = -1
  for (let element = 0; element < space.size; element++) {
    if (element % elementsPerKey === 0) {
      const key = Buffer.from(keyName(space, name, element))
      owner = map.ownerIndexOf(keyBucket(key, 0, key.length))
    }
    if (owner >= 0) lists[owner]!.push(element)
  }
  if (lists.some((list) => list.length === 0)) {
    throw new KvError('E_USAGE', 'There are too few keys for every master to hold one.', 'Ask for more with --keys.')
  }
  return lists.map((list) => Uint32Array.from(list))
}
