/** Seeded random numbers for tests: the same seed, the same run. */
export interface Random {
  /** In [0, 1). */
  next(): number
  /** Integer in [0, below). */
  below(limit: number): number
  pick<T>(list: readonly T[]): T
  chance(probability: number): boolean
  bytes(length: number): Buffer
}

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state are plenty for a test. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    pick: <T>(list: readonly T[]): T => list[below(list.length)]!,
    chance: (probability) => next() < probability,
    bytes: (length) => Buffer.from(Array.from({length}, () => below(256))),
  }
}

/** A seed for this run: KV_TEST_SEED repeats an earlier one. */
export function runSeed(): number {
  return Number(process.env['KV_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
}
