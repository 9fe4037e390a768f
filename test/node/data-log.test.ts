/** A node that keeps the data log: it joins, writes what it hears, goes on after a restart, is read through its client port, and stops when its disk fails. */
import {join} from 'node:path'
import {rmSync} from 'node:fs'
import {expect, test} from 'vitest'
import {RemoteLog} from '../../src/cli/remote-log.ts'
import {Tail} from '../../src/datalog/tail.ts'
import {PersonLines} from '../../src/cli/log-lines.ts'
import {verifyLog} from '../../src/datalog/log-verify.ts'
import {waitFor as wait} from '../support/wait.ts'
import {makeFolder} from './folder.ts'
import {connectTo, liveNode} from './live-node.ts'
import type {RunningNode} from '../../src/node/options.ts'

/** Each step of this takes its time on a busy machine: nodes join, images travel, disks sync. */
const PATIENCE = {timeout: 120_000}

function waitFor<T>(what: string, condition: () => Promise<T | undefined>): Promise<T> {
  return wait(what, condition, {timeoutMs: 50_000})
}

function dataLog(dir: string, ack: 'async' | 'sync' = 'async', segmentBytes = 1024 * 1024): object {
  return {isVoterOnly: true, dataLog: {dir, ack, segmentBytes, isDaily: false, isCompressed: false}}
}

async function info(node: RunningNode, field: string): Promise<string | undefined> {
  const text = String(await (await connectTo(node)).call('INFO', 'datalog'))
  return new RegExp(`^${field}:(.*)\r$`, 'm').exec(text)?.[1]
}

async function untilWhole(node: RunningNode): Promise<void> {
  await waitFor('it follows every bucket', async () =>
    (await info(node, 'log_buckets_whole')) === '16384' ? true : undefined,
  )
}

async function tailOf(node: RunningNode): Promise<string[]> {
  const remote = await RemoteLog.connect(node.address, undefined)
  const lines: string[] = []
  const tail = new Tail({images: false}, new PersonLines((line) => lines.push(line)))
  for await (const entry of remote.entries({})) tail.take(entry)
  remote.close()
  return lines
}

test('it has every change, before and after a restart, and shows them to whoever asks', PATIENCE, async () => {
  const first = await liveNode()
  const dir = join(makeFolder(), 'log')
  const joined = {...dataLog(dir), join: [first.address]}
  const log = await liveNode(joined)
  await untilWhole(log)
  const client = await connectTo(first)
  for (const value of ['1', '2']) await client.call('SET', 'key', value)
  await waitFor('they are written', async () => ((await info(log, 'log_records_total')) === '2' ? true : undefined))
  await log.stop('test')
  await client.call('SET', 'key', '3')
  // Of which cluster it is, it knows.
  const again = await liveNode(dataLog(dir))
  await client.call('SET', 'key', '4')
  const lines = await waitFor('the last one is written', async () => {
    const found = await tailOf(again)
    return found.some((line) => line.endsWith('set "key" "4"')) ? found : undefined
  })
  for (const value of ['1', '2', '3', '4'])
    expect(lines.filter((line) => line.endsWith(`set "key" "${value}"`))).toHaveLength(1)
  expect(String(await client.call('DATALOG', 'READ', '0', '0'))).toMatch(/^-ERR this node keeps no data log/)
  await again.stop('test')
  const {findings, totals} = await verifyLog(dir)
  expect(findings).toEqual([])
  expect(totals).toMatchObject({records: 4, gaps: 0})
})

test('a synchronous one is counted on when it is in step, and no more when it is gone', PATIENCE, async () => {
  const first = await liveNode()
  const log = await liveNode({...dataLog(join(makeFolder(), 'log'), 'sync'), join: [first.address]})
  await waitFor('it is counted on', async () => ((await info(log, 'log_counted_on')) === '1' ? true : undefined))
  const client = await connectTo(first)
  expect(await client.call('SET', 'key', 'value')).toBe('+OK\r\n')
  expect(await info(log, 'log_records_total')).toBe('1')
  expect(await info(log, 'log_entries_durable')).toBe(await info(log, 'log_entries_written'))
  await log.stop('test')
  expect(await client.call('SET', 'key', 'after')).toBe('+OK\r\n')
})

test('without a cluster to keep the log of it does not start', PATIENCE, async () => {
  await expect(liveNode(dataLog(join(makeFolder(), 'log')))).rejects.toMatchObject({code: 'E_JOIN'})
})

test('the folder of a node that runs is refused', PATIENCE, async () => {
  const first = await liveNode()
  const dir = join(makeFolder(), 'log')
  await liveNode({...dataLog(dir), join: [first.address]})
  await expect(liveNode({...dataLog(dir), join: [first.address]})).rejects.toMatchObject({code: 'E_DATA_DIR_IN_USE'})
})

test('when its files cannot be written it stops, with exit code 1, and the cluster goes on', PATIENCE, async () => {
  const first = await liveNode()
  const dir = join(makeFolder(), 'log')
  // Small segments: the next one cannot be made in a folder that is gone.
  const log = await liveNode({...dataLog(dir, 'sync', 1024 * 1024), join: [first.address]})
  await untilWhole(log)
  rmSync(dir, {recursive: true})
  const client = await connectTo(first)
  const value = 'x'.repeat(200_000)
  for (let i = 0; i < 20; i++) expect(await client.call('SET', `key${i}`, value)).toBe('+OK\r\n')
  expect(await log.stopped).toMatchObject({exitCode: 1})
  expect(await client.call('SET', 'key', 'after')).toBe('+OK\r\n')
})
