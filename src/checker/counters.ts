/**
 * Counters that only grow by one, whose every increment answers the new number: results are distinct, and greater than every result
 * that was answered before the increment began; at the end the number lies between what was acknowledged and that plus what is unknown.
 */

export interface CounterOperation {
  readonly key: string
  readonly kind: 'increment' | 'read'
  /** What was answered; null if nobody knows. */
  readonly result: number | null
  readonly start: number
  /** Infinity: nobody knows whether it happened. */
  readonly end: number
  readonly hasFailed: boolean
}

/** What is wrong, a line for each counter that is not in order. */
export function checkCounters(history: readonly CounterOperation[]): string[] {
  const faults: string[] = []
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    const fault = checkCounter(operations)
    if (fault !== null) faults.push(`${key}: ${fault}`)
  }
  return faults
}

function checkCounter(operations: readonly CounterOperation[]): string | null {
  const done = operations.filter(({hasFailed, end}) => !hasFailed && end !== Infinity)
  const results = done.filter(({kind}) => kind === 'increment').map(({result}) => result!)
  if (new Set(results).size !== results.length) return 'two increments have the same result'
  const unknown = operations.filter(({kind, hasFailed, end}) => kind === 'increment' && !hasFailed && end === Infinity)
  return checkOrder(done) ?? checkBounds(operations, done, results.length + unknown.length)
}

/** What was answered before an operation began is not more than it answers; for an increment it is less. */
function checkOrder(done: readonly CounterOperation[]): string | null {
  const byEnd = [...done].sort((a, b) => a.end - b.end)
  const byStart = [...done].sort((a, b) => a.start - b.start)
  let highest = 0
  let i = 0
  for (const {start, kind, result} of byStart) {
    while (i < byEnd.length && byEnd[i]!.end < start) highest = Math.max(highest, byEnd[i++]!.result!)
    const least = kind === 'increment' ? highest + 1 : highest
    if (result! < least) return `${kind} answered ${result} though ${highest} had been answered before it began`
  }
  return null
}

/** Nothing is counted that nobody asked for: no result exceeds the increments that had begun when it was answered. */
function checkBounds(
  operations: readonly CounterOperation[],
  done: readonly CounterOperation[],
  total: number,
): string | null {
  const starts = operations.filter(({kind, hasFailed}) => kind === 'increment' && !hasFailed).map(({start}) => start)
  starts.sort((a, b) => a - b)
  for (const {result, end} of done) {
    if (result! > total) return `${result} was answered, but at most ${total} increments happened`
    if (result! > 0 && starts[result! - 1]! > end) return `${result} was answered before so many increments had begun`
  }
  return null
}
