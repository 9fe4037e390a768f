/** The wheel against a sorted list, with clocks that jump both ways and budgets that run out anywhere. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {KIND_NODES, Memory} from '../../../src/core/keyspace/memory.ts'
import {ExpiryWheel} from '../../../src/core/keyspace/expiry-wheel.ts'
import {FLAG_EXPIRES, FLAG_LIVE, WORD_KEY, setExpireAt, setWord} from '../../../src/core/keyspace/node.ts'

const START = 1_800_000_000_000

class Wheel {
  readonly memory = new Memory()
  readonly wheel = new ExpiryWheel(this.memory, START)
  readonly live = new Map<number, number>()
  now = START

  add(at: number): number {
    const node = this.memory.alloc(48, KIND_NODES)
    setWord(this.memory, node, WORD_KEY, FLAG_LIVE | FLAG_EXPIRES)
    setExpireAt(this.memory, node, at)
    this.wheel.link(node)
    this.live.set(node, at)
    return node
  }

  remove(node: number): void {
    this.wheel.unlink(node)
    this.memory.free(node)
    this.live.delete(node)
  }

  /** Visits what is due, in steps of `budget`; then in one, for what came due in the second that now is. */
  settle(budget: number): void {
    this.step(budget)
    for (let i = 0; this.wheel.isBehind; i++) {
      if (i > 100_000) throw new Error('it does not settle')
      this.step(budget)
    }
    this.step(1_000_000)
  }

  step(budget: number): number {
    return this.wheel.advance(this.now, budget, (node) => {
      const at = this.live.get(node)
      if (at === undefined || at > this.now) throw new Error('not due')
      this.remove(node)
    })
  }

  due(): number {
    return [...this.live.values()].filter((at) => at <= this.now).length
  }
}

const offsets = fc.oneof(
  fc.integer({min: -5000, max: 5000}),
  fc.integer({min: -100_000_000, max: 100_000_000}),
  fc.constantFrom(0, 1, 1023, 1024, 1025, 8192 * 1024, 8192 * 1024 + 1, 2 ** 50),
)
const actions = fc.array(
  fc.oneof(
    {weight: 5, arbitrary: fc.record({kind: fc.constant('add' as const), offset: offsets})},
    {weight: 1, arbitrary: fc.record({kind: fc.constant('remove' as const), which: fc.nat()})},
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('time' as const),
        ms: fc.oneof(fc.integer({min: 0, max: 4000}), fc.integer({min: -3000, max: 40_000_000})),
      }),
    },
    {weight: 2, arbitrary: fc.record({kind: fc.constant('step' as const), budget: fc.integer({min: 1, max: 6})})},
    {weight: 1, arbitrary: fc.record({kind: fc.constant('settle' as const), budget: fc.integer({min: 1, max: 2000})})},
  ),
  {maxLength: 120, size: 'max'},
)

test('wheel: visits all that is due and nothing else, wherever a budget ran out', () => {
  fc.assert(
    fc.property(actions, (list) => {
      const subject = new Wheel()
      for (const action of list) {
        if (action.kind === 'add') subject.add(subject.now + action.offset)
        else if (action.kind === 'remove') {
          const nodes = [...subject.live.keys()]
          if (nodes.length > 0) subject.remove(nodes[action.which % nodes.length]!)
        } else if (action.kind === 'time') subject.now += action.ms
        else if (action.kind === 'step') subject.step(action.budget)
        else {
          subject.settle(action.budget)
          expect(subject.due()).toBe(0)
        }
        expect(subject.wheel.size).toBe(subject.live.size)
      }
      subject.settle(1000)
      expect(subject.due()).toBe(0)
    }),
    {numRuns: 500},
  )
})

test('wheel: a node that was passed before it was due is shown when its slot is left', () => {
  const subject = new Wheel()
  for (const at of [START, START + 1, START]) subject.add(at)
  subject.step(2)
  expect(subject.live.size).toBe(2)
  subject.now = START + 5000
  for (let i = 0; i < 100; i++) subject.step(2)
  expect(subject.live.size).toBe(0)
})

test('wheel: a node of the current second that comes while a step is half done is not missed', () => {
  const subject = new Wheel()
  for (let i = 0; i < 10; i++) subject.add(START)
  expect(subject.step(5)).toBe(0)
  // Due later in the same slot, linked in front of where the next step goes on.
  subject.add(START + 1)
  subject.now = START + 3000
  subject.settle(100)
  expect(subject.due()).toBe(0)
  expect(subject.wheel.size).toBe(0)
})

test('wheel: moved nodes keep their place', () => {
  const subject = new Wheel()
  const nodes = [START - 5000, START + 10, START + 10, START + 2000].map((at) => subject.add(at))
  for (const node of nodes) {
    const fresh = subject.memory.alloc(48, KIND_NODES)
    const from = (node & 0x1ffff) << 3
    const to = (fresh & 0x1ffff) << 3
    subject.memory.bytes[node >>> 17]!.copy(subject.memory.bytes[fresh >>> 17]!, to, from, from + 48)
    subject.wheel.relink(node, fresh)
    subject.memory.free(node)
    subject.live.set(fresh, subject.live.get(node)!)
    subject.live.delete(node)
  }
  subject.now = START + 1000
  subject.settle(100)
  expect(subject.live.size).toBe(1)
  subject.now = START + 4000
  subject.settle(100)
  expect(subject.live.size).toBe(0)
})

test('wheel: samples give live nodes, the soonest first from where it stands', () => {
  const subject = new Wheel()
  for (let i = 0; i < 100; i++) subject.add(START + i * 5000)
  const soonest: number[] = []
  subject.wheel.soonest((node) => soonest.push(subject.live.get(node)!) === 3)
  expect(soonest).toEqual([START, START + 5000, START + 10_000])
  const sampled = new Set<number>()
  subject.wheel.sample(0.3, (node) => sampled.add(node).size === 200)
  expect(sampled.size).toBe(100)
  subject.add(START - 5000)
  subject.wheel.soonest((node) => {
    expect(subject.live.get(node)).toBe(START - 5000)
    return true
  })
})
