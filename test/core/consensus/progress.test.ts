import {describe, expect, test} from 'vitest'
import {Progress, Rounds} from '../../../src/core/consensus/progress.ts'

describe('progress', () => {
  test('goes down with each refusal, and up with each match', () => {
    const peer = new Progress(20, 0)
    expect(peer.rejected(19, 12)).toBe(true)
    expect(peer.next).toBe(13)
    // Nothing is learnt from a hint that is no lower than what was refused.
    expect(peer.rejected(12, 50)).toBe(true)
    expect(peer.next).toBe(12)
    peer.accepted(30)
    expect([peer.match, peer.next]).toEqual([30, 31])
    peer.accepted(25)
    expect([peer.match, peer.next]).toEqual([30, 31])
  })

  test('takes each refusal once, and none of what is known to match', () => {
    const peer = new Progress(20, 0)
    peer.rejected(19, 12)
    expect(peer.rejected(19, 5)).toBe(false)
    peer.accepted(12)
    expect(peer.rejected(12, 5)).toBe(false)
    expect([peer.match, peer.next]).toEqual([12, 13])
  })

  test('never goes below what is known to match', () => {
    const peer = new Progress(20, 0)
    peer.accepted(10)
    expect(peer.next).toBe(20)
    expect(peer.rejected(19, 3)).toBe(true)
    expect(peer.next).toBe(11)
  })

  test('waits for the answer to all that is in flight, or for its time to pass with the peer alive', () => {
    const peer = new Progress(5, 0)
    peer.sentUpTo(9, 0, 100)
    peer.accepted(8)
    expect(peer.isWaiting(1000)).toBe(true)
    peer.heard(1, 50)
    expect(peer.isWaiting(99)).toBe(true)
    expect(peer.isWaiting(100)).toBe(false)
    peer.accepted(9)
    expect(peer.isWaiting(0)).toBe(false)
  })

  test('does not wait after a heartbeat', () => {
    const peer = new Progress(5, 0)
    peer.sent([], 0, 100)
    expect(peer.isWaiting(1)).toBe(false)
  })
})

test('rounds give the start of the newest one that was answered', () => {
  const rounds = new Rounds()
  expect([rounds.latest, rounds.quorumAt]).toEqual([0, -Infinity])
  for (const now of [10, 20, 30]) rounds.begin(now)
  rounds.answered(0)
  expect(rounds.quorumAt).toBe(-Infinity)
  rounds.answered(2)
  expect(rounds.quorumAt).toBe(20)
  rounds.answered(1)
  expect(rounds.quorumAt).toBe(20)
})
