/**
 * Every metric of a node, as data: name, type, meaning, and where its number is. src/docs/metrics.md is made from this list, and a test
 * holds them together. Names follow Prometheus' rules: `kv_`, base units (seconds, bytes), `_total` for what only grows.
 *
 * Labels have few values: commands, members, kinds. None is a client's word: no keys, no names.
 */
import {formatAddress} from '../../base/address.ts'
import {KV_VERSION} from '../../constants.ts'
import {CLUSTER_METRICS} from './metrics-cluster.ts'
import {LatencyHistogram} from '../../core/latency.ts'
import {fileDescriptors} from './process-meter.ts'
import {commandsOf, flag, sum, type Metric, type Sources} from './metric.ts'
import type {Family, Point} from './metrics-text.ts'

const US = 1e-6

/** The documentation of one metric. */
export type MetricNote = Pick<Metric, 'name' | 'type' | 'help' | 'labels'>

const gauge = (name: string, help: string, read: Metric['read'], labels?: string): Metric => ({
  ...{name, type: 'gauge', help, read},
  ...(labels !== undefined && {labels}),
})
const counter = (name: string, help: string, read: Metric['read'], labels?: string): Metric => ({
  ...{name, type: 'counter', help, read},
  ...(labels !== undefined && {labels}),
})

const NODE_METRICS: readonly Metric[] = [
  gauge(
    'kv_build_info',
    'Always 1; what runs is in the labels.',
    () => [{value: 1, labels: {version: KV_VERSION, node: process.version}}],
    'version, node',
  ),
  gauge(
    'kv_node_info',
    'Always 1; who it is.',
    ({engine, facts}) => [{value: 1, labels: {node_id: engine.nodeId, address: formatAddress(facts)}}],
    'node_id, address',
  ),
]

const CLIENT_METRICS: readonly Metric[] = [
  gauge('kv_clients_connected', 'Clients that are connected.', ({clients}) => clients),
  gauge('kv_clients_max', 'Clients that may be connected.', ({facts}) => facts.maxClients),
  gauge(
    'kv_requests_waiting',
    'Requests that wait for a bucket, a job or the end of a pause.',
    ({engine}) => engine.parking.waitingCount,
  ),
  counter('kv_connections_received_total', 'Clients that connected.', ({facts}) => facts.connectionsReceived),
  counter(
    'kv_connections_rejected_total',
    'Clients that were turned away: too many.',
    ({facts}) => facts.connectionsRejected,
  ),
  counter('kv_network_received_bytes_total', 'Bytes that came from clients.', ({facts}) => facts.bytesIn),
  counter('kv_network_sent_bytes_total', 'Bytes that went to clients.', ({facts}) => facts.bytesOut),
]

const COMMAND_METRICS: readonly Metric[] = [
  counter('kv_commands_total', 'Commands that were executed.', (s) => perCommand(s, ({calls}) => calls), 'command'),
  counter(
    'kv_command_failures_total',
    'Commands that were executed and answered with an error.',
    (s) => perCommand(s, ({failedCalls}) => failedCalls),
    'command',
  ),
  counter(
    'kv_command_rejections_total',
    'Commands that were refused before they were executed.',
    (s) => perCommand(s, ({rejectedCalls}) => rejectedCalls),
    'command',
  ),
  counter(
    'kv_command_seconds_total',
    "Time that commands took; a pipeline's is its last command's.",
    (s) => perCommand(s, ({usec}) => usec * US),
    'command',
  ),
  counter('kv_error_replies_total', 'Errors that clients were answered.', ({engine}) => engine.stats.errorReplies),
  {
    name: 'kv_request_duration_seconds',
    type: 'histogram',
    help: 'What a request took inside the node; one sample for each chunk that a client sent.',
    labels: 'le',
    read: requestDurations,
  },
  counter('kv_slowlog_entries_total', 'Entries that the slow log was given.', ({engine}) => engine.slowlog.added),
]

const DATA_METRICS: readonly Metric[] = [
  gauge('kv_keys', 'Keys of the buckets of which this node is master.', ({engine}) => engine.servedKeys()),
  gauge(
    'kv_keys_expiring',
    'Keys with an expiry, copies of other nodes included.',
    ({engine}) => engine.keyspace.expiringCount,
  ),
  counter('kv_keyspace_hits_total', 'Reads that found their key.', ({engine}) => engine.stats.keyspaceHits),
  counter('kv_keyspace_misses_total', 'Reads that did not find their key.', ({engine}) => engine.stats.keyspaceMisses),
  counter('kv_expired_keys_total', 'Keys whose time came.', ({engine}) => engine.effects.expiredKeys),
  counter('kv_expired_fields_total', 'Fields of maps whose time came.', ({engine}) => engine.effects.expiredFields),
  counter('kv_evicted_keys_total', 'Keys that gave way at the memory limit.', ({engine}) => engine.effects.evictedKeys),
  counter('kv_changes_total', 'Changes that were made here as master.', ({engine}) => engine.effects.changes),
  gauge(
    'kv_memory_used_bytes',
    'Memory that keys and values take.',
    ({engine}) => engine.keyspace.memory.stats().usedBytes,
  ),
  gauge(
    'kv_memory_allocated_bytes',
    'Memory that is kept for keys and values.',
    ({engine}) => engine.keyspace.memory.stats().extentBytes,
  ),
  gauge('kv_memory_max_bytes', 'Limit for keys and values; 0: none.', ({engine}) => engine.eviction.maxBytes),
  gauge('kv_heap_used_bytes', 'JavaScript heap in use.', ({facts}) => facts.heapBytes),
]

const SAVEFILE_METRICS: readonly Metric[] = [
  gauge('kv_savefile_saving', '1 while the savefile is written.', ({facts}) =>
    onlyWithFile(facts.saveFile, flag(facts.isSaving)),
  ),
  gauge('kv_savefile_last_save_ok', '0 if the last save failed.', ({facts}) =>
    onlyWithFile(facts.saveFile, flag(facts.lastSaveOk)),
  ),
  gauge(
    'kv_savefile_last_save_timestamp_seconds',
    'When the savefile was last written, or the node started.',
    ({facts}) => onlyWithFile(facts.saveFile, facts.lastSaveAt),
  ),
  gauge('kv_savefile_unsaved_changes', 'Changes since the last save.', ({facts}) =>
    onlyWithFile(facts.saveFile, facts.changesSinceSave),
  ),
]

const LOOP_METRICS: readonly Metric[] = [
  gauge(
    'kv_event_loop_delay_seconds',
    'How late the event loop was, in the last whole minute.',
    ({meter}) => {
      const {p50, p99, max} = meter.loopDelay
      return [['0.5', p50] as const, ['0.99', p99] as const, ['1', max] as const].map(([quantile, value]) => ({
        value,
        labels: {quantile},
      }))
    },
    'quantile',
  ),
  counter(
    'kv_event_loop_active_seconds_total',
    'Time in which the event loop worked.',
    ({meter}) => meter.loopTime.active,
  ),
  counter(
    'kv_event_loop_idle_seconds_total',
    'Time in which the event loop waited for something to do.',
    ({meter}) => meter.loopTime.idle,
  ),
  counter(
    'kv_gc_pauses_total',
    'Garbage collections.',
    ({meter}) => [...meter.collections].map(([kind, {count}]) => ({value: count, labels: {kind}})),
    'kind',
  ),
  counter(
    'kv_gc_pause_seconds_total',
    'Time that garbage collections took.',
    ({meter}) => [...meter.collections].map(([kind, {seconds}]) => ({value: seconds, labels: {kind}})),
    'kind',
  ),
]

const PROCESS_METRICS: readonly Metric[] = [
  counter(
    'process_cpu_seconds_total',
    'CPU time of the process.',
    ({facts}) => (facts.cpuUserUs + facts.cpuSystemUs) * US,
  ),
  gauge('process_resident_memory_bytes', 'Resident memory of the process.', ({facts}) => facts.residentBytes),
  gauge('process_start_time_seconds', 'When the process started, Unix time.', ({facts}) => facts.startedAt / 1000),
  gauge('process_open_fds', 'Open file descriptors.', () => fileDescriptors()?.open ?? null),
  gauge('process_max_fds', 'File descriptors that may be open.', () => fileDescriptors()?.max ?? null),
]

export const METRICS: readonly Metric[] = [
  ...NODE_METRICS,
  ...CLIENT_METRICS,
  ...COMMAND_METRICS,
  ...DATA_METRICS,
  ...CLUSTER_METRICS,
  ...SAVEFILE_METRICS,
  ...LOOP_METRICS,
  ...PROCESS_METRICS,
]

/** All that can be said at this moment. */
export function readMetrics(sources: Sources): Family[] {
  return METRICS.map(({name, type, help, read}) => {
    const value = read(sources)
    const points = typeof value === 'number' ? [{value}] : (value ?? [])
    return {name, type, help, points}
  })
}

/** The list as a table, for src/docs/metrics.md. */
export function metricsTable(metrics: readonly MetricNote[] = METRICS): string {
  const rows = metrics.map(({name, type, labels, help}) => `| \`${name}\` | ${type} | ${labels ?? ''} | ${help} |\n`)
  return `| metric | type | labels | what it is |\n|---|---|---|---|\n${rows.join('')}`
}

function onlyWithFile(file: string, value: number): number | null {
  return file === '' ? null : value
}

/** Of those that were ever called. */
function perCommand({engine}: Sources, read: (command: ReturnType<typeof commandsOf>[number]) => number): Point[] {
  return commandsOf(engine)
    .filter(({calls, rejectedCalls}) => calls + rejectedCalls > 0)
    .map((command) => ({value: read(command), labels: {command: command.fullName}}))
}

/** Of all commands together, at steps that are always the same. */
function requestDurations({engine}: Sources): Point[] {
  const all = commandsOf(engine).flatMap(({latency}) => latency ?? [])
  const points = LatencyHistogram.merge(all).map(([us, count]): Point => ({
    value: count,
    labels: {le: us === Infinity ? '+Inf' : String(us / 1e6)},
    suffix: '_bucket',
  }))
  return [
    ...points,
    {value: sum(all.map(({sumUs}) => sumUs)) * US, suffix: '_sum'},
    {value: sum(all.map(({count}) => count)), suffix: '_count'},
  ]
}
