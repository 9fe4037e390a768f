/** INFO, CLUSTER and the others that describe a node which is a cluster of one. */
import {describe, expect, it} from 'vitest'
import {keyBucket} from '../../src/base/crc16.ts'
import {Stage, START_MS, type Client, type Plain} from './server-support.ts'

const NODE_ID = 'ab'.repeat(20)

/** Sections of INFO: title -> field -> value. */
function sections(text: Plain): Map<string, Record<string, string>> {
  const parts = String(text).split('\r\n\r\n')
  return new Map(
    parts.map((part) => {
      const [title, ...lines] = part.trimEnd().split('\r\n')
      return [
        title!.replace('# ', ''),
        Object.fromEntries(lines.map((line) => line.split(/:(.*)/s).slice(0, 2) as [string, string])),
      ]
    }),
  )
}

describe('INFO', () => {
  it('has the sections and fields that redis_exporter and dashboards read', () => {
    const stage = new Stage()
    const client = stage.connect()
    for (const args of [
      ['SET', 'a', '1'],
      ['SET', 'b', '2', 'EX', '100'],
      ['GET', 'a'],
      ['GET', 'none'],
    ])
      client.call(...args)
    const text = client.call('INFO')
    expect(String(text)).toMatch(/^# Server\r\nredis_version:7\.2\.4\r\n/)
    const info = sections(text)
    expect([...info.keys()]).toEqual(
      'Server Clients Memory Persistence Stats Replication Datalog CPU Cluster Keyspace'.split(' '),
    )
    expect(info.get('Server')).toMatchObject({
      ...{kv_version: '0.1.0', redis_mode: 'cluster', process_id: '4321', tcp_port: '7379', uptime_in_seconds: '100'},
      ...{run_id: 'cd'.repeat(20), server_time_usec: `${START_MS}000`},
    })
    expect(info.get('Clients')).toMatchObject({connected_clients: '1', maxclients: '1000', blocked_clients: '0'})
    expect(info.get('Memory')).toMatchObject({
      used_memory_rss: '50000000',
      maxmemory: '0',
      maxmemory_policy: 'noeviction',
    })
    expect(Number(info.get('Memory')!['used_memory'])).toBeGreaterThan(0)
    expect(info.get('Persistence')).toMatchObject({
      loading: '0',
      rdb_changes_since_last_save: '5',
      rdb_last_bgsave_status: 'ok',
    })
    expect(info.get('Stats')).toMatchObject({
      ...{total_connections_received: '11', rejected_connections: '2', total_commands_processed: '5'},
      ...{
        instantaneous_ops_per_sec: '55',
        keyspace_hits: '1',
        keyspace_misses: '1',
        expired_keys: '0',
        evicted_keys: '0',
      },
    })
    expect(info.get('Replication')).toMatchObject({role: 'master', connected_slaves: '0', master_repl_offset: '2'})
    expect(info.get('CPU')).toMatchObject({used_cpu_sys: '0.250000', used_cpu_user: '1.500000'})
    expect(info.get('Cluster')).toEqual({cluster_enabled: '1'})
    expect(info.get('Keyspace')).toEqual({db0: 'keys=2,expires=1,avg_ttl=0'})
  })

  it('every line is a field, whatever was counted', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.call('CONFIG', 'GET', 'x')
    client.call('CLIENT', 'LIST')
    for (const part of String(client.call('INFO', 'everything')).split('\r\n\r\n')) {
      const [title, ...lines] = part.trimEnd().split('\r\n')
      expect(title).toMatch(/^# [A-Z][A-Za-z]+$/)
      for (const line of lines) expect(line).toMatch(/^[a-z0-9_|-]+:[^\r\n]*$/)
    }
  })

  it('gives the sections that are asked for, in any case, once', () => {
    const client = new Stage().connect()
    const titles = (...args: string[]): string[] => [...sections(client.call('INFO', ...args)).keys()]
    expect(titles('SERVER')).toEqual(['Server'])
    expect(titles('cpu', 'server', 'cpu')).toEqual(['Server', 'CPU'])
    expect(titles('default')).toEqual(titles())
    expect(titles('all')).toContain('Commandstats')
    expect(titles('default', 'commandstats')).toContain('Commandstats')
    expect(client.call('INFO', 'nosuch')).toBe('')
    // An empty node has no line for its database, as Redis.
    expect(client.call('INFO', 'keyspace')).toBe('# Keyspace\r\n')
  })
})

describe('CLUSTER of one node', () => {
  const client = (): Client => new Stage().connect()

  it('SLOTS, SHARDS and NODES agree: all slots are here', () => {
    const one = client()
    expect(one.call('CLUSTER', 'SLOTS')).toEqual([[0, 16_383, ['10.0.0.99', 7379, NODE_ID, []]]])
    const address = ['port', 7379, 'ip', '10.0.0.99', 'endpoint', '10.0.0.99']
    const node = ['id', NODE_ID, ...address, 'role', 'master', 'replication-offset', 0, 'health', 'online']
    expect(one.call('CLUSTER', 'SHARDS')).toEqual([['slots', [0, 16_383], 'nodes', [node], 'id', NODE_ID]])
    expect(one.call('CLUSTER', 'NODES')).toBe(
      `${NODE_ID} 10.0.0.99:7379@17379 myself,master - 0 0 1 connected 0-16383\n`,
    )
    expect([one.call('CLUSTER', 'MYID'), one.call('CLUSTER', 'MYSHARDID')]).toEqual([NODE_ID, NODE_ID])
  })

  it('INFO says that all is well', () => {
    const lines = String(client().call('CLUSTER', 'INFO')).trim().split('\r\n')
    expect(Object.fromEntries(lines.map((line) => line.split(':')))).toMatchObject({
      ...{cluster_state: 'ok', cluster_slots_assigned: '16384', cluster_slots_ok: '16384', cluster_slots_pfail: '0'},
      ...{cluster_slots_fail: '0', cluster_known_nodes: '1', cluster_size: '1', cluster_current_epoch: '1'},
    })
  })

  it('counts and lists the keys of a slot', () => {
    const one = client()
    for (const key of ['{foo}1', '{foo}2', '{foo}3', 'bar']) one.call('SET', key, 'v')
    const slot = keyBucket(Buffer.from('foo'), 0, 3)
    expect(one.call('CLUSTER', 'KEYSLOT', '{foo}1')).toBe(slot)
    expect(one.call('CLUSTER', 'COUNTKEYSINSLOT', slot)).toBe(3)
    expect((one.call('CLUSTER', 'GETKEYSINSLOT', slot, 10) as string[]).sort()).toEqual(['{foo}1', '{foo}2', '{foo}3'])
    expect(one.call('CLUSTER', 'GETKEYSINSLOT', slot, 2)).toHaveLength(2)
    expect(one.call('CLUSTER', 'GETKEYSINSLOT', slot, 0)).toEqual([])
    expect(one.call('CLUSTER', 'COUNTKEYSINSLOT', 1)).toBe(0)
    expect(one.call('CLUSTER', 'GETKEYSINSLOT', 1, 10)).toEqual([])
  })

  it('refuses what makes no sense for it', () => {
    const one = client()
    one.call('SET', 'k', 'v')
    const wrong: readonly (readonly [string, string])[] = [
      ['COUNTKEYSINSLOT 16384', 'ERR Invalid slot'],
      ['COUNTKEYSINSLOT x', 'ERR value is not an integer or out of range'],
      ['GETKEYSINSLOT 0 -1', 'ERR Invalid slot or number of keys'],
      ['GETKEYSINSLOT 0 x', 'ERR value is not an integer or out of range'],
      ['REPLICAS nosuch', 'ERR Unknown node nosuch'],
      [`FORGET ${NODE_ID}`, "ERR I tried hard but I can't forget myself..."],
      ['FAILOVER', 'ERR You should send CLUSTER FAILOVER to a replica'],
      ['FAILOVER NOW', 'ERR syntax error'],
      ['MEET 10.0.0.1 x', 'ERR Invalid TCP base port specified: x'],
      ['MEET 10.0.0.1 70000', 'ERR Invalid node address specified: 10.0.0.1:70000'],
      ['MEET 10.0.0.1 7000', 'ERR this node has 1 key: only an empty one can join another cluster'],
      ['SLOT-STATS SLOTSRANGE 5 4', 'ERR Start slot number 5 is greater than end slot number 4'],
      ['SLOT-STATS SLOTSRANGE 5 16384', 'ERR Invalid or out of range slot'],
      [
        'SLOT-STATS ORDERBY KEY-COUNT LIMIT 0',
        'ERR Limit has to lie in between 1 and 16384 (maximum number of slots).',
      ],
    ]
    for (const [args, error] of wrong) expect(one.call('CLUSTER', ...args.split(' ')), args).toBe(`-${error}`)
    expect(one.call('CLUSTER', 'REPLICAS', NODE_ID)).toEqual([])
    expect(one.call('CLUSTER', 'MEET', '10.0.0.99', '7379')).toBe('OK')
  })

  it('the bucket commands answer for one node', () => {
    const one = client()
    const buckets = one.call('LISTBUCKETS') as Plain[]
    expect(buckets).toHaveLength(2 * 16_384)
    expect(buckets.slice(-2)).toEqual(['16383', 'M'])
    expect(one.call('REQUESTMOVE', '5', '10.0.0.1', '7000')).toBe('OK')
    expect(one.call('REQUESTMOVE', '16384', '10.0.0.1', '7000')).toBe('-ERR Invalid or out of range slot')
    expect(one.call('REQUESTMOVE', 'x', '10.0.0.1', '7000')).toBe('-ERR value is not an integer or out of range')
    expect(one.call('DUMPBUCKET', '5', '10.0.0.1', '0')).toBe('-ERR Invalid port')
    expect(one.call('DUMPBUCKET', '5', '10.0.0.1', '7000')).toMatch(/^-ERR this node is a cluster of its own/)
  })
})

describe('TIME, ROLE, WAIT, LASTSAVE, MEMORY', () => {
  it('tell the truth about one node', () => {
    const stage = new Stage()
    const client = stage.connect()
    stage.now = START_MS + 7
    expect(client.call('TIME')).toEqual([String(START_MS / 1000), '7000'])
    client.call('SET', 'k', 'v')
    expect(client.call('ROLE')).toEqual(['master', 1, []])
    expect(client.call('WAIT', '1', '0')).toBe(0)
    expect(client.call('LASTSAVE')).toBe(1_789_999_990)
    expect(client.call('MEMORY', 'USAGE', 'k')).toBeGreaterThan(2)
    expect(client.call('MEMORY', 'USAGE', 'none')).toBe(null)
    expect(client.call('MEMORY', 'USAGE', 'k', 'SAMPLES', '-1')).toBe('-ERR syntax error')
    expect(client.call('MEMORY', 'STATS')).toContain('keys.count')
    expect(client.call('MEMORY', 'PURGE')).toBe('OK')
    expect(client.call('MEMORY', 'DOCTOR')).toMatch(/^1 keys; \d+% of the allocated pages/)
    expect(client.call('DEBUG', 'OBJECT', 'k')).toMatch(/^Value at:0x[0-9a-f]+ refcount:1 encoding:/)
    expect(client.call('LATENCY', 'LATEST')).toEqual([])
  })
})
