/**
 * A whole cluster on one thread with virtual time. One seed decides everything: which faults, when, every delay. A safety phase with faults,
 * then a liveness phase in which they stop and the cluster must heal; invariants after every event (invariants.ts), the history
 * checker at the end.
 */
import {Prng} from '../base/prng.ts'
import {OnlineChecker} from '../checker/online-checker.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {NO_NODE} from '../core/cluster/cluster-map.ts'
import {canonicalImage} from '../core/keyspace/canonical.ts'
import {Raft} from '../core/consensus/raft.ts'
import {ROLE_SERVING} from '../core/replication/roles.ts'
import {Disk} from './disk.ts'
import {Faults} from './faults.ts'
import {Invariants} from './invariants.ts'
import {Network} from './network.ts'
import {Schedule} from './schedule.ts'
import {SimLog} from './sim-log.ts'
import {SimNode} from './sim-node.ts'
import {SimClient} from './sim-client.ts'
import {KINDS} from '../workload/kinds.ts'
import {Workload} from '../workload/workload.ts'
import {LOG_WHOLE} from '../record/log-position.ts'
import type {CheckerTotals} from '../checker/history.ts'
import type {ClusterMap, LogMode} from '../core/cluster/cluster-map.ts'
import type {Kind} from '../workload/kinds.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Virtual seconds of the phase with faults. */
  readonly seconds: number
  readonly nodes: number
  readonly replicas: number
  readonly keys?: number
  /** How many buckets have a master beside those of the keys; 16,384 is a whole cluster. */
  readonly buckets?: number
  readonly clients?: number
  /** Keys beside each key, in its bucket, so that an image takes several steps; 0 if not given. */
  readonly ballast?: number
  /** Records, about, that a process does in one step of its background work. */
  readonly workBudget?: number
  /** Kinds of operations, or all. */
  readonly kinds?: readonly Kind[]
  /** Ms between the operations of one client. */
  readonly pace?: number
  /** One node more is there: a data-log node. */
  readonly log?: LogMode
  readonly plants?: ReadonlySet<string>
  /** Kinds of faults, or all. */
  readonly faults?: readonly string[]
  /** Every event is told, with its virtual time. */
  readonly trace?: (line: string) => void
}

export interface SimulationResult {
  readonly seed: number
  readonly violations: readonly string[]
  readonly operations: {ok: number; failed: number; unknown: number; reads: number}
  /** What the checker has looked at. */
  readonly checked: CheckerTotals
  readonly faults: Readonly<Record<string, number>>
  readonly events: number
  readonly packets: number
  /** Of everything that happened: equal for equal seeds. */
  readonly hash: number
  readonly lostBuckets: number
}

const LOGS: readonly (LogMode | undefined)[] = [undefined, 'async', undefined, 'sync']
/** Keys of the kinds that are not registers. */
const KEYS: Readonly<Record<Exclude<Kind, 'register'>, number>> = {
  field: 2,
  cell: 3,
  counter: 2,
  pair: 2,
  ledger: 10,
  swap: 2,
}
/** The node's clock counts whole ms, and deletes what is due with the next look at it. */
const TTL_SLACK_MS = 2
const SETTLE_MS = 2_000
const HEAL_MS = 20_000
const LAST_READS_MS = 4_000
const FIRST_PORT = 7_000

export class Simulation {
  readonly options: SimulationOptions
  readonly schedule = new Schedule()
  readonly random: Prng
  readonly network: Network
  readonly disk: Disk
  readonly checker = new OnlineChecker()
  readonly workload: Workload
  readonly invariants: Invariants
  readonly faults: Faults
  /** Processes that run, by node number. */
  readonly nodes = new Map<number, SimNode>()
  /** Node ids: a node whose disk was wiped gets another. */
  readonly ids: string[] = []
  readonly violations: string[] = []
  /** What data-log nodes have on their disks, by node id. */
  readonly logs = new Map<string, SimLog>()
  hash = 0
  #incarnations = 0

  constructor(options: SimulationOptions) {
    this.options = options
    this.random = new Prng(options.seed)
    this.network = new Network(this.schedule, this.random.fork())
    this.disk = new Disk(this.schedule, this.random.fork())
    this.workload = this.#makeWorkload(this.random.fork())
    this.invariants = new Invariants(
      this.workload.buckets,
      () => this.running(),
      (text) => this.violated(text),
      this.logs,
    )
    this.faults = new Faults(this, this.random.fork())
  }

  #makeWorkload(random: Prng): Workload {
    const {keys = 10, pace = 40, kinds = KINDS, ballast = 0} = this.options
    const counts = Object.fromEntries(kinds.map((kind) => [kind, kind === 'register' ? keys : KEYS[kind]]))
    const clock = {now: () => this.schedule.now, after: this.schedule.after.bind(this.schedule)}
    const makeClient = (): SimClient => new SimClient(this.schedule, random, () => this.running())
    const shape = {keys: counts, pace, ballast, ttlSlackMs: TTL_SLACK_MS, choice: 'even'} as const
    return new Workload(clock, random, makeClient, this.checker, shape)
  }

  /** Runs it all. */
  run(): SimulationResult {
    const {nodes, seconds, clients = 6} = this.options
    const count = this.options.log ? nodes + 1 : nodes
    for (let i = 0; i < count; i++) this.begin(i, i === 0)
    this.advance(SETTLE_MS)
    this.workload.start(clients)
    this.faults.start()
    this.advance(seconds * 1000)
    this.faults.stop()
    this.trace('faults end')
    this.heal()
    this.workload.stop()
    this.finish()
    return this.result()
  }

  /** What has come of it so far. */
  result(): SimulationResult {
    return {
      seed: this.options.seed,
      violations: this.violations,
      operations: this.workload.counts,
      checked: this.checker.totals,
      faults: this.faults.counts,
      events: this.schedule.events,
      packets: this.network.packets,
      hash: this.hash >>> 0,
      lostBuckets: this.invariants.lostBuckets,
    }
  }

  running(): SimNode[] {
    return [...this.nodes.values()].filter((node) => !node.isDead)
  }

  /** Starts a process for node `i`: the founder of the cluster, or one that joins. */
  begin(i: number, isFounder: boolean): void {
    const id = (this.ids[i] ??= this.#newId(i))
    if (isFounder) this.disk.set(id, Raft.bootstrap(id))
    const random = this.random.fork()
    const node = new SimNode({
      id,
      incarnation: (++this.#incarnations).toString(16).padStart(8, '0'),
      port: FIRST_PORT + i,
      log: this.#logOf(i),
      state: this.disk.read(id),
      disk: this.disk,
      schedule: this.schedule,
      network: this.network,
      random,
      plants: this.options.plants ?? new Set(),
      workBudget: this.options.workBudget ?? 2_000,
      trace: (text) => this.trace(text),
      drift: 0.995 + random.below(100) / 10_000,
      clockOffset: random.below(1_000_000),
    })
    this.nodes.set(i, node)
    this.trace(`${id.slice(0, 4)} starts as ${node.incarnation}`)
    if (isFounder) node.cluster.found(this.ids[0]!, this.options.replicas, this.bucketsInPlay)
    else node.cluster.join()
  }

  /** The last of the nodes of the beginning may be a data-log node. */
  #logOf(i: number): {mode: LogMode; disk: SimLog} | null {
    const {log, nodes} = this.options
    if (!log || i !== nodes) return null
    const id = this.ids[i]!
    const disk = this.logs.get(id) ?? new SimLog(this.schedule, (text) => this.violated(text))
    this.logs.set(id, disk)
    return {mode: log, disk}
  }

  /** The disk of node `i` is empty from now on: its next process is another node. */
  wipe(i: number): void {
    this.disk.wipe(this.ids[i]!)
    this.logs.delete(this.ids[i]!)
    this.ids[i] = this.#newId(i)
  }

  /** The newest map that anybody has. */
  newestMap(): ClusterMap | null {
    let best: ClusterMap | null = null
    for (const {cluster} of this.running()) if (!best || cluster.map.revision > best.revision) best = cluster.map
    return best
  }

  violated(text: string): void {
    this.violations.push(`at ${this.schedule.now.toFixed(1)} ms: ${text}`)
    this.trace(`VIOLATION ${text}`)
  }

  trace(text: string): void {
    for (let i = 0; i < text.length; i++) this.hash = (Math.imul(this.hash, 31) + text.charCodeAt(i)) | 0
    this.hash = (Math.imul(this.hash, 31) + Math.floor(this.schedule.now * 1000)) | 0
    this.options.trace?.(`${this.schedule.now.toFixed(1).padStart(9)} ${text}`)
  }

  #newId(i: number): string {
    const digits = this.random.next32().toString(16).padStart(8, '0')
    return `${(i + 10).toString(16).padStart(2, '0')}${digits}`.padEnd(40, '0')
  }

  /** Those of the workload and some others: a seed with all 16,384 would spend its time on moving empty ones. */
  get bucketsInPlay(): readonly number[] {
    const {buckets = 100} = this.options
    const inPlay = new Set(this.workload.buckets)
    for (let i = 0; i < buckets; i++) inPlay.add(Math.floor((i * BUCKET_COUNT) / buckets))
    return [...inPlay].sort((a, b) => a - b)
  }

  /** Runs for so many virtual ms, or until `isOver`, which is asked after every event, or until something is violated. */
  advance(ms: number, isOver: () => boolean = () => false): void {
    this.schedule.run(this.schedule.now + ms, () => {
      this.invariants.check()
      return this.violations.length === 0 && !isOver()
    })
  }

  /** Until everything is as it should be (`problem` says what is not), or for too long. */
  heal(problem: () => string | null = () => this.unhealed()): void {
    const until = this.schedule.now + HEAL_MS
    while (this.violations.length === 0 && problem() !== null && this.schedule.now < until) this.advance(250)
    const unhealed = problem()
    if (unhealed !== null && this.violations.length === 0) {
      this.violated(`not healed ${HEAL_MS} ms after the faults: ${unhealed}`)
      this.#describe()
    }
    this.trace('healed')
  }

  /** Into the trace: where everybody stands, for whoever looks for the cause. */
  #describe(): void {
    for (const {id, incarnation, cluster, isPaused} of this.running()) {
      const {raft, map, selfSlot, isAdmitted, isGone, appliedIndex, hasLease} = cluster
      const {role, term, leader, commitIndex, lastIndex, config} = raft
      const facts = {incarnation, role, term, leader, commitIndex, lastIndex, appliedIndex, config, selfSlot}
      this.trace(`${id.slice(0, 4)} ${JSON.stringify({...facts, isAdmitted, isGone, hasLease, isPaused})}`)
      this.trace(`  revision ${map.revision}, members ${JSON.stringify(map.members)}`)
    }
    const map = this.newestMap()
    for (const bucket of map ? this.workload.buckets : []) {
      const line = {epoch: map!.epoch[bucket], copies: map!.copies(bucket), syncing: map!.syncing[bucket]}
      const roles = this.running().map(({id, cluster}) => `${id.slice(0, 4)} ${cluster.roles.role[bucket]}`)
      this.trace(`bucket ${bucket} ${JSON.stringify({...line, target: map!.target[bucket], roles})}`)
    }
  }

  /** What is not as it should be, or null. */
  unhealed(): string | null {
    const nodes = this.running()
    const leaders = nodes.filter(({cluster}) => cluster.raft.role === 'leader')
    if (leaders.length !== 1) return `${leaders.length} leaders`
    const {map} = leaders[0]!.cluster
    const outsider = nodes.find(({cluster}) => !cluster.isAdmitted)
    if (outsider) return `${outsider.id.slice(0, 4)} is not admitted`
    const isDown = nodes.find(({id}) => map.member(id)?.isDown)
    if (isDown) return `${isDown.id.slice(0, 4)} runs, and is down in the map`
    const behind = nodes.find(({cluster}) => cluster.map.revision !== map.revision)
    if (behind) return `${behind.id.slice(0, 4)} has an old map`
    const holders = nodes.filter(({cluster}) => !cluster.self.isVoterOnly)
    const wanted = Math.min(this.options.replicas + 1, holders.length)
    for (const bucket of this.workload.buckets) {
      const slot = map.master[bucket]!
      if (slot === NO_NODE) continue
      const master = nodes.find(({cluster}) => cluster.selfSlot === slot)
      if (!master) return `the master of bucket ${bucket} does not run`
      if (master.cluster.roles.role[bucket] !== ROLE_SERVING) return `bucket ${bucket} is not served`
      if (map.copyCount(bucket) !== wanted) return `bucket ${bucket} has ${map.copyCount(bucket)} copies`
    }
    const unlogged = this.#unlogged()
    if (unlogged !== null) return unlogged
    const waiting = nodes.find(({cluster}) => cluster.gate.waitingCount > 0)
    return waiting && this.schedule.now % 1000 < 1 ? 'replies wait' : null
  }

  /** A data log that is not where the masters are, or is not counted on though it should be. */
  #unlogged(): string | null {
    for (const {id, engine, cluster} of this.running()) {
      const log = this.logs.get(id)
      if (cluster.self.log === 'sync' && !cluster.map.member(id)?.isLogOn) return 'the data log is not counted on'
      if (log) continue
      for (const bucket of this.workload.buckets) {
        if (cluster.roles.role[bucket] !== ROLE_SERVING) continue
        for (const [name, {positions}] of this.logs) {
          const isThere = positions.seq[bucket] === engine.effects.seq[bucket] && positions.state[bucket] === LOG_WHOLE
          if (!isThere) return `the log of ${name.slice(0, 4)} does not have all of bucket ${bucket}`
        }
      }
    }
    return null
  }

  /** What can be built from the log alone is what the masters have. */
  #compareLogs(): void {
    for (const {id, engine, cluster} of this.running()) {
      if (this.logs.has(id)) continue
      for (const bucket of this.workload.buckets) {
        if (cluster.roles.role[bucket] !== ROLE_SERVING) continue
        const here = canonicalImage(engine.keyspace, engine.maps, bucket)
        for (const log of this.logs.values()) {
          const isSame = log.positions.seq[bucket] === engine.effects.seq[bucket]
          if (isSame && !log.image(bucket)?.equals(here))
            this.violated(`18: bucket ${bucket} differs from what the log gives`)
        }
      }
    }
  }

  /** The last reads, and the judgement of all that was answered. */
  finish(): void {
    if (this.violations.length > 0) return
    let unread: readonly string[] | null = null
    this.workload.readAll((keys) => {
      unread = keys
    })
    this.advance(LAST_READS_MS, () => unread !== null)
    // A value may have expired before its clients were told of it: its end is noted a whole life after that.
    this.advance(this.workload.expiryNotedMs)
    const map = this.newestMap()
    const lost = this.workload.buckets.some((bucket) => map?.master[bucket] === NO_NODE)
    if (unread === null) this.violated('the last reads were not answered')
    else if ((unread as readonly string[]).length > 0 && !lost) {
      this.violated(`keys cannot be read at the end: ${(unread as readonly string[]).join(' ')}`)
    }
    this.invariants.compareCopies()
    this.#compareLogs()
    this.#judge()
    const {ok} = this.workload.counts
    if (ok < this.options.seconds) this.violated(`void: only ${ok} operations were answered`)
  }

  /** What is wrong with all that was answered. */
  #judge(): void {
    const {checker} = this
    checker.finish()
    for (const {key, reason, operations} of checker.findings) {
      const lines = operations.map(({kind, value, start, end}) => `${kind} ${String(value)} [${start}, ${end}]`)
      this.violated(`${key}: ${reason}: ${lines.join('; ')}`)
    }
    const {undecided} = checker.totals
    if (undecided > 0) this.violated(`void: the histories of ${undecided} keys are undecided`)
  }
}

/** A whole run in which the seed decides what `options` does not: 3 to 7 nodes, one or two replicas of each bucket, a data-log node in every second. */
export function runSeed(seed: number, options: Partial<SimulationOptions> & {seconds: number}): SimulationResult {
  const log = LOGS[seed % LOGS.length]
  const drawn = {seed, nodes: 3 + (seed % 5), replicas: seed % 3 === 0 ? 2 : 1, ...(log && {log})}
  return new Simulation({...drawn, ...options}).run()
}
