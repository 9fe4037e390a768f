/** Debian's prometheus-redis-exporter scrapes a node as it would a Redis, and finds nothing to complain of. */
import {expect, onTestFinished, test} from 'vitest'
import {connectTo, liveNode, pipeline} from '../../node/live-node.ts'
import {startChild, type Child} from '../../support/child.ts'
import {freePort} from '../../support/ports.ts'
import {waitFor} from '../../support/wait.ts'

/** Resolves with what it exports of this node; its log is judged by the caller. */
async function scrape(port: number, flags: readonly string[]): Promise<{text: string; exporter: Child}> {
  const listenPort = await freePort()
  const where = ['-redis.addr', `redis://127.0.0.1:${port}`, '-web.listen-address', `127.0.0.1:${listenPort}`]
  const exporter = startChild('prometheus-redis-exporter', [...where, '-log-format', 'txt', ...flags])
  onTestFinished(async () => void (await exporter.stop()))
  const text = await waitFor('the exporter answers', async () => {
    if (exporter.process.exitCode !== null) throw new Error(exporter.stderr())
    const response = await fetch(`http://127.0.0.1:${listenPort}/metrics`).catch(() => null)
    return response === null ? undefined : response.text()
  })
  return {text, exporter}
}

function value(text: string, name: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}

test.each([
  ['alone', []],
  ['-is-cluster', ['-is-cluster', '-check-single-keys', 'k']],
  ['everything', ['-export-client-list', '-include-config-metrics', '-include-system-metrics', '-ping-on-connect']],
])('redis_exporter, %s: up, no error, and the numbers are right', async (_, flags) => {
  const node = await liveNode()
  const connection = await connectTo(node)
  const gets = Array.from({length: 5}, () => ['GET', 'k'])
  await pipeline(connection, [
    ['SET', 'k', 'v'],
    ['GET', 'nosuch'],
    ...gets,
    ['CONFIG', 'SET', 'latency-monitor-threshold', '1'],
  ])
  const {text, exporter} = await scrape(node.address.port, flags)
  expect(value(text, 'redis_up')).toBe(1)
  expect(value(text, 'redis_exporter_last_scrape_error{err=""}')).toBe(0)
  expect(value(text, 'redis_keyspace_hits_total')).toBe(5)
  expect(value(text, 'redis_keyspace_misses_total')).toBe(1)
  expect(value(text, 'redis_db_keys{db="db0"}')).toBe(1)
  expect(value(text, 'redis_commands_total{cmd="get"}')).toBe(6)
  expect(value(text, 'redis_commands_duration_seconds_total{cmd="get"}')).toBeGreaterThanOrEqual(0)
  expect(value(text, 'redis_memory_used_bytes')).toBeGreaterThan(0)
  expect(value(text, 'redis_cluster_enabled')).toBe(1)
  expect(value(text, 'redis_cluster_state')).toBe(1)
  if (flags.includes('-is-cluster')) expect(text).toMatch(/^redis_key_size\{db="db0",key="k"\} /m)
  const complaints = exporter
    .stderr()
    .split('\n')
    .filter((line) => /level=(error|warn|fatal)/i.test(line))
  expect(complaints).toEqual([])
})
