/**
 * A node with a real cluster core, driven by hand: a cluster of one, founded at once, to which made-up members are joined by proposing
 * what they would have been the cause of. What it sends to them goes nowhere.
 */
import {BUCKET_COUNT, HEARTBEAT_MS, PLAN_BUCKETS_MAX} from '../../src/constants.ts'
import {Raft} from '../../src/core/consensus/raft.ts'
import {formatBuckets, parseBuckets} from '../../src/core/cluster/bucket-ranges.ts'
import {Cluster} from '../../src/core/cluster/cluster.ts'
import {NO_NODE} from '../../src/core/cluster/cluster-map.ts'
import {Stage, type Plain} from './server-support.ts'
import type {ClusterHost} from '../../src/core/cluster/cluster-host.ts'
import type {MemberInfo} from '../../src/core/cluster/cluster-map.ts'
import type {AssignedBuckets, MapEntry} from '../../src/core/cluster/map-entry.ts'
import type {RaftWrite} from '../../src/core/consensus/types.ts'

export const SELF_ID = 'ab'.repeat(20)

/** A member that is only a name: the n-th is at 10.0.0.n:7000. */
export function memberInfo(n: number, incarnation = 'c0'.repeat(8)): MemberInfo {
  const host = `10.0.0.${n}`
  const id = n.toString(16).padStart(40, '0')
  return {id, incarnation, host, port: 7000, peerHost: host, peerPort: 17_000, isVoterOnly: false}
}

export const idOf = (n: number): string => memberInfo(n).id

export class ClusterStage implements ClusterHost {
  readonly stage = new Stage()
  readonly cluster: Cluster
  /** Monotonic ms. */
  now = 1_000
  readonly #writes: RaftWrite[] = []

  constructor(options: {readonly isFounder?: boolean; readonly port?: number} = {}) {
    const {isFounder = true, port} = options
    const self: MemberInfo = {
      ...memberInfo(99),
      id: SELF_ID,
      incarnation: 'f0'.repeat(8),
      port: 7379,
      peerPort: 17_379,
      // A test that is reached over TCP says where.
      ...(port !== undefined && {host: '127.0.0.1', port}),
    }
    const state = isFounder ? Raft.bootstrap(SELF_ID) : null
    const {engine} = this.stage
    this.cluster = new Cluster(engine, {self, seed: 3, now: this.now, state, plants: new Set()}, this)
    engine.cluster = this.cluster
    if (!isFounder) return
    this.cluster.found('cc'.repeat(20), 1)
    this.run(1_000)
    // From here on the test decides who votes, who is down and what is planned; leases are still granted.
    this.cluster.leader!.tick = () => undefined
  }

  /** Time passes. */
  run(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += HEARTBEAT_MS / 4
      this.settle()
      this.stage.pass(HEARTBEAT_MS / 4)
    }
  }

  /** What was written becomes durable, and what is agreed on is applied. */
  settle(): void {
    this.cluster.tick(this.now)
    for (let write = this.#writes.shift(); write; write = this.#writes.shift()) {
      this.cluster.persisted(write.id, this.now)
    }
  }

  /** Proposes, and has it agreed on. */
  apply(...entries: readonly MapEntry[]): void {
    for (const entry of entries) {
      this.cluster.propose(entry)
      this.settle()
    }
  }

  join(...members: readonly number[]): void {
    this.apply(...members.map((n) => ({type: 'joined', member: memberInfo(n)}) as const))
  }

  /** Gives a copy of these buckets of ours to a member, as the master half would report it; as many at once as the planner would order. */
  copy(n: number, buckets: string): void {
    const list = parseBuckets(buckets)!
    for (let i = 0; i < list.length; i += PLAN_BUCKETS_MAX) {
      const some = formatBuckets(list.slice(i, i + PLAN_BUCKETS_MAX))
      this.apply({type: 'assign', node: idOf(n), buckets: some})
      this.apply({type: 'in-sync', add: idOf(n), ...this.#from(some)})
    }
  }

  /** Makes a member master of buckets of ours that it has a copy of. */
  move(n: number, buckets: string): void {
    this.apply({type: 'target', node: idOf(n), buckets}, {type: 'move', to: idOf(n), ...this.#from(buckets)})
  }

  #from(buckets: string): {from: string; incarnation: string; groups: AssignedBuckets[]} {
    const {self, map} = this.cluster
    const assignment = map.assignment[parseBuckets(buckets)![0]!]! || 1
    return {from: self.id, incarnation: self.incarnation, groups: [{epoch: 1, buckets, assignment}]}
  }

  /** Does what the map orders, as the masters would: copies arrive, masters are handed over. */
  carryOut(): void {
    const {map} = this.cluster
    for (const step of ['syncing', 'target'] as const) {
      const groups = new Map<string, number[]>()
      for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
        const to = map[step][bucket]!
        if (to === NO_NODE || (step === 'target' && !map.isInSync(bucket, to))) continue
        const key = `${map.master[bucket]} ${to} ${map.epoch[bucket]} ${map.assignment[bucket]}`
        groups.set(key, [...(groups.get(key) ?? []), bucket])
      }
      for (const [key, list] of groups) {
        const [master, to, epoch, assignment] = key.split(' ').map(Number)
        const {id: from, incarnation} = map.members[master!]!
        const head = {
          from,
          incarnation,
          groups: [{epoch: epoch!, assignment: assignment!, buckets: formatBuckets(list)}],
        }
        const {id} = map.members[to!]!
        this.apply(step === 'syncing' ? {type: 'in-sync', add: id, ...head} : {type: 'move', to: id, ...head})
      }
    }
  }

  /** One reply of a new client. */
  call(...args: readonly (string | number)[]): Plain {
    return this.stage.connect().call(...args)
  }

  json(...args: readonly (string | number)[]): Record<string, unknown> {
    return JSON.parse(String(this.call(...args))) as Record<string, unknown>
  }

  readonly keepsPackets = true

  sendPacket(): boolean {
    return false
  }

  persist(write: RaftWrite): void {
    this.#writes.push(write)
  }

  queuedBytes(): number {
    return 0
  }

  flushSoon(): void {}

  setPeers(): void {}
  release(): void {}
  abort(): void {}
  event(): void {}
  moved(): void {}
}

/** Of three: 1 is master of 0-49 and replica of 50-99, 2 is replica of 100-199, all else is here alone. */
export function trio(): ClusterStage {
  const stage = new ClusterStage()
  stage.join(1, 2)
  stage.copy(1, '0-99')
  stage.copy(2, '100-199')
  stage.move(1, '0-49')
  return stage
}

/** The `name:value` lines of a reply. */
export function fields(reply: Plain): Record<string, string> {
  const lines = String(reply).trim().split('\r\n')
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

export const nodeLines = (stage: ClusterStage): string[] => String(stage.call('CLUSTER', 'NODES')).trimEnd().split('\n')

/** What a member would report as master of buckets. */
export function masterOf(
  n: number,
  buckets: string,
  epoch: number,
): {from: string; incarnation: string; groups: {epoch: number; buckets: string}[]} {
  return {from: idOf(n), incarnation: memberInfo(n).incarnation, groups: [{epoch, buckets}]}
}
