/**
 * Hand-driven Raft nodes for scenarios: time passes, messages travel and writes complete only when a test says so, and
 * everything that a node did can be looked at.
 */
import {assert} from '../../../src/base/assert.ts'
import {applyWrite} from '../../../src/core/consensus/durable-state.ts'
import {Raft} from '../../../src/core/consensus/raft.ts'
import {foundingState} from './raft-checks.ts'
import type {
  RaftConfig,
  RaftEntry,
  RaftHost,
  RaftMessage,
  RaftOptions,
  RaftSnapshot,
  RaftState,
  RaftWrite,
} from '../../../src/core/consensus/types.ts'

export const TIMEOUT_MS = 300
export const HEARTBEAT_MS = 50

type Kind = RaftMessage['type']
type Of<K extends Kind> = Extract<RaftMessage, {type: K}>

/** One node, its disk and everything that it said. */
export class TestNode implements RaftHost {
  raft: Raft
  durable: RaftState
  sent: {to: string; message: RaftMessage}[] = []
  writes: RaftWrite[] = []
  applied: RaftEntry[] = []
  restored: RaftSnapshot[] = []
  roles: string[] = []
  now = 1000
  readonly #options: Omit<RaftOptions, 'now'>

  constructor(id: string, durable: RaftState, options: Partial<RaftOptions> = {}) {
    const defaults = {seed: 1, electionTimeoutMs: TIMEOUT_MS, heartbeatMs: HEARTBEAT_MS, compactAfterEntries: 1000}
    this.#options = {id, ...defaults, ...options}
    this.durable = durable
    this.raft = new Raft({...this.#options, now: this.now}, durable, this)
  }

  send(to: string, message: RaftMessage): void {
    this.sent.push({to, message})
  }

  persist(write: RaftWrite): void {
    this.writes.push(write)
  }

  apply(entry: RaftEntry): void {
    this.applied.push(entry)
  }

  restore(snapshot: RaftSnapshot): void {
    this.restored.push(snapshot)
  }

  snapshot(): string {
    return `state at ${this.applied.at(-1)!.index}`
  }

  roleChanged(role: string, term: number, leader: string | null): void {
    this.roles.push(`${role} ${term} ${leader}`)
  }

  /** All writes up to now become durable. */
  sync(): void {
    // Hearing of it may lead to more writes.
    while (this.writes.length > 0) {
      for (const write of this.writes.splice(0)) {
        this.durable = applyWrite(this.durable, write)
        this.raft.persisted(write.id, this.now)
      }
    }
  }

  tick(ms: number): void {
    this.now += ms
    this.raft.tick(this.now)
  }

  /** Ticks until the node campaigns or asks whether it may. */
  tickToElection(): void {
    for (let i = 0; i < 100 && this.raft.role === 'follower'; i++) this.tick(10)
    assert(this.raft.role === 'candidate', 'the node is a candidate')
  }

  step(from: string, message: RaftMessage): void {
    this.raft.step(from, message, this.now)
  }

  /** Messages of a kind since the last look, which takes them away, as it does all others. */
  take<K extends Kind>(kind: K): Of<K>[] {
    return this.takeTo(kind).map(({message}) => message)
  }

  takeTo<K extends Kind>(kind: K): {to: string; message: Of<K>}[] {
    return this.sent.splice(0).filter((item): item is {to: string; message: Of<K>} => item.message.type === kind)
  }

  /** The process dies and comes back; what was not synced is gone. */
  restart(): void {
    this.sent = []
    this.writes = []
    this.applied = []
    this.restored = []
    this.roles = []
    this.raft = new Raft({...this.#options, now: this.now}, this.durable, this)
  }

  get data(): string[] {
    return this.applied.filter(({kind}) => kind === 'data').map(({data}) => data)
  }
}

/** Nodes with one clock, whose messages travel when the test says so. */
export class TestGroup {
  readonly nodes = new Map<string, TestNode>()
  readonly #down = new Set<string>()

  /** All begin together as voters. */
  constructor(voters: readonly string[], options: Partial<RaftOptions> = {}) {
    for (const id of voters) this.add(id, foundingState(voters), options)
  }

  add(id: string, state: RaftState, options: Partial<RaftOptions> = {}): TestNode {
    const node = new TestNode(id, state, options)
    node.now = [...this.nodes.values()][0]?.now ?? node.now
    this.nodes.set(id, node)
    return node
  }

  node(id: string): TestNode {
    return this.nodes.get(id)!
  }

  /** Cut off: nothing goes in or out. */
  cut(...ids: readonly string[]): void {
    for (const id of ids) this.#down.add(id)
  }

  heal(): void {
    this.#down.clear()
  }

  /** Writes complete and messages arrive until nobody has anything to say. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      for (const node of this.nodes.values()) node.sync()
      const mail = [...this.nodes].flatMap(([from, node]) => node.sent.splice(0).map((item) => ({from, ...item})))
      if (mail.length === 0) return
      for (const {from, to, message} of mail) {
        if (!this.#down.has(from) && !this.#down.has(to)) this.nodes.get(to)?.step(from, message)
      }
    }
    throw new Error('the group never comes to rest')
  }

  /** Time passes in small steps, with everything settled after each. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      for (const node of this.nodes.values()) node.tick(10)
      this.settle()
    }
  }

  /** Makes this node the leader, by letting its clock run ahead while the others' loyalty has lapsed. */
  elect(id: string): TestNode {
    const node = this.node(id)
    for (const other of this.nodes.values()) other.now += TIMEOUT_MS
    node.tickToElection()
    this.settle()
    for (const other of this.nodes.values()) other.now = node.now
    assert(node.raft.role === 'leader', `${id} was elected`)
    return node
  }

  /** One after the other, each settled. */
  propose(id: string, ...data: string[]): void {
    for (const item of data) {
      const {raft, now} = this.node(id)
      assert(raft.propose(item, now) !== null, `${id} takes proposals`)
      this.settle()
    }
  }

  change(id: string, config: RaftConfig): boolean {
    const {raft, now} = this.node(id)
    const done = raft.changeConfig(config, now)
    this.settle()
    return done
  }
}

/** A log to begin with: one entry per term given, after the founding entry. */
export function stateWith(voters: readonly string[], terms: readonly number[], term: number): RaftState {
  const founding = foundingState(voters)
  const entries = terms.map((t, i): RaftEntry => ({index: i + 2, term: t, kind: 'data', data: `${t}.${i + 2}`}))
  return {...founding, term, entries: [...founding.entries, ...entries]}
}
