/**
 * What a node does only while it leads: sends its log to its peers, counts who has what, proves to itself that it still
 * leads, and hands over. One object per term of leadership, so that nothing of an old term survives into a new one.
 *
 *      every heartbeat:   round n  --append-->  peers  --appendReply, round n-->  quorumAt = start of round n
 *      a proposal:        append to log, one batch in flight to each peer; an answer frees the way for the next
 */
import {RAFT_APPEND_BYTES_MAX, RAFT_RESEND_HEARTBEATS, RAFT_SNAPSHOT_RESEND_HEARTBEATS} from '../../constants.ts'
import {Progress, Rounds} from './progress.ts'
import {reachedByMajority} from './quorum.ts'
import type {RaftLog} from './log.ts'
import type {Output} from './output.ts'
import type {AppendReplyMessage, RaftEntry, RaftMessage, RaftOptions, SnapshotReplyMessage} from './types.ts'

type Timing = Pick<RaftOptions, 'id' | 'electionTimeoutMs' | 'heartbeatMs'>
type Post = Pick<Output, 'send'>

export class Leader {
  readonly #options: Timing
  readonly #term: number
  readonly #log: RaftLog
  readonly #output: Post
  readonly #rounds = new Rounds()
  readonly #peers = new Map<string, Progress>()
  #heartbeatAt: number
  #transfer: {readonly to: string; readonly until: number} | null = null

  /** Takes office at `now`, with the no-op at the end of the log. */
  constructor(options: Timing, term: number, log: RaftLog, output: Post, now: number) {
    this.#options = options
    this.#term = term
    this.#log = log
    this.#output = output
    this.#heartbeatAt = now
    this.updatePeers(now)
  }

  get quorumAt(): number {
    return this.#rounds.quorumAt
  }

  get isTransferring(): boolean {
    return this.#transfer !== null
  }

  /** When a peer was last heard of, or the start of our knowing it; undefined for who is no peer. */
  heardAt(peer: string): number | undefined {
    return this.#peers.get(peer)?.heardAt
  }

  /** A leader alone needs no answers: each look at the clock is a round of its own. */
  touch(now: number): void {
    const {voters} = this.#log.config
    if (voters.length !== 1 || voters[0] !== this.#options.id) return
    this.#rounds.begin(now)
    this.#countRounds()
  }

  /** Heartbeats and the end of a transfer that did not come about. False if no majority was heard within the timeout. */
  tick(now: number): boolean {
    if (this.#transfer !== null && now >= this.#transfer.until) this.#transfer = null
    const {electionTimeoutMs, heartbeatMs} = this.#options
    if (now - this.#reached(now, (peer) => peer.heardAt) >= electionTimeoutMs) return false
    for (const [id, peer] of this.#peers) {
      if (peer.leavesAt !== null && now - peer.heardAt >= electionTimeoutMs) this.#peers.delete(id)
    }
    if (now - this.#heartbeatAt >= heartbeatMs) this.broadcast(now)
    return true
  }

  /** A round to every peer, whether there is news or not. */
  broadcast(now: number): void {
    this.#heartbeatAt = now
    this.#rounds.begin(now)
    this.#countRounds()
    for (const [to, peer] of this.#peers) this.#replicate(to, peer, now, true)
    this.#urgeTransfer()
  }

  /** New entries or a new commit index to every peer that can take them. */
  replicate(now: number): void {
    this.#rounds.begin(now)
    this.#countRounds()
    for (const [to, peer] of this.#peers) this.#replicate(to, peer, now, false)
  }

  /** A voter or learner answered, in our term. */
  onReply(from: string, reply: AppendReplyMessage | SnapshotReplyMessage, now: number): void {
    const peer = this.#peers.get(from)
    if (peer === undefined) return
    peer.heard(Math.min(reply.round, this.#rounds.latest), now)
    this.#countRounds()
    if (reply.type === 'appendReply' && !reply.ok) {
      const candidate = this.#log.lastWithTermUpTo(reply.hintIndex, reply.hintTerm)
      if (!peer.rejected(reply.index, candidate)) return
    } else {
      peer.accepted(Math.min(reply.index, this.#log.lastIndex))
    }
    this.#replicate(from, peer, now, false)
    if (peer.leavesAt !== null && peer.commitTold >= peer.leavesAt) this.#peers.delete(from)
    if (this.#transfer?.to === from) this.#urgeTransfer()
  }

  /** The last index that a majority of voters has durably. `own`: the end of our own durable log. */
  matchOfMajority(own: number): number {
    return this.#reached(own, (peer) => peer.match)
  }

  /**
   * After the configuration changed or was committed: peers come and go. Who is to go is served until it knows of the
   * commit, so that it knows that it may stop; or until it is silent.
   */
  updatePeers(now: number): void {
    const {config, committedConfig, commitIndex, lastIndex} = this.#log
    const wanted = new Set([config, committedConfig].flatMap(({voters, learners}) => [...voters, ...learners]))
    wanted.delete(this.#options.id)
    for (const [id, peer] of this.#peers) peer.leavesAt = wanted.has(id) ? null : (peer.leavesAt ?? commitIndex)
    for (const id of wanted) {
      // To begin with the newest entry means that there is something to send at once.
      if (!this.#peers.has(id)) this.#peers.set(id, new Progress(lastIndex, now))
    }
  }

  /** Begins to hand over to a voter (Ongaro, 3.10): proposals stop, it catches up, then it campaigns at once. */
  transfer(to: string, now: number): boolean {
    const isVoter = this.#log.config.voters.includes(to) && to !== this.#options.id
    if (!isVoter || this.#transfer !== null) return false
    this.#transfer = {to, until: now + this.#options.electionTimeoutMs}
    this.replicate(now)
    this.#urgeTransfer()
    return true
  }

  /** Before a leader that is no longer a voter steps down: the voter with the longest log need not wait for a timeout. */
  bequeath(): void {
    const heirs = this.#log.config.voters.filter((id) => this.#peers.has(id))
    const matchOf = (id: string): number => this.#peers.get(id)!.match
    const heir = heirs.sort((a, b) => matchOf(b) - matchOf(a))[0]
    if (heir !== undefined) this.#send(heir, {type: 'timeoutNow', term: this.#term})
  }

  /** What a majority of voters has reached, `own` being our part of it if we are one. */
  #reached(own: number, of: (peer: Progress) => number): number {
    const {voters} = this.#log.config
    return reachedByMajority(voters.map((id) => (id === this.#options.id ? own : of(this.#peers.get(id)!))))
  }

  #countRounds(): void {
    this.#rounds.answered(this.#reached(this.#rounds.latest, (peer) => peer.round))
  }

  #urgeTransfer(): void {
    const to = this.#transfer?.to
    if (to === undefined || this.#peers.get(to)?.match !== this.#log.lastIndex) return
    this.#send(to, {type: 'timeoutNow', term: this.#term})
  }

  /** What one peer needs next. Without news nothing is sent, unless it `isDue` a heartbeat. */
  #replicate(to: string, peer: Progress, now: number, isDue: boolean): void {
    const log = this.#log
    const isWaiting = peer.isWaiting(now)
    if (!isWaiting && peer.next <= log.baseIndex) {
      this.#sendSnapshot(to, peer, now)
      return
    }
    const entries = isWaiting ? [] : log.slice(peer.next, RAFT_APPEND_BYTES_MAX)
    const hasNews = Math.min(log.commitIndex, peer.match) > peer.commitTold
    if (entries.length === 0 && !isDue && !hasNews) return
    // Beside a batch in flight we ask only about what is known to match: a refusal then never concerns a heartbeat.
    this.#sendAppend(to, peer, isWaiting ? peer.match : peer.next - 1, entries)
    peer.sent(entries, now, this.#options.heartbeatMs * RAFT_RESEND_HEARTBEATS)
  }

  /** A leader's own term was durable before it was elected, so its messages never wait. */
  #send(to: string, message: RaftMessage): void {
    this.#output.send(to, message, 'nothing')
  }

  #sendAppend(to: string, peer: Progress, after: number, entries: readonly RaftEntry[]): void {
    // Where our own memory does not reach back, we ask about the beginning, where all logs are equal.
    const prevTerm = this.#log.termAt(after)
    const prevIndex = prevTerm === null ? 0 : after
    const commit = this.#log.commitIndex
    const round = this.#rounds.latest
    peer.commitTold = Math.min(commit, peer.match)
    this.#send(to, {type: 'append', term: this.#term, round, prevIndex, prevTerm: prevTerm ?? 0, commit, entries})
  }

  #sendSnapshot(to: string, peer: Progress, now: number): void {
    const snapshot = this.#log.snapshot!
    this.#send(to, {type: 'snapshot', term: this.#term, round: this.#rounds.latest, snapshot})
    peer.sentUpTo(snapshot.index, now, this.#options.heartbeatMs * RAFT_SNAPSHOT_RESEND_HEARTBEATS)
  }
}
