/**
 * What a scenario sees of a simulated cluster and does to it. Nodes are named by their number, which they keep over restarts and when their disk is
 * wiped; processes and slots come and go. A scenario's script is a generator: it yields the *step* that it waits for, and goes on in the very moment in
 * which the step is reached, between two events.
 */
import {NO_NODE} from '../core/cluster/cluster-map.ts'
import {checkMap} from '../core/cluster/map-strike.ts'
import {planMove} from '../core/cluster/planner.ts'
import {ROLE_SERVING} from '../core/replication/roles.ts'
import {COPY_WHOLE} from '../core/replication/replica.ts'
import {MESSAGE_JOIN} from '../core/peer/message.ts'
import {lose, restart} from './outages.ts'
import {looseType} from './wire.ts'
import type {ClusterMap, Member} from '../core/cluster/cluster-map.ts'
import type {MapEntry} from '../core/cluster/map-entry.ts'
import type {Loss, Restore} from './outages.ts'
import type {Simulation} from './simulation.ts'
import type {SimNode} from './sim-node.ts'

/** What a script waits for; if it does not come within this time the scenario has failed. */
export interface Step {
  readonly name: string
  /** The scenario demands it; else it is what the scenario hangs on, and without it the run is void. */
  readonly isDemand: boolean
  /** Virtual ms. */
  readonly withinMs: number
  isReached(): boolean
}

export type Script = Generator<Step, void, void>

/** Who plays what, by node number: the leader of Raft is none of the others. */
export interface Cast {
  readonly bucket: number
  /** The bucket's master. */
  readonly source: number
  /** Its other copies. */
  readonly copies: readonly number[]
  readonly leader: number
  /** Those who have nothing to do with the bucket. */
  readonly others: readonly number[]
}

const STEP_MS = 10_000

export class Stage {
  readonly sim: Simulation
  readonly #restores: Restore[] = []
  /** Nodes that are not to come back. */
  readonly #retired = new Set<number>()
  /** Ids of nodes whose request to be let in has reached somebody. */
  readonly #askers = new Set<string>()

  constructor(sim: Simulation) {
    this.sim = sim
    sim.network.onDeliver = (from, _to, packet) => {
      if (looseType(packet) === MESSAGE_JOIN) this.#askers.add(from)
    }
  }

  // ---- steps

  until(name: string, isReached: () => boolean, withinMs = STEP_MS): Step {
    return {name, isDemand: false, withinMs, isReached}
  }

  /** Waits as well, for what the cluster owes its users. */
  must(name: string, isReached: () => boolean, withinMs: number): Step {
    return {name, isDemand: true, withinMs, isReached}
  }

  /** Virtual ms. */
  wait(ms: number): Step {
    const at = this.sim.schedule.now + ms
    return this.until(`${ms} ms later`, () => this.now >= at, ms + STEP_MS)
  }

  // ---- who and what there is

  get now(): number {
    return this.sim.schedule.now
  }

  /** The newest map that anybody has. */
  get map(): ClusterMap {
    const map = this.sim.newestMap()
    if (!map) throw new Error('no process runs')
    return map
  }

  /** The last process of this node, be it dead. */
  node(i: number): SimNode {
    const node = this.sim.nodes.get(i)
    if (!node) throw new Error(`node ${i} was never begun`)
    return node
  }

  /** Null if the node is not in the newest map, under the id that it has now. */
  member(i: number): Member | null {
    return this.map.member(this.sim.ids[i] ?? '')
  }

  /** In the newest map; -1 if it is not there. */
  slot(i: number): number {
    return this.member(i)?.slot ?? -1
  }

  /** The node of this slot of the newest map; -1 if there is none. */
  nodeOf(slot: number): number {
    const id = this.map.members[slot]?.id
    return id === undefined ? -1 : this.sim.ids.indexOf(id)
  }

  /** The node that leads in the highest term; -1 while nobody does. */
  get leader(): number {
    let best: SimNode | null = null
    for (const node of this.sim.running()) {
      const {role, term} = node.cluster.raft
      if (role === 'leader' && (!best || term > best.cluster.raft.term)) best = node
    }
    return best ? this.sim.ids.indexOf(best.id) : -1
  }

  role(i: number, bucket: number): number {
    return this.node(i).cluster.roles.role[bucket]!
  }

  copy(i: number, bucket: number): number {
    return this.node(i).cluster.replica.copy[bucket]!
  }

  /** The newest map names this node as the bucket's master. */
  isMaster(bucket: number, i: number): boolean {
    return this.map.master[bucket] === this.slot(i)
  }

  /** Node `i` serves this bucket, and the newest map says so. */
  isServedBy(bucket: number, i: number): boolean {
    const node = this.node(i)
    if (node.isDead || node.isPaused || !this.isMaster(bucket, i)) return false
    return node.cluster.roles.role[bucket] === ROLE_SERVING
  }

  /** The bucket is served by one that is none of these. */
  isServedWithout(bucket: number, lost: readonly number[]): boolean {
    const i = this.nodeOf(this.map.master[bucket]!)
    return i >= 0 && !lost.includes(i) && this.isServedBy(bucket, i)
  }

  /** Keys in its copy of the bucket. */
  keyCount(i: number, bucket: number): number {
    return this.node(i).engine.keyspace.bucketCount(bucket)
  }

  isWhole(i: number, bucket: number): boolean {
    return this.copy(i, bucket) === COPY_WHOLE
  }

  /** The request of this node to be let in, since it was begun or lost here, has reached somebody. */
  hasAsked(i: number): boolean {
    return this.#askers.has(this.node(i).id)
  }

  /** A bucket of the workload that the leader has no copy of, and who is what for it. Throws if there is none: then another seed may have one. */
  cast(): Cast {
    const {map, leader, sim} = this
    for (const bucket of sim.workload.buckets) {
      const copies = map.copies(bucket).map((slot) => this.nodeOf(slot))
      if (copies.length !== sim.options.replicas + 1 || copies.includes(leader)) continue
      const others = sim.ids.map((_id, i) => i).filter((i) => i !== leader && !copies.includes(i))
      return {bucket, source: copies[0]!, copies: copies.slice(1), leader, others}
    }
    throw new Error('every bucket of the workload has a copy at the leader')
  }

  // ---- what a scenario does

  propose(entry: MapEntry): void {
    this.node(this.leader).cluster.propose(entry)
  }

  /** Orders a move, as an operator does. */
  move(bucket: number, to: number): void {
    const {entries, error} = planMove(this.map, [bucket], this.sim.ids[to]!)
    if (error !== null) throw new Error(error)
    for (const entry of entries) this.propose(entry)
  }

  lose(i: number, loss: Loss): Restore {
    this.#askers.delete(this.node(i).id)
    const restore = lose(this.sim, this.node(i), loss)
    this.#restores.push(restore)
    return restore
  }

  /** Starts a process for a node that is dead, or was never there. */
  begin(i: number): void {
    this.#askers.delete(this.sim.ids[i] ?? '')
    this.#retired.delete(i)
    restart(this.sim, i)
  }

  /** Node `i` leaves: its process ends when it is out of the map, and none comes after it. */
  leave(i: number): void {
    this.#retired.add(i)
    this.node(i).cluster.leave()
  }

  /** All that was lost comes back. A leaving process that died comes back, too: to stay. */
  restore(): void {
    const {sim} = this
    for (const restore of this.#restores.splice(0)) restore()
    sim.network.faults = {...sim.network.faults, loss: 0, duplicate: 0, slow: 0}
    sim.network.heal()
    sim.network.holdsBack = false
    for (const node of sim.running()) node.resume()
    for (let i = 0; i < sim.ids.length; i++) if (!this.#hasGone(i)) restart(sim, i)
  }

  /** What is not as it should be, or null: beside what every simulation demands, that nothing is under way any more and no map contradicts itself. */
  unsettled(): string | null {
    const {sim} = this
    this.#endThoseWhoLeft()
    const problem = sim.unhealed()
    if (problem !== null) return problem
    const {map} = this
    try {
      checkMap(map)
    } catch (error) {
      return (error as Error).message
    }
    const open = sim.bucketsInPlay.find((bucket) => map.syncing[bucket] !== NO_NODE || map.target[bucket] !== NO_NODE)
    if (open !== undefined) return `a move of bucket ${open} has not ended`
    return map.isBalancing ? 'the balance is not reached' : null
  }

  /** Whoever was told to leave and is out of the map, in whatever way. */
  #hasGone(i: number): boolean {
    return this.#retired.has(i) && this.node(i).cluster.isGone
  }

  #endThoseWhoLeft(): void {
    for (const i of this.#retired) {
      const node = this.node(i)
      if (!node.isDead && node.cluster.isGone) node.kill()
    }
  }
}
