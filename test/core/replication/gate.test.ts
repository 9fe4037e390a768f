/** What may be told to clients, and when: leases, acknowledgements, and masters that fall. */
import {expect, test} from 'vitest'
import {RecordFeed} from '../../../src/core/record-feed.ts'
import {Gate} from '../../../src/core/replication/gate.ts'
import {Session} from '../../../src/core/session.ts'
import type {Effects} from '../../../src/core/effects.ts'
import type {ReplicaSets} from '../../../src/core/replication/replica-sets.ts'

const BUCKET = 7

function makeGate(): {gate: Gate; session: Session; told: string[]; setClean: (isClean: boolean) => void} {
  const told: string[] = []
  let isClean = true
  const effects = new RecordFeed() as Effects
  const sets = {isClean: () => isClean} as unknown as ReplicaSets
  const host = {release: () => told.push('release'), abort: () => told.push('abort')}
  const gate = new Gate(effects, sets, host)
  gate.leaseUntil = 100
  effects.ticketOf[BUCKET] = 1
  const session = new Session(1, 'client', 'here', 0, true)
  return {gate, session, told, setClean: (now) => (isClean = now)}
}

test('what is acknowledged leaves at once while the lease holds', () => {
  const {gate, session} = makeGate()
  gate.touch(BUCKET, false)
  expect(gate.seal(session, 50)).toBeNull()
})

test('what is not acknowledged waits, be it written or only read', () => {
  const {gate, session, told, setClean} = makeGate()
  setClean(false)
  gate.touch(BUCKET, false)
  expect(gate.seal(session, 50)).not.toBeNull()
  gate.progress(51)
  expect(told).toEqual([])
  setClean(true)
  gate.progress(52)
  expect(told).toEqual(['release'])
})

test('a value that was read without a lease waits for one', () => {
  const {gate, session, told} = makeGate()
  gate.touch(BUCKET, false)
  expect(gate.seal(session, 100)).not.toBeNull()
  gate.leaseUntil = 200
  gate.progress(110)
  expect(told).toEqual(['release'])
})

test('a value that was read without a lease never leaves once its master has fallen', () => {
  const {gate, session, told} = makeGate()
  gate.touch(BUCKET, false)
  gate.seal(session, 100)
  expect(gate.isUnproven(BUCKET)).toBe(true)
  gate.fail(BUCKET, true)
  gate.leaseUntil = 200
  gate.progress(110)
  expect(told).toEqual(['abort'])
})

test('the fall of another bucket cuts nobody off', () => {
  const {gate, session, told} = makeGate()
  gate.touch(BUCKET, false)
  gate.seal(session, 100)
  gate.fail(BUCKET + 1)
  expect(told).toEqual([])
})
