/**
 * Are registers linearizable that are deleted and that expire? Nothing is not a unique value, so it takes a search: Lowe's just-in-time linearization (Testing for
 * Linearizability, 2017, section 5), which needs only what is under way, and so runs on line.
 *
 * It goes through beginnings and ends in their order, up to the floor, and keeps all *ways* in which the operations may have happened so far: which of the open
 * ones have, and what is there. At the end of an operation, each way in which it has not happened is continued by all orders of open operations that end with it; a way
 * that cannot be continued is dropped. When no way is left the history is wrong. When nothing is open a way is just a value.
 *
 * *Unknown operations* never end, and are let happen as late as possible, because before that they change nothing that anybody sees. An unknown write is opened when
 * somebody who reads its value (or the known end of its time) begins, and closed when the first such read has ended. Whoever reads nothing where something was may owe that
 * to an unknown deletion, or to an unknown write that expired before anybody saw it. A way spends one of these, but which one stays open: a way notes only *when* it spent,
 * and each spending must find one that had begun (the earliest for the earliest). A write that is seen after all cannot have been spent. The unknown expiry of the very value
 * that is there costs nothing, for the value does not come back. No value has two expiries.
 *
 * With too many ways, or too many open operations, it gives up until nothing is open, and then takes all values that may be there; the key counts as undecided.
 */
import {CHECKER_CELL_OPEN_MAX, CHECKER_CELL_WAYS_MAX, CHECKER_TRAIL_MAX} from '../constants.ts'
import {by, saysNothing, show, Trail} from './trail.ts'
import type {Operation} from './history.ts'
import type {Report, RuleChecker} from './trail.ts'

type Value = string | null

interface Event {
  readonly at: number
  readonly operation: Operation
  readonly isStart: boolean
}

/** A way in which all may have happened so far. */
interface Way {
  /** Bits of the open operations that have happened. */
  readonly done: number
  readonly value: Value
  /** When it needed an unknown deletion, or a write that nobody saw and that expired. */
  readonly spent: readonly number[]
}

interface Hidden {
  readonly operation: Operation
  /** Null: its value does not expire. */
  readonly spendableFrom: number | null
}

class Cell {
  readonly trail: Trail
  events: Event[] = []
  ways: readonly Way[] = [{done: 0, value: null, spent: []}]
  /** By bit. */
  readonly open: (Operation | null)[] = []
  readonly bits = new Map<Operation, number>()
  /** Unknown writes that nobody has seen, by value. */
  readonly hidden = new Map<Value, Hidden>()
  /** Values whose time may be over though nobody knows. */
  readonly mortal = new Set<Value>()
  /** Starts of what a way can spend. */
  spendable: number[] = []
  /** Gave up: all values that may be there when nothing is open any more, and how many operations are. */
  lost: {readonly values: Set<Value>; openCount: number} | null = null
  isUndecided = false
  workAt = EVENTS_MIN

  constructor(trail: Trail) {
    this.trail = trail
  }
}

/** Events are put in order when there are so many. */
const EVENTS_MIN = 16

export class CellChecker implements RuleChecker {
  /** Keys on which it gave up at least once. */
  undecided = 0
  readonly #report: Report
  readonly #waysMax: number
  readonly #cells = new Map<string, Cell>()
  readonly #waiting = new Set<Cell>()
  #floor = 0

  constructor(report: Report, waysMax = CHECKER_CELL_WAYS_MAX) {
    this.#report = report
    this.#waysMax = waysMax
  }

  take(operation: Operation): void {
    const {key, start, end} = operation
    let cell = this.#cells.get(key)
    if (cell === undefined) {
      cell = new Cell(new Trail('cell', key, CHECKER_TRAIL_MAX, this.#report))
      this.#cells.set(key, cell)
    }
    if (cell.trail.isBroken) return
    cell.trail.add(operation)
    if (saysNothing(operation)) return
    cell.events.push({at: start, operation, isStart: true})
    if (end !== Infinity) cell.events.push({at: end, operation, isStart: false})
    this.#waiting.add(cell)
    if (cell.events.length >= cell.workAt) this.#work(cell)
  }

  get held(): number {
    let held = 0
    for (const {events, ways, hidden, mortal, spendable} of this.#cells.values()) {
      held += events.length + ways.length + hidden.size + mortal.size + spendable.length
    }
    return held
  }

  sweep(floor: number): void {
    this.#floor = floor
    for (const cell of this.#waiting) {
      this.#work(cell)
      if (cell.events.length === 0) this.#waiting.delete(cell)
    }
  }

  /** Goes through all events before the floor. */
  #work(cell: Cell): void {
    const events = cell.events.sort((a, b) => a.at - b.at)
    let i = 0
    for (; i < events.length && events[i]!.at < this.#floor && !cell.trail.isBroken; i++) {
      const {operation, isStart} = events[i]!
      if (isStart) this.#begin(cell, operation)
      else if (cell.lost !== null) this.#endLost(cell)
      else this.#end(cell, operation)
    }
    cell.events = cell.trail.isBroken ? [] : events.slice(i)
    cell.workAt = Math.max(EVENTS_MIN, 2 * cell.events.length)
  }

  #begin(cell: Cell, operation: Operation): void {
    const {kind, start, end} = operation
    const value = operation.value as Value
    if (end !== Infinity) {
      if (kind === 'read' || kind === 'expire') this.#reveal(cell, value)
      this.#open(cell, operation)
    } else if (kind === 'delete') cell.spendable.push(start)
    else if (kind === 'expire') {
      cell.mortal.add(value)
      if (cell.hidden.has(value)) this.#hide(cell, cell.hidden.get(value)!.operation, start)
    } else if (kind === 'write') {
      this.#hide(cell, operation, cell.mortal.has(value) ? start : null)
      const isNeeded = cell.open.some((other) => other?.value === value && other.kind !== 'write')
      if (isNeeded) this.#reveal(cell, value)
    }
  }

  #hide(cell: Cell, operation: Operation, spendableFrom: number | null): void {
    cell.hidden.set(operation.value as Value, {operation, spendableFrom})
    if (spendableFrom !== null) cell.spendable.push(spendableFrom)
  }

  /** An unknown write whose value somebody reads takes part from now on. */
  #reveal(cell: Cell, value: Value): void {
    const hidden = cell.hidden.get(value)
    if (hidden === undefined) return
    cell.hidden.delete(value)
    if (hidden.spendableFrom !== null) {
      cell.spendable.splice(cell.spendable.indexOf(hidden.spendableFrom), 1)
      cell.ways = cell.ways.filter(({spent}) => spent.every((at, i) => (cell.spendable[i] ?? Infinity) < at))
    }
    this.#open(cell, hidden.operation)
  }

  #open(cell: Cell, operation: Operation): void {
    if (cell.lost !== null) {
      cell.lost.values.add(operation.value as Value)
      if (operation.end !== Infinity) cell.lost.openCount++
      return
    }
    const free = cell.open.indexOf(null)
    const bit = free < 0 ? cell.open.length : free
    if (bit >= CHECKER_CELL_OPEN_MAX) return this.#giveUp(cell, operation)
    cell.open[bit] = operation
    cell.bits.set(operation, bit)
  }

  #end(cell: Cell, operation: Operation): void {
    const ways = this.#waysTo(cell, operation)
    if (ways === null) return this.#giveUp(cell, null, operation)
    if (ways.length === 0) return this.#wrong(cell, operation)
    cell.ways = ways
    this.#close(cell, operation)
    if (operation.kind !== 'read') return
    for (const other of cell.open) {
      // Whoever read it needed its write: it has happened in every way.
      if (other?.kind === 'write' && other.end === Infinity && other.value === operation.value) this.#close(cell, other)
    }
  }

  /** It has happened in all ways: its bit is free for another. */
  #close(cell: Cell, operation: Operation): void {
    const bit = cell.bits.get(operation)!
    cell.bits.delete(operation)
    cell.open[bit] = null
    cell.ways = cell.ways.map((way) => ({...way, done: way.done & ~(1 << bit)}))
  }

  /** All ways in which this operation has happened, at the latest at its end; null: too many. */
  #waysTo(cell: Cell, operation: Operation): Way[] | null {
    const goal = 1 << cell.bits.get(operation)!
    const reached: Way[] = []
    const tried = new Map<string, Way[]>()
    let count = 0
    const left = [...cell.ways]
    for (let way = left.pop(); way !== undefined; way = left.pop()) {
      if (!isNew(tried, way)) continue
      if (++count > this.#waysMax) return null
      if ((way.done & goal) !== 0) {
        reached.push(way)
        continue
      }
      for (let bit = 0; bit < cell.open.length; bit++) {
        const other = cell.open[bit]
        if (!other || (way.done & (1 << bit)) !== 0) continue
        const next = apply(cell, way, other, 1 << bit, operation.end)
        if (next !== null) left.push(next)
      }
    }
    // One that was reached may have turned out to be worse than a later one.
    return reached.filter((way) => tried.get(nameOf(way))!.includes(way))
  }

  #wrong(cell: Cell, operation: Operation): void {
    const values = [...new Set(cell.ways.map(({value}) => show(value)))]
    const possible = values.slice(0, 5).join(', ') + (values.length > 5 ? ', ...' : '')
    const why =
      values.length === 0 ? 'no order of what happened before explains it' : `only ${possible} can have been there`
    const reason = `${operation.kind} of ${show(operation.value)}${by(operation)} does not fit: ${why}`
    const related = cell.open.filter((other) => other !== null)
    const value = operation.value
    const writer = cell.trail.findLast((other) => other.kind === 'write' && other.value === value)
    const ender = cell.trail.findLast(
      (other) => other.kind !== 'read' && other !== writer && other.end < operation.start,
    )
    cell.trail.report(reason, [writer, ender, ...related, operation])
    cell.ways = []
    cell.hidden.clear()
  }

  /** From here on nothing is known but the values that may be there, until nothing is open. */
  #giveUp(cell: Cell, opening: Operation | null, ending: Operation | null = null): void {
    if (!cell.isUndecided) this.undecided++
    cell.isUndecided = true
    const values = new Set<Value>([null])
    for (const {value} of cell.ways) values.add(value)
    let openCount = 0
    for (const other of [...cell.open, opening]) {
      if (other === null) continue
      values.add(other.value as Value)
      if (other.end !== Infinity && other !== ending) openCount++
    }
    cell.open.length = 0
    cell.bits.clear()
    cell.lost = {values, openCount}
    if (openCount === 0) found(cell)
  }

  #endLost(cell: Cell): void {
    cell.lost!.openCount--
    if (cell.lost!.openCount === 0) found(cell)
  }
}

/** Nothing is open: what may be there is all that is known. */
function found(cell: Cell): void {
  cell.ways = [...cell.lost!.values].map((value) => ({done: 0, value, spent: []}))
  cell.lost = null
}

/** The way after the operation happened; null if it cannot have, at this moment. */
function apply(cell: Cell, way: Way, operation: Operation, bit: number, at: number): Way | null {
  const value = operation.value as Value
  const done = way.done | bit
  switch (operation.kind) {
    case 'write':
      return {...way, done, value}
    case 'delete':
      return {...way, done, value: null}
    case 'expire':
      return {...way, done, value: way.value === value ? null : way.value}
    default:
      if (way.value === value) return {...way, done}
      if (value !== null) return null
      if (cell.mortal.has(way.value)) return {...way, done, value}
      return way.spent.length < cell.spendable.length ? {done, value, spent: [...way.spent, at]} : null
  }
}

function nameOf({done, value}: Way): string {
  return `${done} ${value === null ? '' : `=${value}`}`
}

/** False if a way that was tried leads to the same and has spent no more and no earlier; else it takes the place of those that are worse. */
function isNew(tried: Map<string, Way[]>, way: Way): boolean {
  const name = nameOf(way)
  const others = tried.get(name)
  if (others === undefined) {
    tried.set(name, [way])
    return true
  }
  if (others.some((other) => isNoWorse(other, way))) return false
  tried.set(name, [...others.filter((other) => !isNoWorse(way, other)), way])
  return true
}

function isNoWorse({spent}: Way, than: Way): boolean {
  return spent.length <= than.spent.length && spent.every((at, i) => at >= than.spent[i]!)
}
