/**
 * Glob patterns on bytes, as Redis' stringmatchlen reads them: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a byte that
 * stands for itself. An unclosed class ends with the pattern.
 *
 * A `*` that fails later is given one more byte, and only the last `*` is ever tried again: what an earlier one could take more, the last
 * one can take too. So the time is bounded by the product of the two lengths, whatever the pattern.
 */

const STAR = 42
const QUESTION = 63
const OPEN = 91
const CLOSE = 93
const CARET = 94
const BACKSLASH = 92
const DASH = 45

/** True if the whole of `text[from, from + length)` matches the whole pattern. */
export function globMatch(pattern: Buffer, text: Buffer, from: number, length: number): boolean {
  // Redis: nothing but the empty pattern matches the empty string; callers ask `matchesAll` first.
  if (length === 0) return pattern.length === 0
  const end = from + length
  let p = 0
  let t = from
  let starAt = -1
  let retryAt = 0
  while (t < end) {
    if (p < pattern.length && pattern[p] === STAR) {
      starAt = ++p
      retryAt = t
      continue
    }
    const next = p < pattern.length ? matchOne(pattern, p, text[t]!) : -1
    if (next >= 0) {
      p = next
      t++
    } else if (starAt >= 0) {
      p = starAt
      t = ++retryAt
    } else return false
  }
  while (p < pattern.length && pattern[p] === STAR) p++
  return p === pattern.length
}

/** True for the pattern that matches everything, the empty string too. */
export function matchesAll(pattern: Buffer): boolean {
  return pattern.length === 1 && pattern[0] === STAR
}

/** Where the pattern goes on after the part at `p` matched `byte`; -1 if it does not match. */
function matchOne(pattern: Buffer, p: number, byte: number): number {
  switch (pattern[p]) {
    case QUESTION:
      return p + 1
    case OPEN:
      return matchClass(pattern, p + 1, byte)
    case BACKSLASH: {
      const at = p + 1 < pattern.length ? p + 1 : p
      return pattern[at] === byte ? at + 1 : -1
    }
    default:
      return pattern[p] === byte ? p + 1 : -1
  }
}

/** A class, from behind its `[`. */
function matchClass(pattern: Buffer, from: number, byte: number): number {
  const end = pattern.length
  const isNegated = pattern[from] === CARET
  let p = isNegated ? from + 1 : from
  let isIn = false
  for (; p < end && pattern[p] !== CLOSE; p++) {
    if (pattern[p] === BACKSLASH && p + 1 < end) {
      p++
      if (pattern[p] === byte) isIn = true
    } else if (p + 2 < end && pattern[p + 1] === DASH) {
      const low = Math.min(pattern[p]!, pattern[p + 2]!)
      const high = Math.max(pattern[p]!, pattern[p + 2]!)
      if (byte >= low && byte <= high) isIn = true
      p += 2
    } else if (pattern[p] === byte) isIn = true
  }
  if (isIn === isNegated) return -1
  return Math.min(p + 1, end)
}
