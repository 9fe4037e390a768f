/**
 * Are counters linearizable, whose every increment adds one and answers the new number? On line, in memory that does not grow with the run.
 *
 * The number itself is the order: all that answered 5 lies between what answered 4 and what answered 6. So nothing that answered more may have ended before
 * something that answered less began, no two increments answer the same, and nobody reads a number before its increment began. A number up to the highest one that no increment answered was made by an unknown
 * increment, which must have begun before anything at or above that number ended. Those deadlines grow with the number, so it is enough to give each number any
 * unknown increment that began in time, the lowest number first. An increment that answered no number is taken as unknown.
 *
 * What was answered before the floor is *settled*: nothing that is still to come may answer less. The numbers up to it are given their unknown increments, and forgotten; of
 * the unknown increments before the floor that are left, each may fill any later gap, so only their count is kept. At the end everything is settled: with that the last number
 * lies between the acknowledged increments and those plus the unknown ones.
 */
import {CHECKER_TRAIL_MAX} from '../constants.ts'
import {by, saysNothing, show, Trail} from './trail.ts'
import type {Operation} from './history.ts'
import type {Report, RuleChecker} from './trail.ts'

/** All that answered one number. */
interface Level {
  readonly result: number
  increment: Operation | null
  /** The first to end, the last to start. */
  first: Operation
  last: Operation
  /** The earliest end of this level and all above it; the latest start of this one and all below. */
  f: number
  s: number
}

/** Settling looks at all levels of a counter, so it waits until there are so many. */
const LEVELS_MIN = 16

class Counter {
  readonly trail: Trail
  /** From `settled` on, by their numbers. */
  levels: Level[] = []
  /** Starts of unknown increments after the floor. */
  unknown: number[] = []
  /** Unknown increments before it that have filled no gap. */
  spare = 0
  settled = 0
  settledBy: Operation | null = null
  settleAt = LEVELS_MIN

  constructor(trail: Trail) {
    this.trail = trail
  }
}

export class CounterChecker implements RuleChecker {
  readonly #report: Report
  readonly #counters = new Map<string, Counter>()
  readonly #unsettled = new Set<Counter>()
  #floor = 0

  constructor(report: Report) {
    this.#report = report
  }

  take(operation: Operation): void {
    const {key, kind, value, end, start} = operation
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      counter = new Counter(new Trail('counter', key, CHECKER_TRAIL_MAX, this.#report))
      this.#counters.set(key, counter)
    }
    if (counter.trail.isBroken) return
    counter.trail.add(operation)
    if (saysNothing(operation)) return
    this.#unsettled.add(counter)
    if (kind === 'increment' && (end === Infinity || value === null)) counter.unknown.push(start)
    else this.#answered(counter, operation)
    if (counter.levels.length + counter.unknown.length >= counter.settleAt) this.#settle(counter)
    if (counter.trail.isBroken) this.#unsettled.delete(counter)
  }

  get held(): number {
    let held = 0
    for (const {levels, unknown} of this.#counters.values()) held += levels.length + unknown.length
    return held
  }

  sweep(floor: number): void {
    this.#floor = floor
    for (const counter of this.#unsettled) {
      this.#settle(counter)
      const isSettled = counter.levels.every(({result}) => result <= counter.settled)
      if (isSettled && counter.unknown.length === 0) this.#unsettled.delete(counter)
    }
  }

  #answered(counter: Counter, operation: Operation): void {
    const {trail, settled, settledBy} = counter
    const isIncrement = operation.kind === 'increment'
    const result = operation.value === null ? 0 : Number(operation.value)
    const said = `${operation.kind} answered ${show(operation.value)}${by(operation)}`
    if (!Number.isSafeInteger(result) || result < 0) return trail.report(`${said}, which is no count`, [operation])
    if (result < settled + (isIncrement ? 1 : 0)) {
      return trail.report(`${said}, long after ${settled} had been answered`, [settledBy, operation])
    }
    const at = placeOf(counter.levels, result)
    const found = counter.levels[at]
    const level = found?.result === result ? found : null
    const fault = contradiction(counter.levels, at, level, operation)
    if (fault !== null) return trail.report(`${said}, ${fault.why}`, [fault.other, operation])
    this.#raise(counter.levels, at, level, result, operation)
  }

  /** Puts the operation into its level, and what it says about the levels above and below into those. */
  #raise(levels: Level[], at: number, level: Level | null, result: number, operation: Operation): void {
    const {start, end, kind} = operation
    if (level === null) {
      const [f, s] = [levels[at]?.f ?? Infinity, levels[at - 1]?.s ?? -1]
      level = {result, increment: null, first: operation, last: operation, f, s}
      levels.splice(at, 0, level)
    }
    if (kind === 'increment') level.increment = operation
    if (end < level.first.end) level.first = operation
    if (start > level.last.start) level.last = operation
    for (let i = at; i >= 0 && levels[i]!.f > end; i--) levels[i]!.f = end
    for (let i = at; i < levels.length && levels[i]!.s < start; i++) levels[i]!.s = start
  }

  /** Gives the numbers up to the highest that was answered before the floor their increments, and forgets them. */
  #settle(counter: Counter): void {
    const {levels, trail} = counter
    if (trail.isBroken) return
    counter.unknown.sort((a, b) => a - b)
    const highest = levels.findLastIndex(({first}) => first.end < this.#floor)
    for (let i = 0; i <= highest; i++) {
      const {result, increment, f, first} = levels[i]!
      if (result <= counter.settled) continue
      const missing = result - counter.settled - (increment === null ? 0 : 1)
      const lacking = missing - takeUnknown(counter, missing, f)
      if (lacking > 0) {
        const reason = `${result} was answered${by(first)}, but no more than ${result - lacking} increments can have happened`
        const maker = levels.slice(i).find((level) => level.first.end === f)!.first
        trail.report(reason, [first, maker])
        return forget(counter)
      }
      counter.settled = result
      counter.settledBy = first
    }
    // The highest of them stays: it may have been answered to somebody who began after the floor, and nothing that answers more may end before that.
    levels.splice(0, highest)
    const later = counter.unknown.findIndex((start) => start >= this.#floor)
    const old = counter.unknown.splice(0, later < 0 ? counter.unknown.length : later)
    counter.spare += old.length
    counter.settleAt = Math.max(LEVELS_MIN, 2 * (levels.length + counter.unknown.length))
  }
}

/** Where the level of this number is, or belongs. */
function placeOf(levels: readonly Level[], result: number): number {
  let low = 0
  let high = levels.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (levels[middle]!.result < result) low = middle + 1
    else high = middle
  }
  return low
}

/** Why it cannot have answered that, and with whom; null if it can. */
function contradiction(
  levels: readonly Level[],
  at: number,
  level: Level | null,
  operation: Operation,
): {why: string; other: Operation} | null {
  const {start, end, kind} = operation
  const above = levels[level === null ? at : at + 1]
  const below = levels[at - 1]
  if (above !== undefined && above.f < start) {
    const other = levels.slice(at).find(({first, result}) => first.end < start && result !== level?.result)!.first
    return {why: `though ${show(other.value)} had been answered before it began`, other}
  }
  if (below !== undefined && below.s > end) {
    const other = levels.slice(0, at).findLast(({last}) => last.start > end)!.last
    return {why: `though ${show(other.value)} was answered by what began after its end`, other}
  }
  if (level === null) return null
  if (kind === 'increment') {
    if (level.increment !== null) return {why: 'as another increment had', other: level.increment}
    if (level.first.end < start) return {why: 'which had been answered before it began', other: level.first}
  } else if (level.increment !== null && end < level.increment.start) {
    return {why: 'before its increment began', other: level.increment}
  }
  return null
}

/** Takes up to so many unknown increments that began before the deadline; returns how many there were. */
function takeUnknown(counter: Counter, count: number, deadline: number): number {
  const spare = Math.min(counter.spare, count)
  counter.spare -= spare
  let taken = 0
  while (spare + taken < count && taken < counter.unknown.length && counter.unknown[taken]! < deadline) taken++
  counter.unknown.splice(0, taken)
  return spare + taken
}

function forget(counter: Counter): void {
  counter.levels = []
  counter.unknown = []
}
