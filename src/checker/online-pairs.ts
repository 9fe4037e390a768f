/** Transactions that take from one number what they add to another: whoever sees both in one transaction sees a sum of 0. */
import {CHECKER_TRAIL_MAX} from '../constants.ts'
import {by, saysNothing, Trail} from './trail.ts'
import type {Operation} from './history.ts'
import type {Report, RuleChecker} from './trail.ts'

export class PairChecker implements RuleChecker {
  readonly #report: Report
  readonly #trails = new Map<string, Trail>()

  constructor(report: Report) {
    this.#report = report
  }

  take(operation: Operation): void {
    const {key, value} = operation
    let trail = this.#trails.get(key)
    if (trail === undefined) {
      trail = new Trail('pair', key, CHECKER_TRAIL_MAX, this.#report)
      this.#trails.set(key, trail)
    }
    if (trail.isBroken) return
    trail.add(operation)
    if (saysNothing(operation) || operation.end === Infinity || !Array.isArray(value)) return
    const [a, b] = value as readonly [number, number]
    if (a + b === 0) return
    trail.report(`a transaction saw ${a} and ${b}${by(operation)}, which is half of another`, [operation])
  }

  readonly held = 0

  sweep(): void {
    // Each answer is judged when it is taken.
  }
}
