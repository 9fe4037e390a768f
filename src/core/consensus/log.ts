/**
 * The log of one node: a snapshot, the entries around and after it, and how far they are committed.
 *
 *      1 ........ base | base+1 ... snapshot ... commit ... last
 *      forgotten       | kept in memory      committed  not yet
 *
 * On disk a snapshot replaces everything up to its index. In memory some entries before it stay, so that a follower that
 * is a little behind gets those instead of the whole state machine. Changes are gathered until `takeUnwritten` hands
 * them over for one durable write.
 */
import {assert} from '../../base/assert.ts'
import {RAFT_ENTRY_OVERHEAD_BYTES} from '../../constants.ts'
import {ConfigHistory, NO_CONFIG} from './membership.ts'
import type {RaftConfig, RaftEntry, RaftSnapshot, RaftState, RaftWrite} from './types.ts'

/** What `accept` did: `match` is the last index that is now known to equal the leader's. */
export interface Accepted {
  readonly match: number
  readonly hasChanged: boolean
  /** Entries from here on contradicted the leader and were dropped. */
  readonly truncatedFrom: number | null
}

type Unwritten = Pick<RaftWrite, 'entries' | 'truncateFrom' | 'snapshot'>

export class RaftLog {
  #snapshot: RaftSnapshot | null
  /** The entry before `#entries[0]`. */
  #base: {readonly index: number; readonly term: number}
  #entries: RaftEntry[]
  #configs: ConfigHistory
  #commitIndex: number

  #unwrittenFrom: number
  #truncateFrom: number | null = null
  #isSnapshotUnwritten = false

  /** From durable state; entries that the snapshot covers are passed over. */
  constructor(state: RaftState) {
    const {snapshot} = state
    this.#snapshot = snapshot
    this.#base = {index: snapshot?.index ?? 0, term: snapshot?.term ?? 0}
    this.#configs = new ConfigHistory(this.#base.index, snapshot?.config ?? NO_CONFIG)
    this.#entries = []
    this.#push(state.entries.filter(({index}) => index > this.#base.index))
    this.#commitIndex = this.#base.index
    this.#unwrittenFrom = this.lastIndex + 1
    assert(state.term >= this.lastTerm, 'the term is never behind the log')
  }

  get snapshot(): RaftSnapshot | null {
    return this.#snapshot
  }

  /** Of the oldest index whose term is known. */
  get baseIndex(): number {
    return this.#base.index
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#base.term
  }

  get commitIndex(): number {
    return this.#commitIndex
  }

  /** The latest configuration appended: the one in force. */
  get config(): RaftConfig {
    return this.#configs.latest
  }

  get committedConfig(): RaftConfig {
    return this.#configs.at(this.#commitIndex)
  }

  get isConfigCommitted(): boolean {
    return this.#configs.latestIndex <= this.#commitIndex
  }

  /** Whether a configuration that may be the committed one has this voter. */
  mayBeVoter(id: string): boolean {
    return this.#configs.since(this.#commitIndex).some(({voters}) => voters.includes(id))
  }

  /** Null where nothing is, or nothing is known any more. */
  termAt(index: number): number | null {
    if (index === this.#base.index) return this.#base.term
    return this.#entries[index - this.#base.index - 1]?.term ?? null
  }

  entryAt(index: number): RaftEntry {
    const entry = this.#entries[index - this.#base.index - 1]
    assert(entry !== undefined, 'this entry is not in memory')
    return entry
  }

  /** Entries from an index on, as many as fit; at least one if there is one. */
  slice(from: number, bytesMax: number): readonly RaftEntry[] {
    assert(from > this.#base.index, 'entries before the base are forgotten')
    const start = from - this.#base.index - 1
    let end = start
    for (let bytes = 0; end < this.#entries.length; end++) {
      bytes += Buffer.byteLength(this.#entries[end]!.data) + RAFT_ENTRY_OVERHEAD_BYTES
      if (bytes > bytesMax && end > start) break
    }
    return this.#entries.slice(start, end)
  }

  /** Whether a log that ends like this has all that ours has: the election restriction (Ongaro, 3.6.1). */
  isCoveredBy(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /**
   * The last index up to `index` whose term is at most `term`, as far as terms are known. Where two logs differ, no later
   * index can match, so whole terms are skipped with one message (an idea of Ongaro, 3.5, sharpened in etcd).
   */
  lastWithTermUpTo(index: number, term: number): number {
    let candidate = index
    while (candidate > this.#base.index && (this.termAt(candidate) ?? Infinity) > term) candidate--
    return candidate
  }

  /** The leader's own new entry. */
  append(term: number, kind: RaftEntry['kind'], data: string): RaftEntry {
    assert(term >= this.lastTerm, 'terms never fall along the log')
    const entry: RaftEntry = {index: this.lastIndex + 1, term, kind, data}
    this.#push([entry])
    return entry
  }

  /** A leader's entries after (`prevIndex`, `prevTerm`); null if our log does not match there (Ongaro, figure 3.1). */
  accept(prevIndex: number, prevTerm: number, entries: readonly RaftEntry[]): Accepted | null {
    // What is committed equals every later leader's log, also where its terms are forgotten.
    if (prevIndex > this.#commitIndex && this.termAt(prevIndex) !== prevTerm) return null
    const match = prevIndex + entries.length
    for (const {index, term} of entries) {
      const ours = index <= this.#commitIndex ? this.termAt(index) : null
      assert(ours === null || ours === term, 'a leader has all that is committed')
    }
    const fresh = entries.findIndex(({index, term}) => index > this.#commitIndex && this.termAt(index) !== term)
    // A reordered older message may end before our log does: then nothing contradicts it and nothing is dropped.
    if (fresh === -1) return {match, hasChanged: false, truncatedFrom: null}
    const from = entries[fresh]!.index
    const truncatedFrom = from <= this.lastIndex ? from : null
    if (truncatedFrom !== null) this.#truncate(truncatedFrom)
    this.#push(entries.slice(fresh))
    return {match, hasChanged: true, truncatedFrom}
  }

  /** Commits up to an index that the log has; an older one changes nothing. */
  commitTo(index: number): boolean {
    if (index <= this.#commitIndex) return false
    assert(index <= this.lastIndex, 'what is committed is in the log')
    this.#commitIndex = index
    return true
  }

  /** Our own snapshot at a committed index; `keep` entries before it stay in memory. */
  compact(index: number, data: string, keep: number): void {
    assert(index > (this.#snapshot?.index ?? 0) && index <= this.#commitIndex, 'snapshots hold what is committed')
    const term = this.termAt(index)
    assert(term !== null, 'a snapshot ends with an entry that is known')
    this.#configs.forgetBefore(index)
    this.#snapshot = {index, term, config: this.#configs.at(index), data}
    this.#isSnapshotUnwritten = true
    const base = Math.max(this.#base.index, index - keep)
    const baseTerm = this.termAt(base)!
    this.#entries.splice(0, base - this.#base.index)
    this.#base = {index: base, term: baseTerm}
  }

  /** A leader's snapshot that is ahead of our commit index, and that our log does not contain: it replaces the log. */
  install(snapshot: RaftSnapshot): void {
    assert(snapshot.index > this.#commitIndex, 'a snapshot never takes back what is committed')
    if (this.#unwrittenFrom > snapshot.index + 1) this.#truncateFrom = snapshot.index + 1
    this.#snapshot = snapshot
    this.#isSnapshotUnwritten = true
    this.#base = {index: snapshot.index, term: snapshot.term}
    this.#entries = []
    this.#configs = new ConfigHistory(snapshot.index, snapshot.config)
    this.#commitIndex = snapshot.index
    this.#unwrittenFrom = snapshot.index + 1
  }

  /** What has changed since the last call, or null. */
  takeUnwritten(): Unwritten | null {
    const snapshot = this.#isSnapshotUnwritten ? this.#snapshot : null
    const from = Math.max(this.#unwrittenFrom, snapshot === null ? 0 : snapshot.index + 1)
    const entries = this.#entries.slice(from - this.#base.index - 1)
    const truncateFrom = this.#truncateFrom
    if (entries.length === 0 && truncateFrom === null && snapshot === null) return null
    this.#unwrittenFrom = this.lastIndex + 1
    this.#truncateFrom = null
    this.#isSnapshotUnwritten = false
    return {entries, truncateFrom, snapshot}
  }

  #push(entries: readonly RaftEntry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'the log has no gap')
      assert(entry.term >= this.lastTerm, 'terms never fall along the log')
      this.#entries.push(entry)
      if (entry.kind === 'config') this.#configs.add(entry.index, entry.data)
    }
  }

  #truncate(from: number): void {
    assert(from > this.#commitIndex, 'what is committed is never truncated')
    this.#entries.length = from - this.#base.index - 1
    this.#configs.truncate(from)
    // Entries that were never handed over need not be taken back from the disk.
    if (from >= this.#unwrittenFrom) return
    this.#truncateFrom = Math.min(this.#truncateFrom ?? from, from)
    this.#unwrittenFrom = from
  }
}
