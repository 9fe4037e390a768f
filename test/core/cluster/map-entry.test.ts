/** Entries come from disk and peers: what is not whole is none. */
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {parseEntry} from '../../../src/core/cluster/map-entry.ts'
import {CLUSTER_ID, incarnation, makeMember, nodeId} from './make.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'

const NODE = nodeId(7)
const START = incarnation(3)
const GROUPS = [{epoch: 1, buckets: '0-5'}]
const FROM = {from: NODE, incarnation: START, groups: GROUPS}

/** One of each type. Total: a new type does not compile until it is here. */
const EXAMPLES: Readonly<Record<MapEntry['type'], object>> = {
  genesis: {clusterId: CLUSTER_ID, replicas: 1, member: makeMember(0)},
  joined: {member: makeMember(1, 2, true)},
  down: {node: NODE, incarnation: START},
  up: {node: NODE, incarnation: START},
  leaving: {node: NODE, incarnation: START, isLeaving: true},
  removed: {node: NODE},
  'log-sync': {node: NODE, incarnation: START, isOn: true},
  assign: {node: NODE, buckets: '1'},
  unassign: {node: NODE, buckets: '1'},
  target: {node: NODE, buckets: '1'},
  drop: {node: NODE, buckets: '1'},
  'accept-loss': {node: NODE, buckets: ''},
  untarget: {buckets: '0-16383'},
  restore: {node: NODE, incarnation: START, buckets: '1'},
  'in-sync': {...FROM, groups: [{...GROUPS[0], assignment: 9}], add: NODE},
  'out-of-sync': {...FROM, remove: NODE},
  move: {...FROM, to: NODE},
  replicas: {count: 4},
  rebalance: {},
  balanced: {revision: 12},
}

const ENTRIES = Object.entries(EXAMPLES).map(([type, fields]) => ({type, ...fields}))

/** Nothing of this may stand in any field. */
const NONSENSE: readonly unknown[] = [null, -1, 1.5, 'nonsense!', [], [null], {}, [{epoch: 0, buckets: '1'}], [GROUPS]]

describe.each(ENTRIES)('$type', (entry) => {
  test('is read back as it was written', () => {
    expect(parseEntry(JSON.stringify(entry))).toEqual(entry)
  })

  const names = Object.keys(entry).filter((name) => name !== 'type')
  test.each(names)('without or with a nonsensical %s is none', (name) => {
    const {[name]: value, ...rest} = entry as Record<string, unknown>
    expect(parseEntry(JSON.stringify(rest))).toBeNull()
    for (const nonsense of NONSENSE) {
      // An empty list of groups is merely useless.
      const isValid = Array.isArray(value) && Array.isArray(nonsense) && nonsense.length === 0
      if (!isValid) expect(parseEntry(JSON.stringify({...entry, [name]: nonsense}))).toBeNull()
    }
  })
})

test.each([
  ['an id that is too short', {id: 'a'.repeat(39)}],
  ['an id with capitals', {id: 'A'.repeat(40)}],
  ['an incarnation that is too short', {incarnation: 'abc'}],
  ['an empty host', {host: ''}],
  ['a host without end', {peerHost: 'h'.repeat(256)}],
  ['port 0', {port: 0}],
  ['a port beyond the last', {peerPort: 65_536}],
  ['a port as text', {port: '7000'}],
  ['no word on whether it only votes', {isVoterOnly: undefined}],
])('a member with %s cannot join', (_what, flaw) => {
  expect(parseEntry(JSON.stringify({type: 'joined', member: makeMember(1)}))).not.toBeNull()
  expect(parseEntry(JSON.stringify({type: 'joined', member: {...makeMember(1), ...flaw}}))).toBeNull()
})

test.each([
  ['a group without epoch', [{buckets: '1'}]],
  ['a group of epoch 0', [{epoch: 0, buckets: '1'}]],
  ['buckets that overlap', [{epoch: 1, buckets: '1-3,2'}]],
  ['one bad group among good ones', [...GROUPS, null]],
  ['an object instead of a list', {0: GROUPS[0], length: 1}],
])('a move of %s is none', (_what, groups) => {
  expect(parseEntry(JSON.stringify({type: 'move', to: NODE, ...FROM, groups}))).toBeNull()
})

test.each([
  '',
  '{',
  'null',
  '[]',
  '7',
  '"balanced"',
  '{}',
  '{"type":7}',
  '{"type":"unheard of"}',
  '{"type":"toString"}',
])('%j is no entry', (text) => {
  expect(parseEntry(text)).toBeNull()
})

test('more replicas than there is room for are refused', () => {
  expect(parseEntry('{"type":"replicas","count":5}')).toBeNull()
})

test('any cut or flipped text is an entry or none, and never throws', () => {
  const texts = ENTRIES.map((entry) => JSON.stringify(entry))
  const damage = fc.record({text: fc.constantFrom(...texts), at: fc.nat(400), to: fc.integer({min: 32, max: 126})})
  fc.assert(
    fc.property(damage, ({text, at, to}) => {
      expect(parseEntry(text.slice(0, at % text.length))).toBeNull()
      const flipped = text.slice(0, at % text.length) + String.fromCharCode(to) + text.slice((at % text.length) + 1)
      const entry = parseEntry(flipped)
      if (entry !== null) expect(parseEntry(JSON.stringify(entry))).toEqual(entry)
    }),
    {numRuns: 1000},
  )
})
