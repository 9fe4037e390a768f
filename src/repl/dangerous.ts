/** Data commands that nobody should type by mistake: what they do, for the question before. Commands of kv ask for themselves. */

const DANGEROUS: Readonly<Record<string, string>> = {
  FLUSHALL: 'FLUSHALL deletes every key of the cluster.',
  FLUSHDB: 'FLUSHDB deletes every key of the cluster.',
  SHUTDOWN: 'SHUTDOWN stops the node.',
  'CLUSTER FORGET': 'CLUSTER FORGET takes a node and its copies out of the cluster.',
  'CLUSTER FAILOVER': 'CLUSTER FAILOVER gives the buckets another master.',
  'CLUSTER CHANGE': 'CLUSTER CHANGE writes into the agreed cluster map.',
  'CONFIG REWRITE': 'CONFIG REWRITE changes the configuration for good.',
  'DEBUG SLEEP': 'DEBUG SLEEP lets all clients of the node wait.',
}

/** A sentence, or undefined if it is harmless. */
export function whyDangerous(words: readonly string[]): string | undefined {
  const [first = '', second = ''] = words.map((word) => word.toUpperCase())
  return DANGEROUS[`${first} ${second}`] ?? DANGEROUS[first]
}
