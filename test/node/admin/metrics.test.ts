/** The metrics: their names, what they say of a live node, and that they are documented. */
import {readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {METRICS, metricsTable} from '../../../src/node/admin/metrics.ts'
import {metricsText} from '../../../src/node/admin/metrics-text.ts'
import {REPO_ROOT} from '../../support/kv.ts'
import {connectTo, liveNode, pipeline} from '../live-node.ts'
import {readMetricsText} from './prometheus-text.ts'

describe('the list', () => {
  test('names are unique, well made, and end in their unit', () => {
    const names = METRICS.map(({name}) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const {name, type, help} of METRICS) {
      expect(name).toMatch(/^(kv|process)(_[a-z]+)+$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(name, 'base units').not.toMatch(/_(ms|milliseconds|us|kb|mb|percent)(_|$)/)
      expect(help).toMatch(/^(\d|[A-Z]).*\.$/)
    }
  })

  test('src/docs/metrics.md has all of them, with their types and meanings, and no other', () => {
    const documented = readFileSync(`${REPO_ROOT}src/docs/metrics.md`, 'utf8')
    expect(documented).toContain(`\n${metricsTable()}\n`)
    const mentioned = documented.match(/\b(kv|process)_[a-z_]+\b/g)!
    const known = new Set(METRICS.map(({name}) => name))
    expect([...new Set(mentioned)].filter((name) => !known.has(name))).toEqual([])
  })
})

test('text: labels and help are escaped, families without points left out', () => {
  const labels = {peer: 'a"b\\c\nd'}
  const text = metricsText([
    {name: 'kv_a', type: 'gauge', help: 'One\\two\nthree.', points: [{value: 1.5, labels}]},
    {name: 'kv_b', type: 'gauge', help: 'None.', points: []},
  ])
  expect(text).toBe('# HELP kv_a One\\\\two\\nthree.\n# TYPE kv_a gauge\nkv_a{peer="a\\"b\\\\c\\nd"} 1.5\n')
})

test('a live node tells what it did', async () => {
  const node = await liveNode({adminPort: 0, maxMemoryBytes: 100_000_000})
  const connection = await connectTo(node)
  const gets = Array.from({length: 7}, () => ['GET', 'k'])
  await pipeline(connection, [
    ['SET', 'k', 'v'],
    ['GET', 'nosuch'],
    ['LLEN'],
    ['HGET', 'k', 'f'],
    ['HGET', 'k'],
    ...gets,
  ])
  const response = await fetch(`http://127.0.0.1:${node.admin!.port}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const families = readMetricsText(await response.text())
  const value = (key: string): number | undefined =>
    families.get(key.replace(/\{.*|_(bucket|count|sum)$/, ''))?.samples.get(key)
  expect(value('kv_clients_connected')).toBe(1)
  expect(value('kv_commands_total{command="get"}')).toBe(8)
  expect(value('kv_command_failures_total{command="hget"}')).toBe(1)
  expect(value('kv_command_rejections_total{command="hget"}')).toBe(1)
  expect(value('kv_error_replies_total')).toBe(3)
  // HGET found its key, too.
  expect(value('kv_keyspace_hits_total')).toBe(8)
  expect(value('kv_keyspace_misses_total')).toBe(1)
  expect(value('kv_keys')).toBe(1)
  expect(value('kv_memory_max_bytes')).toBe(100_000_000)
  expect(value('kv_buckets{role="master"}')).toBe(16_384)
  expect(value('kv_cluster_buckets_served')).toBe(16_384)
  expect(value('kv_cluster_lease_held')).toBe(1)
  expect(value('kv_raft_is_leader')).toBe(1)
  expect(value('kv_request_duration_seconds_count')).toBeGreaterThanOrEqual(1)
  expect(
    families.get('kv_request_duration_seconds')!.samples.get('kv_request_duration_seconds_bucket{le="+Inf"}'),
  ).toBe(value('kv_request_duration_seconds_count'))
  for (const name of ['process_cpu_seconds_total', 'process_open_fds', 'process_resident_memory_bytes']) {
    expect(value(name), name).toBeGreaterThan(0)
  }
  // No savefile, no data log: nothing is said of them.
  expect([...families.keys()].filter((name) => /savefile|kv_log/.test(name))).toEqual([])
})

test('a histogram only rises', async () => {
  const node = await liveNode({adminPort: 0})
  const connection = await connectTo(node)
  for (let i = 0; i < 20; i++) await connection.call('SET', 'k', 'v'.repeat(i * 1000))
  const text = await (await fetch(`http://127.0.0.1:${node.admin!.port}/metrics`)).text()
  const steps = [...readMetricsText(text).get('kv_request_duration_seconds')!.samples].filter(([key]) =>
    key.includes('le='),
  )
  const counts = steps.map(([, count]) => count)
  expect(counts.length).toBeGreaterThan(20)
  expect(counts).toEqual([...counts].sort((a, b) => a - b))
  const bounds = steps.map(([key]) => Number(/le="(.*)"/.exec(key)![1]!.replace('+Inf', 'Infinity')))
  expect(bounds).toEqual([...bounds].sort((a, b) => a - b))
})
