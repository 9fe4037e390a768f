/**
 * Where kv means to answer differently from redis-server 7.0, each with its reason. A listed difference that no
 * longer differs fails the test: the list can only tell the truth.
 */
import type {Protocol} from './run.ts'
import type {Difference} from './compare.ts'

export interface KnownDifference {
  readonly family: string
  readonly section: string
  /** The script's line, word for word. */
  readonly step: string
  /** Only in this protocol; both, if not given. */
  readonly protocol?: Protocol
  readonly reason: string
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = []

function matches(known: KnownDifference, found: Difference): boolean {
  return known.family === found.family && known.section === found.section && known.step === found.step
}

export interface Verdict {
  /** Differences that nobody announced. */
  readonly surprises: readonly Difference[]
  /** Announced, but the replies are equal. */
  readonly stale: readonly KnownDifference[]
}

/** `differences` are those of one family in one protocol. */
export function judge(
  differences: readonly Difference[],
  family: string,
  protocol: Protocol,
  table: readonly KnownDifference[] = KNOWN_DIFFERENCES,
): Verdict {
  const known = table.filter((entry) => entry.family === family && (entry.protocol ?? protocol) === protocol)
  return {
    surprises: differences.filter((found) => !known.some((entry) => matches(entry, found))),
    stale: known.filter((entry) => !differences.some((found) => matches(entry, found))),
  }
}
