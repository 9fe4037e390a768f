/** Regression: a second that is full of nodes which are not due yet must not keep the background work busy (seed -236820860). */
import {expect, test} from 'vitest'
import {TestEngine} from '../support.ts'

test('expiry: more nodes in the current second than a step visits, none due: the work ends', () => {
  const subject = new TestEngine(1)
  for (let i = 0; i < 50; i++) subject.run('SET', `k${i}`, 'v', 'PX', '300')
  for (const budget of [1, 7, 50, 51]) {
    let steps = 0
    while (subject.engine.work(budget) && steps < 1000) steps++
    expect(steps).toBeLessThan(1000)
  }
  subject.advance(301)
  expect(subject.run('DBSIZE')).toBe(0)
})
