/** Every cut and every flip of Raft's files: cut off if nobody was told of it, else refused. */
import {crc32} from 'node:zlib'
import {describe, expect, test} from 'vitest'
import type {RaftEntry} from '../../src/core/consensus/types.ts'
import {
  encodeFrame,
  encodeGroup,
  readLog,
  readOnlyFrame,
  replay,
  type Damage,
  type Group,
  type LogContent,
  type LogWrite,
  type StoredSnapshot,
} from '../../src/node/raft-store-format.ts'

function makeEntries(from: number, to: number, data = 'data'): RaftEntry[] {
  return Array.from({length: to - from + 1}, (_, i) => ({index: from + i, term: 1, kind: 'data', data}))
}

function makeGroup(seq: number, write: Partial<LogWrite> = {}, base: Group['base'] = null): Group {
  return {seq, base, writes: [{term: 1, vote: null, truncateFrom: null, entries: [], ...write}]}
}

function makeStored(seq: number, index: number): StoredSnapshot {
  const snapshot = {index, term: 1, config: {voters: ['a'], learners: []}, data: 's'}
  return {seq, term: 1, vote: 'v', truncateFrom: null, snapshot}
}

const GROUPS = [
  makeGroup(1, {vote: 'a'}),
  makeGroup(2, {entries: makeEntries(1, 4)}),
  makeGroup(3, {entries: makeEntries(5, 5, 'ü'.repeat(900))}),
]
const FRAMES = GROUPS.map((group) => encodeGroup(group))
const LOG = Buffer.concat(FRAMES)
const ENDS = FRAMES.map((_, i) => Buffer.concat(FRAMES.slice(0, i + 1)).length)

/** How many groups count, and where they end; null if the log is refused. */
function read(bytes: Buffer): {groups: number; end: number} | null {
  const content = readLog(bytes)
  return 'words' in content ? null : {groups: content.groups.length, end: content.end}
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}

describe('a log', () => {
  test('is read as it was written', () => {
    expect((readLog(LOG) as LogContent).groups.map(({group}) => group)).toEqual(GROUPS)
  })

  test('cut at any byte counts up to the last whole frame', () => {
    for (let length = 0; length <= LOG.length; length++) {
      const groups = ENDS.filter((end) => end <= length).length
      expect(read(LOG.subarray(0, length))).toEqual({groups, end: ENDS[groups - 1] ?? 0})
    }
  })

  test('with any bit flipped is refused, at the frame that holds it, wherever the sectors lie', () => {
    // So that each byte of a frame's head is once the last of a sector.
    for (let shift = 0; shift < 40; shift++) {
      const first = encodeGroup(makeGroup(1, {vote: 'v'.repeat(385 + shift)}))
      const second = encodeGroup(makeGroup(2))
      const log = Buffer.concat([first, second])
      for (let bit = (first.length - 20) * 8; bit < log.length * 8; bit++) {
        const {offset} = readLog(flipped(log, bit)) as Damage
        expect(offset, `bit ${bit} of shift ${shift}`).toBe(bit >> 3 < first.length ? 0 : first.length)
      }
    }
    for (let bit = 0; bit < LOG.length * 8; bit++) expect(read(flipped(LOG, bit)), `bit ${bit}`).toBeNull()
  })

  test('whose last frame has sectors that were never written counts without it', () => {
    expect(read(Buffer.from(LOG).fill(0, 1024, 1536))).toEqual({groups: 2, end: ENDS[1]})
    expect(read(Buffer.from(LOG).fill(0, ENDS[1]))).toEqual({groups: 2, end: ENDS[1]})
    expect(read(Buffer.concat([LOG, Buffer.alloc(5)]))).toEqual({groups: 3, end: LOG.length})
    expect(read(Buffer.concat([LOG, Buffer.alloc(700)]))).toEqual({groups: 3, end: LOG.length})
  })

  test('with such sectors before a frame that was synced later is refused', () => {
    const log = Buffer.concat([LOG, encodeGroup(makeGroup(4))])
    expect(read(log)).not.toBeNull()
    expect(read(Buffer.from(log).fill(0, 1024, 1536))).toBeNull()
    expect(read(Buffer.from(log).fill(0, 0, 512))).toBeNull()
  })

  test('of a newer format says so', () => {
    const log = Buffer.from(LOG)
    log[3] = 2
    log.writeUInt32LE(crc32(log.subarray(0, 8)), 8)
    expect(readLog(log)).toEqual({offset: 0, words: 'it is of format 2, this kv reads format 1'})
  })
})

describe('a file of one frame', () => {
  const good = encodeFrame({clusterId: 'c'})

  test('is read whole', () => {
    expect(readOnlyFrame(good)).toMatchObject({value: {clusterId: 'c'}})
  })

  test('cut, flipped or continued it is refused', () => {
    for (let bit = 0; bit < good.length * 8; bit++) expect(readOnlyFrame(flipped(good, bit))).toHaveProperty('words')
    for (let end = 0; end < good.length; end++) expect(readOnlyFrame(good.subarray(0, end))).toHaveProperty('words')
    expect(readOnlyFrame(Buffer.concat([good, good]))).toEqual({
      offset: good.length,
      words: 'something follows its end',
    })
  })
})

describe('a replay', () => {
  const run = (groups: readonly Group[], stored: StoredSnapshot | null): ReturnType<typeof replay> =>
    replay(readLog(Buffer.concat(groups.map((group) => encodeGroup(group)))) as LogContent, stored)
  const base = (seq: number, snapshotSeq: number, floor: number, entries: RaftEntry[]): Group =>
    makeGroup(seq, {entries}, {snapshotSeq, floor})

  test('of a base goes on from its snapshot', () => {
    const groups = [base(6, 5, 10, makeEntries(11, 12)), makeGroup(7, {entries: makeEntries(13, 13)})]
    const {image, seq, isBehindSnapshot} = run(groups, makeStored(5, 10)) as Exclude<ReturnType<typeof replay>, Damage>
    expect([image.floor, image.last, image.entries.length, seq, isBehindSnapshot]).toEqual([10, 13, 3, 7, false])
  })

  test('ends with a snapshot that came after the log', () => {
    const groups = [base(6, 5, 10, makeEntries(11, 12)), makeGroup(7, {entries: makeEntries(13, 15)})]
    const {image, seq, isBehindSnapshot} = run(groups, makeStored(8, 13)) as Exclude<ReturnType<typeof replay>, Damage>
    expect([image.floor, image.entries.map(({index}) => index), seq, isBehindSnapshot]).toEqual([13, [14, 15], 8, true])
    expect(image.vote).toBe('v')
  })

  test.each([
    ['a missing snapshot', [base(6, 5, 10, [])], null, 'its snapshot is missing'],
    ['an older snapshot', [base(6, 5, 10, [])], makeStored(4, 9), 'it is newer than its snapshot'],
    ['a snapshot of another index', [base(6, 5, 10, [])], makeStored(5, 9), /a base stands on its snapshot/],
    ['a base in the middle', [makeGroup(1), base(2, 0, 0, [])], null, /a base comes first/],
    ['groups in disorder', [makeGroup(2), makeGroup(1)], null, /groups are in order/],
    ['a gap in the entries', [makeGroup(1, {entries: makeEntries(2, 2)})], null, /entries follow each other/],
    ['what is no group', [{seq: 1, base: null} as Group], null, /a frame makes no sense/],
  ])('refuses %s', (_, groups, stored, words) => {
    expect(run(groups, stored)).toMatchObject({words: expect.stringMatching(words) as string})
  })
})
