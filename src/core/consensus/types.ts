/**
 * The words of the agreement: what Raft remembers, what it says to its peers and what it asks of its host. Everything
 * here is plain data that survives JSON, so that a scenario can be read, sent, stored and compared as it stands.
 */

/** Who takes part. Voters elect and commit; learners get the log and count for nothing. Node ids, each once. */
export interface RaftConfig {
  readonly voters: readonly string[]
  readonly learners: readonly string[]
}

/** One place of the log. Indexes begin with 1. The data of a `config` entry is the JSON of a `RaftConfig`. */
export interface RaftEntry {
  readonly index: number
  readonly term: number
  readonly kind: 'data' | 'config' | 'noop'
  readonly data: string
}

/** The state machine as of `index`, with the term of that entry and the configuration in force there. */
export interface RaftSnapshot {
  readonly index: number
  readonly term: number
  readonly config: RaftConfig
  readonly data: string
}

/** What was durable when the process started. Entries follow the snapshot without a gap. */
export interface RaftState {
  readonly term: number
  readonly vote: string | null
  readonly snapshot: RaftSnapshot | null
  readonly entries: readonly RaftEntry[]
}

/**
 * One durable step, in this order: the snapshot, if any, replaces everything up to its index; everything from
 * `truncateFrom` on, if it is set, is dropped; entries are appended (the first of them follows what is left, without a
 * gap); term and vote are replaced. `applyWrite` of durable-state.ts is this sentence as code.
 */
export interface RaftWrite {
  /** Rises by 1; `persisted(n)` says that all writes up to n are durable. */
  readonly id: number
  readonly term: number
  readonly vote: string | null
  readonly entries: readonly RaftEntry[]
  readonly truncateFrom: number | null
  readonly snapshot: RaftSnapshot | null
}

export type RaftRole = 'follower' | 'candidate' | 'leader'

/** What Raft asks of the outside. No method may call back into Raft, except for its getters. */
export interface RaftHost {
  /** May be lost, reordered, duplicated. */
  send(to: string, message: RaftMessage): void
  /** The driver makes it durable, in order of ids, and later calls `raft.persisted(write.id)`. */
  persist(write: RaftWrite): void
  /** Committed, in order, each once in the life of this object; no-ops and configurations too. */
  apply(entry: RaftEntry): void
  /** Replaces the state machine. Also called by the constructor, if the durable state has a snapshot. */
  restore(snapshot: RaftSnapshot): void
  /** The data of the state machine as of the last applied entry; asked for when the log is to be compacted. */
  snapshot(): string
  /** `leader` is null while none is known. */
  roleChanged(role: RaftRole, term: number, leader: string | null): void
}

export interface RaftOptions {
  readonly id: string
  /** Any 32-bit integer. The id is mixed in, so that nodes with one seed still draw different timeouts. */
  readonly seed: number
  /** Monotonic ms. */
  readonly now: number
  /** The least time without a leader before an election; each wait is drawn from once to twice this. */
  readonly electionTimeoutMs: number
  readonly heartbeatMs: number
  /** A snapshot is taken when this many entries were applied since the last one. */
  readonly compactAfterEntries: number
  /** Bugs planted on purpose, for the simulator: `forget-vote`. */
  readonly plants?: ReadonlySet<string>
}

/** Entries that follow (`prevIndex`, `prevTerm`); without entries a heartbeat or news of the commit index. */
export interface AppendMessage {
  readonly type: 'append'
  readonly term: number
  /** The leader's round that this belongs to; the answer echoes it. */
  readonly round: number
  readonly prevIndex: number
  readonly prevTerm: number
  readonly commit: number
  readonly entries: readonly RaftEntry[]
}

/** ok: everything up to `index` equals the leader's and is durable. Not ok: there is no match at `index`, try the hint. */
export interface AppendReplyMessage {
  readonly type: 'appendReply'
  readonly term: number
  readonly round: number
  readonly ok: boolean
  readonly index: number
  /** Not ok: the last index that may match, and its term. */
  readonly hintIndex: number
  readonly hintTerm: number
}

export interface VoteMessage {
  readonly type: 'vote'
  readonly term: number
  readonly lastIndex: number
  readonly lastTerm: number
  /** The leader itself asked for this election (`timeoutNow`): voters need not be loyal to it. */
  readonly force: boolean
}

/** Would you vote for me in `term`, the one after mine? */
export interface PreVoteMessage {
  readonly type: 'preVote'
  readonly term: number
  readonly lastIndex: number
  readonly lastTerm: number
}

export interface VoteReplyMessage {
  readonly type: 'voteReply'
  readonly term: number
  readonly granted: boolean
}

/** Granted: `term` is the one asked for. Refused: it is the voter's own. */
export interface PreVoteReplyMessage {
  readonly type: 'preVoteReply'
  readonly term: number
  readonly granted: boolean
}

export interface SnapshotMessage {
  readonly type: 'snapshot'
  readonly term: number
  readonly round: number
  readonly snapshot: RaftSnapshot
}

/** Everything up to `index` equals the leader's and is durable. */
export interface SnapshotReplyMessage {
  readonly type: 'snapshotReply'
  readonly term: number
  readonly round: number
  readonly index: number
}

/** The leader hands over: campaign at once. */
export interface TimeoutNowMessage {
  readonly type: 'timeoutNow'
  readonly term: number
}

/** `term` is the sender's, except for pre-votes: see there. */
export type RaftMessage =
  | AppendMessage
  | AppendReplyMessage
  | VoteMessage
  | VoteReplyMessage
  | PreVoteMessage
  | PreVoteReplyMessage
  | SnapshotMessage
  | SnapshotReplyMessage
  | TimeoutNowMessage
