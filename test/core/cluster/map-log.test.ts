/** When a synchronous data-log node is waited for, and when not any more: always by an entry of the agreed log. */
import {beforeEach, expect, test} from 'vitest'
import {ClusterMap} from '../../../src/core/cluster/cluster-map.ts'
import {parseEntry} from '../../../src/core/cluster/map-entry.ts'
import {down, incarnation, leaving, makeMap, makeMember, mustApply, nodeId, up} from './make.ts'
import type {LogMode} from '../../../src/core/cluster/cluster-map.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'

const LOG = 2

let map: ClusterMap

function join(log: LogMode, start = 1): MapEntry {
  return {type: 'joined', member: {...makeMember(LOG, start, true), log}}
}

function logSync(isOn: boolean, start = 1, n = LOG): MapEntry {
  return {type: 'log-sync', node: nodeId(n), incarnation: incarnation(start), isOn}
}

const isOn = (): boolean => map.members[LOG]?.isLogOn ?? false

beforeEach(() => {
  map = makeMap(2)
  mustApply(map, join('sync'))
})

test('it is waited for from the entry on that says so, until the one that takes it back', () => {
  expect(isOn()).toBe(false)
  mustApply(map, logSync(true))
  expect(isOn()).toBe(true)
  expect(map.apply(logSync(true)).error).toMatch(/already/)
  mustApply(map, logSync(false))
  expect(isOn()).toBe(false)
})

test.each([
  ['it is down', down(LOG)],
  ['it is down together with another', {...down(1), also: [{node: nodeId(LOG), incarnation: incarnation(1)}]}],
  ['it leaves', leaving(LOG)],
  ['a new process of it joins', join('sync', 2)],
] as [string, MapEntry][])('not any more when %s', (_, entry) => {
  mustApply(map, logSync(true), entry)
  expect(isOn()).toBe(false)
})

test('who is back is waited for only when it says so again', () => {
  mustApply(map, logSync(true), down(LOG), up(LOG))
  expect(isOn()).toBe(false)
})

test('its own process that joins again, from another address, stays what it is', () => {
  mustApply(map, logSync(true), {type: 'joined', member: {...makeMember(LOG, 1, true), log: 'sync', port: 9_999}})
  expect(isOn()).toBe(true)
  expect(map.members[LOG]?.log).toBe('sync')
})

test.each([
  ['of an old process', logSync(true, 3)],
  ['of a node that keeps no log', logSync(true, 1, 1)],
  ['of nobody', logSync(true, 1, 9)],
])('the word %s is void', (_, entry) => {
  expect(map.apply(entry).error).toMatch(/no such member/)
})

test('one that is asynchronous, down or leaving is never waited for', () => {
  mustApply(map, down(LOG))
  expect(map.apply(logSync(true)).error).toMatch(/down, or leaving/)
  mustApply(map, up(LOG), leaving(LOG))
  expect(map.apply(logSync(true)).error).toMatch(/down, or leaving/)
  map = makeMap(2)
  mustApply(map, join('async'))
  expect(map.apply(logSync(true)).error).toMatch(/no such member/)
})

test('a snapshot has it', () => {
  mustApply(map, logSync(true))
  map = ClusterMap.fromSnapshot(map.toSnapshot())
  expect(map.members[LOG]).toMatchObject({log: 'sync', isLogOn: true})
})

test('a data-log node holds no buckets, or its entry is none', () => {
  const member = {...makeMember(LOG, 1, true), log: 'sync'}
  const parse = (fields: object): MapEntry | null =>
    parseEntry(JSON.stringify({type: 'joined', member: {...member, ...fields}}))
  expect(parse({})).not.toBeNull()
  expect(parse({log: 'async'})).not.toBeNull()
  expect(parse({log: 'often'})).toBeNull()
  expect(parse({isVoterOnly: false})).toBeNull()
})
