/**
 * The last operations of a key, for people who look at a finding: a small ring, so that it costs the same after six hours as after a minute. A key about which
 * something was found is not checked any further: what follows from a wrong state would only repeat it.
 */
import {assert} from '../base/assert.ts'
import type {Finding, Operation, Rule} from './history.ts'

/** Tells that something is wrong. */
export type Report = (finding: Finding) => void

/** The part of the on-line checker that knows one kind of key. */
export interface RuleChecker {
  take(operation: Operation): void
  /** What lies before this stamp is decided now, also on keys that nobody touches; Infinity: nothing comes any more. */
  sweep(floor: number): void
  /** Things of the past that it still holds, trails not counted: this must not grow with the run. */
  readonly held: number
}

export class Trail {
  readonly key: string
  /** Something was found. */
  isBroken = false
  readonly #rule: Rule
  readonly #report: Report
  readonly #limit: number
  #ring: Operation[] = []
  #oldest = 0

  /** `limit`: operations that are kept. */
  constructor(rule: Rule, key: string, limit: number, report: Report) {
    assert(limit > 0, 'a trail keeps something')
    this.key = key
    this.#rule = rule
    this.#limit = limit
    this.#report = report
  }

  add(operation: Operation): void {
    if (this.#ring.length < this.#limit) {
      this.#ring.push(operation)
      return
    }
    this.#ring[this.#oldest] = operation
    this.#oldest = (this.#oldest + 1) % this.#limit
  }

  /** The latest kept operation for which this holds. */
  findLast(isIt: (operation: Operation) => boolean): Operation | null {
    const inOrder = [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)]
    return inOrder.findLast(isIt) ?? null
  }

  /** Reports the operations that contradict each other, among the last ones; the key is done with. */
  report(reason: string, culprits: readonly (Operation | null)[]): void {
    assert(!this.isBroken, 'a key is reported once')
    this.isBroken = true
    const wrong = new Set(culprits.filter((operation) => operation !== null))
    const operations = [...new Set([...this.#ring, ...wrong])].sort((a, b) => a.start - b.start)
    const places = operations.flatMap((operation, i) => (wrong.has(operation) ? [i] : []))
    this.#ring = []
    this.#report({rule: this.#rule, key: this.key, reason, operations, culprits: places})
  }
}

/** A value in a sentence. */
export function show(value: Operation['value']): string {
  return value === null ? 'nothing' : String(value)
}

/** Who did it and where, in a sentence; empty if nobody knows. */
export function by({client, node}: Operation): string {
  const who = client === undefined ? '' : `client ${client}`
  const where = node === undefined ? '' : `at ${node}`
  const both = [who, where].filter((part) => part !== '').join(' ')
  return both === '' ? '' : ` (${both})`
}

/** True if nothing follows from it: it certainly did not happen, or it is a read that was not answered. */
export function saysNothing({kind, end, hasFailed}: Operation): boolean {
  return hasFailed || (kind === 'read' && end === Infinity)
}
