/** The checker in this thread, so that tests need not wait for another; it can be told to die. */
import {OnlineChecker} from '../../src/checker/online-checker.ts'
import type {CheckerTotals, Finding, Operation} from '../../src/checker/history.ts'
import type {Judge, JudgeEvents} from '../../src/chaos/judge.ts'

export class LocalJudge implements Judge {
  /** A test may say that it is. */
  behind = 0
  readonly #checker = new OnlineChecker()
  readonly #events: JudgeEvents
  #told = 0

  constructor(events: JudgeEvents) {
    this.#events = events
  }

  get totals(): CheckerTotals {
    return this.#checker.totals
  }

  take(operation: Operation): void {
    this.#checker.take(operation)
    this.#tell()
  }

  advance(floor: number): void {
    this.#checker.advance(floor)
    this.#tell()
  }

  async finish(): Promise<{totals: CheckerTotals; findings: readonly Finding[]}> {
    this.#checker.finish()
    return {totals: this.#checker.totals, findings: this.#checker.findings}
  }

  die(): void {
    this.#events.onFailure(new Error('out of memory'))
  }

  #tell(): void {
    const {findings} = this.#checker
    while (this.#told < findings.length) this.#events.onFinding(findings[this.#told++]!)
  }
}
