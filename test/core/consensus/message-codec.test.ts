import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {decodeMessage, encodeMessage} from '../../../src/core/consensus/message-codec.ts'
import type {RaftEntry, RaftMessage} from '../../../src/core/consensus/types.ts'

const entries: readonly RaftEntry[] = [
  {index: 6, term: 2, kind: 'noop', data: ''},
  {index: 7, term: 3, kind: 'data', data: '{"a":"\u0000\ud800 é"}'},
  {index: 8, term: 3, kind: 'config', data: '{"voters":["a"],"learners":["b"]}'},
]
const snapshot = {index: 4, term: 2, config: {voters: ['a'], learners: ['b']}, data: 'x'}
const MESSAGES: readonly RaftMessage[] = [
  {type: 'append', term: 3, round: 1, prevIndex: 5, prevTerm: 2, commit: 5, entries},
  {type: 'append', term: 3, round: 1, prevIndex: 0, prevTerm: 0, commit: 0, entries: []},
  {type: 'appendReply', term: 3, round: 1, ok: true, index: 8, hintIndex: 0, hintTerm: 0},
  {type: 'appendReply', term: 3, round: 1, ok: false, index: 8, hintIndex: 4, hintTerm: 2},
  {type: 'vote', term: 3, lastIndex: 8, lastTerm: 2, force: true},
  {type: 'preVote', term: 3, lastIndex: 8, lastTerm: 2},
  {type: 'voteReply', term: 3, granted: true},
  {type: 'preVoteReply', term: 3, granted: false},
  {type: 'snapshot', term: 3, round: 2, snapshot},
  {type: 'snapshotReply', term: 3, round: 2, index: 4},
  {type: 'timeoutNow', term: 3},
]

const decode = (value: unknown): RaftMessage | null => decodeMessage(Buffer.from(JSON.stringify(value)))

describe('a message', () => {
  test.each(MESSAGES)('$type comes back as it was', (message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
  })

  test.each(MESSAGES)('$type is refused with any field missing, or of another kind', (message) => {
    for (const field of Object.keys(message)) {
      for (const wrong of [undefined, null, -1, 1.5, 2 ** 53, 'x', [1], {}]) {
        // An object among others: an empty list of entries is a list.
        expect([field, wrong, decode({...message, [field]: wrong})]).toEqual([field, wrong, null])
      }
    }
  })

  test.each(MESSAGES)('$type is refused when it is cut anywhere, or goes on', (message) => {
    const bytes = encodeMessage(message)
    for (let end = 0; end < bytes.length; end++) expect(decodeMessage(bytes.subarray(0, end))).toBeNull()
    expect(decodeMessage(Buffer.concat([bytes, Buffer.from('x')]))).toBeNull()
  })

  test('loses fields that nobody knows', () => {
    expect(decode({type: 'timeoutNow', term: 3, extra: 1})).toEqual({type: 'timeoutNow', term: 3})
  })

  test('with bytes that are no UTF-8 is refused', () => {
    const bytes = encodeMessage(MESSAGES[0]!)
    bytes[bytes.indexOf('é')] = 0xff
    expect(decodeMessage(bytes)).toBeNull()
  })

  test('made of anything never throws', () => {
    fc.assert(fc.property(fc.uint8Array({maxLength: 100}), (bytes) => decodeMessage(Buffer.from(bytes)) === null))
    fc.assert(
      fc.property(
        fc.constantFrom(...MESSAGES),
        fc.dictionary(fc.constantFrom('term', 'entries', 'snapshot', 'type'), fc.json()),
        (message, changes) => {
          decode({...message, ...changes})
        },
      ),
    )
  })
})

describe('entries', () => {
  const [noop, data, config] = entries
  test.each([
    ['with a gap', [noop, {...data!, index: 8}]],
    ['that begin elsewhere', [data]],
    ['whose terms fall', [noop, {...data!, term: 1}]],
    ['before the term that they follow', [{...noop!, term: 1}]],
    ['of a term that their leader has not reached', [noop, {...data!, term: 4}]],
    ['of an unknown kind', [{...noop!, kind: 'x'}]],
    ['without text', [{...noop!, data: 1}]],
    ['that are nothing', [null]],
    ['with a configuration that is none', [noop, data, {...config!, data: '{"voters":[],"learners":[]}'}]],
  ])('%s are refused', (_name, wrong) => {
    expect(decode({...MESSAGES[0]!, entries: wrong})).toBeNull()
  })
})

test.each([{index: 0}, {term: 4}, {config: {voters: [], learners: []}}, {data: 1}, {index: '4'}])(
  'a snapshot with %j is refused',
  (wrong) => {
    expect(decode({...MESSAGES[8]!, snapshot: {...snapshot, ...wrong}})).toBeNull()
  },
)
