/** Keeps a whole history and judges it at the end: for the simulator, whose histories are short. */
import {checkCells} from '../checker/cells.ts'
import {checkCounters} from '../checker/counters.ts'
import {checkRegisters} from '../checker/registers.ts'
import type {CellOperation} from '../checker/cells.ts'
import type {CounterOperation} from '../checker/counters.ts'
import type {HistorySink, Operation} from '../checker/history.ts'
import type {RegisterOperation} from '../checker/registers.ts'

export class BatchHistory implements HistorySink {
  readonly #operations: Operation[] = []

  take(operation: Operation): void {
    this.#operations.push(operation)
  }

  advance(): void {
    // Nothing is forgotten before the end.
  }

  /** What is wrong with all that was answered. */
  check(): string[] {
    const of = (rule: string): Operation[] => this.#operations.filter((operation) => operation.rule === rule)
    const torn = of('pair').flatMap(({key, value}) => {
      if (!Array.isArray(value) || value[0] + value[1] === 0) return []
      return [`${key}: a transaction saw ${value[0]} and ${value[1]}, which is half of another`]
    })
    const registers = checkRegisters(of('register') as RegisterOperation[]).map(({key, reason, operations}) => {
      const lines = operations.map(({kind, value, start, end}) => `${kind} ${value} [${start}, ${end}]`)
      return `${key} is not linearizable: ${reason}: ${lines.join('; ')}`
    })
    const cells = checkCells(of('cell') as CellOperation[]).map(({key, verdict}) => `${key} is ${verdict}`)
    const counters = of('counter').map((operation) => ({...operation, result: operation.value as number | null}))
    return [...torn, ...registers, ...cells, ...checkCounters(counters as CounterOperation[])]
  }
}
