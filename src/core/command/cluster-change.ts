/**
 * What operators change about the cluster: CHANGE, FORGET, FAILOVER, MEET. Each becomes an entry that is proposed to the agreed log, here or
 * at the leader. `+OK` says that it was proposed, no more: it may be lost, or its condition may not hold any more when its turn comes.
 * Who wants to be sure looks at the map and asks again; asking twice does no harm.
 */
import {assert} from '../../base/assert.ts'
import {BUCKET_COUNT, CLUSTER_CHANGE_BYTES_MAX} from '../../constants.ts'
import {formatBuckets} from '../cluster/bucket-ranges.ts'
import {parseEntry} from '../cluster/map-entry.ts'
import {NO_NODE} from '../cluster/map-layout.ts'
import {selfOf, viewOf} from '../cluster/view.ts'
import {memberArgument} from './cluster-topology.ts'
import {ERR_SYNTAX, WAITING} from './context.ts'
import type {Cluster} from '../cluster/cluster.ts'
import type {Member} from '../cluster/cluster-map.ts'
import type {MapEntry} from '../cluster/map-entry.ts'
import type {Context} from './context.ts'

const ERR_ALONE = 'ERR this node is a cluster of its own: there is no map to change'

/** Entries that a person may ask for; the others say what a node saw or did. */
const FOR_OPERATORS: ReadonlySet<MapEntry['type']> = new Set([
  'target',
  'untarget',
  'assign',
  'unassign',
  'rebalance',
  'removed',
  'accept-loss',
  'replicas',
  'leaving',
])

/** Why a proposal made here would go nowhere; null if it may arrive. */
export function proposalProblem(cluster: Cluster): string | null {
  if (!cluster.isAdmitted || cluster.isGone) return 'ERR this node is not a member of the cluster'
  if (cluster.raft.leader === null) return 'ERR the cluster has no leader at the moment; nothing was changed'
  return null
}

/** CLUSTER CHANGE: proposes an entry as it stands. Internal, for the command line. */
export function change(c: Context): void {
  const {cluster} = c.engine
  if (!cluster) return c.fail(ERR_ALONE)
  if (c.request.len[2]! > CLUSTER_CHANGE_BYTES_MAX) return c.fail('ERR the entry is too long')
  const entry = parseEntry(c.text(2))
  if (entry === null) return c.fail('ERR that is no entry of the cluster map')
  if (!FOR_OPERATORS.has(entry.type)) return c.fail(`ERR entries of type '${entry.type}' are not for operators`)
  const problem = entryProblem(c, entry) ?? proposalProblem(cluster)
  if (problem !== null) return c.fail(problem)
  cluster.propose(entry)
  c.out.ok()
}

/** What is already certain to be refused. */
function entryProblem(c: Context, entry: MapEntry): string | null {
  if (!('node' in entry)) return null
  const member = viewOf(c.engine).map.member(entry.node)
  if (member === null) return `ERR Unknown node ${entry.node}`
  if (entry.type === 'leaving' && entry.incarnation !== member.incarnation) {
    return 'ERR that node has been started anew since'
  }
  return entry.type === 'removed' ? removalProblem(c, member) : null
}

function removalProblem(c: Context, {id, slot, isDown}: Member): string | null {
  if (isDown || viewOf(c.engine).copies[slot] === 0) return null
  return `ERR node ${id} is alive and holds buckets: stop it with kv node stop`
}

/** CLUSTER FORGET: a node that is gone for good. */
export function forget(c: Context): void {
  const {cluster} = c.engine
  const member = memberArgument(c, 2)
  if (member === null) return
  if (member.id === c.engine.nodeId) return c.fail("ERR I tried hard but I can't forget myself...")
  // Another member than this one: there is a cluster.
  assert(cluster !== null, 'a node without a cluster knows only itself')
  const problem = removalProblem(c, member) ?? proposalProblem(cluster)
  if (problem !== null) return c.fail(problem)
  cluster.propose({type: 'removed', node: member.id})
  c.out.ok()
}

/** CLUSTER FAILOVER: the buckets of the master of which this node is a replica come here. A dead master is replaced without being asked. */
export function failover(c: Context): void {
  const isKnown = c.argc === 2 || (c.argc === 3 && (c.is(2, 'FORCE') || c.is(2, 'TAKEOVER')))
  if (!isKnown) return c.fail(ERR_SYNTAX)
  const {cluster} = c.engine
  const view = viewOf(c.engine)
  const self = view.map.member(c.engine.nodeId)
  const main = self ? view.mainMaster(self.slot) : NO_NODE
  if (!cluster || !self || main === NO_NODE) return c.fail('ERR You should send CLUSTER FAILOVER to a replica')
  if (self.isLeaving) return c.fail('ERR this node is leaving')
  const problem = proposalProblem(cluster)
  if (problem !== null) return c.fail(problem)
  const buckets: number[] = []
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (view.map.master[bucket] === main && view.map.isInSync(bucket, self.slot)) buckets.push(bucket)
  }
  cluster.propose({type: 'target', node: self.id, buckets: formatBuckets(buckets)})
  c.out.ok()
}

/** Digits and dots, or hex digits and colons: enough to tell an address from a name. */
function isIpAddress(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || (text.includes(':') && /^[0-9a-fA-F:.]+$/.test(text))
}

/** CLUSTER MEET: this node, alone and empty, asks to be let into the cluster of the one at the address. A member meets nobody: others ask it. */
export function meet(c: Context): void {
  if (!isIpAddress(c.text(2))) return c.fail(`ERR Invalid node address specified: ${c.latin1(2)}:${c.latin1(3)}`)
  const port = c.integer(3)
  if (Number.isNaN(port)) return c.fail(`ERR Invalid TCP base port specified: ${c.latin1(3)}`)
  if (port < 1 || port > 65_535) return c.fail(`ERR Invalid node address specified: ${c.latin1(2)}:${c.latin1(3)}`)
  const host = c.text(2)
  const {members} = viewOf(c.engine)
  if (members.some((member) => member.host === host && member.port === port)) return c.out.ok()
  if (members.length > 1) {
    const {host: own, port: ownPort} = selfOf(c.engine)
    return c.fail(`ERR nodes join by themselves: kv cluster join ${host}:${port} --to ${own}:${ownPort}`)
  }
  const {keyCount} = c.engine.keyspace
  const keys = keyCount === 1 ? '1 key' : `${keyCount} keys`
  if (keyCount > 0) return c.fail(`ERR this node has ${keys}: only an empty one can join another cluster`)
  c.verdict = WAITING
  c.engine.host.meet(c.session, host, port)
}

/** Failures are agreed on, not voted on by reports: all know it, or none. */
export function countFailureReports(c: Context): void {
  const member = memberArgument(c, 2)
  if (member) c.out.integer(member.isDown ? 1 : 0)
}
