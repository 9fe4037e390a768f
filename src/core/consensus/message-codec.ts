/**
 * Messages between Raft peers as bytes: JSON, because they are few and small and a captured one can be read. What comes
 * in is checked field by field, and copied field by field, so that the rest of Raft may trust its types.
 */
import {assert} from '../../base/assert.ts'
import {RAFT_MESSAGE_BYTES_MAX} from '../../constants.ts'
import {isConfig, parseConfig} from './membership.ts'
import type {RaftEntry, RaftMessage, RaftSnapshot} from './types.ts'

type Fields = Readonly<Record<string, unknown>>

/** The bytes of a message. A snapshot beyond `RAFT_MESSAGE_BYTES_MAX` breaks an assertion: the state machine is too large. */
export function encodeMessage(message: RaftMessage): Buffer {
  const bytes = Buffer.from(JSON.stringify(message))
  assert(bytes.length <= RAFT_MESSAGE_BYTES_MAX, 'a message keeps its limit')
  return bytes
}

/** The message in these bytes, all of them; null on anything that `encodeMessage` does not write. Unknown fields are dropped. */
export function decodeMessage(bytes: Buffer): RaftMessage | null {
  if (bytes.length > RAFT_MESSAGE_BYTES_MAX) return null
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes))
  } catch {
    return null
  }
  return isObject(value) && isCount(value.term) ? readMessage(value, value.term) : null
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Indexes, terms and rounds: exact integers from 0. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function readMessage(fields: Fields, term: number): RaftMessage | null {
  switch (fields.type) {
    case 'append':
      return readAppend(fields, term)
    case 'appendReply':
      return readAppendReply(fields, term)
    case 'snapshot':
      return readSnapshotMessage(fields, term)
    case 'snapshotReply': {
      const {round, index} = fields
      return isCount(round) && isCount(index) ? {type: 'snapshotReply', term, round, index} : null
    }
    case 'vote': {
      const {lastIndex, lastTerm, force} = fields
      if (!isCount(lastIndex) || !isCount(lastTerm) || typeof force !== 'boolean') return null
      return {type: 'vote', term, lastIndex, lastTerm, force}
    }
    case 'preVote': {
      const {lastIndex, lastTerm} = fields
      return isCount(lastIndex) && isCount(lastTerm) ? {type: 'preVote', term, lastIndex, lastTerm} : null
    }
    case 'voteReply':
    case 'preVoteReply':
      return typeof fields.granted === 'boolean' ? {type: fields.type, term, granted: fields.granted} : null
    case 'timeoutNow':
      return {type: 'timeoutNow', term}
    default:
      return null
  }
}

function readAppend({round, prevIndex, prevTerm, commit, entries}: Fields, term: number): RaftMessage | null {
  if (!isCount(round) || !isCount(prevIndex) || !isCount(prevTerm) || !isCount(commit)) return null
  if (!Array.isArray(entries) || prevTerm > term) return null
  const read: RaftEntry[] = []
  for (const value of entries as unknown[]) {
    const entry = readEntry(value)
    if (entry?.index !== prevIndex + read.length + 1) return null
    // Along a log terms never fall, and none is beyond its leader's.
    if (entry.term < (read.at(-1)?.term ?? prevTerm) || entry.term > term) return null
    read.push(entry)
  }
  return {type: 'append', term, round, prevIndex, prevTerm, commit, entries: read}
}

function readEntry(value: unknown): RaftEntry | null {
  if (!isObject(value)) return null
  const {index, term, kind, data} = value
  if (!isCount(index) || !isCount(term) || typeof data !== 'string') return null
  if (kind !== 'data' && kind !== 'config' && kind !== 'noop') return null
  if (kind === 'config' && parseConfig(data) === null) return null
  return {index, term, kind, data}
}

function readAppendReply({round, ok, index, hintIndex, hintTerm}: Fields, term: number): RaftMessage | null {
  if (!isCount(round) || !isCount(index) || !isCount(hintIndex) || !isCount(hintTerm)) return null
  return typeof ok === 'boolean' ? {type: 'appendReply', term, round, ok, index, hintIndex, hintTerm} : null
}

function readSnapshotMessage({round, snapshot}: Fields, term: number): RaftMessage | null {
  const read = readSnapshot(snapshot)
  return isCount(round) && read !== null && read.term <= term ? {type: 'snapshot', term, round, snapshot: read} : null
}

function readSnapshot(value: unknown): RaftSnapshot | null {
  if (!isObject(value)) return null
  const {index, term, config, data} = value
  if (!isCount(index) || !isCount(term) || index === 0 || typeof data !== 'string' || !isConfig(config)) return null
  return {index, term, config: {voters: [...config.voters], learners: [...config.learners]}, data}
}
