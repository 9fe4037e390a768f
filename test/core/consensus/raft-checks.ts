/**
 * What must hold at every moment of a Raft group, seen from outside: through what the nodes write, send and apply. Each
 * rule throws on the first event that breaks it.
 */
import {crc32} from 'node:zlib'
import {EMPTY_STATE, applyWrite} from '../../../src/core/consensus/durable-state.ts'
import type {Raft} from '../../../src/core/consensus/raft.ts'
import type {
  RaftEntry,
  RaftMessage,
  RaftRole,
  RaftSnapshot,
  RaftState,
  RaftWrite,
} from '../../../src/core/consensus/types.ts'

export class RaftViolation extends Error {
  override readonly name = 'RaftViolation'
}

function demand(condition: boolean, message: string): void {
  if (!condition) throw new RaftViolation(message)
}

/** What the checks know of one node. */
interface Watched {
  /** The log as the node sees it: all writes, durable or not. */
  log: RaftState
  life: number
  term: number
  /** The highest term in which the node said something that a restart must not forget. */
  promisedTerm: number
  /** The state machine: how far, and a hash over everything up to there. */
  applied: {index: number; hash: number}
}

export class RaftChecks {
  readonly #nodes = new Map<string, Watched>()
  readonly #leaders = new Map<number, string>()
  readonly #votes = new Map<string, string>()
  /** By index and term: the entry and the term before it. */
  readonly #entries = new Map<string, string>()
  /** By index: what was applied first, in which term it was known to be committed at the latest, and the hash so far. */
  readonly #committed = new Map<number, {text: string; knownIn: number; hash: number}>()
  readonly elections: {term: number; at: number}[] = []
  /** By term: the newest moment at which its leader claims to have led. */
  readonly #quorums = new Map<number, number>()
  readonly #loyalMs: number
  committedIndex = 0

  /** `loyalMs`: how long after a round that a majority answered nobody else may be elected. */
  constructor(loyalMs = 0) {
    this.#loyalMs = loyalMs
  }

  /** A process begins with this durable state. */
  started(id: string, state: RaftState): void {
    const before = this.#nodes.get(id)
    demand(state.term >= (before?.promisedTerm ?? 0), `${id} forgot a term that it had spoken in`)
    this.#nodes.set(id, {
      log: state,
      life: (before?.life ?? 0) + 1,
      term: state.term,
      promisedTerm: state.term,
      applied: {index: 0, hash: 0},
    })
    for (const entry of state.entries) this.#checkMatching(id, entry)
  }

  wrote(id: string, write: RaftWrite): void {
    const node = this.#of(id)
    demand(write.term >= node.log.term, `${id} writes an older term`)
    node.log = applyWrite(node.log, write)
    for (const entry of write.entries) this.#checkMatching(id, entry)
  }

  /** Log matching: one index and term, one entry, and one entry before it; so by induction one log up to there. */
  #checkMatching(id: string, entry: RaftEntry): void {
    const {log} = this.#of(id)
    const before = log.entries.find(({index}) => index === entry.index - 1)?.term ?? log.snapshot?.term ?? 0
    const text = `${entry.kind}:${entry.data}:${before}`
    const key = `${entry.index}/${entry.term}`
    demand((this.#entries.get(key) ?? text) === text, `log matching: ${id} has another entry at ${key}`)
    this.#entries.set(key, text)
  }

  sent(id: string, to: string, message: RaftMessage): void {
    const node = this.#of(id)
    const isPromise =
      message.type === 'vote' ||
      message.type === 'append' ||
      message.type === 'snapshotReply' ||
      (message.type === 'voteReply' && message.granted) ||
      (message.type === 'appendReply' && message.ok)
    if (!isPromise) return
    node.promisedTerm = Math.max(node.promisedTerm, message.term)
    const vote = message.type === 'vote' ? id : message.type === 'voteReply' ? to : null
    if (vote === null) return
    const key = `${id}/${message.term}`
    demand((this.#votes.get(key) ?? vote) === vote, `${id} votes twice in term ${message.term}`)
    this.#votes.set(key, vote)
  }

  /** One leader per term, in one life of one process, and it has all that was committed in terms before. */
  roleChanged(id: string, role: RaftRole, term: number, at: number): void {
    const node = this.#of(id)
    if (role !== 'leader') return
    const name = `${id}, life ${node.life}`
    const other = this.#leaders.get(term)
    demand(other === undefined || other === name, `term ${term} has two leaders: ${other} and ${name}`)
    if (other === name) return
    this.#leaders.set(term, name)
    this.elections.push({term, at})
    for (const [older, quorumAt] of this.#quorums) this.#checkLoyalty(older, quorumAt, term, at)
    const start = node.log.snapshot?.index ?? 0
    const terms = new Map(node.log.entries.map((entry) => [entry.index, entry]))
    for (const [index, {text, knownIn}] of this.#committed) {
      if (index <= start || knownIn >= term) continue
      const has = terms.get(index)
      demand(
        has !== undefined && JSON.stringify(has) === text,
        `leader completeness: ${name} lacks committed entry ${index} in term ${term}`,
      )
    }
  }

  /** State-machine safety: every node applies the same entries in the same order. */
  applied(id: string, entry: RaftEntry, term: number): void {
    const {applied} = this.#of(id)
    demand(entry.index === applied.index + 1, `${id} applies ${entry.index} after ${applied.index}`)
    const text = JSON.stringify(entry)
    const known = this.#committed.get(entry.index)
    demand((known?.text ?? text) === text, `state-machine safety: ${id} applies ${text}, others ${known?.text}`)
    applied.index = entry.index
    applied.hash = crc32(text, applied.hash)
    if (known === undefined) this.#committed.set(entry.index, {text, knownIn: term, hash: applied.hash})
    this.committedIndex = Math.max(this.committedIndex, entry.index)
  }

  snapshotOf(id: string): string {
    return JSON.stringify(this.#of(id).applied)
  }

  restored(id: string, snapshot: RaftSnapshot): void {
    const node = this.#of(id)
    const data = JSON.parse(snapshot.data) as {index: number; hash: number}
    demand(data.index === snapshot.index, `${id} restores a snapshot that is not of its index`)
    demand(data.index > node.applied.index, `${id} goes back to a snapshot`)
    const known = this.#committed.get(data.index)
    demand(known?.hash === data.hash, `state-machine safety: ${id} restores a state that nobody had`)
    node.applied = data
  }

  appliedIndex(id: string): number {
    return this.#nodes.get(id)?.applied.index ?? 0
  }

  /** After every input of a node. `clock` is what its clock is ahead of the simulated time. */
  stepped(raft: Raft, clock: number): void {
    const node = this.#of(raft.id)
    demand(raft.term >= node.term, `${raft.id} goes back from term ${node.term} to ${raft.term}`)
    node.term = raft.term
    demand(raft.commitIndex <= raft.lastIndex, `${raft.id} commits what it has not`)
    if (raft.role !== 'leader') {
      demand(raft.quorumAt === -Infinity, `${raft.id} claims a quorum without leading`)
      return
    }
    const quorumAt = raft.quorumAt - clock
    this.#quorums.set(raft.term, quorumAt)
    for (const {term, at} of this.elections) this.#checkLoyalty(raft.term, quorumAt, term, at)
  }

  /** A majority that answered a leader at some moment has not elected another before, nor does it soon. */
  #checkLoyalty(older: number, quorumAt: number, term: number, at: number): void {
    const isFine = older >= term || at >= quorumAt + this.#loyalMs
    demand(
      isFine,
      `the leader of term ${older} claims a quorum at ${quorumAt}, but that of ${term} was elected at ${at}`,
    )
  }

  #of(id: string): Watched {
    const node = this.#nodes.get(id)
    demand(node !== undefined, `${id} was never started`)
    return node!
  }
}

/** For nodes that begin together: a log whose first entry makes these the voters. */
export function foundingState(voters: readonly string[]): RaftState {
  const data = JSON.stringify({voters, learners: []})
  return {...EMPTY_STATE, term: 1, entries: [{index: 1, term: 1, kind: 'config', data}]}
}
