import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {EMPTY_STATE, applyWrite} from '../../../src/core/consensus/durable-state.ts'
import {RaftLog} from '../../../src/core/consensus/log.ts'
import {stateWith} from './group.ts'
import type {RaftEntry, RaftState, RaftWrite} from '../../../src/core/consensus/types.ts'

const write = (fields: Partial<RaftWrite>): RaftWrite => ({
  id: 1,
  term: 9,
  vote: null,
  entries: [],
  truncateFrom: null,
  snapshot: null,
  ...fields,
})

/** A log of these terms, from index 1 on, as a state. */
function logOf(terms: readonly number[]): RaftState {
  const entries = terms.map((term, i): RaftEntry => ({index: i + 1, term, kind: 'data', data: `${term}/${i + 1}`}))
  return {...EMPTY_STATE, term: 20, entries}
}

const termsOf = (log: RaftLog): (number | null)[] =>
  Array.from({length: log.lastIndex - log.baseIndex}, (_, i) => log.termAt(log.baseIndex + 1 + i))

/** Terms that never fall. */
const terms = fc
  .array(fc.integer({min: 0, max: 1}), {maxLength: 12})
  .map((steps) => steps.reduce<number[]>((list, step) => [...list, (list.at(-1) ?? 1) + step], []))

describe('a follower takes over', () => {
  test('any part of a leader log that fits, and nothing else: held against the rule itself', () => {
    fc.assert(
      fc.property(terms, terms, fc.nat(14), fc.nat(14), (ours, theirs, prev, count) => {
        const leader = logOf(theirs).entries
        const prevIndex = Math.min(prev, leader.length)
        const sent = leader.slice(prevIndex, prevIndex + count)
        const prevTerm = leader[prevIndex - 1]?.term ?? 0
        const log = new RaftLog(logOf(ours))
        const accepted = log.accept(prevIndex, prevTerm, sent)
        // Figure 3.1 of the thesis, literally: logs are equal up to where index and term are equal.
        const fits = prevIndex === 0 || ours[prevIndex - 1] === prevTerm
        const conflict = sent.findIndex(({index, term}) => ours[index - 1] !== undefined && ours[index - 1] !== term)
        const kept = conflict === -1 ? ours : ours.slice(0, prevIndex + conflict)
        const expected =
          kept.length > prevIndex + sent.length ? kept : [...kept.slice(0, prevIndex), ...sent.map(({term}) => term)]
        expect(accepted?.match ?? null).toBe(fits ? prevIndex + sent.length : null)
        expect(termsOf(log)).toEqual(fits ? expected : ours)
        expect(accepted?.truncatedFrom ?? null).toBe(fits && conflict !== -1 ? sent[conflict]!.index : null)
      }),
      {numRuns: 1000},
    )
  })

  test('and its disk ends up with the same log', () => {
    fc.assert(
      fc.property(terms, fc.array(fc.tuple(terms, fc.nat(14), fc.nat(6)), {maxLength: 5}), (first, rest) => {
        let disk = logOf(first)
        const log = new RaftLog(disk)
        for (const [theirs, prev, count] of rest) {
          const leader = logOf(theirs).entries
          const prevIndex = Math.min(prev, leader.length)
          log.accept(prevIndex, leader[prevIndex - 1]?.term ?? 0, leader.slice(prevIndex, prevIndex + count))
          const unwritten = log.takeUnwritten()
          if (unwritten !== null) disk = applyWrite(disk, write(unwritten))
          expect(disk.entries.map(({term}) => term)).toEqual(termsOf(log))
        }
        expect(log.takeUnwritten()).toBeNull()
      }),
    )
  })
})

describe('a log', () => {
  test('is covered by a newer term, or the same and no less', () => {
    const log = new RaftLog(logOf([1, 2, 2]))
    expect(log.isCoveredBy(3, 2)).toBe(true)
    expect(log.isCoveredBy(2, 2)).toBe(false)
    expect(log.isCoveredBy(9, 1)).toBe(false)
    expect(log.isCoveredBy(1, 3)).toBe(true)
  })

  test('finds the last index that may match a term', () => {
    const log = new RaftLog(logOf([1, 1, 3, 3, 5]))
    expect(log.lastWithTermUpTo(5, 4)).toBe(4)
    expect(log.lastWithTermUpTo(4, 2)).toBe(2)
    expect(log.lastWithTermUpTo(2, 9)).toBe(2)
    expect(log.lastWithTermUpTo(5, 0)).toBe(0)
  })

  test('gives as many entries as fit, and always one', () => {
    const log = new RaftLog(logOf([1, 1, 1, 1]))
    expect(log.slice(1, 1)).toHaveLength(1)
    expect(log.slice(2, 1e6).map(({index}) => index)).toEqual([2, 3, 4])
    expect(log.slice(1, 2 * (64 + 3))).toHaveLength(2)
    expect(log.slice(5, 1e6)).toEqual([])
  })

  test('compacts what is committed, and keeps some in memory', () => {
    const log = new RaftLog(stateWith(['a'], [2, 2, 2, 2, 2], 3))
    expect(() => log.compact(3, 'x', 2)).toThrow()
    log.commitTo(5)
    log.compact(5, 'x', 2)
    expect(log.baseIndex).toBe(3)
    expect(log.termAt(4)).toBe(2)
    expect(log.termAt(2)).toBeNull()
    expect(log.takeUnwritten()).toEqual({
      entries: [],
      truncateFrom: null,
      snapshot: {index: 5, term: 2, config: {voters: ['a'], learners: []}, data: 'x'},
    })
  })

  test('compacts with the configuration as of the snapshot, not with a later one', () => {
    const log = new RaftLog(stateWith(['a'], [2, 2], 3))
    log.append(3, 'config', '{"voters":["a","b"],"learners":[]}')
    log.commitTo(3)
    log.compact(3, 'x', 0)
    expect(log.snapshot!.config.voters).toEqual(['a'])
    expect(log.config.voters).toEqual(['a', 'b'])
  })

  test('hands over entries that came with a snapshot only where they are beyond it', () => {
    const log = new RaftLog(stateWith(['a'], [], 3))
    for (const data of ['x', 'y', 'z']) log.append(3, 'data', data)
    log.commitTo(3)
    log.compact(3, 's', 10)
    const unwritten = log.takeUnwritten()!
    expect(unwritten.entries.map(({index}) => index)).toEqual([4])
    expect(applyWrite(stateWith(['a'], [], 3), write(unwritten)).entries).toHaveLength(1)
  })

  test('passes over entries that its snapshot covers, at the start', () => {
    const snapshot = {index: 2, term: 1, config: {voters: ['a'], learners: []}, data: ''}
    const log = new RaftLog({...logOf([1, 1, 1]), snapshot})
    expect(log).toMatchObject({baseIndex: 2, lastIndex: 3, commitIndex: 2})
  })

  test('refuses gaps, falling terms and truncated commits', () => {
    expect(() => new RaftLog({...logOf([1, 1, 1]), entries: logOf([1, 1, 1]).entries.slice(1)})).toThrow('gap')
    expect(() => new RaftLog(logOf([2, 1]))).toThrow('terms never fall')
    expect(() => new RaftLog({...logOf([2]), term: 1})).toThrow('never behind')
    const log = new RaftLog(logOf([1, 1]))
    expect(() => log.commitTo(3)).toThrow('in the log')
    expect(() => log.append(0, 'data', '')).toThrow('terms never fall')
  })
})

describe('a durable write', () => {
  const snapshot = {index: 2, term: 1, config: {voters: ['a'], learners: []}, data: ''}

  test('replaces what its snapshot covers, and keeps the rest', () => {
    const state = applyWrite(logOf([1, 1, 1]), write({snapshot}))
    expect(state).toMatchObject({snapshot, term: 9})
    expect(state.entries.map(({index}) => index)).toEqual([3])
  })

  test('drops what it truncates, with or without entries', () => {
    expect(applyWrite(logOf([1, 1, 1]), write({truncateFrom: 2})).entries).toHaveLength(1)
    const {entries} = logOf([1, 2])
    expect(applyWrite(logOf([1, 1, 1]), write({truncateFrom: 2, entries: entries.slice(1)})).entries).toEqual(entries)
  })

  test('leaves no gap', () => {
    expect(() => applyWrite(EMPTY_STATE, write({entries: logOf([1, 1]).entries.slice(1)}))).toThrow('no gap')
  })
})
