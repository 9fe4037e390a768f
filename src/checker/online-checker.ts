/**
 * Judges a history while it happens: each operation goes to the checker of its rule, which keeps for each key what may still matter and forgets the rest. How much
 * that is depends on the number of keys, on what is under way, and on unknown writes (which may show themselves for ever), not on the length of the run.
 *
 * The order in which operations are taken does not matter; only the floor says what cannot come any more. All that is wrong is found at the latest when the floor has passed it.
 */
import {assert} from '../base/assert.ts'
import {CHECKER_FINDINGS_MAX, CHECKER_SWEEP_STAMPS} from '../constants.ts'
import {CellChecker} from './online-cells.ts'
import {CounterChecker} from './online-counters.ts'
import {PairChecker} from './online-pairs.ts'
import {RegisterChecker} from './online-registers.ts'
import type {CheckerTotals, Finding, HistorySink, Operation, Rule} from './history.ts'
import type {RuleChecker} from './trail.ts'

export class OnlineChecker implements HistorySink {
  readonly #findings: Finding[] = []
  readonly #cells: CellChecker
  readonly #rules: Readonly<Record<Rule, RuleChecker>>
  readonly #operations: Record<Rule, number> = {register: 0, ledger: 0, cell: 0, counter: 0, pair: 0}
  #ok = 0
  #failed = 0
  #unknown = 0
  #reads = 0
  #findingCount = 0
  #floor = 0
  #swept = 0

  /** `waysMax`: of a cell; with more ways in which it may have happened a key is undecided. */
  constructor(waysMax?: number) {
    const report = (finding: Finding): void => {
      this.#findingCount++
      if (this.#findings.length < CHECKER_FINDINGS_MAX) this.#findings.push(finding)
    }
    this.#cells = new CellChecker(report, waysMax)
    this.#rules = {
      register: new RegisterChecker('register', report),
      ledger: new RegisterChecker('ledger', report),
      cell: this.#cells,
      counter: new CounterChecker(report),
      pair: new PairChecker(report),
    }
  }

  /** The first `CHECKER_FINDINGS_MAX`; at most one for each key. */
  get findings(): readonly Finding[] {
    return this.#findings
  }

  get totals(): CheckerTotals {
    return {
      operations: {...this.#operations},
      ok: this.#ok,
      failed: this.#failed,
      unknown: this.#unknown,
      reads: this.#reads,
      undecided: this.#cells.undecided,
      findings: this.#findingCount,
    }
  }

  /** Things of the past that it still holds; grows with keys and unknown writes, not with the run. Walks through all keys. */
  get held(): number {
    return Object.values(this.#rules).reduce((sum, {held}) => sum + held, 0)
  }

  /** It must not start before the floor: what would contradict it may be forgotten. */
  take(operation: Operation): void {
    assert(operation.start >= this.#floor, `${operation.kind} of ${operation.key} starts before the floor`)
    this.#rules[operation.rule].take(operation)
    // The end of a time to live is nothing that anybody did.
    if (operation.kind === 'expire') return
    this.#operations[operation.rule]++
    if (operation.hasFailed) this.#failed++
    else if (operation.end === Infinity) this.#unknown++
    else {
      this.#ok++
      if (operation.kind === 'read') this.#reads++
    }
  }

  advance(floor: number): void {
    this.#floor = Math.max(this.#floor, floor)
    if (this.#floor - this.#swept >= CHECKER_SWEEP_STAMPS) this.#sweep()
  }

  /** Nothing comes any more: decides all that is left. */
  finish(): void {
    this.#floor = Infinity
    this.#sweep()
  }

  #sweep(): void {
    this.#swept = this.#floor
    for (const checker of Object.values(this.#rules)) checker.sweep(this.#floor)
  }
}
