/**
 * A Raft group in made-up time: a network that loses, delays, doubles and reorders; disks that are slow and forget what
 * was not yet durable; processes that crash, restart and pause; partitions, membership changes, transfers. A seed is a
 * whole run. First everything goes wrong at rates that the seed draws (some seeds know some faults only), then faults
 * stop and the group must agree on something new.
 */
import {Prng} from '../../../src/base/prng.ts'
import {EMPTY_STATE, applyWrite} from '../../../src/core/consensus/durable-state.ts'
import {decodeMessage, encodeMessage} from '../../../src/core/consensus/message-codec.ts'
import {Raft} from '../../../src/core/consensus/raft.ts'
import {RaftChecks, RaftViolation, foundingState} from './raft-checks.ts'
import {drawFaults} from './raft-faults.ts'
import type {Faults} from './raft-faults.ts'
import type {RaftConfig, RaftHost, RaftMessage, RaftState, RaftWrite} from '../../../src/core/consensus/types.ts'

const IDS = ['a', 'b', 'c', 'd', 'e'] as const
const ELECTION_TIMEOUT_MS = 300
const HEARTBEAT_MS = 60
const FAULTS_MS = 10_000
const RECOVERY_MS_MAX = 8_000

interface Node {
  readonly id: string
  raft: Raft | null
  /** Rises with every start: what was meant for an older life is void. */
  life: number
  durable: RaftState
  pending: RaftWrite[]
  /** The life whose unsent messages died with it. */
  muteLife: number
  /** Its monotonic clock is ahead of the simulated time by this. */
  clock: number
  /** While paused: what waits for it. */
  backlog: (() => void)[] | null
}

export interface SimStats {
  elections: number
  crashes: number
  committed: number
  truncations: number
  installs: number
  configs: number
  transfers: number
  pauses: number
}

export interface SimOptions {
  readonly plants?: ReadonlySet<string>
}

export class RaftSim {
  readonly stats: SimStats = {
    elections: 0,
    crashes: 0,
    committed: 0,
    truncations: 0,
    installs: 0,
    configs: 0,
    transfers: 0,
    pauses: 0,
  }
  readonly #seed: number
  readonly #options: SimOptions
  readonly #prng: Prng
  readonly #checks: RaftChecks
  readonly #nodes: readonly Node[]
  readonly #agenda = new Map<number, (() => void)[]>()
  readonly #cut = new Set<string>()
  readonly #faults: Faults
  #now = 0
  #isCalm = false
  #proposals = 0

  constructor(seed: number, options: SimOptions = {}) {
    this.#seed = seed
    this.#options = options
    this.#prng = new Prng(seed)
    this.#faults = drawFaults(this.#prng)
    const founders = IDS.slice(0, this.#pick([1, 3, 3, 3, 5]))
    // Handing over and being removed end a leader's time early, and who is alone waits for nobody.
    const isSteady = this.#faults.configMs === 0 && this.#faults.transferMs === 0 && founders.length > 1
    this.#checks = new RaftChecks(isSteady ? ELECTION_TIMEOUT_MS : 0)
    const founding = foundingState(founders)
    this.#nodes = IDS.map((id) => ({
      id,
      raft: null,
      life: 0,
      durable: founders.includes(id) ? founding : EMPTY_STATE,
      pending: [],
      muteLife: 0,
      clock: 0,
      backlog: null,
    }))
  }

  /** The whole run; throws with seed and time where a rule is broken. */
  run(): SimStats {
    try {
      for (const node of this.#nodes) this.#start(node)
      this.#schedule()
      this.#advance(FAULTS_MS)
      this.#recover()
    } catch (error) {
      throw new RaftViolation(`seed ${this.#seed} at ${this.#now} ms: ${(error as Error).message}`, {cause: error})
    }
    this.stats.elections = this.#checks.elections.length
    this.stats.committed = this.#checks.committedIndex
    return this.stats
  }

  // Time

  #at(delayMs: number, work: () => void): void {
    const at = this.#now + Math.max(1, Math.round(delayMs))
    const list = this.#agenda.get(at)
    if (list === undefined) this.#agenda.set(at, [work])
    else list.push(work)
  }

  #advance(until: number): void {
    for (; this.#now < until; this.#now++) {
      for (const work of this.#agenda.get(this.#now) ?? []) work()
      this.#agenda.delete(this.#now)
    }
  }

  #below(n: number): number {
    return this.#prng.below(n)
  }

  #chance(percent: number): boolean {
    return this.#below(1000) < percent * 10
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!
  }

  /** Again and again, with pauses of once to twice the mean's half; 0 means never. */
  #repeat(meanMs: number, work: () => void): void {
    if (meanMs === 0) return
    this.#at(meanMs / 2 + this.#below(meanMs), () => {
      if (!this.#isCalm) work()
      this.#repeat(meanMs, work)
    })
  }

  // Processes

  #start(node: Node): void {
    node.life++
    const {life} = node
    node.clock = this.#below(100_000)
    this.#checks.started(node.id, node.durable)
    node.raft = new Raft(
      {
        id: node.id,
        seed: this.#below(2 ** 32),
        now: this.#now + node.clock,
        electionTimeoutMs: ELECTION_TIMEOUT_MS,
        heartbeatMs: HEARTBEAT_MS,
        compactAfterEntries: this.#faults.compactAfter,
        ...(this.#options.plants && {plants: this.#options.plants}),
      },
      node.durable,
      this.#hostOf(node),
    )
    const tick = (): void => {
      if (node.life !== life) return
      this.#input(node, life, (raft, now) => raft.tick(now))
      this.#at(this.#faults.tickMs, tick)
    }
    tick()
  }

  /** Hands something to a process, unless it died; a paused one gets it later. */
  #input(node: Node, life: number, work: (raft: Raft, now: number) => void): void {
    if (node.life !== life || node.raft === null) return
    if (node.backlog !== null) {
      node.backlog.push(() => this.#input(node, life, work))
      return
    }
    work(node.raft, this.#now + node.clock)
    // A crash may have been part of the work.
    if (node.life === life) this.#checks.stepped(node.raft, node.clock)
  }

  #hostOf(node: Node): RaftHost {
    const {id, life} = node
    const checks = this.#checks
    return {
      send: (to, message) => {
        checks.sent(id, to, message)
        this.#transmit(node, to, message)
      },
      persist: (write) => {
        checks.wrote(id, write)
        if (write.truncateFrom !== null) this.stats.truncations++
        node.pending.push(write)
        this.#at(this.#isCalm ? 2 : this.#below(this.#faults.diskMs), () => this.#complete(node, life, write.id))
      },
      apply: (entry) => {
        // The term in which it is known to be committed: of the node now, as nothing older tells it so.
        checks.applied(id, entry, node.raft!.term)
        if (entry.kind === 'config') this.stats.configs++
      },
      restore: (snapshot) => {
        checks.restored(id, snapshot)
        // Within the constructor it is the node's own.
        if (node.raft !== null) this.stats.installs++
      },
      snapshot: () => checks.snapshotOf(id),
      roleChanged: (role, term) => checks.roleChanged(id, role, term, this.#now),
    }
  }

  /** Durable are this write and those before it, whether the process lives to hear of it or not. */
  #complete(node: Node, life: number, id: number): void {
    if (node.life !== life) return
    this.#drain(node, node.pending.filter((write) => write.id <= id).length)
    this.#input(node, life, (raft, now) => raft.persisted(id, now))
  }

  #drain(node: Node, count: number): void {
    for (const write of node.pending.splice(0, count)) node.durable = applyWrite(node.durable, write)
  }

  /** What was on its way to the disk arrived up to some point, and the rest is gone. */
  #crash(node: Node, downMs: number): void {
    if (node.raft === null) return
    this.stats.crashes++
    this.#drain(node, this.#below(node.pending.length + 1))
    node.pending = []
    if (this.#chance(50)) node.muteLife = node.life
    node.raft = null
    node.backlog = null
    node.life++
    this.#at(downMs, () => {
      if (node.raft === null) this.#start(node)
    })
  }

  #pause(node: Node, ms: number): void {
    if (node.raft === null || node.backlog !== null) return
    this.stats.pauses++
    node.backlog = []
    this.#at(ms, () => this.#resume(node))
  }

  #resume(node: Node): void {
    const backlog = node.backlog ?? []
    node.backlog = null
    for (const work of backlog) work()
  }

  // Network

  #transmit(from: Node, to: string, message: RaftMessage): void {
    const target = this.#nodes.find(({id}) => id === to)!
    const {lossPercent, doublePercent, tailPercent, tailMs, diesAfterVotePercent} = this.#faults
    if (!this.#isCalm && this.#chance(lossPercent)) return
    const bytes = encodeMessage(message)
    const sender = from.life
    const copies = !this.#isCalm && this.#chance(doublePercent) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const isLate = !this.#isCalm && this.#chance(tailPercent)
      this.#at(1 + this.#below(isLate ? tailMs : 10), () => {
        const {life} = target
        if (from.muteLife === sender || (!this.#isCalm && this.#cut.has(`${from.id}>${to}`))) return
        this.#input(target, life, (raft, now) => raft.step(from.id, decodeMessage(bytes)!, now))
      })
    }
    const isVote = message.type === 'vote' || (message.type === 'voteReply' && message.granted)
    if (!isVote || this.#isCalm || !this.#chance(diesAfterVotePercent)) return
    // The moment after a promise was made is the harshest for a crash.
    this.#at(1, () => from.life === sender && this.#crash(from, 1 + this.#below(30)))
  }

  // Faults and load

  #schedule(): void {
    const faults = this.#faults
    this.#repeat(faults.crashMs, () => this.#crash(this.#pick(this.#nodes), 1 + this.#below(this.#pick([50, 1500]))))
    this.#repeat(faults.pauseMs, () => this.#pause(this.#pick(this.#nodes), this.#below(1000)))
    this.#repeat(faults.partitionMs, () => this.#partition())
    this.#repeat(faults.configMs, () => this.#changeConfig())
    this.#repeat(faults.transferMs, () =>
      this.#asLeaders((raft, now) => {
        if (raft.transfer(this.#pick(IDS), now)) this.stats.transfers++
      }),
    )
    this.#repeat(faults.proposeMs, () => this.#propose())
  }

  /** All who believe that they lead. */
  #asLeaders(work: (raft: Raft, now: number) => void): void {
    for (const node of this.#nodes) {
      if (node.raft?.role === 'leader') this.#input(node, node.life, work)
    }
  }

  #propose(): void {
    const size = this.#chance(5) ? 40_000 : 10
    this.#asLeaders((raft, now) => raft.propose(`${this.#proposals++}`.padEnd(size, '.'), now))
  }

  #partition(): void {
    this.#cut.clear()
    const [x, y] = [this.#pick(IDS), this.#pick(IDS)]
    const side = new Set(IDS.filter(() => this.#chance(40)))
    const isSplit = this.#chance(50)
    for (const from of IDS) {
      for (const to of IDS) {
        const isCut = isSplit ? side.has(from) !== side.has(to) : from === x || (from === y && this.#chance(50))
        if (isCut) this.#cut.add(`${from}>${to}`)
      }
    }
    this.#at(this.#below(2500), () => this.#cut.clear())
  }

  #changeConfig(): void {
    const id = this.#pick(IDS)
    const without = (ids: readonly string[]): string[] => ids.filter((other) => other !== id)
    const place = this.#pick(['voter', 'voter', 'learner', 'none'] as const)
    this.#asLeaders((raft, now) => {
      const {voters, learners} = raft.config
      const config: RaftConfig = {
        voters: [...without(voters), ...(place === 'voter' ? [id] : [])],
        learners: [...without(learners), ...(place === 'learner' ? [id] : [])],
      }
      raft.changeConfig(config, now)
    })
  }

  // Recovery

  /** Faults stop; everyone is started. What is then proposed must be agreed on and reach every member. */
  #recover(): void {
    this.#isCalm = true
    for (const node of this.#nodes) {
      this.#resume(node)
      if (node.raft === null) this.#start(node)
    }
    let goal = Infinity
    let leader: Raft | null = null
    const end = this.#now + RECOVERY_MS_MAX
    while (this.#now < end) {
      this.#advance(this.#now + 20)
      const leaders = this.#nodes.map((node) => node.raft!).filter(({role}) => role === 'leader')
      const raft = leaders.sort((x, y) => y.term - x.term)[0]
      if (raft === undefined) continue
      if (raft !== leader) goal = raft.propose('at last', this.#now + this.#clockOf(raft))?.index ?? Infinity
      leader = goal === Infinity ? null : raft
      const members = [...raft.config.voters, ...raft.config.learners]
      if (members.every((id) => this.#checks.appliedIndex(id) >= goal)) return
    }
    const standing = this.#nodes.map(({raft}) => {
      const {id, role, term, leader, commitIndex, lastIndex, config} = raft!
      return JSON.stringify({id, role, term, leader, commitIndex, lastIndex, config})
    })
    throw new RaftViolation(`liveness: no agreement after faults stopped\n${standing.join('\n')}`)
  }

  #clockOf(raft: Raft): number {
    return this.#nodes.find((node) => node.raft === raft)!.clock
  }
}
