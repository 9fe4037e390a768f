import {expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'

function take(prng: Prng, n: number): number[] {
  return Array.from({length: n}, () => prng.next32())
}

test('prng: gives the numbers of the reference implementation', () => {
  // From the xoshiro128** 1.1 tests of the rand_xoshiro crate and of xoshiro-6502.
  expect(take(Prng.fromState(1, 2, 3, 4), 4)).toEqual([11520, 0, 5927040, 70819200])
  const other = Prng.fromState(0x964d4a0c, 0xd40ab895, 0xad7fdecb, 0x3006f0f0)
  expect(take(other, 4)).toEqual([0xf1391922, 0x6fe53806, 0xa5be2840, 0xf510ee70])
})

test('prng: one seed, one stream; neighbours are unrelated', () => {
  expect(take(new Prng(7), 50)).toEqual(take(new Prng(7), 50))
  const a = take(new Prng(7), 1000)
  const b = new Set(take(new Prng(8), 1000))
  expect(a.filter((n) => b.has(n)).length).toBeLessThan(3)
})

test('prng: below() is even and stays below', () => {
  const prng = new Prng(1)
  const counts = [0, 0, 0, 0, 0, 0, 0]
  for (let i = 0; i < 70_000; i++) counts[prng.below(7)]!++
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
  expect(prng.below(1)).toBe(0)
  expect(prng.below(2 ** 32)).toBeGreaterThanOrEqual(0)
  expect(() => prng.below(0)).toThrow()
  expect(() => prng.below(1.5)).toThrow()
})

test('prng: a fork does not notice how much its parent draws', () => {
  const parent = new Prng(3)
  const fork = parent.fork()
  const other = new Prng(3)
  const otherFork = other.fork()
  take(parent, 10)
  expect(take(fork, 20)).toEqual(take(otherFork, 20))
  expect(take(fork, 20)).not.toEqual(take(parent, 20))
})
