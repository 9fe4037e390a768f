/**
 * A seeded random number generator for tests, the simulator and sampling: the same seed gives the same numbers on every
 * machine. Never for secrets.
 *
 * xoshiro128** 1.1 (Blackman, Vigna: "Scrambled Linear Pseudorandom Number Generators", 2018), 128 bits of state, seeded
 * through splitmix32 so that neighbouring seeds give unrelated streams.
 */
import {assert} from './assert.ts'

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k))
}

export class Prng {
  #s0 = 0
  #s1 = 0
  #s2 = 0
  #s3 = 0

  /** `seed`: any 32-bit integer. */
  constructor(seed: number) {
    let x = seed | 0
    const splitmix = (): number => {
      x = (x + 0x9e3779b9) | 0
      let z = x ^ (x >>> 16)
      z = Math.imul(z, 0x21f0aaad)
      z ^= z >>> 15
      z = Math.imul(z, 0x735a2d97)
      return z ^ (z >>> 15)
    }
    this.#setState(splitmix(), splitmix(), splitmix(), splitmix())
  }

  /** A generator that starts from this exact state: for known-answer tests and for resuming a stream. */
  static fromState(s0: number, s1: number, s2: number, s3: number): Prng {
    const prng = new Prng(0)
    prng.#setState(s0, s1, s2, s3)
    return prng
  }

  #setState(s0: number, s1: number, s2: number, s3: number): void {
    assert((s0 | s1 | s2 | s3) !== 0, 'a state of zeros yields only zeros')
    this.#s0 = s0 | 0
    this.#s1 = s1 | 0
    this.#s2 = s2 | 0
    this.#s3 = s3 | 0
  }

  /** Uniform over 0..2^32-1. */
  next32(): number {
    const result = Math.imul(rotl(Math.imul(this.#s1, 5), 7), 9) >>> 0
    const t = this.#s1 << 9
    this.#s2 ^= this.#s0
    this.#s3 ^= this.#s1
    this.#s1 ^= this.#s2
    this.#s0 ^= this.#s3
    this.#s2 ^= t
    this.#s3 = rotl(this.#s3, 11)
    return result
  }

  /** Uniform over 0..n-1, for an integer n of 1..2^32; unbiased (the uneven rest of the range is drawn again). */
  below(n: number): number {
    assert(Number.isInteger(n) && n >= 1 && n <= 2 ** 32, 'below() takes 1..2^32')
    const even = 2 ** 32 - (2 ** 32 % n)
    let x = this.next32()
    while (x >= even) x = this.next32()
    return x % n
  }

  /** A generator of its own, set by this one's state: a part that draws more or fewer numbers does not disturb the others. */
  fork(): Prng {
    return new Prng(this.next32())
  }
}
