/**
 * A follower's answers: what a leader's entries and snapshots do to the log, and what may be said about it when. Raft has
 * already seen to terms and roles when it comes here.
 */
import type {RaftLog} from './log.ts'
import type {Output} from './output.ts'
import type {AppendMessage, RaftMessage, SnapshotMessage} from './types.ts'

/** Takes over entries that fit our log; `term` is ours and the leader's. */
export function answerAppend(log: RaftLog, output: Output, from: string, message: AppendMessage): void {
  const {term, round, prevIndex, prevTerm, commit, entries} = message
  const reply = {type: 'appendReply', term, round, hintIndex: 0, hintTerm: 0} as const
  const accepted = log.accept(prevIndex, prevTerm, entries)
  if (accepted === null) {
    const hintIndex = log.lastWithTermUpTo(Math.min(prevIndex - 1, log.lastIndex), prevTerm)
    const hintTerm = log.termAt(hintIndex) ?? 0
    output.send(from, {...reply, ok: false, index: prevIndex, hintIndex, hintTerm}, 'term')
    return
  }
  const {match, hasChanged, truncatedFrom} = accepted
  if (truncatedFrom !== null) output.forgetFrom(truncatedFrom)
  // Beyond the match our log may hold entries that this leader will replace.
  log.commitTo(Math.min(commit, match))
  // A heartbeat does not wait for a slow disk: it is answered with what is durable by now.
  if (hasChanged) output.send(from, {...reply, ok: true, index: match}, 'step')
  else output.send(from, {...reply, ok: true, index: Math.min(match, output.durableIndex)}, 'term')
}

/** Replaces the log by the leader's snapshot, unless our log holds all that it stands for. */
export function answerSnapshot(log: RaftLog, output: Output, from: string, message: SnapshotMessage): void {
  const {term, round, snapshot} = message
  const {index} = snapshot
  if (log.termAt(index) === snapshot.term) {
    log.commitTo(index)
  } else if (index > log.commitIndex) {
    output.forgetFrom(log.commitIndex + 1)
    log.install(snapshot)
  }
  output.send(from, {type: 'snapshotReply', term, round, index}, 'step')
}

/**
 * Who speaks in an older term learns ours: a leader steps down, a candidate catches up. Without this a node that was cut
 * off with a higher term could never come back, for it obeys no leader and nobody heeds its pre-votes. Answers of the
 * past mean nothing.
 */
export function answerStale(term: number, output: Output, from: string, message: RaftMessage): void {
  if (message.type === 'append' || message.type === 'snapshot') {
    const reply = {type: 'appendReply', term, round: message.round, ok: false} as const
    output.send(from, {...reply, index: 0, hintIndex: 0, hintTerm: 0}, 'nothing')
  } else if (message.type === 'vote') {
    output.send(from, {type: 'voteReply', term, granted: false}, 'nothing')
  } else if (message.type === 'preVote') {
    output.send(from, {type: 'preVoteReply', term, granted: false}, 'nothing')
  }
}
