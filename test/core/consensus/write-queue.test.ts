import {expect, test} from 'vitest'
import {WriteQueue} from '../../../src/core/consensus/write-queue.ts'
import type {RaftMessage} from '../../../src/core/consensus/types.ts'

const message: RaftMessage = {type: 'timeoutNow', term: 1}

test('what is durable grows with the writes that complete', () => {
  const queue = new WriteQueue(3)
  expect([queue.issue(5), queue.issue(8)]).toEqual([1, 2])
  expect(queue.durableIndex).toBe(3)
  queue.complete(1)
  expect(queue.durableIndex).toBe(5)
  queue.complete(2)
  expect(queue.durableIndex).toBe(8)
  expect(queue.isDurable(2)).toBe(true)
})

test('one completion covers all writes before it, and an older one says nothing new', () => {
  const queue = new WriteQueue(0)
  for (const index of [1, 2, 3]) queue.issue(index)
  queue.complete(3)
  expect(queue.durableIndex).toBe(3)
  expect(queue.complete(1)).toEqual([])
  expect(queue.durableIndex).toBe(3)
})

test('entries that are replaced while they are written do not count', () => {
  const queue = new WriteQueue(3)
  queue.issue(8)
  queue.forgetFrom(6)
  queue.issue(7)
  queue.complete(1)
  expect(queue.durableIndex).toBe(5)
  queue.complete(2)
  expect(queue.durableIndex).toBe(7)
  queue.forgetFrom(2)
  expect(queue.durableIndex).toBe(1)
})

test('messages leave in order when the write that they wait for is durable', () => {
  const queue = new WriteQueue(0)
  queue.issue(1)
  queue.issue(2)
  queue.hold({to: 'a', message, after: 2})
  queue.hold({to: 'b', message, after: 1})
  queue.hold({to: 'c', message, after: 2})
  expect(queue.complete(1).map(({to}) => to)).toEqual(['b'])
  expect(queue.complete(2).map(({to}) => to)).toEqual(['a', 'c'])
})

test('nothing completes, or is waited for, that was never issued', () => {
  const queue = new WriteQueue(0)
  expect(() => queue.complete(1)).toThrow()
  expect(() => queue.hold({to: 'a', message, after: 1})).toThrow()
})
