/**
 * Moving buckets full of keys to a node that has no copy of them, by the command that an operator has: `kv buckets move` beside `redis-cli
 * --cluster reshard`, the same keys in each, whole commands timed, their own start included. Meanwhile one probe reads and writes keys of other
 * buckets at a fixed rate, another writes keys of moving buckets; both began before, so that there is something to compare with.
 * Each round has a cluster of its own; ours and Redis' take turns.
 *
 *   npm run bench:cluster -- move [--rounds 3]
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {rawConnection, encodeCommand} from '../../support/raw-connection.ts'
import {median} from '../processes.ts'
import {KEY_BYTES, fill, keyIn} from './keys.ts'
import {startProbe, type ProbeReport} from './probe.ts'
import {figure, printTable, verdict, type Cell, type PartOptions} from './report.ts'
import {startOurSide, startRedisSide, type Route, type Side} from './sides.ts'

const VALUE = 'v'.repeat(100)
const TRAFFIC_RATE = 1_000
const TRAFFIC_KEYS_PER_MASTER = 20
/** Keys of moving buckets that are written all the time, and how long after its last answer each. */
const WATCHED_KEYS = 32
const WATCHED_PAUSE_MS = 5
const WARM_UP_MS = 2_000
const QUIET_MS = 5_000

const SPEED_BAR = 10
const TAIL_BAR = 2
const PAUSE_BAR_MS = 20

interface Size {
  readonly buckets: number
  readonly keysPerBucket: number
  readonly rounds: number
  readonly redisRounds: number
}

interface Sample {
  readonly seconds: number
  readonly keysPerSecond: number
  readonly cpuUsPerKey: number
  readonly quiet: ProbeReport
  readonly during: ProbeReport
  readonly watchedQuiet: ProbeReport
  readonly watched: ProbeReport
}

async function measure(side: Side, size: Size): Promise<Sample> {
  const route = await side.route(size.buckets)
  await fill(route.from, route.buckets, size.keysPerBucket, VALUE)
  const common = {ports: side.ports, value: VALUE}
  const traffic = await startProbe({...common, keys: await otherKeys(side, route), rate: TRAFFIC_RATE, pauseMs: 0})
  const watch = await startProbe({...common, keys: watchedKeys(route), rate: null, pauseMs: WATCHED_PAUSE_MS})
  try {
    await sleep(WARM_UP_MS)
    await Promise.all([traffic.take(), watch.take()])
    await sleep(QUIET_MS)
    const [quiet, watchedQuiet] = await Promise.all([traffic.take(), watch.take()])
    const startedMs = performance.now()
    const startedCpuUs = side.cpuUs()
    await side.move(route)
    const seconds = (performance.now() - startedMs) / 1_000
    const usedUs = side.cpuUs() - startedCpuUs
    const [during, watched] = await Promise.all([traffic.take(), watch.take()])
    const keys = await countKeys(route)
    if (keys !== size.buckets * size.keysPerBucket) throw new Error(`${keys} keys arrived, not all`)
    return {seconds, keysPerSecond: keys / seconds, cpuUsPerKey: usedUs / keys, quiet, during, watchedQuiet, watched}
  } finally {
    await Promise.all([traffic.stop(), watch.stop()])
  }
}

/** Keys of buckets that stay, as many of each master. */
async function otherKeys(side: Side, {buckets}: Route): Promise<string[]> {
  const moving = new Set(buckets)
  const byMaster = new Map<number, number[]>()
  for (const {first, last, master} of await side.ranges()) {
    const list = byMaster.get(master) ?? []
    for (let bucket = first; bucket <= last; bucket++) if (!moving.has(bucket)) list.push(bucket)
    byMaster.set(master, list)
  }
  return [...byMaster.values()].flatMap((list) =>
    spread(list, TRAFFIC_KEYS_PER_MASTER).map((bucket) => keyIn(bucket, 0)),
  )
}

function watchedKeys({buckets}: Route): string[] {
  return spread(buckets, WATCHED_KEYS).map((bucket) => keyIn(bucket, 0))
}

/** So many of the list (or all, if it has fewer), evenly over it. */
function spread(list: readonly number[], count: number): number[] {
  const taken = Math.min(count, list.length)
  return Array.from({length: taken}, (_, i) => list[Math.floor((i * list.length) / taken)]!)
}

/** Keys of these buckets at the node that has got them. */
async function countKeys({buckets, to}: Route): Promise<number> {
  const connection = await rawConnection(to)
  try {
    connection.write(Buffer.concat(buckets.map((bucket) => encodeCommand(['CLUSTER', 'COUNTKEYSINSLOT', bucket]))))
    const replies = await connection.replies(buckets.length, 30_000)
    return replies.reduce((sum, reply) => sum + Number(reply.toString().slice(1)), 0)
  } finally {
    connection.close()
  }
}

async function round(start: () => Promise<Side>, size: Size, samples: Sample[]): Promise<void> {
  const side = await start()
  try {
    const sample = await measure(side, size)
    samples.push(sample)
    const {seconds, keysPerSecond, quiet, during, watched} = sample
    const failure = watched.firstFailure ?? during.firstFailure
    console.error(
      `  move ${samples.length}: ${side.name} ${seconds.toFixed(1)} s, ${figure(Math.round(keysPerSecond))} keys/s, ` +
        `p99 ${figure(quiet.p99)} -> ${figure(during.p99)} ms, longest pause ${figure(watched.max)} ms` +
        (failure === null ? '' : `; failed: ${failure}`),
    )
  } finally {
    await side.stop()
  }
}

/** Runs the part and prints its tables. */
export async function runMove({isQuick, rounds}: PartOptions): Promise<void> {
  const size: Size = isQuick
    ? {buckets: 50, keysPerBucket: 200, rounds: 1, redisRounds: 1}
    : {buckets: 1_000, keysPerBucket: 1_000, rounds: rounds ?? 3, redisRounds: Math.min(2, rounds ?? 2)}
  const ours: Sample[] = []
  const theirs: Sample[] = []
  for (let number = 0; number < Math.max(size.rounds, size.redisRounds); number++) {
    if (number < size.rounds) await round(startOurSide, size, ours)
    if (number < size.redisRounds) await round(startRedisSide, size, theirs)
  }
  const keys = figure(size.buckets * size.keysPerBucket)
  printTable(
    `Moving ${figure(size.buckets)} buckets with ${keys} keys of ${VALUE.length} bytes; medians`,
    ['', 'rounds', 'seconds', 'keys/s', 'MB/s', 'CPU us/key'],
    [speedRow('kv buckets move', ours), speedRow('redis-cli --cluster reshard', theirs)],
  )
  printTable(
    `Clients during the move; p99 of ${TRAFFIC_RATE} requests/s to other buckets, ${WATCHED_KEYS} moving keys written all the time`,
    ['', 'p99 quiet ms', 'p99 moving ms', 'ratio', 'p50 moving ms', 'longest pause, quiet', 'moving', 'failures'],
    [clientRow('kv', ours), clientRow('redis', theirs)],
  )
  printTable('Bars', ['', 'is', 'bar'], bars(ours, theirs))
}

function of(samples: readonly Sample[], pick: (sample: Sample) => number): number {
  return median(samples.map(pick))
}

function speedRow(name: string, samples: readonly Sample[]): Cell[] {
  const perSecond = of(samples, (sample) => sample.keysPerSecond)
  const megabytes = (perSecond * (KEY_BYTES + VALUE.length)) / 1e6
  const seconds = of(samples, (sample) => sample.seconds)
  return [name, samples.length, seconds, Math.round(perSecond), megabytes, of(samples, (sample) => sample.cpuUsPerKey)]
}

function clientRow(name: string, samples: readonly Sample[]): Cell[] {
  return [
    name,
    of(samples, ({quiet}) => quiet.p99),
    of(samples, ({during}) => during.p99),
    of(samples, tailRatio),
    of(samples, ({during}) => during.p50),
    Math.max(...samples.map(({watchedQuiet}) => watchedQuiet.max)),
    Math.max(...samples.map(({watched}) => watched.max)),
    samples.reduce((sum, {during, watched}) => sum + during.failures + watched.failures, 0),
  ]
}

function tailRatio({quiet, during}: Sample): number {
  return during.p99 / quiet.p99
}

function bars(ours: readonly Sample[], theirs: readonly Sample[]): Cell[][] {
  const speed = of(ours, (sample) => sample.keysPerSecond) / of(theirs, (sample) => sample.keysPerSecond)
  const tail = of(ours, tailRatio)
  const pause = Math.max(...ours.map(({watched}) => watched.max))
  return [
    ['keys/s against Redis', `${figure(speed)} x`, verdict(speed >= SPEED_BAR, `>= ${SPEED_BAR} x`)],
    ['p99 of other traffic against quiet', `${figure(tail)} x`, verdict(tail <= TAIL_BAR, `<= ${TAIL_BAR} x`)],
    ['longest pause of one key', `${figure(pause)} ms`, verdict(pause <= PAUSE_BAR_MS, `<= ${PAUSE_BAR_MS} ms`)],
  ]
}
