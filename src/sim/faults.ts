/**
 * What goes wrong in a simulation, and how often: each seed draws its own rates. Faults overlap. The budget: a process that would take the last living
 * copy of a bucket with it is not killed, since then the loss would be the user's.
 */
import {BUCKET_COUNT, LEASE_MS} from '../constants.ts'
import {COPIES_MAX, NO_NODE} from '../core/cluster/cluster-map.ts'
import {cutOff, kill, pause, restart} from './outages.ts'
import type {Prng} from '../base/prng.ts'
import type {Simulation} from './simulation.ts'
import type {SimNode} from './sim-node.ts'

/** A node that has left answers clients with MOVED for up to this. */
const REVIVE_MS = 500

export const FAULTS = [
  'kill',
  'quick-restart',
  'wipe',
  'pause',
  'long-pause',
  'partition',
  'one-way',
  'isolate-leader',
  'hold-back',
  'loss',
  'slow',
  'leave',
  'move',
  'join',
  'stall',
  'slow-disk',
] as const

/** Only where they are asked for: the loss of all copies of a bucket, which must be told, and of whoever has just voted. */
const EXTRA_FAULTS = ['lose', 'kill-voter'] as const

type Fault = (typeof FAULTS)[number] | (typeof EXTRA_FAULTS)[number]
/** Nodes that may join beside those of the beginning. */
const JOINS_MAX = 2

export class Faults {
  readonly counts: Record<string, number> = {}
  readonly #sim: Simulation
  readonly #random: Prng
  readonly #meanMs: number
  readonly #kinds: readonly Fault[]
  #isStopped = false
  readonly #leaving = new Set<SimNode>()
  #killedAt = Number.NEGATIVE_INFINITY

  constructor(sim: Simulation, random: Prng) {
    this.#sim = sim
    this.#random = random
    this.#meanMs = 300 + random.below(3_000)
    const wanted = sim.options.faults
    const all: Fault[] = FAULTS.filter((kind) => wanted === undefined || wanted.includes(kind))
    for (const kind of EXTRA_FAULTS) if (wanted?.includes(kind)) all.push(kind)
    // A few kinds a seed, so that some seeds see much of the same.
    this.#kinds = wanted === undefined ? all.filter(() => random.below(3) > 0) : all
  }

  start(): void {
    this.#plan()
    this.#revive()
  }

  /** Whoever was taken out of the map (it left, or was removed while it was cut off) comes back as a new process. */
  #revive(): void {
    const sim = this.#sim
    sim.schedule.after(REVIVE_MS, () => {
      for (const node of sim.running()) {
        const i = sim.ids.indexOf(node.id)
        if (!node.cluster.isGone || node.isPaused || i < 0) continue
        this.#leaving.delete(node)
        sim.trace(`${node.id.slice(0, 4)} is gone`)
        node.kill()
        sim.schedule.after(this.#random.below(1_000), () => restart(sim, i))
      }
      this.#revive()
    })
  }

  /** No more faults; what is broken is mended. */
  stop(): void {
    this.#isStopped = true
    const sim = this.#sim
    sim.network.faults = {...sim.network.faults, loss: 0, duplicate: 0, slow: 0}
    sim.network.heal()
    for (const node of sim.running()) node.resume()
    for (const node of this.#leaving) this.#stay(node)
    sim.disk.delay = 1
    for (let i = 0; i < sim.ids.length; i++) restart(sim, i)
  }

  #plan(): void {
    this.#sim.schedule.after(this.#meanMs * (0.2 + 1.6 * this.#unit()), () => {
      if (this.#isStopped) return
      const kind = this.#kinds[this.#random.below(Math.max(1, this.#kinds.length))]
      if (kind) this.#inject(kind)
      this.#plan()
    })
  }

  #inject(kind: Fault): void {
    const nodes = this.#sim.running()
    const node = nodes[this.#random.below(nodes.length)]
    if (!node) return
    if (this.#act(kind, node)) this.counts[kind] = (this.counts[kind] ?? 0) + 1
  }

  #act(kind: Fault, node: SimNode): boolean {
    const sim = this.#sim
    switch (kind) {
      case 'kill':
        return this.#kill(node, 300 + this.#random.below(4_000), false)
      case 'quick-restart':
        return this.#kill(node, this.#random.below(50), false)
      case 'wipe':
        return this.#kill(node, 300 + this.#random.below(2_000), true)
      case 'pause':
        return this.#pause(node, LEASE_MS * (0.3 + this.#unit()))
      case 'long-pause':
        return this.#pause(node, LEASE_MS * 3)
      case 'partition':
        return this.#cut((id) => this.#sim.ids.indexOf(id) % 2 === this.#random.below(1), true)
      case 'one-way':
        return this.#cut((id) => id === node.id, false)
      case 'isolate-leader':
        return this.#isolateLeader()
      case 'hold-back':
        sim.network.holdsBack = true
        return this.#cut((id) => id === node.id, true)
      case 'loss':
        return this.#disturb({loss: 0.02 + 0.1 * this.#unit(), duplicate: 0.05})
      case 'slow':
        return this.#disturb({slow: 0.3, slowDelay: 20 + this.#random.below(400)})
      case 'leave':
        return this.#leave(node)
      case 'move':
        return this.#move()
      case 'join':
        return this.#join()
      case 'stall':
        return this.#stall(node)
      case 'slow-disk':
        return this.#slowDisk()
      case 'lose':
        return this.#lose()
      case 'kill-voter':
        return this.#killVoter(this.#sim.schedule.now + 2_000)
    }
  }

  #kill(node: SimNode, downMs: number, isWiped: boolean): boolean {
    const sim = this.#sim
    const i = sim.ids.indexOf(node.id)
    if (i < 0 || !this.#canLose(node)) return false
    if (isWiped && !this.#canWipe(node.id)) return false
    this.#killedAt = sim.schedule.now
    sim.schedule.after(downMs, kill(sim, node, isWiped))
    return true
  }

  /** Every bucket has a copy elsewhere, in a process that runs and is not paused, and the last such fault is over. */
  #canLose(node: SimNode): boolean {
    const sim = this.#sim
    const map = sim.newestMap()
    const slot = map?.member(node.id)?.slot
    if (!map || slot === undefined) return false
    const alive = new Set<number>()
    for (const {id, incarnation, isPaused} of sim.running()) {
      const member = map.member(id)
      if (member?.incarnation === incarnation && !member.isDown && !isPaused) alive.add(member.slot)
    }
    alive.delete(slot)
    if (alive.size < sim.options.nodes - 1 || sim.network.isCut || sim.schedule.now - this.#killedAt < 1_500)
      return false
    // A change that is under way may take the other copy out after this one has gone (seed 8675).
    const isChanging = sim
      .running()
      .some(
        ({cluster}) => cluster.raft.lastIndex > cluster.raft.commitIndex || cluster.master.proposals.has('out-of-sync'),
      )
    if (isChanging) return false
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (map.master[bucket] === NO_NODE) continue
      let hasOther = false
      for (let k = bucket * COPIES_MAX; k < (bucket + 1) * COPIES_MAX; k++)
        if (alive.has(map.inSync[k]!)) hasOther = true
      if (!hasOther) return false
    }
    return true
  }

  /** A disk may go if a majority of the voters (of the agreed config, and of one that is being agreed on) keep theirs. */
  #canWipe(victim: string): boolean {
    const {ids} = this.#sim
    const leader = this.#sim.running().find(({cluster}) => cluster.raft.role === 'leader')
    // While a node leaves, voters become fewer step by step, and each step needs those that are left.
    if (!leader || leader.cluster.map.members.some((member) => member?.isLeaving)) return false
    const {config, committedConfig} = leader.cluster.raft
    // A learner may be made a voter before its death is noticed (seed 2195: one voter became two, of which one had lost its disk).
    return [config, committedConfig].every(({voters}) => {
      const keeping = voters.filter((id) => id !== victim && ids.includes(id))
      return keeping.length * 2 > new Set([...voters, victim]).size
    })
  }

  #pause(node: SimNode, ms: number): boolean {
    if (node.isPaused) return false
    const sim = this.#sim
    sim.trace(`fault: pause ${node.id.slice(0, 4)} for ${ms.toFixed(0)} ms`)
    sim.schedule.after(ms, pause(sim, node))
    return true
  }

  #cut(isOn: (id: string) => boolean, isBothWays: boolean): boolean {
    const sim = this.#sim
    if (sim.network.isCut) return false
    const inside = sim
      .running()
      .map(({id}) => id)
      .filter(isOn)
    const heal = cutOff(sim, inside, isBothWays)
    sim.schedule.after(200 + this.#random.below(4_000), heal)
    return true
  }

  #isolateLeader(): boolean {
    const leader = this.#sim.running().find(({cluster}) => cluster.raft.role === 'leader')
    return leader !== undefined && this.#cut((id) => id === leader.id, true)
  }

  #disturb(change: Partial<Simulation['network']['faults']>): boolean {
    const {network, schedule} = this.#sim
    const before = network.faults
    network.faults = {...before, ...change}
    schedule.after(500 + this.#random.below(3_000), () => {
      network.faults = {...network.faults, loss: 0, duplicate: 0, slow: 0}
    })
    return true
  }

  /** Some leave and come back as new processes, some stay after all. */
  #leave(node: SimNode): boolean {
    const sim = this.#sim
    if (sim.running().length < 3 || !node.cluster.isAdmitted || node.isPaused) return false
    sim.trace(`fault: ${node.id.slice(0, 4)} leaves`)
    node.cluster.leave()
    this.#leaving.add(node)
    if (this.#random.below(4) === 0) sim.schedule.after(this.#random.below(1_000), () => this.#stay(node))
    return true
  }

  #stay(node: SimNode): void {
    this.#leaving.delete(node)
    if (!node.isDead) node.cluster.stay()
  }

  /** A node more than at the beginning. */
  #join(): boolean {
    const sim = this.#sim
    if (sim.ids.length >= sim.options.nodes + JOINS_MAX) return false
    sim.begin(sim.ids.length, false)
    return true
  }

  /** The process is stopped in the middle of a turn: after a command was executed, before its reply leaves. */
  #stall(node: SimNode): boolean {
    if (node.isPaused) return false
    const sim = this.#sim
    sim.trace(`fault: ${node.id.slice(0, 4)} stalls`)
    node.pauseMidTurn()
    sim.schedule.after(LEASE_MS * (0.5 + 2 * this.#unit()), () => node.resume())
    return true
  }

  #slowDisk(): boolean {
    const {disk, schedule} = this.#sim
    disk.delay = 5 + this.#random.below(150)
    schedule.after(500 + this.#random.below(3_000), () => (disk.delay = 1))
    return true
  }

  /** All processes with a copy of one of the workload's buckets die in one moment. */
  #lose(): boolean {
    const sim = this.#sim
    const map = sim.newestMap()
    const bucket = sim.workload.buckets[this.#random.below(sim.workload.buckets.length)]!
    const copies = map?.copies(bucket) ?? []
    if (!map || copies.length === 0 || sim.running().length < sim.options.nodes) return false
    for (const node of sim.running()) {
      const slot = map.member(node.id)?.slot
      if (slot === undefined || !copies.includes(slot)) continue
      sim.trace(`fault: kill ${node.id.slice(0, 4)}, so that bucket ${bucket} is lost`)
      node.kill()
      const i = sim.ids.indexOf(node.id)
      sim.schedule.after(300 + this.#random.below(1_000), () => restart(sim, i))
    }
    return true
  }

  /** Waits for an election; then a voter dies and is back at once. Its data is lost, so that only Raft can be judged. */
  #killVoter(until: number): boolean {
    const sim = this.#sim
    const nodes = sim.running()
    const candidate = nodes.find(({cluster}) => cluster.raft.role === 'candidate')
    if (!candidate) {
      if (sim.schedule.now < until) sim.schedule.after(2, () => this.#killVoter(until))
      return true
    }
    const others = nodes.filter((node) => node !== candidate && node.cluster.raft.role === 'follower')
    const voter = others[this.#random.below(Math.max(1, others.length))]
    if (!voter) return false
    const i = sim.ids.indexOf(voter.id)
    sim.schedule.after(this.#random.below(20), () => {
      if (voter.isDead) return
      sim.trace(`fault: kill the voter ${voter.id.slice(0, 4)}`)
      voter.kill()
      sim.schedule.after(1, () => restart(sim, i))
    })
    return true
  }

  /** An operator moves some of the workload's buckets. */
  #move(): boolean {
    const sim = this.#sim
    const map = sim.newestMap()
    const members = map?.members.filter((member) => member && !member.isDown && !member.isLeaving) ?? []
    const to = members[this.#random.below(Math.max(1, members.length))]
    const proposer = sim.running().find(({cluster}) => cluster.isAdmitted)
    if (!map || !to || !proposer) return false
    for (const bucket of sim.workload.buckets) {
      if (this.#random.below(2) === 0) continue
      const buckets = String(bucket)
      if (!map.isInSync(bucket, to.slot)) proposer.cluster.propose({type: 'assign', node: to.id, buckets})
      proposer.cluster.propose({type: 'target', node: to.id, buckets})
    }
    return true
  }

  #unit(): number {
    return this.#random.next32() / 2 ** 32
  }
}
