/** What a master wants of the map is proposed until the map shows it. */
import {expect, test} from 'vitest'
import {BUCKET_COUNT, PROPOSAL_RETRY_MS} from '../../../src/constants.ts'
import {Proposals} from '../../../src/core/replication/proposals.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'

function makeProposals(): {proposals: Proposals; entries: MapEntry[]} {
  const entries: MapEntry[] = []
  const epochs = new Uint32Array(BUCKET_COUNT).fill(3)
  epochs[9] = 4
  const context = {
    epochs,
    assignmentOf: (bucket: number) => (bucket === 8 ? 21 : 20),
    selfId: 'self',
    incarnation: 'now',
    idOf: (slot: number) => (slot === 1 ? 'peer' : null),
    propose: (entry: MapEntry) => entries.push(entry),
  }
  return {proposals: new Proposals(context), entries}
}

test('wishes of one kind about one peer are one entry, with a group for each epoch and each order to copy', () => {
  const {proposals, entries} = makeProposals()
  for (const bucket of [9, 8, 7]) proposals.want('in-sync', bucket, 1)
  proposals.pump(0)
  const groups = [
    {epoch: 3, assignment: 20, buckets: '7'},
    {epoch: 4, assignment: 20, buckets: '9'},
    {epoch: 3, assignment: 21, buckets: '8'},
  ]
  expect(entries).toEqual([{type: 'in-sync', from: 'self', incarnation: 'now', groups, add: 'peer'}])
})

test('a proposal is made again after a while, not before', () => {
  const {proposals, entries} = makeProposals()
  proposals.want('move', 7, 1)
  proposals.pump(0)
  proposals.pump(PROPOSAL_RETRY_MS - 1)
  expect(entries).toHaveLength(1)
  proposals.pump(PROPOSAL_RETRY_MS)
  expect(entries).toHaveLength(2)
})

test('a wish that is still open outlives another change of its bucket, one that came true does not', () => {
  const {proposals} = makeProposals()
  proposals.want('in-sync', 7, 1)
  proposals.want('out-of-sync', 7, 2)
  proposals.settle(7, (kind) => kind === 'in-sync')
  expect(proposals.isWanted('in-sync', 7, 1)).toBe(true)
  expect(proposals.isWanted('out-of-sync', 7, 2)).toBe(false)
})

test('nothing is proposed about a peer that is no member any more', () => {
  const {proposals, entries} = makeProposals()
  proposals.want('in-sync', 7, 5)
  proposals.pump(0)
  expect(entries).toEqual([])
})
