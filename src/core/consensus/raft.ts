/**
 * Raft: agreement on a log of opaque entries among a few voters, as in Ongaro's thesis ("Consensus: Bridging Theory and
 * Practice", 2014; numbers in comments are its sections), in the shape of etcd's library: messages, ticks and completed
 * writes come in, everything that is to happen leaves through the host.
 *
 *                 timeout               majority would vote          majority voted
 *      follower ----------> pre-candidate ----------> candidate ----------> leader
 *         ^                      |                        |                    |
 *         +----------------------+------------------------+--------------------+
 *           a leader or a higher term is seen, the ballot is lost, no majority answers the leader
 *
 * Each call changes the state first and speaks afterwards (output.ts): one write at most, then the messages, of which
 * those that a crash must not contradict are held until the write is durable, then what was committed.
 */
import {assert, unreachable} from '../../base/assert.ts'
import {crc16} from '../../base/crc16.ts'
import {Prng} from '../../base/prng.ts'
import {RAFT_ENTRY_BYTES_MAX} from '../../constants.ts'
import {bootstrapState} from './durable-state.ts'
import {answerAppend, answerSnapshot, answerStale} from './follower.ts'
import {Leader} from './leader.ts'
import {RaftLog} from './log.ts'
import {isConfig, isSingleStep} from './membership.ts'
import {Output} from './output.ts'
import {outcomeOf} from './quorum.ts'
import type {Durability} from './output.ts'
import type {Ballot} from './quorum.ts'
import type {
  PreVoteMessage,
  PreVoteReplyMessage,
  RaftConfig,
  RaftHost,
  RaftMessage,
  RaftOptions,
  RaftRole,
  RaftState,
  VoteMessage,
  VoteReplyMessage,
} from './types.ts'

export class Raft {
  readonly #options: RaftOptions
  readonly #log: RaftLog
  readonly #output: Output
  readonly #prng: Prng

  #now: number
  #term: number
  #vote: string | null
  #role: RaftRole = 'follower'
  #leader: string | null = null
  #leading: Leader | null = null
  #ballot: (Ballot & {readonly kind: 'preVote' | 'vote'}) | null = null
  /** When a leader was last heard: within the least timeout from here we are loyal to it. */
  #heardAt: number
  #electionAt = 0
  #isBusy = false

  /** A cluster of one voter. The host makes this state durable before it starts Raft with it. */
  static bootstrap(id: string): RaftState {
    return bootstrapState(id)
  }

  /** Calls `host.restore` if the state has a snapshot; nothing else is called before the first input. */
  constructor(options: RaftOptions, state: RaftState, host: RaftHost) {
    assert(options.heartbeatMs < options.electionTimeoutMs, 'several heartbeats fit into an election timeout')
    assert(options.compactAfterEntries > 0, 'a snapshot holds at least one entry')
    this.#options = options
    this.#log = new RaftLog(state)
    const id = Buffer.from(options.id)
    this.#prng = new Prng(options.seed ^ crc16(id, 0, id.length))
    this.#now = options.now
    this.#term = state.term
    this.#vote = state.vote
    // The life before this one may have answered a leader a moment ago, and what it promised then still binds.
    this.#heardAt = options.now
    this.#resetElectionTimer()
    this.#output = new Output(options, host, this.#log, state)
  }

  get id(): string {
    return this.#options.id
  }

  get role(): RaftRole {
    return this.#role
  }

  get term(): number {
    return this.#term
  }

  get leader(): string | null {
    return this.#leader
  }

  get commitIndex(): number {
    return this.#log.commitIndex
  }

  /** True once an entry of the present term is committed: what the leader has applied is then all that was ever agreed (3.6.2). */
  get hasCommittedInTerm(): boolean {
    return this.#log.termAt(this.#log.commitIndex) === this.#term
  }

  get lastIndex(): number {
    return this.#log.lastIndex
  }

  /** The latest configuration appended: the one in force. */
  get config(): RaftConfig {
    return this.#log.config
  }

  get committedConfig(): RaftConfig {
    return this.#log.committedConfig
  }

  get isVoter(): boolean {
    return this.config.voters.includes(this.id)
  }

  /**
   * Start of the latest round that a majority of voters answered, on our clock: the base for leases. No other leader
   * was elected before that moment. -Infinity if we do not lead. The only voter answers itself at each call.
   */
  get quorumAt(): number {
    return this.#leading?.quorumAt ?? -Infinity
  }

  /**
   * Ms from when a peer was last heard of to the latest `now` that we were given; a peer that never answered counts from
   * when we began to lead, or it to belong. Infinity if we do not lead or it is no peer.
   */
  lastHeardAt(peer: string): number {
    return this.#now - (this.#leading?.heardAt(peer) ?? -Infinity)
  }

  /** A message from the peer `from`, whom the link has identified. */
  step(from: string, message: RaftMessage, now: number): void {
    this.#run(now, () => this.#receive(from, message))
  }

  /** To be called every 10 to 50 ms. `now` is monotonic ms, here and everywhere; an older one counts as the latest. */
  tick(now: number): void {
    this.#run(now, () => this.#onTick())
  }

  /** All writes up to `id` are durable. */
  persisted(id: number, now: number): void {
    this.#run(now, () => {
      for (const {message} of this.#output.complete(id)) {
        if (message.type === 'voteReply') this.#onBallotReply('vote', this.id, message)
      }
      this.#commit()
    })
  }

  /** Where the entry will stand if it is agreed on; null if we do not lead, or are handing over. */
  propose(data: string, now: number): {index: number; term: number} | null {
    assert(Buffer.byteLength(data) <= RAFT_ENTRY_BYTES_MAX, 'an entry keeps its limit')
    return this.#run(now, () => {
      if (this.#leading === null || this.#leading.isTransferring) return null
      const {index, term} = this.#log.append(this.#term, 'data', data)
      this.#leading.replicate(this.#now)
      return {index, term}
    })
  }

  /**
   * Proposes a configuration, in force at once (4.1). False: we do not lead, are handing over, another change is under
   * way, no entry of our term is committed yet, more than one voter differs, or it has no voter or names an id twice.
   */
  changeConfig(config: RaftConfig, now: number): boolean {
    return this.#run(now, () => {
      if (this.#leading === null || this.#leading.isTransferring || !this.#log.isConfigCommitted) return false
      // Without this two leaders in turn could each use a configuration that the other never saw (Ongaro, raft-dev, 2015).
      if (this.#log.termAt(this.#log.commitIndex) !== this.#term) return false
      if (!isConfig(config) || !isSingleStep(this.config, config)) return false
      const {voters, learners} = config
      this.#log.append(this.#term, 'config', JSON.stringify({voters, learners}))
      this.#leading.updatePeers(this.#now)
      this.#leading.replicate(this.#now)
      return true
    })
  }

  /** Begins to hand over to another voter; given up after an election timeout. False: we do not lead, or already are. */
  transfer(to: string, now: number): boolean {
    return this.#run(now, () => this.#leading?.transfer(to, this.#now) ?? false)
  }

  #run<T>(now: number, work: () => T): T {
    assert(!this.#isBusy, 'the host does not call Raft from within its own methods')
    this.#isBusy = true
    this.#now = Math.max(this.#now, now)
    this.#leading?.touch(this.#now)
    const result = work()
    this.#output.settle({term: this.#term, vote: this.#vote, role: this.#role, leader: this.#leader})
    this.#isBusy = false
    return result
  }

  // Roles

  #onTick(): void {
    if (this.#leading !== null) {
      if (!this.#leading.tick(this.#now)) this.#becomeFollower(this.#term, null)
      return
    }
    const {voters} = this.config
    const isAlone = voters.length === 1 && this.isVoter
    if (isAlone && this.#role === 'follower' && this.#leader === null) return this.#campaign(false)
    if (this.#now < this.#electionAt) return
    // Who was removed campaigns until it knows that the removal is committed: its log may be the only one that holds the
    // entry, and then nobody else can be elected (4.2.2).
    if (!this.#log.mayBeVoter(this.id)) return this.#becomeFollower(this.#term, null)
    // Our own vote is not on disk, so nobody was asked yet; asking in yet another term would only queue more writes.
    if (this.#ballot?.kind === 'vote' && this.isVoter && !this.#ballot.granted.has(this.id)) return
    this.#preCampaign()
  }

  #becomeFollower(term: number, leader: string | null): void {
    assert(term >= this.#term, 'terms never go back')
    // We answered our own rounds too, and are as loyal to our past self as the others are.
    if (this.#leading !== null) this.#heardAt = Math.max(this.#heardAt, this.#leading.quorumAt)
    if (term > this.#term) this.#vote = null
    this.#term = term
    this.#role = 'follower'
    this.#leader = leader
    this.#leading = null
    this.#ballot = null
    this.#resetElectionTimer()
  }

  /** Asks whether a campaign would be won before the term is raised: who is cut off disturbs nobody (9.6). */
  #preCampaign(): void {
    this.#beginBallot('preVote')
    this.#ballot!.granted.add(this.id)
    const {lastIndex, lastTerm} = this.#log
    this.#sendToVoters({type: 'preVote', term: this.#term + 1, lastIndex, lastTerm}, 'nothing')
    this.#countBallot()
  }

  /** `force`: the leader asked for it. */
  #campaign(force: boolean): void {
    this.#term++
    this.#vote = this.id
    this.#heardAt = -Infinity
    this.#beginBallot('vote')
    const {lastIndex, lastTerm} = this.#log
    // Our own vote comes back to us like any other, once it is durable. Until then nobody is asked either: without our
    // vote on disk we could campaign in this term again after a crash, and lead it twice with different entries.
    this.#output.send(this.id, {type: 'voteReply', term: this.#term, granted: true}, 'step')
    this.#sendToVoters({type: 'vote', term: this.#term, lastIndex, lastTerm, force}, 'step')
  }

  #beginBallot(kind: 'preVote' | 'vote'): void {
    this.#role = 'candidate'
    this.#leader = null
    this.#ballot = {kind, granted: new Set(), refused: new Set()}
    this.#resetElectionTimer()
  }

  #countBallot(): void {
    const outcome = outcomeOf(this.config.voters, this.#ballot!)
    if (outcome === 'lost') this.#becomeFollower(this.#term, null)
    if (outcome !== 'won') return
    if (this.#ballot!.kind === 'preVote') this.#campaign(false)
    else this.#becomeLeader()
  }

  #becomeLeader(): void {
    assert(this.#role === 'candidate', 'only a candidate is elected')
    this.#role = 'leader'
    this.#leader = this.id
    this.#ballot = null
    // Entries of older terms are committed only through one of our own (3.6.2), so we need one at once (6.4).
    this.#log.append(this.#term, 'noop', '')
    this.#leading = new Leader(this.#options, this.#term, this.#log, this.#output, this.#now)
    this.#leading.broadcast(this.#now)
  }

  /** Within the least timeout of a leader's word no other is elected (4.2.3), unless that leader wants it. */
  #isLoyal(): boolean {
    return this.#leading !== null || this.#now - this.#heardAt < this.#options.electionTimeoutMs
  }

  #resetElectionTimer(): void {
    const {electionTimeoutMs} = this.#options
    this.#electionAt = this.#now + electionTimeoutMs + this.#prng.below(Math.ceil(electionTimeoutMs))
  }

  // Messages

  #receive(from: string, message: RaftMessage): void {
    if (from === this.id) return
    if (message.term < this.#term) return answerStale(this.#term, this.#output, from, message)
    // Not only against higher terms: a mere answer may have raised ours a moment ago, while our leader still leads.
    if (message.type === 'vote' && !message.force && this.#isLoyal()) return
    // A term that is only asked about binds nobody.
    const isProspect = message.type === 'preVote' || (message.type === 'preVoteReply' && message.granted)
    if (message.term > this.#term && !isProspect) this.#becomeFollower(message.term, null)
    this.#dispatch(from, message)
  }

  #dispatch(from: string, message: RaftMessage): void {
    switch (message.type) {
      case 'append':
        this.#follow(from)
        return answerAppend(this.#log, this.#output, from, message)
      case 'snapshot':
        this.#follow(from)
        return answerSnapshot(this.#log, this.#output, from, message)
      case 'appendReply':
      case 'snapshotReply':
        this.#leading?.onReply(from, message, this.#now)
        return this.#commit()
      case 'vote':
        return this.#onVote(from, message)
      case 'voteReply':
        return this.#onBallotReply('vote', from, message)
      case 'preVote':
        return this.#onPreVote(from, message)
      case 'preVoteReply':
        return this.#onBallotReply('preVote', from, message)
      case 'timeoutNow':
        if (this.isVoter && this.#leading === null) this.#campaign(true)
        return
      default:
        unreachable(message)
    }
  }

  #onVote(from: string, {lastIndex, lastTerm}: VoteMessage): void {
    const isFree = this.#vote === from || (this.#vote === null && this.#leader === null)
    const granted = isFree && this.#log.isCoveredBy(lastIndex, lastTerm)
    if (granted) {
      this.#vote = from
      this.#resetElectionTimer()
    }
    this.#output.send(from, {type: 'voteReply', term: this.#term, granted}, 'step')
  }

  #onPreVote(from: string, {term, lastIndex, lastTerm}: PreVoteMessage): void {
    // No answer is needed: the leader is well, and the asker will hear from it.
    if (this.#isLoyal()) return
    const granted = term > this.#term && this.#log.isCoveredBy(lastIndex, lastTerm)
    this.#output.send(from, {type: 'preVoteReply', term: granted ? term : this.#term, granted}, 'nothing')
  }

  /** An answer in our term, or to our question about the next one. */
  #onBallotReply(
    kind: 'preVote' | 'vote',
    from: string,
    {term, granted}: VoteReplyMessage | PreVoteReplyMessage,
  ): void {
    if (this.#ballot?.kind !== kind) return
    if (granted && term !== this.#term + (kind === 'preVote' ? 1 : 0)) return
    this.#ballot[granted ? 'granted' : 'refused'].add(from)
    this.#countBallot()
  }

  /** The leader of our term spoke. */
  #follow(leader: string): void {
    assert(this.#leader === null || this.#leader === leader, 'a term has one leader')
    if (this.#role !== 'follower' || this.#leader !== leader) this.#becomeFollower(this.#term, leader)
    this.#heardAt = this.#now
    this.#resetElectionTimer()
  }

  // Commitment

  /** A leader commits what a majority has durably, if it is of its own term: older entries may yet be replaced (3.6.2). */
  #commit(): void {
    if (this.#leading === null) return
    const log = this.#log
    const index = this.#leading.matchOfMajority(this.#output.durableIndex)
    if (index <= log.commitIndex || log.termAt(index) !== this.#term) return
    const wasChanging = !log.isConfigCommitted
    log.commitTo(index)
    this.#leading.replicate(this.#now)
    if (wasChanging && log.isConfigCommitted) this.#onConfigCommitted(this.#leading)
  }

  /** A leader that was removed leads until here, and steps down (4.2.2). */
  #onConfigCommitted(leading: Leader): void {
    if (this.isVoter) {
      leading.updatePeers(this.#now)
    } else {
      leading.bequeath()
      this.#becomeFollower(this.#term, null)
    }
  }

  #sendToVoters(message: RaftMessage, needs: Durability): void {
    for (const to of this.config.voters) if (to !== this.id) this.#output.send(to, message, needs)
  }
}
