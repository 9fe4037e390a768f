/**
 * What only a cluster of kv can show at the end, when nobody writes any more: that its nodes end one after the other in good order, that the data log alone gives
 * everything back, and that the last node's savefile does.
 *
 *   content -> stop all, the last one saves -> log into a fresh cluster: same content? -> last node again, alone: same content?
 */
import {join} from 'node:path'
import {formatCount} from '../cli/units.ts'
import {openContent} from '../datalog/open-content.ts'
import {ReplayTarget} from '../datalog/replay-target.ts'
import {replay} from '../datalog/replay.ts'
import {differences, readContent, type Content} from './content.ts'
import {KvDriver} from './drivers/kv-driver.ts'
import type {Address} from '../base/address.ts'
import type {Workload, WorkKey} from '../workload/workload.ts'
import type {DriverOptions} from './driver.ts'
import type {Check} from './run-record.ts'

const FRESH_NODES = 2

/** Leaves nothing of the cluster running but, perhaps, its last node. Errors: none; what goes wrong is a check that is. */
export async function checkAftermath(
  driver: KvDriver,
  options: DriverOptions,
  workload: Workload,
  signal: AbortSignal,
): Promise<Check[]> {
  const {keys} = workload
  const {logFolder} = driver
  let content: Content | undefined
  let last = ''
  const stopping = await checked('nodes that are stopped one after the other end in good order', async () => {
    content = await readContent(driver.addresses(), keys)
    last = await driver.stopAll()
    return `the last one was ${last}`
  })
  if (!content || stopping.result !== 'ok') return [stopping]
  const expected = content
  const replayed = await checked('a fresh cluster has the same content after a replay of the data log', async () => {
    if (logFolder === null) return null
    return withReplay(logFolder, options, signal, (addresses) => compare(addresses, keys, expected))
  })
  const restarted = await checked('the last node has the same content after a restart from its savefile', async () =>
    compare([await driver.startLast(last)], keys, expected),
  )
  return [stopping, replayed, restarted]
}

/** `look` returns figures, or null if there is nothing to look at; it throws what is wrong. */
async function checked(what: string, look: () => Promise<string | null>): Promise<Check> {
  try {
    const detail = await look()
    return detail === null ? {what, result: 'skipped', detail: 'there is no log node'} : {what, result: 'ok', detail}
  } catch (error) {
    return {what, result: 'wrong', detail: (error as Error).message}
  }
}

async function compare(addresses: readonly Address[], keys: readonly WorkKey[], expected: Content): Promise<string> {
  const {count, first} = differences(expected, await readContent(addresses, keys))
  if (count > 0)
    throw new Error(`${formatCount(count)} of ${formatCount(expected.size)} keys differ: ${first.join('; ')}`)
  return `${formatCount(expected.size)} keys`
}

/** Writes all of the log into a cluster that is there for this alone, and looks at that. */
async function withReplay(
  logFolder: string,
  options: DriverOptions,
  signal: AbortSignal,
  look: (addresses: readonly Address[]) => Promise<string>,
): Promise<string> {
  const shape = {nodes: FRESH_NODES, replicas: 0, hasLogNode: false, plants: [], faults: [], event: () => undefined}
  const fresh = new KvDriver({...options, ...shape, folder: join(options.folder, 'replayed')})
  const content = await openContent(logFolder)
  try {
    await fresh.start()
    const {path, source} = content
    const report = await replay({
      identity: {path, source, to: 'fresh', until: undefined, buckets: '', key: '', mode: 'into-empty'},
      rebuild: (end) => content.rebuild({end: end ?? undefined, signal}),
      connect: () => ReplayTarget.connect(fresh.addresses(), {signal}),
      mode: 'into-empty',
      rate: 0,
      isDryRun: false,
      signal,
      onProgress: () => undefined,
    })
    const {verified, refused} = report
    const bad = verified.differing.count + refused.count
    if (bad > 0) throw new Error(`${bad} keys were not brought over as they are in the log`)
    return `${await look(fresh.addresses())}, ${formatCount(report.summary.records)} records`
  } finally {
    await content.close()
    await fresh.end()
  }
}
