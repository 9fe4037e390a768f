/**
 * The way from Raft to its host. During a call the state changes and messages gather; `settle` then hands out everything
 * in one fixed order: one durable write at most, the messages that need not wait for it, the role, what was committed.
 * Messages that a crash must not contradict stay here until their write is durable.
 */
import {assert} from '../../base/assert.ts'
import {WriteQueue} from './write-queue.ts'
import type {HeldMessage} from './write-queue.ts'
import type {RaftLog} from './log.ts'
import type {RaftHost, RaftMessage, RaftOptions, RaftRole, RaftState} from './types.ts'

/** What must be durable before a message leaves: nothing, our term, or everything of this step. */
export type Durability = 'nothing' | 'term' | 'step'

/** What is Raft's own beside the log. */
export interface Standing {
  readonly term: number
  readonly vote: string | null
  readonly role: RaftRole
  readonly leader: string | null
}

export class Output {
  readonly #options: Pick<RaftOptions, 'id' | 'compactAfterEntries' | 'plants'>
  readonly #host: RaftHost
  readonly #log: RaftLog
  readonly #writes: WriteQueue
  readonly #outbox: {readonly to: string; readonly message: RaftMessage; readonly needs: Durability}[] = []
  #written: {readonly term: number; readonly vote: string | null}
  /** The write that made our term durable. */
  #termWriteId = 0
  #reported: Omit<Standing, 'vote'>
  #appliedIndex = 0

  /** Restores the state machine from the snapshot, if there is one. */
  constructor(options: RaftOptions, host: RaftHost, log: RaftLog, {term, vote}: RaftState) {
    this.#options = options
    this.#host = host
    this.#log = log
    this.#writes = new WriteQueue(log.lastIndex)
    this.#written = {term, vote}
    this.#reported = {term, role: 'follower', leader: null}
    this.#applyCommitted()
  }

  /** Our log is durable up to here. */
  get durableIndex(): number {
    return this.#writes.durableIndex
  }

  /** Entries from here on are being replaced. */
  forgetFrom(index: number): void {
    this.#writes.forgetFrom(index)
  }

  send(to: string, message: RaftMessage, needs: Durability): void {
    this.#outbox.push({to, message, needs})
  }

  /** Writes up to `id` are durable: sends what waited for them, and returns those messages that are to ourselves. */
  complete(id: number): readonly HeldMessage[] {
    const released = this.#writes.complete(id)
    for (const {to, message} of released) if (to !== this.#options.id) this.#host.send(to, message)
    return released.filter(({to}) => to === this.#options.id)
  }

  settle(standing: Standing): void {
    this.#persist(standing)
    this.#flush()
    this.#report(standing)
    this.#applyCommitted()
    if (this.#compact()) this.#persist(standing)
  }

  #persist({term, vote}: Standing): void {
    const unwritten = this.#log.takeUnwritten() ?? {entries: [], truncateFrom: null, snapshot: null}
    const isSameTerm = term === this.#written.term
    const isSameLog = unwritten.entries.length === 0 && unwritten.truncateFrom === null && unwritten.snapshot === null
    if (isSameLog && isSameTerm && vote === this.#written.vote) return
    const id = this.#writes.issue(this.#log.lastIndex)
    this.#written = {term, vote}
    if (!isSameTerm) this.#termWriteId = id
    const isForgetful = this.#options.plants?.has('forget-vote') ?? false
    this.#host.persist({id, term, vote: isForgetful ? null : vote, ...unwritten})
  }

  #flush(): void {
    const afters = {nothing: 0, term: this.#termWriteId, step: this.#writes.lastId}
    for (const {to, message, needs} of this.#outbox.splice(0)) {
      const after = afters[needs]
      if (!this.#writes.isDurable(after)) {
        this.#writes.hold({to, message, after})
        continue
      }
      assert(to !== this.#options.id, 'our own vote always waits for the disk')
      this.#host.send(to, message)
    }
  }

  #report({term, role, leader}: Standing): void {
    const last = this.#reported
    if (last.term === term && last.role === role && last.leader === leader) return
    this.#reported = {term, role, leader}
    this.#host.roleChanged(role, term, leader)
  }

  #applyCommitted(): void {
    const {snapshot} = this.#log
    if (snapshot !== null && snapshot.index > this.#appliedIndex) {
      this.#appliedIndex = snapshot.index
      this.#host.restore(snapshot)
    }
    while (this.#appliedIndex < this.#log.commitIndex) {
      this.#appliedIndex++
      this.#host.apply(this.#log.entryAt(this.#appliedIndex))
    }
  }

  /** Takes a snapshot when the log has grown enough since the last. As many entries stay in memory for slow followers. */
  #compact(): boolean {
    const {compactAfterEntries} = this.#options
    if (this.#appliedIndex - (this.#log.snapshot?.index ?? 0) < compactAfterEntries) return false
    this.#log.compact(this.#appliedIndex, this.#host.snapshot(), compactAfterEntries)
    return true
  }
}
