/** What Raft keeps and says: plain data, so that it can be sent, stored and compared. */
export interface RaftConfig {
  readonly voters: readonly string[]
  readonly learners: readonly string[]
}
export interface RaftEntry {
  readonly index: number
  readonly term: number
  readonly kind: 'data' | 'config' | 'noop'
  readonly data: string
}
export interface RaftSnapshot {
  readonly index: number
  readonly term: number
  readonly config: RaftConfig
  readonly data: string
}
export interface RaftState {
  readonly term: number
  readonly vote: string | null
  readonly snapshot: RaftSnapshot | null
  readonly entries: readonly RaftEntry[]
}
export interface RaftWrite {
  readonly id: number
  readonly term: number
  readonly vote: string | null
  readonly entries: readonly RaftEntry[]
  readonly truncateFrom: number | null
  readonly snapshot: RaftSnapshot | null
}
