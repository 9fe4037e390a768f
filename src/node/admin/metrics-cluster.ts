/** Metrics of a node's part in its cluster: the agreed map, Raft, copies, data logs. A node without a cluster is master of everything. */
import {formatAddress} from '../../base/address.ts'
import {BUCKET_COUNT} from '../../constants.ts'
import {NO_NODE} from '../../core/cluster/map-layout.ts'
import {flag, sum, type Metric, type Sources} from './metric.ts'
import type {Point} from './metrics-text.ts'

const gauge = (name: string, help: string, read: Metric['read'], labels?: string): Metric => ({
  ...{name, type: 'gauge', help, read},
  ...(labels !== undefined && {labels}),
})

export const CLUSTER_METRICS: readonly Metric[] = [
  gauge('kv_cluster_joined', '1 if the node is a member, or needs to be none.', ({engine: {cluster}}) =>
    flag(cluster === null || (cluster.isAdmitted && !cluster.isGone)),
  ),
  gauge('kv_cluster_lease_held', '1 if it may answer reads: its lease from the leader holds.', ({engine}) =>
    flag(engine.cluster?.hasLease ?? true),
  ),
  gauge('kv_cluster_members', 'Members of the cluster.', ({view}) => view.members.length),
  gauge(
    'kv_cluster_members_down',
    'Members that are taken to be down.',
    ({view}) => view.members.filter(({isDown}) => isDown).length,
  ),
  gauge(
    'kv_cluster_map_revision',
    'Revision of the agreed map, as far as this node knows it.',
    ({view}) => view.revision,
  ),
  gauge(
    'kv_cluster_buckets_served',
    'Buckets of the cluster whose master lives; 16384 is all.',
    ({view}) => view.okCount,
  ),
  gauge(
    'kv_cluster_buckets_under_replicated',
    'Buckets of the cluster with fewer copies than there could be.',
    underReplicated,
  ),
  gauge(
    'kv_moves_in_progress',
    'Buckets of the cluster that are on their way: copies being made, masters handed over.',
    ({view: {map}}) => [
      {value: countOf(map.syncing), labels: {kind: 'copy'}},
      {value: countOf(map.target), labels: {kind: 'master'}},
    ],
    'kind',
  ),
  gauge(
    'kv_copies_sending',
    'Images of buckets that this node sends at the moment.',
    ({engine}) => engine.cluster?.master.copier.count ?? 0,
  ),
  gauge(
    'kv_buckets',
    'Buckets of this node: of which it is master, of which it has a copy.',
    (s) => {
      const slot = selfSlot(s)
      const masters = s.view.masters[slot] ?? 0
      const copies = s.view.copies[slot] ?? 0
      return [
        {value: masters, labels: {role: 'master'}},
        {value: copies - masters, labels: {role: 'replica'}},
      ]
    },
    'role',
  ),
  gauge('kv_raft_term', 'Term of Raft.', ({engine}) => engine.cluster?.raft.term ?? null),
  gauge('kv_raft_is_leader', '1 if this node leads.', ({engine: {cluster}}) =>
    cluster ? flag(cluster.raft.leader === cluster.self.id) : null,
  ),
  gauge('kv_raft_has_leader', '1 if it knows of a leader.', ({engine: {cluster}}) =>
    cluster ? flag(cluster.raft.leader !== null) : null,
  ),
  gauge(
    'kv_peer_connected',
    '1 if there is a connection with this member.',
    (s) => perPeer(s, ({isConnected}) => flag(isConnected)),
    'peer',
  ),
  gauge(
    'kv_peer_unacknowledged_bytes',
    'Sent to this member and not yet acknowledged: how far its copies are behind.',
    (s) => perPeer(s, ({unackedBytes}) => unackedBytes),
    'peer',
  ),
  ...(['records', 'bytes', 'seconds'] as const).map((unit) =>
    gauge(
      `kv_log_lag_${unit}`,
      `How far a data log is behind this node, in ${unit}.`,
      (s) => perLog(s, (lag) => lag[unit]),
      'log',
    ),
  ),
  gauge(
    'kv_log_counted_on',
    '1 if writes wait for the disk of this data log.',
    (s) => perLog(s, ({isOn, mode}) => flag(isOn && mode === 'sync')),
    'log',
  ),
  {
    name: 'kv_log_records_total',
    type: 'counter',
    help: 'Records that this data-log node has written.',
    read: ({engine}) => engine.cluster?.recorder?.recordCount ?? null,
  },
  {
    name: 'kv_log_gaps_total',
    type: 'counter',
    help: 'Gaps in the data log of this node: changes that it missed, healed by images.',
    read: ({engine}) => engine.cluster?.recorder?.gaps ?? null,
  },
  gauge(
    'kv_log_buckets_whole',
    'Buckets that this data-log node follows.',
    ({engine}) => engine.cluster?.recorder?.countWhole() ?? null,
  ),
  gauge(
    'kv_log_entries_pending',
    'Entries of this data-log node that are not on its disk yet.',
    ({engine: {cluster}}) => (cluster?.recorder ? cluster.recorder.mark - cluster.loggedMark : null),
  ),
]

function selfSlot({engine, view}: Sources): number {
  return view.map.member(engine.nodeId)?.slot ?? NO_NODE
}

function underReplicated({view}: Sources): number {
  const {map, groups} = view
  const usable = map.members.filter((_, slot) => map.isUsable(slot)).length
  const wanted = Math.min(map.replicas + 1, usable)
  const lacking = groups.filter(({master, replicas}) => master !== NO_NODE && replicas.length + 1 < wanted)
  return sum(lacking.map(({count}) => count))
}

function countOf(wishes: Uint8Array): number {
  let count = 0
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (wishes[bucket] !== NO_NODE) count++
  return count
}

function perPeer(
  {engine, view}: Sources,
  read: (link: {readonly isConnected: boolean; readonly unackedBytes: number}) => number,
): Point[] {
  const {cluster} = engine
  if (!cluster) return []
  return view.members
    .filter(({id}) => id !== engine.nodeId)
    .map((member) => ({value: read(cluster.links.state(member.slot)), labels: {peer: formatAddress(member)}}))
}

type Lag = ReturnType<NonNullable<Sources['engine']['cluster']>['logLags']>[number]

function perLog({engine, view}: Sources, read: (lag: Lag) => number): Point[] {
  return (engine.cluster?.logLags() ?? []).map((lag) => {
    const member = view.map.member(lag.id)
    return {value: read(lag), labels: {log: member ? formatAddress(member) : lag.id}}
  })
}
