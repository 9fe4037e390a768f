/**
 * Moving one bucket that is written as fast as the cluster takes it: does it complete, how long does it take, and what do the writers feel?
 * Each round moves it to the node that has no copy of it at that moment, by `kv buckets move`.
 *
 *   npm run bench:cluster -- hot-move [--rounds 5]
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {keyBucket} from '../../../src/base/crc16.ts'
import {median} from '../processes.ts'
import {fill, keyIn} from './keys.ts'
import {startLoad, type LoadReport} from './load.ts'
import {figure, printTable, verdict, type PartOptions} from './report.ts'
import {startOurSide, type Route, type Side} from './sides.ts'

const VALUE = 'v'.repeat(100)
const KEYS = 20_000
const CONNECTIONS = 8
const PIPELINE = 32
const PHASE_MS = 2_000
const SETTLE_TIMEOUT_MS = 20_000

interface Sample {
  readonly seconds: number
  /** What the command said if it did not complete. */
  readonly failure: string | null
  readonly before: LoadReport
  readonly during: LoadReport
}

async function measure(side: Side, bucket: number): Promise<Sample> {
  const route = await routeOf(side, bucket)
  const keys = Array.from({length: KEYS}, (_, number) => keyIn(bucket, number))
  const masters = [{port: route.from, keys}]
  const load = await startLoad({
    ...{masters, connections: CONNECTIONS, pipeline: PIPELINE, wait: 'never', value: VALUE, rate: null},
  })
  try {
    await sleep(PHASE_MS)
    await load.take()
    await sleep(PHASE_MS)
    const before = await load.take()
    const startedMs = performance.now()
    const failure = await side.move(route).then(
      () => null,
      (error: unknown) => String(error),
    )
    const seconds = (performance.now() - startedMs) / 1_000
    return {seconds, failure, before, during: await load.take()}
  } finally {
    await load.stop()
  }
}

/** From the bucket's master to the node without a copy, once the copy that was too many after the last round is gone. */
async function routeOf(side: Side, bucket: number): Promise<Route> {
  for (const untilMs = performance.now() + SETTLE_TIMEOUT_MS; performance.now() < untilMs; await sleep(50)) {
    const line = (await side.ranges()).find(({first, last}) => first <= bucket && bucket <= last)
    const to = side.ports.find((port) => line && port !== line.master && !line.replicas.includes(port))
    if (line && to !== undefined && line.replicas.length === 1) return {buckets: [bucket], from: line.master, to}
  }
  throw new Error(`bucket ${bucket} has no node to go to`)
}

/** Runs the part and prints its table. */
export async function runHotMove({isQuick, rounds = 5}: PartOptions): Promise<void> {
  const side = await startOurSide()
  const samples: Sample[] = []
  try {
    const name = Buffer.from('hot')
    const bucket = keyBucket(name, 0, name.length)
    const {from} = await routeOf(side, bucket)
    await fill(from, [bucket], KEYS, VALUE)
    for (let number = 1; number <= (isQuick ? 1 : rounds); number++) {
      const sample = await measure(side, bucket)
      samples.push(sample)
      const {seconds, before, during} = sample
      const problem = sample.failure ?? during.firstError
      console.error(
        `  hot move ${number}: ${seconds.toFixed(1)} s, writes/s ${figure(rate(before))} -> ${figure(rate(during))}, ` +
          `longest gap ${figure(before.gap)} -> ${figure(during.gap)} ms${problem === null ? '' : `; ${problem}`}`,
      )
    }
  } finally {
    await side.stop()
  }
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick))
  const worst = (pick: (sample: Sample) => number): number => Math.max(...samples.map(pick))
  const done = samples.filter(({failure}) => failure === null).length
  printTable(
    `Moving one bucket of ${figure(KEYS)} keys that is written at full speed; medians, longest gap: worst`,
    ['', 'moves', 'seconds', 'writes/s before', 'during', 'gap before ms', 'during', 'errors', 'completes'],
    [
      [
        'kv buckets move',
        samples.length,
        of(({seconds}) => seconds),
        of(({before}) => rate(before)),
        of(({during}) => rate(during)),
        worst(({before}) => before.gap),
        worst(({during}) => during.gap),
        samples.reduce((sum, {during}) => sum + during.errors, 0),
        verdict(done === samples.length, `${done} of ${samples.length}`),
      ],
    ],
  )
}

function rate({writes, seconds}: LoadReport): number {
  return Math.round(writes / seconds)
}
