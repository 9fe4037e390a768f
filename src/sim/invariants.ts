/** What must hold after every event of a simulation, for the buckets that the workload uses; the numbers are those of verification.md. */
import {canonicalImage} from '../core/keyspace/canonical.ts'
import {NO_NODE} from '../core/cluster/cluster-map.ts'
import {COPY_WHOLE} from '../core/replication/replica.ts'
import {ROLE_SERVING} from '../core/replication/roles.ts'
import type {SimLog} from './sim-log.ts'
import type {SimNode} from './sim-node.ts'

const COMPARE_EVERY = 2_000

export class Invariants {
  readonly #buckets: readonly number[]
  readonly #nodes: () => readonly SimNode[]
  readonly #violated: (text: string) => void
  /** Who served a bucket in an epoch. */
  readonly #reigns = new Map<string, string>()
  readonly #leaders = new Map<number, string>()
  /** By process: the term it was last seen in. By node id: the last term that it led in. */
  readonly #terms = new Map<SimNode | string, number>()
  /** The turn of each node that was checked last. */
  readonly #turns = new WeakMap<SimNode, number>()
  /** The epoch in which each process was last seen serving each bucket of the list; checked already. */
  readonly #served = new WeakMap<SimNode, Uint32Array>()
  #checks = 0
  lostBuckets = 0

  readonly #logs: ReadonlyMap<string, SimLog>

  constructor(
    buckets: readonly number[],
    nodes: () => readonly SimNode[],
    violated: (text: string) => void,
    logs: ReadonlyMap<string, SimLog>,
  ) {
    this.#logs = logs
    this.#buckets = buckets
    this.#nodes = nodes
    this.#violated = violated
  }

  check(): void {
    this.#checks++
    for (const node of this.#nodes()) {
      if (this.#turns.get(node) === node.turns) continue
      this.#turns.set(node, node.turns)
      this.#checkRaft(node)
      this.#checkReigns(node)
      if (this.#logs.size > 0) this.#checkLogs(node)
    }
    if (this.#checks % COMPARE_EVERY === 0) this.compareCopies()
  }

  /** 13: one leader in a term; terms never go back while a process lives, nor, what a leader led in, over restarts. */
  #checkRaft(node: SimNode): void {
    const {id, cluster} = node
    const {raft} = cluster
    const {term} = raft
    const before = Math.max(this.#terms.get(node) ?? 0, this.#terms.get(id) ?? 0)
    if (term < before) this.#violated(`13: the term of ${id.slice(0, 4)} went back`)
    this.#terms.set(node, term)
    if (raft.role !== 'leader') return
    this.#terms.set(id, term)
    const leader = this.#leaders.get(term) ?? id
    if (leader !== id) this.#violated(`13: two leaders in term ${term}: ${leader.slice(0, 4)} and ${id.slice(0, 4)}`)
    this.#leaders.set(term, leader)
  }

  /** 1: at most one node serves a bucket in an epoch, and 7: none below an epoch in which it served. */
  #checkReigns(node: SimNode): void {
    const {id, incarnation, cluster} = node
    let served = this.#served.get(node)
    if (!served) this.#served.set(node, (served = new Uint32Array(this.#buckets.length)))
    for (let i = 0; i < this.#buckets.length; i++) {
      const bucket = this.#buckets[i]!
      if (cluster.roles.role[bucket] !== ROLE_SERVING) continue
      const epoch = cluster.master.reign[bucket]!
      if (epoch === served[i]) continue
      if (epoch < served[i]!) this.#violated(`1: the epoch of bucket ${bucket} fell at ${id.slice(0, 4)}`)
      served[i] = epoch
      const name = `${id} ${incarnation}`
      const key = `${bucket} ${epoch}`
      const server = this.#reigns.get(key)
      if (server === undefined) this.#reigns.set(key, name)
      else if (server !== name)
        this.#violated(`1: bucket ${bucket} was served twice in epoch ${epoch}: ${server}, ${name}`)
      this.#checkAgreement(node, bucket, epoch)
    }
  }

  /** 18: while a synchronous data-log node is counted on, what counts as acknowledged is on its disk. */
  #checkLogs({cluster, engine}: SimNode): void {
    const {epoch, seq, ticketOf} = engine.effects
    for (const member of cluster.map.members) {
      const log = member?.isLogOn ? this.#logs.get(member.id) : undefined
      for (const bucket of log ? this.#buckets : []) {
        const isClean = cluster.roles.role[bucket] === ROLE_SERVING && cluster.sets.isClean(bucket, ticketOf[bucket]!)
        if (!isClean || ticketOf[bucket] === 0 || log!.positions.seq[bucket]! >= seq[bucket]!) continue
        const [there, here] = [log!.positions.seq[bucket]!, `${epoch[bucket]!}.${seq[bucket]!}`]
        this.#violated(`18: bucket ${bucket} is acknowledged up to ${here}, of which the log has ${there} on its disk`)
      }
    }
  }

  /** R5: who begins to serve in a new epoch has the agreement of every other in-sync copy that lives; a copy that agreed is in that epoch. */
  #checkAgreement({id, cluster}: SimNode, bucket: number, epoch: number): void {
    const {map} = cluster
    for (const other of this.#nodes()) {
      // A master that was deposed meanwhile is stopped by its epoch, whatever has become of the copies.
      if (other.cluster.map.epoch[bucket]! > epoch) return
    }
    for (const other of this.#nodes()) {
      const member = map.member(other.id)
      if (other.id === id || member?.incarnation !== other.incarnation || !map.isInSync(bucket, member.slot)) continue
      if (other.engine.effects.epoch[bucket]! >= epoch) continue
      this.#violated(
        `R5: ${id.slice(0, 4)} serves bucket ${bucket} in epoch ${epoch}; ${other.id.slice(0, 4)} has not agreed`,
      )
    }
  }

  /** 8: the same position means the same state, on every copy. */
  compareCopies(): void {
    for (const bucket of this.#buckets) {
      const states = new Map<string, {id: string; image: Buffer}>()
      for (const {id, engine, cluster} of this.#nodes()) {
        if (cluster.replica.copy[bucket] !== COPY_WHOLE) continue
        if (cluster.map.master[bucket] === NO_NODE) this.lostBuckets++
        const position = `${engine.effects.epoch[bucket]} ${engine.effects.seq[bucket]}`
        const image = canonicalImage(engine.keyspace, engine.maps, bucket)
        const other = states.get(position)
        if (!other) states.set(position, {id, image})
        else if (!other.image.equals(image)) {
          this.#violated(
            `8: bucket ${bucket} at (${position}) differs between ${other.id.slice(0, 4)} and ${id.slice(0, 4)}`,
          )
        }
      }
    }
  }
}
