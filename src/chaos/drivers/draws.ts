/** What faults draw from a seeded generator: places, times, links. */
import type {Prng} from '../../base/prng.ts'
import type {LinkName} from './proxy.ts'

/** How long an ordinary fault lasts. */
export const FAULT_MS_MIN = 1_000
export const FAULT_MS_MAX = 8_000

/** One of them, if there is one. */
export function pick<T>(prng: Prng, list: readonly T[]): T | undefined {
  return list.length === 0 ? undefined : list[prng.below(list.length)]
}

/** Milliseconds, whole. */
export function drawTime(prng: Prng, minMs: number, maxMs: number): number {
  return minMs + prng.below(maxMs - minMs + 1)
}

/** So many of them, or all, each once, in any order (Fisher, Yates). */
export function drawSome<T>(prng: Prng, list: readonly T[], count: number): T[] {
  const left = [...list]
  const drawn: T[] = []
  while (drawn.length < count && left.length > 0) {
    const i = prng.below(left.length)
    drawn.push(left[i]!)
    left[i] = left.at(-1)!
    left.pop()
  }
  return drawn
}

/** All links from each of the first to each of the second. */
export function linksTo(from: readonly string[], to: readonly string[]): LinkName[] {
  return from.flatMap((a) => to.filter((b) => b !== a).map((b) => [a, b] as const))
}

/** The same, both ways. */
export function linksBetween(some: readonly string[], others: readonly string[]): LinkName[] {
  return [...linksTo(some, others), ...linksTo(others, some)]
}
