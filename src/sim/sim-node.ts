/**
 * One process of the simulated cluster: the real engine and the real cluster core, on a made-up clock, network and disk. It can be
 * killed (memory gone, what was not synced on disk too), paused (nothing runs, the clock goes on) and asked to leave.
 */
import {Cluster} from '../core/cluster/cluster.ts'
import {PARKED, WAITING} from '../core/command/context.ts'
import {Engine} from '../core/engine.ts'
import {Session} from '../core/session.ts'
import {COMPLETE, Request, RequestDecoder} from '../resp/request-decoder.ts'
import {ReplyWriter} from '../resp/reply-writer.ts'
import type {Prng} from '../base/prng.ts'
import type {ClusterEvent, ClusterHost} from '../core/cluster/cluster-host.ts'
import type {LogMode, MemberInfo} from '../core/cluster/cluster-map.ts'
import type {RaftState, RaftWrite} from '../core/consensus/types.ts'
import type {Host, HostFacts} from '../core/host.ts'
import type {Barrier} from '../core/replication/gate.ts'
import type {LogSink} from '../core/replication/recorder.ts'
import type {LogPositions} from '../record/log-position.ts'
import type {Disk} from './disk.ts'
import type {Endpoint, Network} from './network.ts'
import type {Schedule} from './schedule.ts'
import type {SimLog} from './sim-log.ts'

const TICK_MS = 25
/** How long a node that comes back to a cluster turns clients away until it is let in. */
const CLOSED_MS = 3_000
/** The wall clock at the beginning. */
const WALL_MS = 1_800_000_000_000

/** What a client is told: reply bytes, or null for a connection that was cut. */
export type Answer = (reply: Buffer | null) => void

/** Requests of one session in one go, and what was answered so far. */
interface Pending {
  readonly requests: Request[]
  readonly replies: Buffer[]
  readonly answer: Answer
}

interface Held {
  /** Null while the process is stopped before it looks at its lease. */
  readonly barrier: Barrier | null
  readonly bytes: Buffer
  readonly answer: Answer
}

export interface SimNodeOptions {
  readonly id: string
  readonly incarnation: string
  readonly port: number
  /** A data-log node, and its disk; else it may hold buckets. */
  readonly log: {readonly mode: LogMode; readonly disk: SimLog} | null
  readonly state: RaftState | null
  readonly disk: Disk
  readonly schedule: Schedule
  readonly network: Network
  readonly random: Prng
  readonly plants: ReadonlySet<string>
  readonly workBudget: number
  readonly trace: (text: string) => void
  /** Factor of its clock against virtual time, and what it shows at the beginning. */
  readonly drift: number
  readonly clockOffset: number
}

function decode(bytes: Buffer): Request {
  const decoder = new RequestDecoder()
  if (decoder.next(bytes, 0, bytes.length) !== COMPLETE) throw new Error('the workload writes whole requests')
  return decoder.swap(new Request())
}

export class SimNode implements Endpoint, Host, ClusterHost {
  readonly id: string
  readonly incarnation: string
  readonly engine: Engine
  readonly cluster: Cluster
  readonly #o: SimNodeOptions
  readonly #out = new ReplyWriter()
  readonly #pending = new Map<Session, Pending>()
  readonly #held = new Map<Session, Held>()
  #isDead = false
  #isPaused = false
  #stallsNext = false
  #isStalled = false
  /** What is left of the turn in which the process was stopped. */
  #restOfTurn: (() => void)[] = []
  /** The process' clock at the beginning of the turn. */
  #turnAt = 0
  #deferred: (() => void)[] = []
  #isWorkPlanned = false
  #sessions = 0
  #isOpen = false
  /** Inputs it has had: between two of them nothing about it changes. */
  turns = 0

  constructor(options: SimNodeOptions) {
    this.#o = options
    this.id = options.id
    this.incarnation = options.incarnation
    const {id, incarnation, port, log, state, random, plants} = options
    this.engine = new Engine({nodeId: id, seed: random.next32(), now: this.#wall()}, this)
    const self: MemberInfo = {
      id,
      incarnation,
      host: '10.0.0.1',
      port,
      peerHost: '10.0.0.1',
      peerPort: port + 10_000,
      isVoterOnly: log !== null,
      ...(log && {log: log.mode}),
    }
    const common = {self, seed: random.next32(), now: this.#clock(), state, plants}
    this.cluster = new Cluster(this.engine, log ? {...common, log: this.#openLog(log.disk)} : common, this)
    this.engine.cluster = this.cluster
    options.disk.open(id)
    options.network.add(this)
    options.schedule.after(CLOSED_MS, () => (this.#isOpen = true))
    this.#planTick()
  }

  #openLog(disk: SimLog): {sink: LogSink; positions: LogPositions} {
    const durable = (mark: number): void => this.#enter(() => this.cluster.logged(mark, this.#clock()))
    return {
      sink: disk.open(() => this.#o.disk.delay * (0.5 + this.#o.random.next32() / 2 ** 32), durable),
      positions: disk.positions,
    }
  }

  // ---- life

  get isDead(): boolean {
    return this.#isDead
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Clients find it: it was let into its cluster, or has waited for that long enough. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isDead
  }

  isAlive(): boolean {
    return !this.#isDead
  }

  kill(): void {
    this.#isDead = true
    this.#deferred = []
    this.#restOfTurn = []
    this.#o.network.remove(this)
    this.#o.disk.crash(this.id)
    this.#o.log?.disk.crash()
    for (const {answer} of this.#pending.values()) answer(null)
    for (const {answer} of this.#held.values()) answer(null)
    this.#pending.clear()
    this.#held.clear()
  }

  pause(): void {
    this.#isPaused = true
  }

  /** Stops in the middle of the next turn that answers a client. */
  pauseMidTurn(): void {
    this.#stallsNext = true
  }

  resume(): void {
    this.#isPaused = false
    this.#stallsNext = false
    this.#isStalled = false
    for (const run of this.#restOfTurn.splice(0)) if (!this.#isDead && !this.#isPaused) this.#go(run)
    for (const run of this.#deferred.splice(0)) this.#enter(run)
  }

  // ---- clients

  /** A client's requests; the answer, to all of them together, may come much later. */
  request(requests: readonly Buffer[], answer: Answer): void {
    const run = (): void => {
      const session = new Session(++this.#sessions, 'client', 'here', this.#wall(), true)
      this.#execute(session, {requests: requests.map(decode), replies: [], answer})
    }
    if (this.#isStalled) this.#restOfTurn.push(run)
    else this.#enter(run, () => answer(null))
  }

  #execute(session: Session, pending: Pending): void {
    for (let request = pending.requests[0]; request; request = pending.requests[0]) {
      this.#out.clear()
      this.engine.setTime(this.#wall())
      const verdict = this.engine.execute(session, request, this.#out)
      if (verdict === PARKED || verdict === WAITING) {
        this.#pending.set(session, pending)
        return
      }
      this.#answered(pending)
    }
    this.#answer(session, pending)
  }

  #answered({requests, replies}: Pending): void {
    requests.shift()
    replies.push(Buffer.from(this.#out.buf.subarray(0, this.#out.pos)))
  }

  /**
   * A process can be stopped in the middle of a turn: after a command was executed, before the look at the lease. What came meanwhile is read
   * and executed in the rest of that turn.
   */
  #answer(session: Session, {replies, answer}: Pending): void {
    const bytes = Buffer.concat(replies)
    const seal = (): void => {
      const now = this.#o.plants.has('lease-before-read') ? this.#turnAt : this.#clock()
      const barrier = this.cluster.gate.seal(session, now)
      if (barrier) this.#held.set(session, {barrier, bytes, answer})
      else answer(bytes)
    }
    if (!this.#stallsNext) return seal()
    this.#stallsNext = false
    this.#isStalled = true
    this.#isPaused = true
    this.#held.set(session, {barrier: null, bytes, answer})
    this.#restOfTurn.push(() => {
      if (this.#held.delete(session)) seal()
    })
  }

  // ---- the engine's host

  complete(session: Session, write: (out: ReplyWriter) => void): void {
    const pending = this.#pending.get(session)
    if (!pending) return
    this.#pending.delete(session)
    this.#out.clear()
    write(this.#out)
    this.#answered(pending)
    this.#execute(session, pending)
  }

  completeWith(session: Session, pieces: readonly Buffer[]): void {
    this.complete(session, (out) => pieces.forEach((piece) => out.raw(piece)))
  }

  wake(session: Session): void {
    this.#o.schedule.after(0, () =>
      this.#enter(() => {
        const pending = this.#pending.get(session)
        if (!pending) return
        this.#pending.delete(session)
        this.#execute(session, pending)
      }),
    )
  }

  push(): void {}

  requestWork(): void {
    if (this.#isWorkPlanned) return
    this.#isWorkPlanned = true
    this.#o.schedule.after(0.1, () =>
      this.#enter(() => {
        this.#isWorkPlanned = false
        this.engine.setTime(this.#wall())
        if (this.engine.work(this.#o.workBudget)) this.requestWork()
      }),
    )
  }

  shutdown(): string | null {
    return 'ERR not here'
  }

  meet(): void {}

  readLog(): string | null {
    return 'ERR not here'
  }

  save(): string | null {
    return 'ERR not here'
  }

  sessions(): Iterable<Session> {
    return []
  }

  close(): void {}

  facts(): HostFacts {
    throw new Error('a simulated process has no facts')
  }

  configGet(): string | null {
    return null
  }

  configSet(): string | null {
    return null
  }

  configNames(): readonly string[] {
    return []
  }

  // ---- the cluster's host

  /** The network delivers again and late, without copies. */
  readonly keepsPackets = true

  sendPacket(id: string, packet: Buffer): boolean {
    return this.#o.network.send(this, id, packet)
  }

  queuedBytes = (): number => 0

  /** Every input ends with a flush. */
  flushSoon(): void {}

  persist(write: RaftWrite): void {
    this.#o.disk.write(this.id, write, () => this.#enter(() => this.cluster.persisted(write.id, this.#clock())))
  }

  setPeers(): void {}

  release(session: Session): void {
    const held = this.#held.get(session)
    if (!held?.barrier?.isOpen) return
    this.#held.delete(session)
    held.answer(held.bytes)
  }

  abort(session: Session): void {
    const held = this.#held.get(session)
    this.#held.delete(session)
    held?.answer(null)
  }

  event(name: ClusterEvent, detail: Readonly<Record<string, unknown>>): void {
    if (name === 'admitted') this.#isOpen = true
    this.#o.trace(`${this.id.slice(0, 4)} ${name} ${JSON.stringify(detail).slice(0, 300)}`)
  }

  // ---- the network

  receive(from: string, incarnation: string, packet: Buffer): void {
    // A copy: a doubled packet must not be changed by the first reader.
    this.#enter(() => this.cluster.receive(from, incarnation, Buffer.from(packet), this.#clock()))
  }

  connected(id: string, incarnation: string): void {
    this.#enter(() => this.cluster.connected(id, incarnation, this.#clock()))
  }

  disconnected(id: string): void {
    this.#enter(() => this.cluster.disconnected(id))
  }

  // ---- time

  #planTick(): void {
    this.#o.schedule.after(TICK_MS / this.#o.drift, () => {
      if (this.#isDead) return
      this.#enter(() => {
        this.engine.tick(this.#wall())
        this.cluster.tick(this.#clock())
      })
      this.#planTick()
    })
  }

  /** Runs an input of this process: not if it is dead, later if it is paused. Every input is a turn of its loop. */
  #enter(run: () => void, ifDead: () => void = () => undefined): void {
    if (this.#isDead) return ifDead()
    if (this.#isPaused) {
      this.#deferred.push(run)
      return
    }
    this.#turnAt = this.#clock()
    this.#go(run)
  }

  #go(run: () => void): void {
    this.turns++
    this.engine.setTime(this.#wall())
    run()
    if (!this.#isDead) this.cluster.flush(this.#clock())
  }

  #clock(): number {
    return this.#o.clockOffset + this.#o.schedule.now * this.#o.drift
  }

  #wall(): number {
    return WALL_MS + Math.floor(this.#o.schedule.now)
  }
}
