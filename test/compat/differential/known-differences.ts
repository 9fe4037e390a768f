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

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    family: 'command-info',
    section: 'Server and cluster',
    step: '[command] COMMAND INFO command|getkeys',
    reason: 'Redis 7.2 takes COMMAND GETKEYS with a command alone (arity -3), 7.0 did not.',
  },
  {
    family: 'command-info',
    section: 'Server and cluster',
    step: '[command] COMMAND INFO wait',
    reason: 'Since Redis 7.2 WAIT is allowed in scripts: its flag is `blocking`.',
  },
  {
    family: 'connection',
    section: 'HELLO',
    step: '[shape] HELLO 2',
    reason: 'HELLO also tells our own version, as kv_version.',
  },
  {
    family: 'connection',
    section: 'HELLO',
    step: '[shape] HELLO 3',
    reason: 'HELLO also tells our own version, as kv_version.',
  },
  {
    family: 'maps',
    section: 'OBJECT ENCODING of maps',
    step: 'OBJECT ENCODING m',
    reason: 'A packed map has at most 128 fields, not 512: looking one up takes as many steps.',
  },
  {
    family: 'server',
    section: 'CONFIG',
    step: 'CONFIG SET maxmemory-policy bad',
    reason: 'Four policies are offered: noeviction, allkeys-lru, volatile-lru, volatile-ttl.',
  },
  {
    family: 'server',
    section: 'CLUSTER about the cluster',
    step: '[shape] CLUSTER SHARDS',
    reason: 'A shard has an id, as since Redis 7.2 (CLUSTER MYSHARDID).',
  },
  {
    family: 'server',
    section: 'COMMAND',
    step: 'COMMAND GETKEYS PING',
    reason: 'Redis 7.2 takes COMMAND GETKEYS with a command alone (arity -3), 7.0 did not.',
  },
  {
    family: 'server',
    section: 'COMMAND',
    step: 'COMMAND GETKEYS GET',
    reason: 'Redis 7.2 takes COMMAND GETKEYS with a command alone (arity -3), 7.0 did not.',
  },
  {
    family: 'server',
    section: 'COMMAND',
    step: 'COMMAND GETKEYSANDFLAGS PING',
    reason: 'Redis 7.2 takes COMMAND GETKEYSANDFLAGS with a command alone (arity -3), 7.0 did not.',
  },
  {
    family: 'strings-parts',
    section: 'OBJECT ENCODING of strings',
    step: 'OBJECT ENCODING i',
    reason: 'What a number is kept as does not depend on the command that wrote it: INCRBYFLOAT leaves an int too.',
  },
]

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
