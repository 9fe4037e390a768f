/**
 * Patterns of KEYS, SCAN MATCH, CONFIG GET: `*`, `?`, `[abc]`, `[^a-z]`, `\x`, on bytes, as Redis' stringmatchlen. One place to go
 * back to (the last `*`) is enough, so a hostile pattern costs pattern length times text length, not an exponential.
 */

const STAR = 42
const QUESTION = 63
const OPEN = 91
const CLOSE = 93
const CARET = 94
const DASH = 45
const BACKSLASH = 92

export function matchesGlob(pattern: Uint8Array, text: Uint8Array, ignoresCase = false): boolean {
  return matchesGlobAt(pattern, 0, pattern.length, text, 0, text.length, ignoresCase)
}

/** As `matchesGlob`, over parts of larger buffers. */
export function matchesGlobAt(
  pattern: Uint8Array,
  patternFrom: number,
  patternEnd: number,
  text: Uint8Array,
  textFrom: number,
  textEnd: number,
  ignoresCase: boolean,
): boolean {
  let p = patternFrom
  let t = textFrom
  let starAt = -1
  let starText = 0
  while (t < textEnd) {
    if (p < patternEnd && pattern[p] === STAR) {
      starAt = p++
      starText = t
      continue
    }
    const next = p < patternEnd ? matchOne(pattern, p, patternEnd, text[t]!, ignoresCase) : -1
    if (next >= 0) {
      p = next
      t++
    } else if (starAt >= 0) {
      p = starAt + 1
      t = ++starText
    } else return false
  }
  while (p < patternEnd && pattern[p] === STAR) p++
  return p === patternEnd
}

/** Where the pattern goes on after one element that matches the byte, or -1. */
function matchOne(pattern: Uint8Array, at: number, end: number, byte: number, ignoresCase: boolean): number {
  const element = pattern[at]!
  if (element === QUESTION) return at + 1
  if (element === OPEN) return matchSet(pattern, at + 1, end, byte, ignoresCase)
  if (element === BACKSLASH && at + 1 < end) return isSame(pattern[at + 1]!, byte, ignoresCase) ? at + 2 : -1
  return isSame(element, byte, ignoresCase) ? at + 1 : -1
}

function matchSet(pattern: Uint8Array, from: number, end: number, byte: number, ignoresCase: boolean): number {
  let at = from
  const isNegated = pattern[at] === CARET && at < end
  if (isNegated) at++
  const wanted = ignoresCase ? lower(byte) : byte
  let isFound = false
  while (at < end && pattern[at] !== CLOSE) {
    if (pattern[at] === BACKSLASH && at + 1 < end) {
      at++
      isFound ||= pattern[at] === byte
    } else if (at + 2 < end && pattern[at + 1] === DASH) {
      const a = ignoresCase ? lower(pattern[at]!) : pattern[at]!
      const b = ignoresCase ? lower(pattern[at + 2]!) : pattern[at + 2]!
      isFound ||= wanted >= Math.min(a, b) && wanted <= Math.max(a, b)
      at += 2
    } else isFound ||= isSame(pattern[at]!, byte, ignoresCase)
    at++
  }
  // A set that is not closed ends with the pattern.
  const next = at < end ? at + 1 : end
  return isFound === isNegated ? -1 : next
}

function isSame(a: number, b: number, ignoresCase: boolean): boolean {
  return a === b || (ignoresCase && lower(a) === lower(b))
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte
}
