/**
 * How the cluster map behaves as nodes become many: clusters of 3 to 100 simulated nodes with all 16,384 buckets in play. Of each it is measured how long (in virtual time,
 * with a network of 0.3 ms) it takes to form, to balance when a node joins, to let one leave, and to heal when one dies; what agreeing on that costs in bytes of
 * Raft; how large the map is; and what CLUSTER SLOTS costs in real time.
 *
 * One node after the other is begun, as fast as the former one is let in: that is how an operator would, and forming does not depend on chance.
 */
import {BUCKET_COUNT} from '../constants.ts'
import {ClusterMap, NO_NODE} from '../core/cluster/cluster-map.ts'
import {MESSAGE_RAFT} from '../core/peer/message.ts'
import {ROLE_SERVING} from '../core/replication/roles.ts'
import {Session} from '../core/session.ts'
import {COMPLETE, Request, RequestDecoder} from '../resp/request-decoder.ts'
import {ReplyWriter} from '../resp/reply-writer.ts'
import {Simulation} from './simulation.ts'
import {Stage} from './stage.ts'
import {looseType} from './wire.ts'
import type {SimNode} from './sim-node.ts'

/** What one phase took. */
export interface Phase {
  /** Virtual ms until it was over; Infinity if the patience ended before. */
  readonly ms: number
  /** Entries of the agreed log that changed the map. */
  readonly entries: number
  /** Of all Raft messages of all nodes, heartbeats included. */
  readonly raftBytes: number
  /** What this machine took for it. */
  readonly realMs: number
}

export interface ScaleResult {
  readonly nodes: number
  readonly form: Phase
  readonly join: Phase
  readonly leave: Phase
  /** Until every bucket had a master that served. */
  readonly failover: Phase
  /** Until every bucket had all its copies again. */
  readonly heal: Phase
  /** Raft bytes of a second in which nothing happens. */
  readonly idleBytesPerSecond: number
  /** Of the map as text. */
  readonly snapshotBytes: number
  /** Neighbouring buckets with the same copies. */
  readonly ranges: number
  readonly slotsBytes: number
  /** CLUSTER SLOTS when the map has just changed, and when it has not; real ms, medians. */
  readonly slotsFreshMs: number
  readonly slotsCachedMs: number
}

export interface ScaleOptions {
  readonly nodes: number
  /** Real ms after which a phase is given up. */
  readonly patienceMs: number
  /** Real ms. */
  readonly clock: () => number
}

/** How often is looked, virtual ms. */
const LOOK_MS = 20
const IDLE_MS = 2_000
const SLOTS_ROUNDS = 9
const UNMEASURED: Phase = {ms: Infinity, entries: 0, raftBytes: 0, realMs: 0}

/** Measures one size. */
export function measureScale(options: ScaleOptions): ScaleResult {
  return new Scale(options).measure()
}

class Scale {
  readonly #o: ScaleOptions
  readonly #sim: Simulation
  readonly #stage: Stage
  #raftBytes = 0

  constructor(options: ScaleOptions) {
    this.#o = options
    // A few keys: what is measured is the map, not the data.
    const {nodes} = options
    this.#sim = new Simulation({
      seed: 1,
      seconds: 1,
      nodes,
      replicas: 1,
      keys: 4,
      kinds: ['register'],
      buckets: BUCKET_COUNT,
    })
    this.#stage = new Stage(this.#sim)
    this.#sim.network.onSend = (_from, _to, packet) => {
      if (looseType(packet) === MESSAGE_RAFT) this.#raftBytes += packet.length
    }
  }

  measure(): ScaleResult {
    const {nodes} = this.#o
    const stage = this.#stage
    const form = this.#form()
    const idleBytesPerSecond = form.ms === Infinity ? 0 : this.#idle()
    const map = this.#readMap()
    const join = this.#after(
      form,
      () => stage.begin(nodes),
      () => this.#isBalancedWith(nodes + 1),
    )
    const leave = this.#leave(join)
    const failover = this.#failover(leave)
    const heal = this.#after(
      failover,
      () => undefined,
      () => this.#hasAllCopies(),
    )
    return {nodes, form, join, leave, failover, heal, idleBytesPerSecond, ...map}
  }

  #leave(before: Phase): Phase {
    const stage = this.#stage
    const leaver = this.#follower()
    const isOver = (): boolean => stage.member(leaver) === null && this.#isBalancedWith(this.#o.nodes)
    const phase = this.#after(before, () => stage.leave(leaver), isOver)
    if (phase.ms !== Infinity) stage.node(leaver).kill()
    return phase
  }

  #failover(before: Phase): Phase {
    const victim = this.#follower()
    return this.#after(
      before,
      () => void this.#stage.lose(victim, 'kill'),
      () => this.#isServed(victim),
    )
  }

  #form(): Phase {
    const {nodes} = this.#o
    let begun = 0
    const beginNext = (): void => this.#sim.begin(begun, begun++ === 0)
    return this.#phase(beginNext, () => {
      if (begun === nodes) return this.#isBalancedWith(nodes)
      if (this.#sim.newestMap()!.member(this.#sim.ids[begun - 1]!)) beginNext()
      return false
    })
  }

  /** The next phase, if the one before has come to its end: else it would be another's. */
  #after(before: Phase, begin: () => void, isOver: () => boolean): Phase {
    return before.ms === Infinity ? UNMEASURED : this.#phase(begin, isOver)
  }

  /** Does something and waits until it is over. */
  #phase(begin: () => void, isOver: () => boolean): Phase {
    const {clock, patienceMs} = this.#o
    const sim = this.#sim
    const before = {
      at: sim.schedule.now,
      bytes: this.#raftBytes,
      real: clock(),
      revision: sim.newestMap()?.revision ?? 0,
    }
    begin()
    let isDone = false
    while (!isDone && clock() - before.real < patienceMs) {
      sim.advance(LOOK_MS)
      isDone = isOver()
    }
    if (sim.violations.length > 0) throw new Error(sim.violations.join('\n'))
    return {
      ms: isDone ? sim.schedule.now - before.at : Infinity,
      entries: sim.newestMap()!.revision - before.revision,
      raftBytes: this.#raftBytes - before.bytes,
      realMs: clock() - before.real,
    }
  }

  #idle(): number {
    const before = this.#raftBytes
    this.#sim.advance(IDLE_MS)
    return ((this.#raftBytes - before) * 1000) / IDLE_MS
  }

  /** A node that runs and does not lead. */
  #follower(): number {
    const {leader} = this.#stage
    return this.#sim.ids.findIndex((_id, i) => i !== leader && this.#sim.nodes.get(i)?.isDead === false)
  }

  #isBalancedWith(members: number): boolean {
    const {map} = this.#stage
    const count = map.members.filter((member) => member !== null).length
    return count === members && map.revision > 1 && !map.isBalancing && this.#hasAllCopies()
  }

  #hasAllCopies(): boolean {
    const {map} = this.#stage
    const wanted = map.wantedCopies()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (map.syncing[bucket] !== NO_NODE || map.target[bucket] !== NO_NODE || map.copyCount(bucket) !== wanted)
        return false
    }
    return true
  }

  /** Every bucket has a master that serves, and it is not this node. */
  #isServed(victim: number): boolean {
    const {map} = this.#stage
    const lost = this.#stage.slot(victim)
    const processes = map.members.map((member) => this.#processOf(member?.id))
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const master = map.master[bucket]!
      if (master === lost || processes[master]?.cluster.roles.role[bucket] !== ROLE_SERVING) return false
    }
    return true
  }

  #processOf(id: string | undefined): SimNode | undefined {
    return this.#sim.running().find((node) => node.id === id)
  }

  #readMap(): Pick<ScaleResult, 'snapshotBytes' | 'ranges' | 'slotsBytes' | 'slotsFreshMs' | 'slotsCachedMs'> {
    const {cluster, engine} = this.#sim.nodes.get(0)!
    const {map} = cluster
    const snapshot = map.toSnapshot()
    const ranges = (JSON.parse(snapshot) as {readonly runs: readonly unknown[]}).runs.length
    const fresh: number[] = []
    const cached: number[] = []
    let slotsBytes = 0
    for (let round = 0; round < SLOTS_ROUNDS; round++) {
      // Another object with the same content: nothing of it is remembered.
      cluster.map = ClusterMap.fromSnapshot(snapshot)
      const ask = (): number => {
        const from = this.#o.clock()
        slotsBytes = clusterSlots(engine)
        return this.#o.clock() - from
      }
      fresh.push(ask())
      cached.push(ask())
    }
    cluster.map = map
    const bytes = {snapshotBytes: snapshot.length, ranges, slotsBytes}
    return {...bytes, slotsFreshMs: median(fresh), slotsCachedMs: median(cached)}
  }
}

/** Asks the engine as a client would; returns the size of the reply. */
function clusterSlots(engine: SimNode['engine']): number {
  const bytes = Buffer.from('*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n')
  const decoder = new RequestDecoder()
  if (decoder.next(bytes, 0, bytes.length) !== COMPLETE) throw new Error('the request is whole')
  const out = new ReplyWriter()
  engine.execute(new Session(1, 'client', 'here', 0, true), decoder.swap(new Request()), out)
  return out.pos
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!
}
