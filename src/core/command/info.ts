/** INFO: the node's figures as text, section by section. redis_exporter and every dashboard parse these names. */
import {KV_VERSION, REDIS_COMPAT_VERSION} from '../../constants.ts'
import {replicationFields} from './cluster-role.ts'
import {datalogFields} from './datalog-fields.ts'
import type {Context} from './context.ts'
import type {Command} from './command.ts'

type Field = readonly [name: string, value: string | number]
type Section = (c: Context) => readonly Field[]

const MB = 1024 * 1024

/** Bytes as Redis shows them to people: `1.50M`. */
function human(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`
  const units = ['K', 'M', 'G', 'T']
  let value = bytes / 1024
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value.toFixed(2)}${units[unit]!}`
}

function server(c: Context): readonly Field[] {
  const facts = c.engine.host.facts()
  const uptimeS = Math.floor((c.now - facts.startedAt) / 1000)
  return [
    ['redis_version', REDIS_COMPAT_VERSION],
    ['kv_version', KV_VERSION],
    ['redis_mode', 'cluster'],
    ['os', 'Linux'],
    ['arch_bits', 64],
    ['process_id', facts.processId],
    ['run_id', facts.runId],
    ['tcp_port', facts.port],
    ['server_time_usec', c.now * 1000],
    ['uptime_in_seconds', uptimeS],
    ['uptime_in_days', Math.floor(uptimeS / 86_400)],
    ['hz', 10],
    ['configured_hz', 10],
    ['executable', facts.executable],
    ['config_file', ''],
  ]
}

function clients(c: Context): readonly Field[] {
  let connected = 0
  for (const _ of c.engine.host.sessions()) connected++
  return [
    ['connected_clients', connected],
    ['cluster_connections', 0],
    ['maxclients', c.engine.host.facts().maxClients],
    ['blocked_clients', c.engine.parking.waitingCount],
    ['tracking_clients', c.engine.tracking.clientCount],
  ]
}

function memory(c: Context): readonly Field[] {
  const {keyspace, eviction, defrag} = c.engine
  const {usedBytes, pageBytes, extentBytes} = keyspace.memory.stats()
  const facts = c.engine.host.facts()
  return [
    ['used_memory', usedBytes],
    ['used_memory_human', human(usedBytes)],
    ['used_memory_rss', facts.residentBytes],
    ['used_memory_rss_human', human(facts.residentBytes)],
    ['used_memory_dataset', usedBytes],
    ['used_memory_heap', facts.heapBytes],
    ['maxmemory', eviction.maxBytes],
    ['maxmemory_human', human(eviction.maxBytes)],
    ['maxmemory_policy', eviction.policy],
    ['allocator_allocated', usedBytes],
    ['allocator_active', pageBytes],
    ['allocator_resident', extentBytes],
    ['allocator_frag_ratio', (usedBytes === 0 ? 1 : pageBytes / usedBytes).toFixed(2)],
    ['allocator_frag_bytes', pageBytes - usedBytes],
    ['mem_fragmentation_ratio', (usedBytes === 0 ? 1 : facts.residentBytes / usedBytes).toFixed(2)],
    ['mem_fragmentation_bytes', facts.residentBytes - usedBytes],
    ['mem_allocator', 'kv-slab'],
    ['active_defrag_running', defrag.isBusy ? 1 : 0],
    ['lazyfree_pending_objects', keyspace.hasGarbage ? 1 : 0],
  ]
}

function persistence(c: Context): readonly Field[] {
  const facts = c.engine.host.facts()
  return [
    ['loading', 0],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', facts.changesSinceSave],
    ['rdb_bgsave_in_progress', facts.isSaving ? 1 : 0],
    ['rdb_last_save_time', facts.lastSaveAt],
    ['rdb_last_bgsave_status', facts.lastSaveOk ? 'ok' : 'err'],
    ['aof_enabled', 0],
    ['aof_rewrite_in_progress', 0],
  ]
}

function stats(c: Context): readonly Field[] {
  const facts = c.engine.host.facts()
  const {effects, pubsub, tracking, stats: counters} = c.engine
  return [
    ['total_connections_received', facts.connectionsReceived],
    ['total_commands_processed', counters.commandsProcessed],
    ['instantaneous_ops_per_sec', facts.operationsPerSecond],
    ['total_net_input_bytes', facts.bytesIn],
    ['total_net_output_bytes', facts.bytesOut],
    ['rejected_connections', facts.connectionsRejected],
    ['expired_keys', effects.expiredKeys],
    ['expired_subkeys', effects.expiredFields],
    ['evicted_keys', effects.evictedKeys],
    ['keyspace_hits', counters.keyspaceHits],
    ['keyspace_misses', counters.keyspaceMisses],
    ['pubsub_channels', pubsub.channels.size],
    ['pubsub_patterns', pubsub.patterns.size],
    ['pubsubshard_channels', pubsub.shardChannels.size],
    ['pubsub_relay_dropped', c.engine.cluster?.relay.dropped ?? 0],
    ['tracking_total_keys', tracking.keyCount],
    ['tracking_total_items', tracking.itemCount],
    ['tracking_total_prefixes', tracking.prefixCount],
    ['total_error_replies', counters.errorReplies],
    ['kv_slowlog_entries', c.engine.slowlog.entries.length],
    ['active_defrag_hits', c.engine.defrag.movedNodes],
  ]
}

function replication(c: Context): readonly Field[] {
  return [
    ...replicationFields(c),
    ['master_failover_state', 'no-failover'],
    ['master_replid', c.engine.nodeId],
    ['master_repl_offset', c.effects.changes],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
    // Ours: sent to copies and data logs, and not acknowledged by them yet.
    ['kv_unacknowledged_bytes', c.engine.cluster?.links.all.reduce((sum, link) => sum + link.unackedBytes, 0) ?? 0],
  ]
}

function cpu(c: Context): readonly Field[] {
  const facts = c.engine.host.facts()
  return [
    ['used_cpu_sys', (facts.cpuSystemUs / 1e6).toFixed(6)],
    ['used_cpu_user', (facts.cpuUserUs / 1e6).toFixed(6)],
  ]
}

function commandstats(c: Context): readonly Field[] {
  return allCommands(c)
    .filter(({calls, rejectedCalls}) => calls + rejectedCalls > 0)
    .map(({fullName, calls, usec, rejectedCalls, failedCalls}) => [
      `cmdstat_${fullName}`,
      `calls=${calls},usec=${Math.round(usec)},usec_per_call=${(calls === 0 ? 0 : usec / calls).toFixed(2)},rejected_calls=${rejectedCalls},failed_calls=${failedCalls}`,
    ])
}

function latencystats(c: Context): readonly Field[] {
  return allCommands(c).flatMap(({fullName, latency}): Field[] => {
    if (latency === null) return []
    const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => latency.percentile(share).toFixed(3))
    return [[`latency_percentiles_usec_${fullName}`, `p50=${p50},p99=${p99},p99.9=${p999}`]]
  })
}

function allCommands(c: Context): Command[] {
  return [...c.engine.table.byName.values()].flatMap((command) => [command, ...(command.subcommands?.values() ?? [])])
}

function keyspace(c: Context): readonly Field[] {
  const {expiringCount} = c.keyspace
  const keyCount = c.engine.servedKeys()
  return keyCount === 0 ? [] : [['db0', `keys=${keyCount},expires=${expiringCount},avg_ttl=0`]]
}

const SECTIONS: readonly (readonly [name: string, title: string, section: Section, isDefault: boolean])[] = [
  ['server', 'Server', server, true],
  ['clients', 'Clients', clients, true],
  ['memory', 'Memory', memory, true],
  ['persistence', 'Persistence', persistence, true],
  ['stats', 'Stats', stats, true],
  ['replication', 'Replication', replication, true],
  ['datalog', 'Datalog', datalogFields, true],
  ['cpu', 'CPU', cpu, true],
  ['commandstats', 'Commandstats', commandstats, false],
  ['latencystats', 'Latencystats', latencystats, false],
  ['cluster', 'Cluster', () => [['cluster_enabled', 1]], true],
  ['keyspace', 'Keyspace', keyspace, true],
]

export function info(c: Context): void {
  const wanted = new Set(Array.from({length: c.argc - 1}, (_, i) => c.text(i + 1).toLowerCase()))
  const isAll = wanted.has('all') || wanted.has('everything')
  const isDefault = wanted.size === 0 || wanted.has('default')
  const parts: string[] = []
  for (const [name, title, section, isDefaultSection] of SECTIONS) {
    if (!isAll && !wanted.has(name) && !(isDefault && isDefaultSection)) continue
    const lines = section(c).map(([field, value]) => `${field}:${value}\r\n`)
    parts.push(`# ${title}\r\n${lines.join('')}`)
  }
  c.out.verbatim('txt', parts.join('\r\n'))
}

/** Bytes from a text such as `100mb`, as Redis' memtoull; NaN if it is none. */
export function parseBytes(text: string): number {
  const match = /^(\d+)(b|k|kb|m|mb|g|gb)?$/i.exec(text)
  if (!match) return Number.NaN
  const units: Record<string, number> = {b: 1, k: 1000, kb: 1024, m: 1e6, mb: MB, g: 1e9, gb: 1024 * MB}
  return Number(match[1]) * units[(match[2] ?? 'b').toLowerCase()]!
}
