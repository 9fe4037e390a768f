/**
 * What is looked at when the time is over: the faults stop, and everything must come to be as if they had never been.
 *
 *   heal -> every bucket can be written -> nothing ails the cluster -> clients stop -> all keys are read -> the ledger through every node
 *        -> all copies of a bucket are equal
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {formatAddress, type Address} from '../base/address.ts'
import {BUCKET_COUNT, CHAOS_HEAL_TIMEOUT_MS, CHAOS_WRITABLE_TARGET_MS} from '../constants.ts'
import {formatCount} from '../cli/units.ts'
import {bucketKeys, writeAll} from './buckets.ts'
import type {Workload, WorkKey} from '../workload/workload.ts'
import type {WorkClient} from '../workload/types.ts'
import type {CopyHash, Driver} from './driver.ts'
import type {Check} from './run-record.ts'

const POLL_MS = 100
/** A key that could not be read is tried again, since a busy machine may be late. */
const READ_TRIES = 3
const NAMES_MAX = 5

export interface Ending {
  readonly driver: Driver
  readonly workload: Workload
  readonly prefix: string
  /** Copies of each bucket that there are to be. */
  readonly copies: number
  /** A client that asks this node first; or any. */
  makeClient(first: Address | undefined): WorkClient & {close(): void}
}

/** Ends the faults and waits until all is well; clients go on meanwhile. */
export async function healAll({driver, prefix}: Ending, timeoutMs = CHAOS_HEAL_TIMEOUT_MS): Promise<Check[]> {
  const keys = bucketKeys(prefix)
  await driver.heal()
  const beganMs = performance.now()
  const stuck = await writeAll(() => driver.addresses(), keys, timeoutMs)
  const tookMs = performance.now() - beganMs
  const target = `target ${seconds(CHAOS_WRITABLE_TARGET_MS)}${tookMs > CHAOS_WRITABLE_TARGET_MS ? ': missed' : ''}`
  const writable: Check = {
    what: 'every bucket can be written after the faults',
    result: stuck.length === 0 ? 'ok' : 'wrong',
    detail:
      stuck.length === 0
        ? `all ${formatCount(BUCKET_COUNT)} after ${seconds(tookMs)}, ${target}`
        : `${formatCount(stuck.length)} buckets took no write within ${seconds(timeoutMs)}`,
  }
  const left = await ailmentsLeft(driver, beganMs + timeoutMs)
  const healed: Check = {
    what: 'the cluster heals: all nodes are members, all buckets have their copies, nothing moves',
    result: left.length === 0 ? 'ok' : 'wrong',
    detail: left.length === 0 ? `after ${seconds(performance.now() - beganMs)}` : left.slice(0, NAMES_MAX).join('; '),
  }
  return [writable, healed]
}

/** What still ails the cluster at `untilMs`, on performance.now(); empty as soon as nothing does. */
async function ailmentsLeft(driver: Driver, untilMs: number): Promise<string[]> {
  for (;;) {
    const ailments = await driver.ailments().catch((error: unknown) => [(error as Error).message])
    if (ailments.length === 0 || performance.now() > untilMs) return ailments
    await sleep(POLL_MS)
  }
}

/** Reads every key; the ledger through every node. The answers go to the checker as all others do. */
export async function readBack(ending: Ending): Promise<Check[]> {
  const {workload, driver} = ending
  const unread = await readKeys(ending, workload.keys, undefined)
  const ledger = workload.keys.filter(({kind}) => kind === 'ledger')
  const addresses = driver.addresses()
  const through = await Promise.all(
    addresses.map(async (address) => {
      const client = ending.makeClient(address)
      try {
        return (await readKeys(ending, ledger, client)).map(({key}) => `${key} through ${formatAddress(address)}`)
      } finally {
        client.close()
      }
    }),
  )
  const all = `${formatCount(ledger.length)} keys through ${addresses.length} nodes`
  return [
    readCheck(
      'every key can be read at the end',
      unread.map(({key}) => key),
      `${formatCount(workload.keys.length)} keys`,
    ),
    readCheck('every ledger key is read through every node', through.flat(), all),
  ]
}

async function readKeys(
  {workload}: Ending,
  keys: readonly WorkKey[],
  client: WorkClient | undefined,
): Promise<readonly WorkKey[]> {
  let left = keys
  for (let i = 0; i < READ_TRIES && left.length > 0; i++) {
    left = await new Promise<readonly WorkKey[]>((resolve) => workload.readKeys(left, resolve, client))
  }
  return left
}

function readCheck(what: string, unread: readonly string[], all: string): Check {
  if (unread.length === 0) return {what, result: 'ok', detail: all}
  const names = unread.slice(0, NAMES_MAX).join(', ')
  return {what, result: 'wrong', detail: `of ${all} ${unread.length} gave no answer: ${names}`}
}

/** While nobody writes, all copies of a bucket are at the same place and hold the same. */
export async function compareCopies({driver, copies}: Ending): Promise<Check> {
  const what = 'all copies of each bucket are equal'
  const hashes = await driver.hashes()
  if (hashes === null) return {what, result: 'skipped', detail: `${driver.version} cannot tell`}
  const wrong: string[] = []
  let buckets = 0
  for (const [bucket, all] of Map.groupBy(hashes, (copy) => copy.bucket)) {
    buckets++
    const places = new Set(all.map(stateOf))
    if (places.size > 1)
      wrong.push(`bucket ${bucket}: ${all.map((copy) => `${copy.place} ${stateOf(copy)}`).join(', ')}`)
    else if (all.length < copies) wrong.push(`bucket ${bucket} has ${all.length} of ${copies} copies`)
  }
  if (buckets < BUCKET_COUNT) wrong.push(`${BUCKET_COUNT - buckets} buckets have no copy`)
  const detail =
    wrong.length === 0
      ? `${formatCount(buckets)} buckets, ${formatCount(hashes.length)} copies`
      : wrong.slice(0, NAMES_MAX).join('; ')
  return {what, result: wrong.length === 0 ? 'ok' : 'wrong', detail}
}

/** A process that ends by itself has met a bug, also if nobody was the worse for it. */
export function countCrashes({crashes}: Driver): Check {
  const what = 'no process ended by itself'
  if (!crashes) return {what, result: 'skipped', detail: 'nobody can tell'}
  const isOk = crashes.length === 0
  return {what, result: isOk ? 'ok' : 'wrong', detail: isOk ? '' : crashes.slice(0, NAMES_MAX).join('; ')}
}

function stateOf({epoch, seq, hash}: CopyHash): string {
  return `${epoch}.${seq} ${hash}`
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
