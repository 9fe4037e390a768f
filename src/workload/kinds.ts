/**
 * The kinds of operations, what each does, and how many keys and how much of the work it gets. Every kind has its own keys and its own rule of the checker
 * (checker/history.ts):
 *
 *   register   SET, GET of unique values                                        register
 *   field      HSET, HGET, HGETALL: each field is a register                    register
 *   cell       SET, SET PX, DEL, GET                                            cell
 *   counter    INCR, GET                                                        counter
 *   pair       MULTI, DECRBY a, INCRBY b, EXEC: the sum of both is always 0     pair
 *   ledger     SET once, GET for the whole run                                  ledger
 *   swap       GET, and SET if that is still there (WATCH, MULTI, EXEC, or IFEQ)   register
 */

/** In the order in which the simulator's seeds draw them; new ones stand behind. */
export const KINDS = ['register', 'field', 'cell', 'counter', 'pair'] as const
export const ALL_KINDS = [...KINDS, 'ledger', 'swap'] as const
export type Kind = (typeof ALL_KINDS)[number]

export const FIELDS = ['a', 'b', 'c']

/** Of `keys` in all, those of each kind: most are in the ledger, since it is what looks for loss; the others are few enough to meet on. */
const SHARES: Readonly<Record<Kind, number>> = {
  ledger: 0.5,
  register: 0.25,
  field: 0.1,
  cell: 0.05,
  counter: 0.03,
  pair: 0.03,
  swap: 0.04,
}

/** How many keys each kind gets of so many; at least one. */
export function shareKeys(keys: number): Readonly<Record<Kind, number>> {
  const counts = {...SHARES}
  for (const kind of ALL_KINDS) counts[kind] = Math.max(1, Math.round(keys * SHARES[kind]))
  return counts
}
