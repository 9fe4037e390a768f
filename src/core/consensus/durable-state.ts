/**
 * What rests on disk, as data: the state to begin with, and what a write makes of it. The driver that stores writes and
 * reads them back, the simulator and the tests share this one reading of `RaftWrite`.
 */
import {assert} from '../../base/assert.ts'
import type {RaftState, RaftWrite} from './types.ts'

/** A node that joins: it waits to be told of the cluster. */
export const EMPTY_STATE: RaftState = {term: 0, vote: null, snapshot: null, entries: []}

/** A cluster of the one voter `id`. The host makes it durable before it starts Raft with it. */
export function bootstrapState(id: string): RaftState {
  const data = JSON.stringify({voters: [id], learners: []})
  return {term: 1, vote: null, snapshot: null, entries: [{index: 1, term: 1, kind: 'config', data}]}
}

/** The durable state after one more write. Changes neither argument. */
export function applyWrite(state: RaftState, write: RaftWrite): RaftState {
  const snapshot = write.snapshot ?? state.snapshot
  const start = snapshot?.index ?? 0
  const end = Math.min(write.truncateFrom ?? Infinity, write.entries[0]?.index ?? Infinity)
  const kept = state.entries.filter(({index}) => index > start && index < end)
  const entries = [...kept, ...write.entries]
  const gap = entries.findIndex(({index}, i) => index !== start + 1 + i)
  assert(gap === -1, 'a write leaves no gap in the log')
  return {term: write.term, vote: write.vote, snapshot, entries}
}
