/** To whom the leader grants leases: not to those whose buckets are being given to others. */
import {expect, test} from 'vitest'
import {LEASE_MS} from '../../../src/constants.ts'
import {Leader} from '../../../src/core/cluster/leader.ts'
import {down, incarnation, makeMap, makeMember, mustApply, nodeId, up} from './make.ts'
import type {MapEntry} from '../../../src/core/cluster/map-entry.ts'
import type {Raft} from '../../../src/core/consensus/raft.ts'

const OF_MEMBERS: ReadonlySet<MapEntry['type']> = new Set(['down', 'up', 'joined'])

/** A leader of three nodes, long enough in office; what it proposes is applied when the test says so. */
class Office {
  readonly map = makeMap(3)
  readonly log: MapEntry[] = []
  applied = 0
  now = 10 * LEASE_MS
  readonly leader: Leader

  constructor() {
    const raft = {role: 'leader', hasCommittedInTerm: true, commitIndex: 0, lastIndex: 0, quorumAt: this.now}
    Object.defineProperty(raft, 'lastIndex', {get: () => this.log.length})
    Object.defineProperty(raft, 'quorumAt', {get: () => this.now})
    Object.assign(raft, {config: {voters: [0, 1, 2].map(nodeId), learners: []}})
    const context = {
      raft: raft as unknown as Raft,
      selfId: nodeId(0),
      map: () => this.map,
      appliedIndex: () => this.applied,
      // The planner's orders are not what this is about.
      propose: (entry: MapEntry) => void (OF_MEMBERS.has(entry.type) && this.log.push(entry)),
    }
    this.leader = new Leader(context, 0)
  }

  applyAll(): void {
    mustApply(this.map, ...this.log.slice(this.applied))
    this.applied = this.log.length
  }

  lease(n: number, start = 1): number {
    return this.leader.grant(nodeId(n), incarnation(start), this.now).durationMs
  }

  /** Node 1 is heard of, node 2 is not, until it is down. */
  silence(): void {
    const until = this.now + 3 * LEASE_MS
    while (this.log.length === 0 && this.now < until) {
      this.now += LEASE_MS / 8
      this.lease(1)
      this.leader.tick(this.now)
    }
    expect(this.log).toEqual([down(2)])
  }
}

test('who is up has a lease', () => {
  expect(new Office().lease(1)).toBe(LEASE_MS)
})

test('who is down has none before it is agreed that it is up again, though it be heard of', () => {
  const office = new Office()
  office.silence()
  office.applyAll()
  expect(office.lease(2)).toBe(0)
  office.leader.tick(office.now)
  expect(office.log.at(-1)).toEqual(up(2))
  expect(office.lease(2)).toBe(0)
  office.applyAll()
  expect(office.lease(2)).toBe(LEASE_MS)
})

test('who is about to be down has none either: the entry is on its way', () => {
  const office = new Office()
  expect(office.lease(2)).toBe(LEASE_MS)
  office.silence()
  expect(office.lease(2)).toBe(0)
  expect(office.lease(1)).toBe(LEASE_MS)
})

test('the old process of a node that asks to be let in anew has none from then on', () => {
  const office = new Office()
  expect(office.leader.join(makeMember(1, 2), office.now).status).toBe('wait')
  expect(office.lease(1)).toBe(0)
  office.applyAll()
  expect(office.lease(1)).toBe(0)
  expect(office.lease(1, 2)).toBe(LEASE_MS)
})

test('a node that is killed and started again and again, each time before it is missed, is let in each time', () => {
  const office = new Office()
  for (let start = 2; start < 6; start++) {
    // Its last process was heard of until a moment ago.
    const until = office.now + 3 * LEASE_MS
    for (; office.now < until; office.now += LEASE_MS / 8) office.lease(1, start - 1)
    const verdicts: string[] = []
    for (; !office.map.members.some((member) => member?.incarnation === incarnation(start)); office.applyAll()) {
      verdicts.push(office.leader.join(makeMember(1, start), office.now).status)
      office.now += LEASE_MS / 4
      expect(verdicts.length).toBeLessThan(10)
    }
    expect(new Set(verdicts)).toEqual(new Set(['wait']))
  }
})

test('a node id that is heard of all the time, though another process asks to be let in as it, runs twice', () => {
  const office = new Office()
  let status = ''
  for (let i = 0; i < 30 && status !== 'refused'; i++) {
    office.lease(1)
    status = office.leader.join(makeMember(1, 2), office.now).status
    office.now += LEASE_MS / 8
  }
  expect(status).toBe('refused')
})
