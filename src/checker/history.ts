/**
 * What clients did, as checkers see it: one operation on one key, with the moments between which it took effect, if it did. Moments are stamps of one counter,
 * which every beginning and every end takes one of; no two are the same.
 *
 *   register   read, write, swap       unique values; a read may find nothing (null) only before all writes. Checked by zones
 *   ledger     read, write             a register that is written once
 *   cell       read, write, delete, expire     unique values that vanish again. Checked by search
 *   counter    read, increment         INCR: results are distinct and grow
 *   pair       read                    the two numbers that one transaction saw; their sum is 0 at any moment
 */

export type Rule = 'register' | 'ledger' | 'cell' | 'counter' | 'pair'

export interface Operation {
  readonly rule: Rule
  /** The key; of a map's field: key, dot, field. */
  readonly key: string
  /** `swap`: wrote `value` where it found `expected`. `expire`: the time of `value` is over, it vanishes between `start` and `end`, if it is still there. */
  readonly kind: 'read' | 'write' | 'swap' | 'delete' | 'expire' | 'increment'
  /** What was written, or read (null: nothing was there); the result of an increment (null: nobody knows); of a pair: both numbers. */
  readonly value: string | number | null | readonly [number, number]
  /** Of a swap. */
  readonly expected?: string | null
  readonly start: number
  /** Infinity: nobody knows whether it happened. */
  readonly end: number
  /** It certainly did not happen. */
  readonly hasFailed: boolean
  /** Who did it, and where it was answered; for people. */
  readonly client?: number
  readonly node?: string
  /** Monotonic ms since the run began, of `start` and `end`; for people. */
  readonly startMs?: number
  readonly endMs?: number
}

/** Takes the operations of a run as they end. */
export interface HistorySink {
  take(operation: Operation): void
  /** No operation that is taken from now on starts before this stamp: what lies before it may be forgotten. */
  advance(floor: number): void
}

/** A wrong answer, with the operations that show it. */
export interface Finding {
  readonly rule: Rule
  readonly key: string
  /** One sentence for people. */
  readonly reason: string
  /** The operations that contradict each other, and the last ones of the key before and after, in the order of their starts. */
  readonly operations: readonly Operation[]
  /** Places in `operations` of those that contradict each other. */
  readonly culprits?: readonly number[]
}

export interface CheckerTotals {
  /** Operations that were taken, of each rule. */
  readonly operations: Readonly<Record<Rule, number>>
  readonly ok: number
  readonly failed: number
  readonly unknown: number
  /** Reads that were answered. */
  readonly reads: number
  /** Keys whose search was given up: neither right nor wrong. */
  readonly undecided: number
  readonly findings: number
}
